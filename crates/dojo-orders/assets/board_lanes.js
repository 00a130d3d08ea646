// Draws the lanes of the board: records as tiles in the order of their offsets, and below them how far each group has read. A
// tile gets its place once; it slides only because newer ones come. A lane that is too busy for tiles is drawn as columns.
import { drawColumns, makeColumns, placeInColumns } from "./board_columns.js";
import { fly, slide, unroll } from "./board_motion.js";
import { GROUPS } from "./board_model.js";
import { wear } from "./board_who.js";
import { byId, clone, field } from "./dom.js";

const MOST_TILES = 44;
export const figures = new Intl.NumberFormat("en");
export const counted = (n, one, many = `${one}s`) => `${figures.format(n)} ${n === 1 ? one : many}`;

export function say(element, text) {
  if (element.said === text) return;
  element.said = text;
  element.textContent = text;
}

// By the key of a lane: its elements.
const drawn = new Map();
// By topic: how many tiles fit beside one another.
const fits = new Map();
let sizesAreKnown = false;

// Calls `draw` when the board has another size.
export function onResized(draw) {
  new ResizeObserver(() => {
    sizesAreKnown = false;
    draw();
  }).observe(byId("board"));
}

// Draws every lane that has changed. Nothing of the page is measured here unless the window has changed.
export function drawLanes(board, second) {
  for (const lane of board.lanes.values()) if (!drawn.has(lane.key)) makeLane(lane);
  if (!sizesAreKnown) measure(board);
  const flights = [];
  for (const lane of board.lanes.values()) {
    const view = drawn.get(lane.key);
    const isDense = lane.settle(second);
    if (view.dense !== isDense) turn(view, isDense);
    if (isDense) drawColumns(view.columns, lane, second);
    const came = isDense ? 0 : drawTiles(view, lane, flights);
    drawMarks(view, lane, board, second, came);
    const now = lane.recordsAt(second - 1);
    say(field(view.lane, "end"), `end ${figures.format(lane.end)}`);
    say(field(view.lane, "rate"), isDense ? `${figures.format(now)}/s` : "");
    lane.changed.clear();
  }
  flights.slice(0, 8).forEach(takeOff);
}

function makeLane({ key, topic, partition }) {
  const lane = clone("board-lane");
  lane.dataset.lane = key;
  const list = byId("board").querySelector(`[data-topic="${topic}"] .lanes`);
  field(lane, "partition").textContent = String(partition);
  lane.querySelector(".track").ariaLabel = `${topic}, partition ${partition}`;
  const after = [...list.children].find((other) => Number(other.dataset.lane.split("/")[1]) > partition);
  list.insertBefore(lane, after ?? null);
  const view = { lane, key, topic, tiles: lane.querySelector(".tiles"), byOffset: new Map(), columns: makeColumns(lane), dense: false, marks: new Map() };
  drawn.set(key, view);
  for (const { group, topic: read } of Object.values(GROUPS)) if (read === topic) makeRail(view, group);
  sizesAreKnown = false;
}

function makeRail(view, group) {
  const rail = clone("board-rail");
  rail.dataset.group = group;
  field(rail, "group").textContent = group.replace("-group", "");
  field(rail, "group").title = group;
  view.lane.append(...rail.children);
  const parts = [...view.lane.children].slice(-3);
  for (const part of parts) part.dataset.group = group;
  view.marks.set(group, { rail: parts[1], mark: parts[1].querySelector(".mark"), bar: parts[1].querySelector(".lag-bar"), lag: parts[2], back: 0 });
}

// All lanes of a topic have tiles of one width, which the largest offset needs.
function measure(board) {
  sizesAreKnown = true;
  const views = Map.groupBy(drawn.values(), ({ topic }) => topic);
  for (const [topic, ofTopic] of views) {
    digits.set(topic, digitsOf(board, topic));
    for (const { lane } of ofTopic) lane.style.setProperty("--digits", digits.get(topic));
    const track = ofTopic[0].tiles;
    const pitch = track.querySelector(".slot").offsetWidth;
    if (pitch > 0) fits.set(topic, Math.max(2, Math.min(MOST_TILES, Math.floor(track.clientWidth / pitch) - 1)));
  }
}

const digits = new Map();
const digitsOf = (board, topic) =>
  Math.max(2, ...[...board.lanes.values()].filter((lane) => lane.topic === topic).map((lane) => String(lane.end).length));

export function noteGrowth(board) {
  for (const [topic, known] of digits) if (digitsOf(board, topic) !== known) sizesAreKnown = false;
}

function turn(view, isDense) {
  view.dense = isDense;
  view.lane.dataset.dense = String(isDense);
  if (isDense) removeTiles(view, [...view.byOffset.keys()]);
}

// ---- tiles --------------------------------------------------------------------------------------------------------

// Returns how many tiles came.
function drawTiles(view, lane, flights) {
  const shown = lane.tiles.slice(-(fits.get(lane.topic) ?? 10));
  const first = shown[0]?.offset ?? lane.end;
  removeTiles(view, [...view.byOffset.keys()].filter((offset) => offset < first));
  for (const tile of lane.changed) if (view.byOffset.has(tile.offset)) drawTile(view.byOffset.get(tile.offset), tile, view);
  const known = view.byOffset.size;
  const newest = known === 0 ? -1 : view.tiles.newest;
  const added = [];
  for (const tile of shown) {
    if (view.byOffset.has(tile.offset)) continue;
    const element = clone("board-tile");
    view.byOffset.set(tile.offset, element);
    element.tabIndex = -1;
    drawTile(element, tile, view);
    drawArc(element, tile, lane.tiles);
    if (tile.offset > newest) {
      view.tiles.insertBefore(element, view.tiles.lastElementChild);
      added.push([tile, element]);
    } else {
      // A wider window shows older ones, too.
      const next = [...view.byOffset].filter(([offset]) => offset > tile.offset).sort(([a], [b]) => a - b)[0][1];
      view.tiles.insertBefore(element, next);
    }
  }
  view.tiles.newest = shown.at(-1)?.offset ?? -1;
  if (!view.tiles.querySelector(".tile[tabindex='0']")) stopAt(view.tiles.querySelector(".tile:last-of-type"));
  const isFirst = !view.wasDrawn;
  view.wasDrawn = true;
  if (isFirst || known === 0) return 0;
  slide(view.tiles, added.length);
  for (const [tile, element] of added) {
    element.classList.add("new");
    unroll(element.querySelector(".arc"));
    flights.push({ tile, element, view });
  }
  const older = added.length > 0 ? view.tiles.fresh ?? [] : [];
  for (const element of older) element.classList.remove("new");
  if (added.length > 0) view.tiles.fresh = added.map(([, element]) => element);
  return added.length;
}

function removeTiles(view, offsets) {
  for (const offset of offsets) {
    const element = view.byOffset.get(offset);
    const hadFocus = element === document.activeElement;
    const next = element.nextElementSibling;
    element.remove();
    view.byOffset.delete(offset);
    if (hadFocus && next?.classList.contains("tile")) next.focus();
  }
}

const SIGNS = {
  NOTIFIED: "✓", RETRY: "↻", DLQ: "✕", DROPPED: "✕", FRAUD_ALERT: "!", RULE_ERROR: "!", REDRIVEN: "⇧", FRAUD_CHECK_PASSED: "·",
  created: "+", updated: "~", deleted: "−",
};
const WORDS = {
  NOTIFIED: "delivered", RETRY: "failed and written again", DLQ: "failed, now a dead letter", DROPPED: "failed and dropped",
};

function drawTile(element, tile, { topic, key }) {
  const { offset, kind, attempt, redrive, outcome, alerts, mistake, sentTo } = tile;
  element.href = `#/orders/${encodeURIComponent(tile.key)}`;
  Object.assign(element.dataset, { offset, key: tile.key, kind, outcome: outcome ?? "", alert: String(Boolean(alerts?.length || mistake)) });
  if (topic === "audit") element.dataset.action = tile.action ?? "";
  say(field(element, "offset"), String(offset));
  const sign = topic === "audit" ? SIGNS[tile.action] : topic === "orders-dlq" ? (sentTo ? "⇧" : "✕") : SIGNS[outcome];
  say(field(element, "sign"), kind === "unreadable" ? "?" : sign ?? "");
  field(element, "mark").dataset.mark = kind === "retry" ? `↻${attempt}` : kind === "redrive" ? `⇧${redrive}` : "";
  if (sentTo) element.dataset.sent = sentTo;
  const words = [
    `${key.replace("/", " ")}@${offset}`, tile.who && `of ${tile.who}`, tile.action,
    attempt > 0 && `retry ${attempt}${tile.repeats === null || tile.repeats === undefined ? "" : ` of ${tile.repeats}`}`,
    redrive > 0 && `redrive ${redrive}`, kind === "unreadable" && "can't be read",
    tile.from && `came from orders ${tile.from.partition}@${tile.from.offset}`, tile.reason, sentTo && `sent back as orders ${sentTo}`,
    topic === "orders" && (WORDS[outcome] ?? "not delivered yet"), alerts?.length && `alerts: ${alerts.join(", ")}`, mistake && `the rule failed: ${mistake}`,
  ];
  const title = words.filter(Boolean).join(", ");
  if (element.title !== title) {
    element.title = title;
    element.ariaLabel = `${title}. Open its journey`;
  }
}

// A retry is tied to the record that it repeats by an arc as long as the way between them.
function drawArc(element, tile, tiles) {
  if (tile.repeats === null || tile.repeats === undefined) return;
  const [from, to] = [tiles.findIndex(({ offset }) => offset === tile.repeats), tiles.indexOf(tile)];
  const arc = document.createElement("i");
  arc.className = "arc";
  arc.style.setProperty("--way", String(to - from));
  arc.dataset.attempt = String(Math.min(tile.attempt, 3));
  element.append(arc);
}

// What came from another lane is seen coming from there.
function takeOff({ tile, element, view }) {
  const from = (key, offset) => drawn.get(key)?.byOffset.get(offset);
  if (view.topic === "orders-dlq" && tile.from) fly(from(`orders/${tile.from.partition}`, tile.from.offset), element);
  if (view.topic === "orders" && tile.letter !== undefined && tile.attempt === 0) fly(from("orders-dlq/0", tile.letter), element);
}

// ---- how far the groups are ---------------------------------------------------------------------------------------

function drawMarks(view, lane, board, second, came) {
  for (const [group, { mark, bar, lag: text, rail }] of view.marks) {
    const known = board.positions.get(`${group} ${lane.key}`);
    const lag = known ? board.lag(lane, known) : null;
    rail.dataset.state = lag === null ? "unknown" : known.owner ? "read" : "unread";
    say(text, lag === null ? "" : lag === 0 ? "lag 0" : `lag ${figures.format(lag)}`);
    text.dataset.behind = String(lag > 0);
    if (lag === null) continue;
    if (mark.owner !== known.owner) {
      mark.owner = known.owner;
      wear(mark, known.owner);
      bar.dataset.colour = mark.dataset.colour;
    }
    const place = lane.end - lag;
    if (view.dense) {
      const right = placeInColumns(lane, place, second);
      const way = `(100% - var(--edge) - 8px) * ${right.toFixed(4)}`;
      move(mark, bar, `calc(var(--edge) + ${way})`, `calc(${way})`, right >= 1);
      view.marks.get(group).back = null;
      continue;
    }
    const fit = fits.get(lane.topic) ?? 10;
    const behind = lane.tiles.filter(({ offset }) => offset >= place).length + Math.max(0, (lane.tiles[0]?.offset ?? lane.end) - place);
    const back = Math.min(behind, fit);
    const way = `calc(${back} * var(--pitch))`;
    move(mark, bar, way, way, behind > fit);
    const before = view.marks.get(group).back;
    if (before !== null && before !== back && came >= 0) slide(mark, back - before);
    view.marks.get(group).back = back;
  }
}

function move(mark, bar, right, width, isBeyond) {
  if (mark.right !== right) {
    mark.right = right;
    mark.style.setProperty("right", right);
    bar.style.setProperty("width", width);
  }
  mark.dataset.beyond = String(isBeyond);
}

// ---- pointer and keyboard -----------------------------------------------------------------------------------------

// One stop of the Tab key for each lane; the arrow keys go on from there.
function stopAt(tile) {
  if (!tile) return;
  tile.parentElement.querySelector(".tile[tabindex='0']")?.setAttribute("tabindex", "-1");
  tile.tabIndex = 0;
}

const tileOf = ({ target }) => target.closest?.(".tile");

byId("board").addEventListener("keydown", (event) => {
  const tile = tileOf(event);
  const step = { ArrowLeft: "previousElementSibling", ArrowRight: "nextElementSibling" }[event.key];
  if (!tile || !step) return;
  const next = tile[step];
  if (next?.classList.contains("tile")) next.focus();
  event.preventDefault();
});

// The records of one order, in all lanes.
function showKin(key) {
  for (const other of byId("board").querySelectorAll(".tile.kin")) other.classList.remove("kin");
  if (!key) return;
  for (const { byOffset } of drawn.values()) {
    for (const other of byOffset.values()) if (other.dataset.key === key) other.classList.add("kin");
  }
}

for (const type of ["pointerover", "focusin"]) {
  byId("board").addEventListener(type, (event) => {
    const tile = tileOf(event);
    if (tile && type === "focusin") stopAt(tile);
    showKin(tile?.dataset.key ?? document.activeElement?.dataset?.key);
  });
}
for (const type of ["pointerleave", "focusout"]) byId("board").addEventListener(type, () => showKin(document.activeElement?.dataset?.key));
