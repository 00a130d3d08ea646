// The board: what is on the log, who reads it, and how far they are. It keeps every event of the stream in its model, and draws
// what has changed, at most once a frame and only while it is shown.
import { send, sentence } from "./api.js";
import { drawGroups, noteRebalance, readRebalances } from "./board_groups.js";
import { counted, drawLanes, figures, noteGrowth, onResized, say } from "./board_lanes.js";
import { Board, TOPICS } from "./board_model.js";
import { readPast } from "./board_start.js";
import { byId, can } from "./dom.js";
import { onTopic } from "./settings.js";
import { follow, isLive, onOpened } from "./stream.js";
import { isShown, onAddress } from "./views.js";

const GROUPS_EVERY_MS = 250;
const BUSY_EVERY_MS = 100;
const MOST_WAITING = 20000;

const board = new Board();
const section = byId("board");
// The stream's events wait here until the past has been read.
let waiting = [];
let frame = 0;
let drawnAt = 0;
let groupsAt = 0;

// ---- what happens -------------------------------------------------------------------------------------------------

const take = (handle) => (event) => {
  if (waiting === null) handle(event);
  else if (waiting.push([handle, event]) > MOST_WAITING) waiting.shift();
  draw();
};

for (const type of ["order", "audit", "dlq"]) follow(type, take((event) => board.record(event, Date.now())));
follow("status", take((event) => {
  if (event.unreadable) return;
  if (event.instanceId) board.report(event, performance.now());
  else board.forget(event.key);
  groupsAt = 0;
}));
follow("rebalance", take((rebalance) => {
  noteRebalance(board, rebalance);
  groupsAt = 0;
}));
follow("settings", take(({ key }) => {
  const [, id] = /^instances\.(.+)\.crash$/.exec(key ?? "") ?? [];
  const crash = id && onTopic(key);
  if (crash && Date.parse(crash) === Date.parse(board.instances.get(id)?.startedAt)) board.lose(id, "crashed");
}));

onOpened(() => {
  for (const instance of board.instances.values()) instance.heard = performance.now();
  readRebalances(board);
});

readPast(board).then(() => {
  for (const [handle, event] of waiting) handle(event);
  waiting = null;
  draw();
});

// ---- drawing ------------------------------------------------------------------------------------------------------

function draw() {
  if (waiting === null && isShown("board")) frame ||= requestAnimationFrame(drawFrame);
}

function drawFrame(now) {
  frame = 0;
  const isBusy = [...board.lanes.values()].some((lane) => lane.dense);
  if (isBusy && now - drawnAt < BUSY_EVERY_MS) return draw();
  drawnAt = now;
  noteGrowth(board);
  drawLanes(board, board.second(Date.now()));
  if (placed) sayWhere();
  if (now - groupsAt >= GROUPS_EVERY_MS) {
    groupsAt = now;
    drawGroups(board);
    drawHeads();
  }
}

// Each second a column begins, a lane may become calm again, and an instance may have been silent for too long.
setInterval(() => {
  if (isLive && waiting === null) board.loseSilent(performance.now());
  draw();
}, 1000);
onAddress(draw);
onResized(draw);

// What is on a topic, and how much of it is drawn.
function drawHeads() {
  for (const topic of TOPICS) {
    const lanes = [...board.lanes.values()].filter((lane) => lane.topic === topic);
    const held = lanes.reduce((sum, lane) => sum + lane.end - lane.earliest, 0);
    const busy = lanes.filter((lane) => lane.dense);
    const inColumns = busy.reduce((sum, lane) => sum + lane.columns.reduce((n, column) => n + column.records, 0), 0);
    const head = section.querySelector(`[data-topic="${topic}"]`);
    const said = [counted(lanes.length, "partition"), `${counted(held, "offset")} on the log`];
    if (busy.length > 0) said.push(`${counted(inColumns, "record")} as columns, one a second`);
    say(head.querySelector(".held"), said.join(" · "));
  }
  const isEmpty = board.lanes.size > 0 && [...board.lanes.values()].every((lane) => lane.end === lane.earliest && lane.end === 0);
  section.dataset.empty = String(isEmpty);
  if (order) say(order.querySelector("[data-f=name]"), isEmpty ? "Place the first order" : "Place an order");
}

// ---- the first order ----------------------------------------------------------------------------------------------

const order = byId("board-order");
// The id of the order whose record hasn't come yet.
let placed = null;
const FIRST = JSON.stringify({ customerName: "Ada", item: "Pizza", quantity: 1, price: 12.5 });

async function place() {
  if (order.ariaDisabled === "true") return;
  order.ariaDisabled = "true";
  byId("board-placed").textContent = "Sending …";
  const answer = await send("POST", "/orders", FIRST);
  order.ariaDisabled = "false";
  placed = answer.ok ? answer.body.id : null;
  byId("board-placed").textContent = answer.ok ? "Waiting for its record …" : sentence(answer.detail);
  draw();
}

// Nothing is on the log before its record has come.
function sayWhere() {
  for (const lane of board.lanes.values()) {
    const tile = lane.topic === "orders" && lane.tiles.find(({ key }) => key === placed);
    if (!tile) continue;
    byId("board-placed").textContent = `On the log at orders/${lane.partition}@${tile.offset}.`;
    placed = null;
  }
}

if (order && can("orders")) order.addEventListener("click", place);
