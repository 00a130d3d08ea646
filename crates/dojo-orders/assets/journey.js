// The journey of one order, at `#/orders/{id}`: every record about it in the order in which it happened. While the panel is open,
// it is read anew after each event about that order.
import { send, sentence } from "./api.js";
import { byId, clone, fill, short } from "./dom.js";
import { follow } from "./stream.js";
import { addressBelow, entitle, go, isJourney, onAddress, replaceAddress } from "./views.js";

// Scanning the log takes the server up to ten seconds.
const ANSWER_WITHIN_MS = 20000;
const READ_AGAIN_AFTER_MS = 300;
// A long log takes long to read. Then the panel leaves the server as much time for others.
const READ_AGAIN_AFTER_READS = 3;
const TRY_AGAIN_AFTER_MS = 3000;
// Of more steps, those after the first ones are left out.
const MOST_STEPS = 3000;
const FIRST_STEPS = 100;

const panel = byId("journey");
const list = byId("steps");
const goOn = byId("journey-next");

// What is shown: `path` is the page that is read anew, and `earlier` holds the steps of the pages before it.
let shown = null;
let isReading = false;
let tookMs = 0;
let timer = 0;

// What gets the focus when the panel closes.
let opener = null;

document.addEventListener("click", ({ target }) => {
  const link = target.closest("[data-journey]");
  if (!link) return;
  opener = link;
  go(`#/orders/${encodeURIComponent(link.closest("[data-order-id]").dataset.orderId)}`);
});

onAddress((address) => {
  if (isJourney(address)) open(address.rest);
  else if (shown) close();
});

function open(order) {
  const path = `/orders/${encodeURIComponent(order)}/journey`;
  opener ??= document.activeElement;
  shown = { order, path, earlier: [], omittedEarlier: 0, isComplete: true };
  entitle(`Journey of order ${short(order)}`);
  byId("journey-order").textContent = short(order);
  byId("journey-order").title = order;
  list.replaceChildren();
  goOn.hidden = true;
  say("Reading the log …");
  if (!panel.open) panel.show();
  byId("journey-close").focus();
  read();
}

const leave = () => replaceAddress(addressBelow());

function close() {
  shown = null;
  clearTimeout(timer);
  timer = 0;
  panel.close();
  if (opener?.isConnected && opener.checkVisibility()) opener.focus();
  else document.querySelector("[data-view]:not([hidden])").focus();
  opener = null;
}

const say = (text) => { byId("journey-outcome").textContent = text; };

// One request at a time: an event that comes meanwhile leads to one more.
async function read() {
  clearTimeout(timer);
  timer = 0;
  if (isReading) return readIn(READ_AGAIN_AFTER_MS);
  isReading = true;
  const { order, path } = shown;
  const begun = performance.now();
  const answer = await send("GET", path, undefined, { within: ANSWER_WITHIN_MS });
  tookMs = performance.now() - begun;
  isReading = false;
  if (shown?.order === order && shown.path === path) show(answer);
}

// Not put off by further events, which may come without end.
function readIn(millis) {
  timer ||= setTimeout(() => shown && read(), millis);
}

// What comes after an incomplete page is read when the person goes on.
function note(id) {
  const isShown = shown && shown.order === id && shown.isComplete;
  if (isShown) readIn(Math.max(READ_AGAIN_AFTER_MS, READ_AGAIN_AFTER_READS * tookMs));
}

follow("order", (event) => note(event.order?.id ?? event.key));
follow("audit", (event) => note(event.orderId ?? event.key));
follow("dlq", (event) => note(event.order?.id ?? event.key));

// ---- showing ------------------------------------------------------------------------------------------------------

function show(answer) {
  if (!answer.ok) {
    goOn.hidden = true;
    const isGone = answer.status === 404;
    if (!isGone) readIn(TRY_AGAIN_AFTER_MS);
    return say(isGone ? sentence(answer.detail) : `${sentence(answer.detail)} Trying again in a moment.`);
  }
  const { steps, omitted, complete, next } = answer.body;
  shown.isComplete = complete;
  shown.next = next;
  const all = [...shown.earlier, ...steps];
  const dropped = Math.max(0, all.length - MOST_STEPS);
  shown.steps = all.toSpliced(FIRST_STEPS, dropped);
  shown.omitted = shown.omittedEarlier + omitted + dropped;
  showSteps(shown.steps);
  const said = [];
  if (shown.omitted > 0) said.push(`${shown.omitted} steps in between are not shown.`);
  if (!complete) said.push("The log is long, and was not read to its end.");
  if (complete && shown.steps.length === 0) said.push("There is no record about this order.");
  say(said.join(" "));
  goOn.hidden = next === null;
}

// Keeps the rows of steps that are there already, and the end of the list in sight if it was.
function showSteps(steps) {
  const end = panel.querySelector(".steps");
  const wasAtEnd = end.scrollHeight - end.scrollTop - end.clientHeight < 8;
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const rows = steps.map((step) => {
    const key = [step.topic, step.partition, step.offset].join(" ");
    const row = known.get(key) ?? clone("step");
    row.dataset.key = key;
    return fillStep(row, step);
  });
  rows.forEach((row, n) => { if (list.children[n] !== row) list.insertBefore(row, list.children[n] ?? null); });
  while (list.children.length > rows.length) list.lastElementChild.remove();
  if (wasAtEnd) end.scrollTop = end.scrollHeight;
}

function fillStep(row, step) {
  const alerts = (step.alerts ?? []).map((a) => `${a.type}: ${a.reason}`);
  return fill(row, {
    what: step.what, at: step.at, since: sinceText(step.sincePreviousMillis), by: step.by,
    place: `${step.topic} ${step.partition}@${step.offset}`,
    attempt: [step.attempt && `attempt ${step.attempt}`, step.redriveCount && `redrive ${step.redriveCount}`].filter(Boolean).join(", "),
    rule: step.ruleVersion, reason: [step.reason, ...alerts, step.note].filter(Boolean).join("; "),
  });
}

function sinceText(millis) {
  if (millis === null || millis === undefined) return "";
  const [sign, length] = [millis < 0 ? "−" : "+", Math.abs(millis)];
  if (length < 1000) return `${sign}${length} ms`;
  if (length < 60000) return `${sign}${(length / 1000).toFixed(1)} s`;
  return `${sign}${(length / 60000).toFixed(1)} min`;
}

// ---- controls -----------------------------------------------------------------------------------------------------

goOn.addEventListener("click", () => {
  if (!shown?.next) return;
  Object.assign(shown, { path: shown.next, earlier: shown.steps, omittedEarlier: shown.omitted });
  goOn.hidden = true;
  byId("journey-close").focus();
  say("Reading the log …");
  read();
});

byId("journey-close").addEventListener("click", leave);
document.addEventListener("keydown", (event) => {
  const isElsewhere = event.target.closest?.(".editor, form");
  if (event.key === "Escape" && panel.open && !event.isComposing && !isElsewhere) leave();
});
