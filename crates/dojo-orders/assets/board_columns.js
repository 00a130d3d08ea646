// Draws a busy lane as columns, one for each second, whose height is the number of its records. The numbers are exact.
import { SECONDS } from "./board_model.js";

const STEPS = [30, 60, 100, 200, 300, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000];
const DRAW_EVERY_MS = 200;

export function makeColumns(lane) {
  const box = lane.querySelector(".columns");
  for (let n = 0; n < SECONDS; n += 1) {
    const column = document.createElement("i");
    column.append(document.createElement("b"), document.createElement("b"));
    box.append(column);
  }
  return { box, top: lane.querySelector(".columns-top"), drawnAt: 0, height: 0, second: 0 };
}

// The height that stands for the whole track, so that a column seldom has to change because another one does.
const heightFor = (most) => STEPS.find((step) => step >= most) ?? most;

export function drawColumns(view, lane, second) {
  if (second === view.second && performance.now() - view.drawnAt < DRAW_EVERY_MS) return;
  const height = heightFor(Math.max(...lane.columns.map(({ records }) => records), 1));
  const isOther = height !== view.height || second - view.second >= SECONDS || second < view.second;
  if (isOther) view.top.textContent = `${height.toLocaleString("en")}/s`;
  for (let at = view.second; !isOther && at < second; at += 1) view.box.append(view.box.firstElementChild);
  const bySecond = new Map(lane.columns.map((column) => [column.second, column]));
  [...view.box.children].forEach((element, n) => {
    const at = second - SECONDS + 1 + n;
    const column = bySecond.get(at);
    // A stream that is late adds to a column that isn't the newest one.
    const shown = `${at} ${column?.records ?? 0} ${height}`;
    if (element.shown !== shown) drawColumn(element, column, height);
    element.shown = shown;
  });
  Object.assign(view, { height, second, drawnAt: performance.now() });
}

function drawColumn(element, column, height) {
  const { records = 0, retries = 0, redrives = 0, first } = column ?? {};
  const [again, plain] = element.children;
  const size = (n) => `${(100 * n) / height}%`;
  again.style.setProperty("height", size(retries + redrives));
  plain.style.setProperty("height", size(records - retries - redrives));
  element.dataset.records = String(records);
  const parts = [`${records.toLocaleString("en")} records`, retries > 0 && `${retries} retries`, redrives > 0 && `${redrives} redrives`, `from offset ${first}`];
  element.title = records === 0 ? "" : parts.filter(Boolean).join(", ");
}

// Where a position is, as a share of the track from its right end.
export function placeInColumns(lane, position, second) {
  const column = lane.columns.findLast(({ first }) => first <= position);
  if (position >= lane.end) return 0;
  if (!column) return 1;
  const part = Math.min(1, (position - column.first) / column.records);
  return Math.max(0, Math.min(1, (second - column.second + 1 - part) / SECONDS));
}
