// The editor of a rule, at `#/rules/fraud`. The service checks the text while it is typed; Apply changes the file on disk, which every
// instance follows. If the file changes on disk meanwhile, the editor says so, and Apply doesn't replace it.
import { send, sentence } from "./api.js";
import { byId, can, clone, fill } from "./dom.js";
import { onRule, ruleNamed, askSoon, switchText } from "./rules.js";
import { beforeReload, holdReload } from "./stream.js";
import { go, holdAddress, onAddress } from "./views.js";

const CHECK_AFTER_MS = 150;
// A little longer than the service takes at most.
const BACKTEST_WITHIN_MS = 65000;
const TRY_AGAIN_AFTER_MS = 3000;
const INDENT = "    ";
const JUDGING = "Judging the orders of the last 10 minutes again …";

const panel = byId("rule-editor");
const text = byId("rule-source");
const lines = byId("rule-lines");

// The rule whose editor is open: the file's text and tag that the draft comes from, and the sources to go back to.
let shown = null;
let isApplying = false;
// Counts checks and readings: an answer to any but the newest one comes too late.
let checks = 0;
let readings = 0;
let checkTimer = 0;
let readTimer = 0;
// The backtest that runs.
let trial = null;

const say = (said) => { byId("rule-outcome").textContent = said; };
// A text field has its own line ends.
const inField = (source) => (source ?? "").replace(/\r\n?/g, "\n");
const isDirty = () => shown !== null && shown.tag !== undefined && text.value !== shown.source;

// ---- opening and closing ------------------------------------------------------------------------------------------

holdAddress(isDirty, askToDiscard);
onAddress(({ name, rest }) => {
  const rule = name === "rules" && /^[a-z]+$/.test(rest) ? rest : null;
  if (rule === (shown?.name ?? null)) return;
  if (rule === null) return close();
  open(rule);
});

function open(name) {
  forget();
  shown = { name, source: "" };
  byId("rule-name").textContent = name;
  const known = ruleNamed(name);
  byId("rule-switched").textContent = known ? sentence(switchText(known)) : "";
  text.value = "";
  text.readOnly = true;
  showMistake(null);
  hideQuestions();
  byId("rule-backtest-result").hidden = true;
  byId("rule-backtest")?.toggleAttribute("hidden", name !== "fraud");
  panel.hidden = false;
  byId("rule-close").focus();
  readFirst();
}

async function readFirst() {
  say("Reading the file …");
  const rule = await readFile();
  if (!rule) return;
  say("");
  take(rule);
  if (can("rules")) text.focus();
  text.setSelectionRange(0, 0);
  text.scrollTop = 0;
}

function close() {
  forget();
  const { name } = shown;
  shown = null;
  panel.hidden = true;
  document.querySelector(`#rules [data-rule="${name}"] a`)?.focus();
}

// Ends what is under way about the rule: answers that still come are not for the next one.
function forget() {
  stopTrial();
  checks++;
  clearTimeout(checkTimer);
  clearTimeout(readTimer);
}

function leave() {
  go("#/rules");
}

function askToDiscard() {
  byId("rule-discard").hidden = false;
  byId("rule-keep-editing").focus();
}

function hideQuestions() {
  byId("rule-discard").hidden = true;
  byId("rule-conflict").hidden = true;
}

byId("rule-close").addEventListener("click", leave);
byId("rule-keep-editing").addEventListener("click", () => {
  byId("rule-discard").hidden = true;
  text.focus();
});
byId("rule-discard-now").addEventListener("click", () => {
  text.value = shown.source;
  leave();
});
addEventListener("beforeunload", (event) => isDirty() && event.preventDefault());
holdReload(isDirty);
beforeReload(stopTrial);

// ---- the file -----------------------------------------------------------------------------------------------------

// Reads the file as it is on disk: the rule, or null if another reading is newer or there was no answer. Then it is read again.
async function readFile() {
  const [name, turn] = [shown.name, ++readings];
  clearTimeout(readTimer);
  const answer = await send("GET", `/rules/${name}`);
  if (turn !== readings || shown?.name !== name) return null;
  if (!answer.ok) {
    say(sentence(answer.detail));
    shown.isUnread = true;
    if (answer.status !== 404) readTimer = setTimeout(compare, TRY_AGAIN_AFTER_MS);
    return null;
  }
  if (shown.isUnread) say("");
  shown.isUnread = false;
  return { ...answer.body, tag: answer.tag };
}

// Shows the file's text in place of the draft.
function take(rule) {
  Object.assign(shown, { ...versions(rule), source: inField(rule.source), tag: rule.tag ?? null });
  text.value = shown.source;
  text.readOnly = !can("rules") || rule.source === null;
  if (rule.source === null) say(sentence(rule.error ?? "The file can't be read"));
  hideQuestions();
  changed();
}

function versions({ asShipped, lastGood }) {
  byId("rule-last-good")?.toggleAttribute("hidden", lastGood === null);
  return { asShipped, lastGood };
}

// The file may have changed on disk.
async function compare() {
  if (!shown || isApplying) return;
  if (shown.tag === undefined) return readFirst();
  const rule = await readFile();
  if (!rule || isApplying) return;
  Object.assign(shown, versions(rule));
  if (rule.tag === shown.tag) return;
  if (!isDirty()) {
    take(rule);
    return say("The file has changed on disk. This is its text now.");
  }
  shown.onDisk = rule;
  byId("rule-conflict").hidden = false;
}

byId("rule-take-file")?.addEventListener("click", () => {
  take(shown.onDisk);
  say("This is the file's text.");
  text.focus();
});
byId("rule-keep-mine")?.addEventListener("click", () => {
  // The draft is now a change of the file that is on disk.
  Object.assign(shown, { source: inField(shown.onDisk.source), tag: shown.onDisk.tag ?? null });
  byId("rule-conflict").hidden = true;
  say("Your text is kept. Apply replaces the file's text.");
  text.focus();
});

let last = "";
onRule((rule) => {
  if (rule.name !== shown?.name) return;
  const says = [rule.name, rule.version, rule.error].join("\n");
  if (says !== last) compare();
  last = says;
  byId("rule-switched").textContent = sentence(switchText(rule));
  if (shown.saved) sayVersions(rule);
});

// After a save: from which version to which, and where that one is in force.
function sayVersions(rule) {
  const { from, to } = shown.saved;
  const isOver = rule && rule.version !== from && rule.version !== to;
  const [now, late] = [true, false].map((runs) => rule?.instances.filter(({ version }) => (version === to) === runs) ?? []);
  const names = (instances) => instances.map(({ instanceId }) => instanceId).join(", ");
  const parts = [from && from !== to ? `version ${from} → ${to}` : `version ${to}`];
  if (now.length > 0) parts.push(`in force on ${names(now)}`);
  if (late.length > 0) parts.push(`not yet on ${names(late)}`);
  say(`${rule?.name ?? shown.name}: ${parts.join(", ")}.`);
  if (isOver || (rule?.version === to && late.length === 0)) shown.saved = null;
}

// ---- the text -----------------------------------------------------------------------------------------------------

// Numbers the lines, and marks the one with the mistake.
function showLines(wrong = null) {
  const numbers = text.value.split("\n").map((_, n) => n + 1);
  const join = (from, to) => numbers.slice(from, to).join("\n");
  if (wrong === null || wrong > numbers.length) lines.replaceChildren(join(0));
  else {
    const mark = document.createElement("mark");
    mark.textContent = String(wrong);
    const before = wrong > 1 ? `${join(0, wrong - 1)}\n` : "";
    const after = wrong < numbers.length ? `\n${join(wrong)}` : "";
    lines.replaceChildren(before, mark, after);
  }
  lines.scrollTop = text.scrollTop;
}

function showMistake(mistake) {
  byId("rule-mistake").textContent = mistake?.text ?? "";
  text.ariaInvalid = String(mistake !== null);
  showLines(mistake?.line ?? null);
}

// The draft has changed: checks it once the person pauses.
function changed() {
  showLines();
  checks++;
  clearTimeout(checkTimer);
  if (can("rules")) checkTimer = setTimeout(check, CHECK_AFTER_MS);
}

async function check() {
  const turn = ++checks;
  const answer = await send("POST", `/rules/${shown.name}/check`, JSON.stringify({ source: text.value }));
  if (turn !== checks || !shown) return;
  if (!answer.ok) return say(sentence(answer.detail));
  showMistake(answer.body.error);
}

text.addEventListener("input", changed);
text.addEventListener("scroll", () => { lines.scrollTop = text.scrollTop; });
text.addEventListener("keydown", (event) => {
  // In a text that can't be changed, both keys do what they do elsewhere.
  if (event.isComposing || text.readOnly || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "Tab" && !event.shiftKey) {
    event.preventDefault();
    text.setRangeText(INDENT, text.selectionStart, text.selectionEnd, "end");
    changed();
  } else if (event.key === "Escape") {
    event.preventDefault();
    byId("rule-apply").focus();
  }
});
panel.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  // What the editor covers stays as it is.
  event.stopPropagation();
  if (!event.defaultPrevented) leave();
});

function replaceBy(source, said) {
  text.value = source;
  say(said);
  changed();
}

byId("rule-last-good")?.addEventListener("click", () => {
  const { version, source } = shown.lastGood;
  replaceBy(source, `This is version ${version}, which worked. Apply puts it in force.`);
});
byId("rule-as-shipped")?.addEventListener("click", () => {
  replaceBy(shown.asShipped.source, "This is the rule as shipped. Apply puts it in force.");
});

// ---- applying -----------------------------------------------------------------------------------------------------

byId("rule-apply")?.addEventListener("click", async () => {
  if (isApplying || !shown || shown.tag === undefined) return;
  if (shown.tag === null) return say("The file can't be replaced here.");
  isApplying = true;
  const [rule, source] = [shown, text.value];
  byId("rule-apply").ariaDisabled = "true";
  say("Saving …");
  const headers = { "If-Match": rule.tag };
  const answer = await send("PUT", `/rules/${rule.name}`, JSON.stringify({ source }), { headers });
  byId("rule-apply").ariaDisabled = "false";
  isApplying = false;
  if (shown !== rule) return;
  if (answer.ok) {
    Object.assign(rule, { source, tag: answer.tag, saved: { from: ruleNamed(rule.name)?.version, to: answer.body.version } });
    hideQuestions();
    sayVersions(ruleNamed(rule.name));
    askSoon();
  } else if (answer.status === 412) {
    say("Nothing was saved.");
    compare();
  } else sayRefused(answer);
});

// The whole mistake stands under the text already.
function sayRefused({ body, detail }) {
  if (body?.mistake) showMistake(body.mistake);
  say(body?.mistake ? "This rule can't be in force." : sentence(detail));
}

// ---- the backtest -------------------------------------------------------------------------------------------------

function stopTrial() {
  trial?.abort();
  trial = null;
  showTrial();
}

function showTrial() {
  const button = byId("rule-backtest");
  if (button) button.textContent = trial ? "Stop the backtest" : "Backtest (last 10 minutes)";
}

byId("rule-backtest")?.addEventListener("click", async () => {
  if (!shown) return;
  if (trial) {
    stopTrial();
    return say("The backtest is stopped.");
  }
  const own = trial = new AbortController();
  showTrial();
  say(JUDGING);
  const body = JSON.stringify({ source: text.value, since: "10m" });
  const answer = await send("POST", `/rules/${shown.name}/backtest`, body, { within: BACKTEST_WITHIN_MS, signal: own.signal });
  if (trial !== own) return;
  trial = null;
  showTrial();
  if (!answer.ok) return sayRefused(answer);
  if (byId("rule-outcome").textContent === JUDGING) say("");
  showReport(answer.body);
});

function showReport(report) {
  const left = [[report.unjudged, "without a verdict yet"], [report.partial, "with partial windows"], [report.otherVersions, "judged by another version"]];
  const apart = left.filter(([count]) => count > 0).map(([count, why]) => `${count} ${why}`);
  const changes = report.changes === 1 ? "1 change" : `${report.changes} changes`;
  const said = [`${changes} in ${report.compared} of ${report.orders} orders, with version ${report.version}, after ${(report.millis / 1000).toFixed(1)} s.`];
  if (report.compared === 0) {
    said[0] = report.orders === 0 ? "Nothing was compared: no order was placed in the last 10 minutes." : "Nothing was compared.";
  } else {
    said.push(report.isReplay
      ? "A replay: this version judged these orders before, so there should be 0 changes."
      : "Other versions judged the compared orders.");
  }
  if (apart.length > 0) said.push(`Not compared: ${apart.join(", ")}.`);
  byId("rule-backtest-summary").textContent = said.join(" ");
  const rows = report.alerts.map((alerts) => fill(clone("backtest-row"), {
    type: alerts.type, before: alerts.before, after: alerts.after, added: alerts.added, removed: alerts.removed,
    examples: alerts.examples.map((e) => `${e.change === "added" ? "+" : "−"} ${e.customerName} ${e.partition}@${e.offset}`).join(", "),
  }));
  byId("rule-backtest-rows").replaceChildren(...rows);
  byId("rule-backtest-result").hidden = false;
  byId("rule-backtest-result").scrollIntoView({ block: "nearest" });
}
