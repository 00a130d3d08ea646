// A shared worker: one stream for all visible pages of a browser, which opens only six connections to a host. A page that joins with an
// earlier cursor makes the stream go back to it; each page skips what it has.
import { earlier } from "./cursor.js";
import { LiveEvents } from "./live_events.js";

const SEND_EVERY_MS = 20;
// A page says every five seconds that it is there.
const GONE_AFTER_MS = 20000;

// When each page was last heard of.
const pages = new Map();
let waiting = [];
let timer = 0;

const live = new LiveEvents((message) => {
  waiting.push(message);
  timer ||= setTimeout(send, SEND_EVERY_MS);
});

function send() {
  clearTimeout(timer);
  timer = 0;
  const messages = waiting;
  waiting = [];
  for (const page of pages.keys()) page.postMessage(messages);
}

function join(page, cursor) {
  send();
  const isFirst = pages.size === 0;
  pages.set(page, performance.now());
  const from = isFirst ? cursor : earlier(live.cursor, cursor);
  if (!isFirst && from === live.cursor && live.isOpen) page.postMessage([{ state: "open" }]);
  else live.start(from);
}

function leave(page) {
  pages.delete(page);
  if (pages.size === 0) live.stop();
}

addEventListener("connect", ({ ports: [page] }) => {
  page.onmessage = ({ data: { act, cursor } }) => {
    if (act === "join") join(page, cursor);
    else if (act === "leave") leave(page);
    else if (pages.has(page)) pages.set(page, performance.now());
  };
});

setInterval(() => {
  for (const [page, heard] of pages) if (performance.now() - heard > GONE_AFTER_MS) leave(page);
}, 5000);
