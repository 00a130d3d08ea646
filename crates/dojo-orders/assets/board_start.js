// Reads what was on the log before the page was opened, so that a board which was just opened shows the same as one which has
// been open for long. The stream goes on from there.
import { send } from "./api.js";
import { GROUPS, KEPT, TOPICS } from "./board_model.js";
import { byId } from "./dom.js";

// One lane of audit events tells what became of the records in the other lanes.
const AUDIT_RECORDS = 500;
const TRY_AGAIN_AFTER_MS = 2000;

export async function readPast(board) {
  const [topics, status] = await Promise.all([send("GET", "/topics"), send("GET", "/status")]);
  if (!topics.ok || !status.ok) return again(board);
  board.ahead = Date.parse(topics.body.asOf) - Date.now();
  const own = topics.body.topics.filter(({ name }) => TOPICS.includes(name));
  const wanted = own.flatMap(({ name, partitions }) => partitions.map((bounds) => ({ name, ...bounds })));
  const pages = await Promise.all(wanted.map(({ name, partition }) =>
    send("GET", `/topics/${name}/records?partition=${partition}&limit=${name === "audit" ? AUDIT_RECORDS : KEPT}`)));
  if (pages.some(({ ok }) => !ok)) return again(board);
  const now = Date.now();
  const rates = JSON.parse(byId("board").dataset.rates || "{}");
  // Dead letters come first, and audit events last, because the others are about the records that are there already.
  const order = ["orders-dlq", "orders", "audit"];
  const lanes = wanted.map((bounds, n) => ({ ...bounds, records: pages[n].body.records.toReversed() }));
  lanes.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  for (const { name, partition, earliestOffset, records } of lanes) {
    const lane = board.lane(name, partition, records[0]?.offset ?? earliestOffset);
    lane.earliest = earliestOffset;
    const rate = rates[lane.key];
    if (rate) lane.goOnFrom(rate);
    for (const record of records) board.record(eventOf(name, record), now);
    if (!rate) lane.forgetCutColumn();
  }
  for (const { group, topic } of Object.values(GROUPS)) {
    const { groups = [], partitions = [] } = own.find(({ name }) => name === topic) ?? {};
    const known = groups.find((other) => other.group === group)?.partitions ?? [];
    for (const { partition } of partitions) {
      const lane = board.lane(topic, partition);
      // A group that has committed nothing begins at the start of the log.
      board.committed(group, lane, known.find((place) => place.partition === partition)?.position ?? lane.earliest);
    }
  }
  for (const report of status.body.instances) board.report(report, performance.now());
}

async function again(board) {
  await new Promise((done) => { setTimeout(done, TRY_AGAIN_AFTER_MS); });
  return readPast(board);
}

// A record as the stream would deliver it.
function eventOf(topic, { partition, offset, timestamp, key, headers, value }) {
  const text = Object.fromEntries(headers.map((header) => [header.name, header.value?.text ?? ""]));
  return { ...content(topic, value, key), record: { topic, partition, offset, timestamp, headers: text } };
}

function content(topic, value, key) {
  try {
    const event = JSON.parse(value.text);
    const id = topic === "audit" ? event.orderId : event.order.id;
    if (typeof id === "string") return event;
  } catch {
    // A record that is no event has a tile, too.
  }
  return { unreadable: "not an event", key: key?.text ?? "" };
}
