// Finds, clones and fills the elements of the page. Only the template has the markup of a row, and every text is set as
// text, never as markup. `data-f` names the field whose value an element shows.

export const MOST_ROWS = 200;

export const byId = (id) => document.getElementById(id);
export const clone = (id) => byId(id).content.firstElementChild.cloneNode(true);
export const field = (row, name) => row.querySelector(`[data-f="${name}"]`);

// What the server lets a person change: `READ_ONLY` takes parts away, and the template leaves out their controls.
const allowed = document.body.dataset.can.split(" ");
export const can = (part) => allowed.includes(part);

export const lists = {
  orders: byId("orders"), audit: byId("audit"), alerts: byId("alerts"), dead: byId("dead-letters"),
};

const TONES = {
  NOTIFIED: "good", FRAUD_CHECK_PASSED: "good", passed: "good",
  RETRY: "warn", BURST: "warn", MEDIUM: "warn", REDRIVEN: "warn", LOW: "note",
  committed: "good", open: "warn", aborted: "bad",
  "dead-letter": "bad", unreadable: "bad", DLQ: "bad", DROPPED: "bad", FRAUD_ALERT: "bad", RULE_ERROR: "bad", VELOCITY: "bad", HIGH: "bad",
};

export function tone(badge) {
  const word = badge.textContent.split(/[ ,]/)[0];
  const fallback = badge.dataset.f === "fraud" && word !== "" ? "warn" : "note";
  badge.dataset.tone = TONES[badge.dataset.severity] ?? TONES[word] ?? fallback;
}

const SECONDS = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
const clock = new Intl.DateTimeFormat(undefined, SECONDS);
const preciseClock = new Intl.DateTimeFormat(undefined, { ...SECONDS, fractionalSecondDigits: 3 });

export function localTime(element) {
  const at = new Date(element.dateTime);
  const shown = "precise" in element.dataset ? preciseClock : clock;
  element.textContent = Number.isNaN(at.getTime()) ? "" : shown.format(at);
}

export function fill(row, values) {
  for (const [name, value] of Object.entries(values)) {
    const element = field(row, name);
    if (!element) continue;
    if (element.tagName === "TIME") {
      element.dateTime = value ?? "";
      localTime(element);
    } else {
      element.textContent = value ?? "";
      if (element.classList.contains("badge")) tone(element);
      if (name === "status") element.dataset.status = value;
    }
  }
  return row;
}

// Says something to those who don't see the page.
export const announce = (words) => { byId("announcement").textContent = words; };

export const short = (id) => String(id ?? "").slice(-8);

// Completes the labels and titles of a new row's controls: in the template they end where the name of their subject comes.
export function nameControls(row, subject) {
  for (const control of row.querySelectorAll("[aria-label$=' ']")) control.ariaLabel += subject;
  for (const control of row.querySelectorAll("[title$=' ']")) control.title += subject;
}

// ---- the keyboard in a list ---------------------------------------------------------------------------------------

// Hundreds of rows would be hundreds of stops of the Tab key. So only one row of a list has any: the one that last had the
// focus, or else the newest. From there the arrow keys go to the rows above and below.
const ACTS = ["journey", "edit", "delete", "redrive"];
const actsOf = (row) => row.querySelectorAll(ACTS.map((act) => `[data-${act}]`).join());

function setStops(row, index) {
  for (const button of actsOf(row)) button.tabIndex = index;
}

function stopAt(list, row) {
  if (list.stop) setStops(list.stop, -1);
  list.stop = row;
  if (row) setStops(row, 0);
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

for (const list of Object.values(lists)) {
  for (const row of list.children) setStops(row, -1);
  stopAt(list, list.firstElementChild);
  list.addEventListener("focusin", ({ target }) => target !== list && stopAt(list, target.closest(".row")));
  list.addEventListener("keydown", moveInList);
}

// ---- rows that come and go ----------------------------------------------------------------------------------------

// Adds a row at the top. Past MOST_ROWS, removes the oldest row that the person isn't using.
export function prepend(list, row) {
  row.classList.add("fresh");
  setStops(row, -1);
  list.prepend(row);
  if (!list.stop?.contains(document.activeElement)) stopAt(list, row);
  while (list.childElementCount > MOST_ROWS) {
    let oldest = list.lastElementChild;
    while (oldest && isInUse(oldest)) oldest = oldest.previousElementSibling;
    (oldest ?? list.lastElementChild).remove();
  }
}

const isInUse = (row) => row.editor !== undefined || row.contains(document.activeElement);

// Removes a row. If it has the focus, the focus goes to a row beside it.
export function remove(row) {
  const list = row.parentElement;
  const near = row.nextElementSibling ?? row.previousElementSibling;
  const hadFocus = row.contains(document.activeElement);
  row.remove();
  if (list.stop === row) stopAt(list, list.firstElementChild);
  if (hadFocus) (near?.querySelector(":not([hidden]) > button:not([hidden])") ?? list).focus();
}

// Keeps the row that has the focus at its place on the screen while `change` adds rows above it.
export function keepFocusInPlace(change) {
  const row = document.activeElement?.closest(".rows > .row");
  const list = row?.parentElement;
  const top = row?.getBoundingClientRect().top;
  change();
  if (row?.isConnected) list.scrollTop += row.getBoundingClientRect().top - top;
}
