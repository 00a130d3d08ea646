// The connection to GET /events. Other modules follow types of events; each event is shown to all of them once a frame.
import { MOST_ROWS, byId, keepFocusInPlace, lists } from "./dom.js";

// The server sends a heartbeat every three seconds.
const SILENT_AFTER_MS = 10000;
const TYPES = ["order", "audit", "dlq", "settings", "status", "run", "rebalance"];

const followers = new Map(TYPES.map((type) => [type, []]));
// Events that wait to be shown, by type; at most MOST_ROWS of each, also in a hidden tab.
const pending = new Map(TYPES.map((type) => [type, []]));
const whenOpened = [];
const whenInterrupted = [];

// Calls `show` for every event of a type. `skim` is called in its place for an event that so many others follow that its
// row would be pushed out at once.
export const follow = (type, show, skim = show) => followers.get(type).push({ show, skim });
export const onOpened = (action) => whenOpened.push(action);
export const onInterrupted = (action) => whenInterrupted.push(action);

// ---- showing what came --------------------------------------------------------------------------------------------

let frame = 0;
let timer = 0;

// Shows them once a frame, or twice a second while the tab is hidden and has no frames.
function schedule() {
  frame ||= requestAnimationFrame(flush);
  timer ||= setTimeout(flush, 500);
}

function flush() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = timer = 0;
  keepFocusInPlace(() => {
    for (const [type, events] of pending) {
      for (const data of events.splice(0)) pass(type, data, "show");
    }
  });
}

// A follower that fails on an event keeps it from no other.
function pass(type, data, how) {
  for (const follower of followers.get(type)) {
    try {
      follower[how](JSON.parse(data));
    } catch (error) {
      console.error(type, data, error);
    }
  }
}

let counted = 0;
setInterval(() => {
  byId("per-second").textContent = String(counted);
  counted = 0;
}, 1000);

// ---- the connection -----------------------------------------------------------------------------------------------

export let isLive = false;
let cursor = document.body.dataset.cursor;
// When the stream last delivered anything: a connection that was cut off looks like a quiet one.
let lastHeard = 0;
let source = null;

function show(state, text) {
  isLive = state === "live";
  byId("stream").dataset.state = state;
  byId("stream").textContent = text;
}

export function connect() {
  lastHeard = performance.now();
  source = new EventSource(`/events?after=${encodeURIComponent(cursor)}`);
  source.addEventListener("heartbeat", heard);
  for (const type of TYPES) {
    source.addEventListener(type, (event) => {
      heard();
      // A rebalance has no id of its own.
      cursor = event.lastEventId || cursor;
      counted += 1;
      const waiting = pending.get(type);
      waiting.push(event.data);
      if (waiting.length > MOST_ROWS) pass(type, waiting.shift(), "skim");
      schedule();
    });
  }
  // The log no longer holds some of the events in between, so the page starts over.
  source.addEventListener("gap", reload);
  source.onopen = () => {
    heard();
    for (const action of whenOpened) action();
  };
  source.onerror = () => {
    interrupted();
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

// Delivers nothing any more until `connect` is called.
export function disconnect() {
  source.close();
}

function heard() {
  lastHeard = performance.now();
  if (!isLive) show("live", "live");
}

function interrupted() {
  show("away", "stream interrupted, reconnecting");
  for (const action of whenInterrupted) action();
}

setInterval(() => {
  // A closed stream has its own timer.
  if (source === null || source.readyState === EventSource.CLOSED) return;
  if (performance.now() - lastHeard < SILENT_AFTER_MS) return;
  disconnect();
  interrupted();
  connect();
}, 1000);

// ---- starting over ------------------------------------------------------------------------------------------------

let reloadTimer = 0;
const holds = [() => [...lists.orders.children].some((row) => row.editor)];

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
