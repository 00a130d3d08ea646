// The run of a scenario as its record on the topic dojo-runs tells it: what is said and asked, its steps, and what it has proved.
// A page that is opened in the middle of a run reads the same record.
import { send, sentence } from "./api.js";
import { byId, clone, field, fill, localTime } from "./dom.js";
import { showQuestions } from "./questions.js";
import { follow, onOpened } from "./stream.js";

// The newest runs are kept; the server forgets one ten minutes after its end.
const MOST_RUNS = 100;

const place = byId("run");
const watchers = [];

// Calls `watch` with the run that is shown, whenever it has changed.
export const onRun = (watch) => watchers.push(watch);

// The record of each run, by its id, with the time at which it came.
const runs = new Map();

follow("run", (event) => {
  if (event.unreadable) return;
  if (event.runId) note(event);
});
onOpened(readAll);

async function readAll() {
  const asked = performance.now();
  const answer = await send("GET", "/runs");
  // An event that came meanwhile is newer than the answer.
  if (answer.ok) answer.body.filter(({ runId }) => !(runs.get(runId)?.came > asked)).reverse().forEach(note);
}

function note(run) {
  runs.delete(run.runId);
  runs.set(run.runId, { run, came: performance.now() });
  if (runs.size > MOST_RUNS) runs.delete(runs.keys().next().value);
  show(shownRun());
}

// The run that holds the lease, or else the one that began last.
function shownRun() {
  const all = [...runs.values()].map(({ run }) => run);
  const rank = ({ state, alongside, startedAt }) => `${state === "running"} ${!alongside} ${startedAt}`;
  const known = (run) => run.alongside || run.leaseOffset !== undefined;
  return all.filter(known).sort((one, other) => (rank(one) < rank(other) ? 1 : -1))[0];
}

// ---- showing ------------------------------------------------------------------------------------------------------

const VERDICTS = {
  met: ["✓ met", "good"], notMet: ["✗ not met", "bad"], failed: ["✗ could not be played", "bad"], interrupted: ["stopped", "warn"],
};

function verdictOf({ state, verdict, stopRequested }) {
  if (state === "abandoned") return ["✗ abandoned: its runner fell silent", "bad"];
  if (state === "running") return stopRequested ? ["stopping", "warn"] : ["plays", "note"];
  return VERDICTS[verdict] ?? ["ended", "note"];
}

function badge(element, [text, tone]) {
  if (element.textContent !== text) element.textContent = text;
  element.dataset.tone = tone;
}

function show(run) {
  if (!run) return;
  for (const watch of watchers) watch(run);
  place.hidden = false;
  const isOther = place.dataset.run !== run.runId;
  place.dataset.run = run.runId;
  place.dataset.state = run.state;
  if (isOther) byId("run-outcome").textContent = "";
  byId("run-name").textContent = run.scenario;
  badge(byId("run-verdict"), verdictOf(run));
  byId("run-about").replaceChildren(...about(run));
  byId("run-lesson").textContent = run.lesson ?? "";
  setText(byId("run-said"), run.said?.at(-1) ?? "");
  byId("run-failure").textContent = run.failure ?? "";
  const stop = byId("run-stop");
  if (stop) stop.hidden = run.state !== "running" || run.stopRequested === true;
  showQuestions(run);
  texts(byId("run-counts"), counts(run), "tag");
  texts(byId("run-breaches"), (run.breaches ?? []).map((text) => `✗ broken: ${text}`));
  const told = [...(run.said ?? []), ...(run.undone ?? [])];
  byId("run-more").hidden = told.length === 0;
  texts(byId("run-texts"), told);
  rows(byId("run-findings"), [...(run.findings ?? [])].reverse(), findingRow);
  showSteps(run);
  showNews(run);
}

// The link to this view says what goes on in it, also where another view is shown.
function showNews({ state, questions = [] }) {
  const news = questions.some(({ open }) => open) ? " · asks" : " · plays";
  setText(byId("scenarios-news"), state === "running" ? news : "");
}

// A status that is set again would be read out again.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function about({ runId, seed, file, startedAt }) {
  const time = document.createElement("time");
  time.dateTime = startedAt;
  localTime(time);
  const name = file?.split(/[\\/]/).at(-1) ?? "";
  const texts = [`run ${runId}`, seed === undefined ? "" : `seed ${seed}`, name].filter(Boolean);
  return [`${texts.join(" · ")} · since `, time];
}

// What one and what several of each are called.
const COUNTS = {
  orders: ["order", "orders"], notified: ["notified", "notified"], retries: ["retry", "retries"], givenUp: ["given up", "given up"],
  redriven: ["redriven", "redriven"], alerts: ["alert", "alerts"], ruleErrors: ["rule error", "rule errors"],
};

function counts(run) {
  const shown = Object.entries(COUNTS).filter(([name]) => run.counts?.[name] > 0);
  return shown.map(([name, [one, several]]) => `${run.counts[name]} ${run.counts[name] === 1 ? one : several}`);
}

// Shows a text in each item of a list, if the texts have changed.
function texts(list, all, className = "") {
  rows(list, all, (text) => {
    const item = document.createElement("li");
    item.className = className;
    item.textContent = text;
    return item;
  });
}

function rows(list, values, rowOf) {
  const text = JSON.stringify(values);
  if (list.shown === text) return;
  list.shown = text;
  list.replaceChildren(...values.map(rowOf));
}

function findingRow({ text, met, detail }) {
  const row = fill(clone("run-finding"), { text, detail });
  badge(field(row, "met"), met ? ["✓ met", "good"] : ["✗ not met", "bad"]);
  row.dataset.met = String(met);
  return row;
}

// The steps whose expectation is decided are among the findings. Those that go on come first, then the newest.
function showSteps({ steps = [], findings = [], state }) {
  const decided = new Set(findings.map(({ step }) => step));
  const others = steps.filter(({ number }) => !decided.has(number)).reverse();
  const goesOn = (step) => step.result === undefined && state === "running";
  const list = byId("run-steps");
  const sorted = [...others.filter(goesOn), ...others.filter((step) => !goesOn(step))];
  const known = new Map([...list.children].map((row) => [row.dataset.number, row]));
  const shown = sorted.map((step) => {
    const row = known.get(String(step.number)) ?? clone("run-step");
    showStep(row, step, goesOn(step));
    return row;
  });
  const isSame = shown.length === list.childElementCount && shown.every((row, n) => row === list.children[n]);
  if (!isSame) list.replaceChildren(...shown);
}

function showStep(row, { number, of, text, progress, done, total, result }, goesOn) {
  row.dataset.number = number;
  fill(row, { place: `${number}/${of}`, text, state: result ?? progress ?? "" });
  const bar = row.querySelector("progress");
  bar.hidden = !goesOn;
  bar.ariaLabel = `Step ${number}`;
  // Without a value, the bar says that the step goes on, and not how far.
  if (total > 0 && done !== undefined) Object.assign(bar, { max: total, value: done });
  else bar.removeAttribute("value");
}

// ---- stopping -----------------------------------------------------------------------------------------------------

byId("run-stop")?.addEventListener("click", async () => {
  const id = place.dataset.run;
  const say = (text) => { if (place.dataset.run === id) byId("run-outcome").textContent = text; };
  say("Asking the run to stop …");
  const answer = await send("POST", `/runs/${encodeURIComponent(id)}/stop`, "{}");
  say(answer.ok ? "" : sentence(answer.detail));
});
