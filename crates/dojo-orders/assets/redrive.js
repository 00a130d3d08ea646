// Sends dead letters back to the topic `orders`, and shows on each whether that happened and what became of it: a redriven
// record names the dead letter that it comes from, and audit events name the record that they are about.
import { send, sentence } from "./api.js";
import { byId, fill, lists } from "./dom.js";
import { follow } from "./stream.js";

const MOST_LETTERS = 1000;
const MOST_PLACES = 5000;
const ANSWER_WITHIN_MS = 30000;
const FINAL = ["NOTIFIED", "DLQ", "DROPPED"];

// By the offset of a dead letter: its last redrive.
const redrives = new Map();
// By the place of a record on `orders` that was redriven, or is the retry of one: the offset of the dead letter.
const letters = new Map();
// By the place of a record on `orders`: what became of it. An audit event may come before its record, because topics are
// read side by side.
const outcomes = new Map();

const placeOf = (partition, offset) => `${partition}@${offset}`;

function keep(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value);
}

// ---- what the stream tells ----------------------------------------------------------------------------------------

follow("order", ({ record }) => {
  const letter = record.headers["dojo-dlq-offset"];
  if (letter === undefined) return;
  const place = placeOf(record.partition, record.offset);
  keep(letters, place, letter, MOST_PLACES);
  if (!("retryCount" in record.headers)) {
    const at = new Date(Number(record.headers["dojo-redriven-at"] ?? NaN));
    const shown = Number.isNaN(at.getTime()) ? record.timestamp : at.toISOString();
    noteRedrive(letter, { at: shown, place, times: Number(record.headers.redriveCount) });
  }
  noteOutcome(letter, outcomes.get(place));
});

follow("audit", (event) => {
  if (event.unreadable || ![...FINAL, "RETRY"].includes(event.action) || event.offset === undefined) return;
  const place = placeOf(event.partition, event.offset);
  keep(outcomes, place, event.action, MOST_PLACES);
  noteOutcome(letters.get(place), event.action);
});

follow("dlq", ({ record }) => show(String(record.offset)), () => {});

function noteRedrive(letter, redrive) {
  const known = redrives.get(letter);
  if (known?.place === redrive.place || known?.times > redrive.times) return;
  keep(redrives, letter, redrive, MOST_LETTERS);
  show(letter);
}

function noteOutcome(letter, outcome) {
  const redrive = redrives.get(letter);
  if (!redrive || outcome === undefined || FINAL.includes(redrive.outcome)) return;
  redrive.outcome = outcome;
  show(letter);
}

function show(letter) {
  const row = lists.dead.querySelector(`[data-offset="${letter}"]`);
  const redrive = redrives.get(letter);
  if (!row || !redrive) return;
  row.querySelector(".redriven").hidden = false;
  fill(row, { redriven_at: redrive.at, redriven_to: redrive.place, outcome: redrive.outcome ?? "" });
}

// The first picture has no redrives: the log has them.
async function look() {
  if (lists.dead.childElementCount === 0) return;
  const answer = await send("GET", "/dlq");
  for (const letter of answer.ok ? answer.body : []) {
    for (const redrive of letter.redrives ?? []) {
      const offset = String(letter.record.offset);
      const place = placeOf(redrive.partition, redrive.offset);
      keep(letters, place, offset, MOST_PLACES);
      noteRedrive(offset, { at: redrive.at, place, times: redrive.redriveCount });
      noteOutcome(offset, redrive.outcome ?? undefined);
    }
  }
}

// ---- sending back -------------------------------------------------------------------------------------------------

const say = (text) => { byId("redrive-outcome").textContent = text; };

async function redrive(body) {
  const answer = await send("POST", "/dlq/redrive", JSON.stringify(body), { within: ANSWER_WITHIN_MS });
  if (!answer.ok) return { refusal: sentence(answer.detail), redriven: [], refused: [], left: 0 };
  for (const { offset, reason } of answer.body.refused) showRefusal(offset, reason);
  return answer.body;
}

function showRefusal(offset, reason) {
  const row = lists.dead.querySelector(`[data-offset="${offset}"]`);
  if (row) row.querySelector(".refused").textContent = `Not sent back: ${reason}`;
}

async function one(row) {
  row.querySelector(".refused").textContent = "";
  const { refusal } = await redrive({ offsets: [Number(row.dataset.offset)] });
  if (refusal) row.querySelector(".refused").textContent = refusal;
}

// The server sends back as many as it has time and room for, and says how many are left.
async function all() {
  const done = { redriven: 0, refused: 0 };
  let answer;
  do {
    say(`Sending back … ${done.redriven} so far.`);
    answer = await redrive({ all: true });
    done.redriven += answer.redriven.length;
    done.refused += answer.refused.length;
  } while (answer.left > 0 && answer.redriven.length > 0);
  const reasons = [...new Set(answer.refused.map(({ reason }) => reason))].slice(0, 3).join("; ");
  const refused = done.refused > 0 ? ` ${done.refused} refused: ${reasons}.` : "";
  const left = answer.left > 0 ? ` Up to ${answer.left} are left.` : "";
  say(answer.refusal ?? `${done.redriven} sent back.${refused}${left}`);
}

let isBusy = false;

lists.dead.closest("section").addEventListener("click", async ({ target }) => {
  if (!target.matches("[data-redrive], [data-redrive-all]") || isBusy) return;
  isBusy = true;
  await (target.matches("[data-redrive]") ? one(target.closest(".row")) : all());
  isBusy = false;
});

look();
