// The lists of orders, audit events, alerts and dead letters, newest first. A list keeps its newest entries as values, and has the
// rows of those that are shown: none in a hidden view, and under a flood new ones only four times a second.
import { byId, clone, fill, nameControls, short } from "./dom.js";
import { afterEvents } from "./stream.js";
import { onAddress } from "./views.js";

const MOST_ROWS = 200;
const MOST_ENTRIES = 1000;
const SHOW_EVERY_MS = 250;
// Of more new rows, none stands out.
const MOST_FRESH = 30;
const EDGE_PX = 8;

const all = [];

class RowList {
  // Newest first.
  entries = [];
  // Whether an entry has a row, by its values and its row's data.
  matches = () => true;
  #frozen = null;
  #isStale = false;
  // Whether it was in sight when rows were last shown.
  #wasShown = false;

  // `finish` does what `fill` can't with a row and its values.
  constructor(id, template, finish = () => {}) {
    this.element = byId(id);
    this.template = template;
    this.finish = finish;
    for (const row of this.element.children) {
      this.entries.push(row.entry = { data: { ...row.dataset }, values: valuesOf(row), row });
    }
    this.#stopAt(this.element.firstElementChild);
    this.element.addEventListener("focusin", ({ target }) => target !== this.element && this.#stopAt(target.closest(".row")));
    this.element.addEventListener("keydown", moveInList);
    all.push(this);
  }

  // Adds an entry at the top; `data` becomes its row's.
  add(data, values) {
    const entry = { data, values, row: null };
    this.entries.unshift(entry);
    if (this.entries.length > MOST_ENTRIES) this.entries.splice(this.entries.findLastIndex((old) => !isInUse(old)), 1);
    if (this.#frozen) this.waiting += 1;
    this.#isStale = true;
    return entry;
  }

  change(entry, values) {
    Object.assign(entry.values, values);
    entry.isChanged = true;
    this.#isStale = true;
  }

  // Fills a row at once that somebody works with.
  fillNow(entry) {
    if (entry.row) this.#fillRow(entry);
  }

  // Removes an entry. If its row has the focus, the focus goes to a row beside it.
  remove(entry) {
    const index = this.entries.indexOf(entry);
    if (index >= 0) this.entries.splice(index, 1);
    this.#frozen = this.#frozen?.filter((other) => other !== entry) ?? null;
    if (!entry.row) return;
    const { row } = entry;
    const near = row.nextElementSibling ?? row.previousElementSibling;
    const hadFocus = row.contains(document.activeElement);
    row.remove();
    if (this.stop === row) this.#stopAt(this.element.firstElementChild);
    if (hadFocus) (near?.querySelector(":not([hidden]) > button:not([hidden])") ?? this.element).focus();
    this.#isStale = true;
  }

  // Stops at what is there now, until `resume`; `waiting` counts what comes meanwhile.
  pause() {
    this.#frozen = [...this.entries];
    this.waiting = 0;
  }

  resume() {
    this.#frozen = null;
    this.#isStale = true;
  }

  get isPaused() { return this.#frozen !== null; }

  // Shows other entries after `matches` has changed.
  refresh() {
    this.#isStale = true;
    this.show();
  }

  get isWaiting() { return this.#isStale && this.element.checkVisibility(); }

  show() {
    const wasShown = this.#wasShown;
    this.#wasShown = this.element.checkVisibility();
    if (!this.#isStale || !this.#wasShown) return;
    this.#isStale = false;
    const wanted = this.#wanted();
    const stay = new Set(wanted);
    for (const row of [...this.element.children]) {
      if (stay.has(row.entry)) continue;
      row.entry.row = null;
      row.remove();
    }
    const isFresh = wasShown && wanted.filter(({ row }) => !row).length <= MOST_FRESH;
    let place = this.element.firstElementChild;
    for (const entry of wanted) {
      if (!entry.row) this.#makeRow(entry, isFresh);
      else if (entry.isChanged) this.#fillRow(entry);
      if (entry.row === place) place = place.nextElementSibling;
      else this.element.insertBefore(entry.row, place);
    }
    if (!this.stop?.isConnected || !this.stop.contains(document.activeElement)) this.#stopAt(this.element.firstElementChild);
  }

  #wanted() {
    const wanted = [];
    for (const entry of this.#frozen ?? this.entries) {
      if (wanted.length < MOST_ROWS ? this.matches(entry) || isInUse(entry) : isInUse(entry)) wanted.push(entry);
    }
    return wanted;
  }

  #makeRow(entry, isFresh) {
    const row = entry.row = clone(this.template);
    row.entry = entry;
    Object.assign(row.dataset, entry.data);
    nameControls(row, short(entry.data.orderId));
    if (isFresh) row.classList.add("fresh");
    this.#fillRow(entry);
  }

  #fillRow(entry) {
    entry.isChanged = false;
    fill(entry.row, entry.values);
    this.finish(entry.row, entry.values);
  }

  // Hundreds of rows would be hundreds of stops of the Tab key. So only one row of a list has any: the one that last had the
  // focus, or else the newest. From there the arrow keys go to the rows above and below.
  #stopAt(row) {
    if (this.stop === row) return;
    if (this.stop) setStops(this.stop, -1);
    this.stop = row;
    if (row) setStops(row, 0);
  }
}

// The values that a row shows which the server has filled.
function valuesOf(row) {
  const fields = [...row.querySelectorAll("[data-f]")];
  return Object.fromEntries(fields.map((field) => [field.dataset.f, field.dateTime ?? field.textContent]));
}

const ACTS = ["journey", "edit", "delete", "redrive", "headers"];

function setStops(row, index) {
  for (const button of row.querySelectorAll(ACTS.map((act) => `[data-${act}]`).join())) button.tabIndex = index;
}

function moveInList(event) {
  const act = ACTS.find((act) => act in event.target.dataset);
  const next = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
  if (!act || !next) return;
  let row = event.target.closest(".row")[next];
  const button = (row) => row.querySelector(`[data-${act}]:not(:disabled)`);
  while (row && !button(row)?.checkVisibility()) row = row[next];
  if (row) button(row).focus();
  event.preventDefault();
}

const isInUse = ({ row }) => row !== null && (row.editor !== undefined || row.contains(document.activeElement));

// ---- when rows are shown ------------------------------------------------------------------------------------------

let shownAt = 0;
let timer = 0;

function showSoon() {
  if (timer !== 0 || !all.some((list) => list.isWaiting)) return;
  const wait = shownAt + SHOW_EVERY_MS - performance.now();
  if (wait <= 0) showAll();
  else timer = setTimeout(showAll, wait);
}

// Keeps the row that has the focus at its place on the screen while rows come above it.
function showAll() {
  clearTimeout(timer);
  timer = 0;
  shownAt = performance.now();
  const row = document.activeElement?.closest(".rows > .row");
  const top = row?.getBoundingClientRect().top;
  for (const list of all) list.show();
  if (row?.isConnected) row.parentElement.scrollTop += row.getBoundingClientRect().top - top;
}

afterEvents(showSoon);
onAddress(showAll);

// ---- the lists ----------------------------------------------------------------------------------------------------

export const isAtTop = (list) => list.element.scrollTop < EDGE_PX;

export const lists = {
  orders: new RowList("orders", "order-row"),
  audit: new RowList("audit", "audit-row"),
  alerts: new RowList("alerts", "alert-row"),
  dead: new RowList("dead-letters", "dead-letter-row", (row, { redriven_at, refused }) => {
    row.querySelector("[data-journey]").disabled = row.dataset.orderId === "";
    row.querySelector(".redriven").hidden = redriven_at === undefined || redriven_at === "";
    row.querySelector(".refused").textContent = refused ?? "";
  }),
};
