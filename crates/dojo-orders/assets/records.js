// The records of a topic, one page at a time. The form makes the query of the next page, which goes into the page's address.
import { input, send, sentence } from "./api.js";
import { byId, clone, fill } from "./dom.js";
import { go } from "./views.js";

// The server reads for up to five seconds, and waits two for its turn.
const ANSWER_WITHIN_MS = 15000;
// A longer value isn't set out: that would take the browser too long.
const SET_OUT_CHARS = 100000;
// Nor is a deeper one: each level indents every line below it further.
const SET_OUT_LEVELS = 32;
const ORDER_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const form = byId("look");
const list = byId("records");
const goOn = byId("records-next");

// What is shown, or read: `query` asks for it, the form makes `filled` of that, and `next` is the query of the page behind it.
let shown = null;
let asked = 0;

const say = (text) => { byId("records-outcome").textContent = text; };
export const addressOf = (name, query = "") => `#/topics/${encodeURIComponent(name)}${query && `?${query}`}`;

export async function showRecords(name, query, partitions) {
  const turn = ++asked;
  setForm(query, partitions);
  shown = { name, query, filled: String(queryOf(query)), next: null };
  goOn.hidden = true;
  byId("isolation-note").hidden = query.get("isolation") !== "read_uncommitted";
  say("Reading …");
  const path = `/topics/${encodeURIComponent(name)}/records?${query}`;
  const answer = await send("GET", path, undefined, { within: ANSWER_WITHIN_MS });
  if (turn !== asked) return;
  shown.next = answer.body?.next?.split("?")[1];
  goOn.hidden = !shown.next;
  if (!answer.ok) {
    list.replaceChildren();
    return say(sentence(answer.detail));
  }
  const { records, missing } = answer.body;
  list.replaceChildren(...rows(name, records, missing, isOldestFirst(query)));
  const more = shown.next ? " There may be more: read on." : "";
  say(records.length === 0 ? `No record here.${more}` : "");
}

const isOldestFirst = (query) => ["offset", "timestamp", "from", "key"].some((name) => query.has(name));

// Puts each run of offsets without a record beside the record of its partition that it stands behind, or before.
function rows(name, records, missing, isAscending) {
  const rows = records.map((record) => ({ at: record, row: recordRow(name, record) }));
  for (const run of isAscending ? missing : missing.toReversed()) {
    const isBehind = ({ at }) => at.partition === run.partition
      && (isAscending ? at.offset > run.lastOffset : at.offset < run.firstOffset);
    const place = rows.findIndex(isBehind);
    rows.splice(place < 0 ? rows.length : place, 0, { at: { partition: run.partition, offset: run.firstOffset }, row: missingRow(run) });
  }
  return rows.map(({ row }) => row);
}

const TRANSACTIONS = {
  committed: ["committed", "Readers of committed records get it: its transaction was committed, or it was sent outside of one"],
  aborted: ["aborted", "Its transaction was aborted: the record stays on the log, and readers of committed records never get it"],
  open: ["open", "The first record of an open transaction. Readers of committed records wait before it"],
  openOrBehind: ["open or behind", "It stands behind the first record of an open transaction, and may belong to one. Readers of committed records don't get it yet"],
};

function recordRow(name, { partition, offset, timestamp, key, headers, headersOmitted, value, transaction }) {
  const [state, meaning] = TRANSACTIONS[transaction] ?? ["", ""];
  const row = fill(clone("record-row"), {
    place: `${partition}@${offset}`, at: timestamp, transaction: state, key: bytesText(key, "no key"),
    headers: [...headers.map((h) => `${h.name}: ${bytesText(h.value, "null")}`), headersOmitted && `${headersOmitted} more`].filter(Boolean).join("\n"),
    value: valueText(value), size: value === null ? "tombstone" : kindOf(value),
  });
  const field = (name) => row.querySelector(`[data-f="${name}"]`);
  field("transaction").title = meaning;
  field("at").title = timestamp ?? "";
  const journey = field("key");
  row.dataset.orderId = ORDER_ID.test(key?.text ?? "") ? key.text : "";
  journey.disabled = row.dataset.orderId === "";
  journey.title = journey.disabled ? "" : `Journey of order ${key.text}`;
  const whole = row.querySelector("a");
  whole.hidden = !(key?.cut || value?.cut || headersOmitted || headers.some((h) => h.value?.cut));
  whole.href = addressOf(name, `partition=${partition}&offset=${offset}&limit=1`);
  row.dataset.transaction = transaction ?? "";
  return row;
}

const MISSING = {
  marker: "a transaction's marker: the commit or the abort that ends it. It has an offset, but isn't a record",
  markerOrCompacted: "a transaction's marker, or a record that compaction has removed",
};

function missingRow({ partition, firstOffset, lastOffset, what }) {
  const offsets = firstOffset === lastOffset ? `${firstOffset}` : `${firstOffset} to ${lastOffset}`;
  return fill(clone("missing-row"), { place: `${partition}@${offsets}`, what: MISSING[what] ?? what });
}

function bytesText(bytes, none) {
  if (!bytes) return none;
  return `${bytes.text ?? `base64 ${bytes.base64}`}${bytes.cut ? "…" : ""}`;
}

function kindOf({ text, size, cut }) {
  const kind = text === undefined ? "base64, because it isn't UTF-8" : "";
  const length = cut ? `the first part of ${size} bytes` : `${size} bytes`;
  return [length, kind].filter(Boolean).join(", ");
}

function valueText(value) {
  if (!value) return "";
  if (value.text === undefined) return bytesText(value);
  return (value.cut ? null : setOut(value.text)) ?? bytesText(value);
}

// JSON, a member a line. Its numbers keep their digits, which JSON.parse would change.
function setOut(text) {
  if (!/^\s*[{[]/.test(text) || text.length > SET_OUT_CHARS) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const pieces = [];
  let level = 0;
  let last = "";
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (isClosing(token)) level -= 1;
    // An empty object or list stays on its line.
    if (last === "," || isOpening(last) !== isClosing(token)) pieces.push(`\n${"  ".repeat(level)}`);
    if (isOpening(token)) level += 1;
    if (level > SET_OUT_LEVELS) return null;
    pieces.push(token === ":" ? ": " : token);
    last = token;
  }
  return pieces.join("");
}

const isOpening = (token) => token === "{" || token === "[";
const isClosing = (token) => token === "}" || token === "]";

// ---- the form -----------------------------------------------------------------------------------------------------

function setForm(query, partitions) {
  const positions = (query.get("before") ?? query.get("from") ?? "").split(",");
  const asked = query.get("partition") ?? (positions.length === 1 ? positions[0].split(":")[0] : "");
  // The one that is asked for may not be on the list.
  const known = new Set([...partitions.map(({ partition }) => String(partition)), asked].filter(Boolean));
  const choose = input(form, "partition");
  choose.replaceChildren(new Option("all", ""), ...[...known].map((partition) => new Option(partition)));
  choose.value = asked;
  const isFurther = query.has("before") || query.has("from");
  const place = query.has("offset") ? "offset" : query.has("timestamp") ? "time" : isFurther ? "further" : "newest";
  placeOption("further").hidden = !isFurther;
  input(form, "place").value = place;
  input(form, "offset").value = query.get("offset") ?? "";
  input(form, "time").value = localInput(query.get("timestamp"));
  input(form, "key").value = query.get("key") ?? "";
  input(form, "everything").checked = query.get("isolation") === "read_uncommitted";
  showPlace();
}

const placeOption = (place) => input(form, "place").querySelector(`[value="${place}"]`);

// The value that a field of local time has at that time.
function localInput(timestamp) {
  const at = new Date(timestamp ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
}

function showPlace() {
  const place = input(form, "place").value;
  input(form, "offset").hidden = place !== "offset";
  input(form, "time").hidden = place !== "time";
  placeOption("newest").textContent = input(form, "key").value.trim() === "" ? "newest first" : "from the oldest";
}

// The place where an earlier page ended is one of its partitions and its key.
function leavePlace() {
  if (input(form, "place").value === "further") input(form, "place").value = "newest";
  showPlace();
}

input(form, "place").addEventListener("change", showPlace);
input(form, "partition").addEventListener("change", leavePlace);
input(form, "key").addEventListener("input", leavePlace);

// The query that the form asks for. `asked` has the place where an earlier page ended.
function queryOf(asked) {
  const values = Object.fromEntries(new FormData(form));
  const query = new URLSearchParams();
  if (values.partition !== "" && values.place !== "further") query.set("partition", values.partition);
  if (values.place === "offset") query.set("offset", values.offset.trim());
  if (values.place === "time") {
    const at = new Date(values.time);
    query.set("timestamp", Number.isNaN(at.getTime()) ? "" : at.toISOString());
  }
  for (const name of values.place === "further" ? ["before", "from"] : []) {
    if (asked.has(name)) query.set(name, asked.get(name));
  }
  if (values.key.trim() !== "") query.set("key", values.key.trim());
  if (values.everything) query.set("isolation", "read_uncommitted");
  return query;
}

form.addEventListener("submit", () => {
  if (!shown) return;
  const query = queryOf(shown.query);
  if (query.get("timestamp") === "") return say("Give a date and a time to read from.");
  // An unchanged form reads the same page again, also with the parameters for which the form has no field.
  goTo(String(query) === shown.filled ? shown.query : query);
});

goOn.addEventListener("click", () => {
  if (!shown?.next) return;
  goOn.hidden = true;
  list.parentElement.focus();
  goTo(shown.next);
});

// The address may be there already: then the same page is read again.
function goTo(query) {
  go(addressOf(shown.name, query));
}
