// The rules: which version is in force, which instance runs which, and when every instance has switched. The instances report on
// dojo-status; after a report that says something new, the panel asks the service for the whole picture.
import { send, sentence } from "./api.js";
import { byId, can, clone, field, fill } from "./dom.js";
import { follow, onOpened } from "./stream.js";

const ASK_AFTER_MS = 100;
// While an instance has not switched yet.
const ASK_AGAIN_MS = 500;

const list = byId("rules");
const known = new Map();
const listeners = [];
let timer = 0;
let isAsking = false;

// Calls `show` with each rule whenever the service has answered with the rules.
export const onRule = (show) => listeners.push(show);
export const ruleNamed = (name) => known.get(name);

export function askSoon(millis = ASK_AFTER_MS) {
  timer ||= setTimeout(ask, millis);
}

async function ask() {
  timer = 0;
  if (isAsking) return askSoon();
  isAsking = true;
  const answer = await send("GET", "/rules");
  isAsking = false;
  byId("rules-outcome").textContent = answer.ok ? "" : sentence(answer.detail);
  if (!answer.ok) return;
  for (const rule of answer.body) {
    known.set(rule.name, rule);
    showRule(rule);
    for (const show of listeners) show(rule);
  }
  if (answer.body.some((rule) => late(rule).length > 0)) askSoon(ASK_AGAIN_MS);
}

const late = (rule) => rule.instances.filter((instance) => instance.version !== rule.version);
const names = (instances) => instances.map((instance) => instance.instanceId).join(", ");

// What there is to say about the switch to the version in force.
export function switchText(rule) {
  if (rule.instances.length === 0) return "no instance runs it";
  if (late(rule).length > 0) return `waiting for ${names(late(rule))}`;
  if (rule.switch?.version !== rule.version || rule.switch.completed === null) return `every instance runs ${rule.version}`;
  const millis = rule.switch.tookMillis;
  const length = millis < 100 ? `${millis} ms` : `${(millis / 1000).toFixed(1)} s`;
  return `every instance switched to ${rule.version} after ${length}`;
}

function showRule(rule) {
  let row = list.querySelector(`[data-rule="${rule.name}"]`);
  if (!row) {
    row = clone("rule-row");
    row.dataset.rule = rule.name;
    const link = row.querySelector("a");
    link.href = `#/rules/${rule.name}`;
    link.textContent = can("rules") ? "Edit" : "Show";
    link.ariaLabel = `${link.textContent} the ${rule.name} rule`;
    list.append(row);
  }
  fill(row, {
    name: rule.name, version: rule.version, origin: rule.builtIn ? "built in" : rule.file, switched: switchText(rule), error: rule.error,
  });
  const tags = rule.instances.map((instance) => fill(clone("config-tag"), { config: `${instance.instanceId} ${instance.version ?? "?"}` }));
  field(row, "instances").replaceChildren(...tags);
}

// An instance reports every two seconds; few reports say something new about its rule.
const reported = new Map();

follow("status", (event) => {
  if (event.unreadable || !["fraud", "notification"].includes(event.service)) return;
  const says = [event.ruleVersion, event.ruleError, event.state, event.startedAt].join("\n");
  if (reported.get(event.instanceId) === says) return;
  reported.set(event.instanceId, says);
  if (reported.size > 200) reported.delete(reported.keys().next().value);
  askSoon();
});
onOpened(() => askSoon());
askSoon(0);
