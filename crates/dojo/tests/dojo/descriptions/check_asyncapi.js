// Reads {document, records, events} on standard input. Has AsyncAPI's own parser read the document, and checks that every
// record is a message of its topic's channel, and every event the message of its name. Prints how many of each there were.

const { Parser } = require('@asyncapi/parser');
const Ajv = require('ajv');
const addFormats = require('ajv-formats');

const text = (path) => path.map((part) => String(part)).join(' > ');

async function main() {
  const { document, records, events } = JSON.parse(require('fs').readFileSync(0, 'utf8'));
  const failures = [];
  const { diagnostics } = await new Parser().parse(JSON.stringify(document));
  for (const { severity, code, path, message } of diagnostics) {
    // That there is a newer version of AsyncAPI is no fault of the document.
    if (code !== 'asyncapi-latest-version') failures.push(`parser, severity ${severity}: ${text(path)}: ${message}`);
  }

  // A price is a decimal, but JavaScript divides binary fractions.
  const ajv = new Ajv({ strict: false, validateSchema: false, multipleOfPrecision: 6 });
  addFormats(ajv);
  ajv.addSchema(document, 'asyncapi');
  const escaped = (part) => part.replaceAll('~', '~0').replaceAll('/', '~1');
  const faults = (value, ...path) => {
    const pointer = `asyncapi#/${path.map(escaped).join('/')}`;
    const validate = ajv.getSchema(pointer) ?? ajv.compile({ $ref: pointer });
    return validate(value) ? [] : validate.errors.map((error) => `${path.at(-1)}${error.instancePath} ${error.message}`);
  };
  const counts = {};
  const count = (channel, message) => {
    counts[`${channel}: ${message}`] = (counts[`${channel}: ${message}`] ?? 0) + 1;
  };

  for (const record of records) {
    const { channel, key, headers, payload } = record;
    const found = {};
    for (const [name, message] of Object.entries(document.channels[channel].messages)) {
      const path = ['channels', channel, 'messages', name];
      found[name] = [
        ...faults(payload, ...path, 'payload'),
        ...(message.headers ? faults(headers, ...path, 'headers') : []),
        ...faults(key, ...path, 'bindings', 'kafka', 'key'),
      ];
    }
    const name = Object.keys(found).find((name) => found[name].length === 0);
    if (name) count(channel, name);
    else failures.push(`${JSON.stringify(record)}: ${JSON.stringify(found)}`);
  }
  for (const { event, data } of events) {
    const wrong = document.channels.events.messages[event]
      ? faults(data, 'channels', 'events', 'messages', event, 'payload')
      : ['no such message'];
    count('events', event);
    if (wrong.length > 0) failures.push(`${event} ${JSON.stringify(data)}: ${wrong.join('; ')}`);
  }
  console.log(JSON.stringify(counts, null, 2));
  for (const failure of failures.slice(0, 20)) console.error(failure);
  process.exitCode = failures.length > 0 ? 1 : 0;
}

main();
