// The view of fraud: how full the windows are, as the verdicts tell it, and the alerts by severity. The limits are those in the source of
// the rule in force.
import { input, send } from "./api.js";
import { byId, clone, fill } from "./dom.js";
import { lists } from "./lists.js";
import { onRule } from "./rules.js";
import { afterEvents, follow } from "./stream.js";
import { isShown, onAddress } from "./views.js";

const WINDOW_MS = 60000;
const SHOW_EVERY_MS = 250;
const MOST_CUSTOMERS = 500;
const MOST_METERS = 12;
const VERDICTS = ["FRAUD_CHECK_PASSED", "FRAUD_ALERT"];
const NO_LIMITS = { VELOCITY: null, BURST: null };

// The newest verdict about each customer, newest last, and the newest of all.
const windows = new Map();
let newest = null;
let limits = NO_LIMITS;

follow("audit", (event) => {
  if (event.unreadable || !VERDICTS.includes(event.action) || !event.windowStats) return;
  const { customerOrdersInWindow: count, globalOrdersInWindow: all, partial } = event.windowStats;
  note(event.customerName ?? "", { count, all, partial, heard: performance.now(), rule: event.ruleVersion, by: event.instanceId });
});

function note(name, verdict) {
  newest = verdict;
  windows.delete(name);
  windows.set(name, { name, ...verdict });
  if (windows.size > MOST_CUSTOMERS) windows.delete(windows.keys().next().value);
}

// Those that the page came with, oldest first.
for (const { data, values } of lists.audit.entries.toReversed()) {
  if (!data.window) continue;
  const [customers, everybodys, rule] = data.window.split(" ");
  const [count, all] = [Number(customers), Number(everybodys)];
  const age = Math.max(0, Date.now() - Date.parse(values.at));
  note(values.customer, { count, all, partial: values.action.endsWith("(partial)"), heard: performance.now() - age, rule, by: values.by });
}

// ---- the limits ---------------------------------------------------------------------------------------------------

let version = null;

// Reads them from lines such as `const VELOCITY_LIMIT = 5;`.
onRule(async (rule) => {
  if (rule.name !== "fraud" || rule.version === version) return;
  version = rule.version;
  const answer = await send("GET", "/rules/fraud");
  if (!answer.ok) {
    version = null;
    return;
  }
  const limit = (name) => Number(new RegExp(`const ${name}_LIMIT = (\\d+)`).exec(answer.body.source ?? "")?.[1] ?? NaN);
  limits = Object.fromEntries(Object.keys(NO_LIMITS).map((name) => [name, Number.isNaN(limit(name)) ? null : limit(name)]));
  show();
});

// ---- showing ------------------------------------------------------------------------------------------------------

function showMeter(row, { name, count, limit, note }) {
  const meter = row.querySelector("meter");
  const most = limit === null ? Math.max(10, count) : Math.max(2 * limit, count);
  Object.assign(meter, { max: most, high: limit ?? most, value: count });
  row.dataset.over = String(limit !== null && count > limit);
  fill(row, { name, count: limit === null ? String(count) : `${count} of ${limit}`, note });
}

function showMeters(list, meters) {
  while (list.childElementCount > meters.length) list.lastElementChild.remove();
  while (list.childElementCount < meters.length) list.append(clone("meter"));
  meters.forEach((meter, n) => showMeter(list.children[n], meter));
}

const over = (count, limit) => (limit !== null && count > limit ? "above the limit" : "");

function show() {
  if (!isShown("fraud")) return;
  const now = performance.now();
  const isOpen = ({ heard }) => now - heard < WINDOW_MS;
  for (const [name, window] of windows) if (!isOpen(window)) windows.delete(name);
  const customers = [...windows.values()].sort((a, b) => b.count - a.count || b.heard - a.heard);
  const noteOf = ({ count, partial }, limit) => [over(count, limit), partial && "without some partitions"].filter(Boolean).join(", ");
  showMeters(byId("windows-of-customers"), customers.slice(0, MOST_METERS).map((window) => (
    { name: window.name, count: window.count, limit: limits.VELOCITY, note: noteOf(window, limits.VELOCITY) })));
  const all = newest && isOpen(newest) ? newest.all : 0;
  showMeters(byId("window-of-all"), [{ name: "in all", count: all, limit: limits.BURST, note: over(all, limits.BURST) }]);
  const more = customers.length - MOST_METERS;
  byId("windows-more").textContent = more > 0 ? `${more} more customers ordered within the last 60 seconds.` : "";
  if (newest) byId("windows-rule").textContent = `Judged by ${newest.by ?? "the fraud service"} with version ${newest.rule ?? "?"} of the rule.`;
  showSeverities();
}

let shownAt = 0;
afterEvents(() => performance.now() - shownAt > SHOW_EVERY_MS && showNow());
setInterval(showNow, 1000);
onAddress(showNow);

function showNow() {
  shownAt = performance.now();
  show();
}

// ---- alerts -------------------------------------------------------------------------------------------------------

const SEVERITIES = ["HIGH", "MEDIUM", "LOW"];
const form = byId("alert-filter");

lists.alerts.matches = ({ data }) => ["", data.severity].includes(input(form, "severity").value);
form.addEventListener("input", () => lists.alerts.refresh());

function showSeverities() {
  const count = (severity) => lists.alerts.entries.filter(({ data }) => data.severity === severity).length;
  const said = SEVERITIES.map((severity) => `${count(severity)} ${severity}`).join(", ");
  const text = lists.alerts.entries.length === 0 ? "" : `Of the newest ${lists.alerts.entries.length}: ${said}`;
  if (byId("severities").textContent !== text) byId("severities").textContent = text;
}
