// What GET /events tells, for the modules that follow types of events. Visible pages of one browser share one stream where there are
// shared workers; a page in a hidden tab has none, and goes on at its cursor when it is shown again.
import { byId } from "./dom.js";
import { placeOf, positions } from "./cursor.js";
import { LiveEvents, TYPES } from "./live_events.js";

// The stream says something every three seconds, and at most seven seconds later that it is interrupted.
const SILENT_AFTER_MS = 9500;
const HIDDEN_AFTER_MS = 3000;
const HERE_EVERY_MS = 5000;
// A frame has 16 ms.
const FRAME_MS = 8;
// More events than this the page doesn't catch up with: it starts over.
const MOST_QUEUED = 50000;
const RESUMED_FOR_MS = 8000;

const followers = new Map(TYPES.map((type) => [type, []]));
const whenOpened = [];
const whenInterrupted = [];
const whenShown = [];

// Calls `show` for every event of a type, in the order of its partition. An event is parsed once: followers don't change it.
export const follow = (type, show) => followers.get(type).push(show);
export const onOpened = (action) => whenOpened.push(action);
export const onInterrupted = (action) => whenInterrupted.push(action);
// Calls `action` after some events were shown.
export const afterEvents = (action) => whenShown.push(action);

// ---- events -------------------------------------------------------------------------------------------------------

let queue = [];
let frame = 0;
let timer = 0;
let cursor = document.body.dataset.cursor;
// The next offset of each partition: what the page has is skipped.
const next = positions(cursor);

// Shows them once a frame, or twice a second while there are no frames.
function schedule() {
  frame ||= requestAnimationFrame(showQueued);
  timer ||= setTimeout(showQueued, 500);
}

function showQueued() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = timer = 0;
  const begun = performance.now();
  let shown = 0;
  while (shown < queue.length && performance.now() - begun < FRAME_MS) pass(queue[shown++]);
  queue = queue.slice(shown);
  if (queue.length > 0) schedule();
  for (const action of whenShown) action();
}

function pass({ type, data, at }) {
  try {
    const event = JSON.parse(data);
    if (event.record && !isNew(type, event.record)) return;
    if (event.record) note(type, event.record, at);
    for (const show of followers.get(type)) passTo(show, type, event);
  } catch (error) {
    console.error(type, data, error);
  }
}

// A follower that fails on an event keeps it from no other.
function passTo(show, type, event) {
  try {
    show(event);
  } catch (error) {
    console.error(type, event, error);
  }
}

function isNew(type, { partition, offset }) {
  const place = placeOf(type, partition);
  if (offset < (next.get(place) ?? 0)) return false;
  next.set(place, offset + 1);
  return true;
}

// Without the reports of instances and the settings, which aren't the lesson.
const LESSON = ["order", "audit", "dlq"];
let counted = 0;
setInterval(() => {
  byId("per-second").textContent = String(counted);
  counted = 0;
}, 1000);

// ---- what came while there was no stream --------------------------------------------------------------------------

// How long an event takes to the page, with the difference of the two clocks.
let delay = null;
let openedAt = -Infinity;
let isResumed = false;
let meanwhile = 0;

function note(type, record, at) {
  const isOfLesson = LESSON.includes(type);
  if (isOfLesson) counted += 1;
  const sent = Date.parse(record.timestamp);
  const cameMeanwhile = isResumed && openedAt - sent > (delay ?? 0);
  if (!cameMeanwhile) delay = Math.min(delay ?? Infinity, at - sent);
  else if (isOfLesson) {
    meanwhile += 1;
    sayResumed();
  }
}

function sayResumed() {
  const events = meanwhile === 1 ? "1 event came" : `${meanwhile} events came`;
  if (Date.now() - openedAt < RESUMED_FOR_MS) show("live", `live: resumed, ${meanwhile === 0 ? "nothing happened" : events} meanwhile`);
}

// ---- the connection -----------------------------------------------------------------------------------------------

export let isLive = false;
// When the stream last delivered anything.
export let lastHeard = performance.now();
let isJoined = false;
let wasAway = false;

function show(state, text) {
  isLive = state === "live";
  const place = byId("stream");
  place.dataset.state = state;
  if (place.textContent !== text) place.textContent = text;
}

function heard(messages) {
  if (!isJoined) return;
  lastHeard = performance.now();
  const at = Date.now();
  for (const { state, why, type, data, id } of messages) {
    if (state === "open") opened();
    else if (state === "away") interrupted(why);
    else if (type === "gap") reload();
    else {
      if (!isLive) opened();
      cursor = id;
      if (type !== "heartbeat") queue.push({ type, data, at });
    }
  }
  if (queue.length > MOST_QUEUED) reload();
  if (queue.length > 0) schedule();
}

function opened() {
  if (isLive) return;
  show("live", "live");
  openedAt = Date.now();
  isResumed = wasAway;
  meanwhile = 0;
  if (isResumed) sayResumed();
  wasAway = false;
  setTimeout(() => isLive && show("live", "live"), RESUMED_FOR_MS);
  for (const action of whenOpened) action();
}

function interrupted(why) {
  wasAway = true;
  show("away", why ? `waiting for the stream: ${why}` : "stream interrupted, reconnecting");
  for (const action of whenInterrupted) action();
}

// The stream of the worker, or the page's own.
const own = new LiveEvents((message) => heard([message]));
let port = null;
try {
  const worker = new SharedWorker("/assets/stream_worker.js", { type: "module", name: "stream" });
  worker.onerror = () => {
    port = null;
    if (isJoined) own.start(cursor);
  };
  port = worker.port;
  port.onmessage = ({ data }) => heard(data);
} catch {
  // A browser without shared workers.
}

const tell = (act) => port?.postMessage({ act, cursor });

export function connect() {
  isJoined = true;
  lastHeard = performance.now();
  if (port) tell("join");
  else own.start(cursor);
}

// Delivers nothing any more until `connect` is called.
export function disconnect() {
  isJoined = false;
  wasAway = true;
  isLive = false;
  tell("leave");
  own.stop();
}

setInterval(() => {
  if (!isJoined || performance.now() - lastHeard < SILENT_AFTER_MS) return;
  interrupted("");
  connect();
}, 1000);
setInterval(() => isJoined && tell("here"), HERE_EVERY_MS);

// ---- hidden tabs --------------------------------------------------------------------------------------------------

let hiding = 0;
let isHidden = false;

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.visibilityState === "hidden") hiding = setTimeout(hide, HIDDEN_AFTER_MS);
  else if (isHidden) {
    isHidden = false;
    connect();
  }
});

function hide() {
  if (!isJoined) return;
  isHidden = true;
  disconnect();
  show("paused", "paused in a hidden tab");
}

addEventListener("pagehide", disconnect);
// The browser's back button may show the page as it was.
addEventListener("pageshow", ({ persisted }) => persisted && connect());

// ---- starting over ------------------------------------------------------------------------------------------------

let reloadTimer = 0;
const holds = [];
const farewells = [];

// Puts a reload off while `isHeld` says so.
export const holdReload = (isHeld) => holds.push(isHeld);
// Does something before a reload.
export const beforeReload = (action) => farewells.push(action);

// Loads the page again: at most every five seconds, and not while something would be lost, such as the text of an editor.
export function reload() {
  clearTimeout(reloadTimer);
  const last = Number(sessionStorage.getItem("reloaded") ?? 0);
  if (Date.now() - last < 5000 || holds.some((isHeld) => isHeld())) {
    reloadTimer = setTimeout(reload, 1000);
    return;
  }
  sessionStorage.setItem("reloaded", String(Date.now()));
  for (const action of farewells) action();
  location.reload();
}
