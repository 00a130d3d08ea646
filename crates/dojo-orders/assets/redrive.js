// Sends dead letters back to the topic `orders`, and shows on each whether that happened and what became of it: a redriven
// record names the dead letter that it comes from, and audit events name the record that they are about.
import { send, sentence } from "./api.js";
import { byId } from "./dom.js";
import { lists } from "./lists.js";
import { follow, holdReload } from "./stream.js";

const MOST_LETTERS = 1000;
const MOST_PLACES = 5000;
const ANSWER_WITHIN_MS = 30000;
const FINAL = ["NOTIFIED", "DLQ", "DROPPED"];

// By the offset of a dead letter: its redrives, oldest first. There are two if two order services were asked at once.
const letters = new Map();
// By the place of a record on `orders` that was redriven, or is the retry of one: its redrive.
const places = new Map();
// By the place of a record on `orders`: what became of it. An audit event may come before its record, because topics are
// read side by side.
const outcomes = new Map();

const placeOf = (partition, offset) => `${partition}@${offset}`;

function keep(map, key, value, most) {
  map.delete(key);
  map.set(key, value);
  if (map.size > most) map.delete(map.keys().next().value);
}

// The redrive of a dead letter at that time. A retry carries the time of the redrive that it comes from.
function redriveOf(letter, at, place) {
  const known = letters.get(letter) ?? [];
  let redrive = known.find((other) => other.at === at);
  if (!redrive) {
    redrive = { letter, at, place };
    keep(letters, letter, [...known, redrive], MOST_LETTERS);
  }
  keep(places, place, redrive, MOST_PLACES);
  return redrive;
}

// ---- what the stream tells ----------------------------------------------------------------------------------------

follow("order", ({ record }) => {
  const letter = record.headers["dojo-dlq-offset"];
  if (letter === undefined) return;
  const place = placeOf(record.partition, record.offset);
  const at = new Date(Number(record.headers["dojo-redriven-at"] ?? NaN));
  const redrive = redriveOf(letter, Number.isNaN(at.getTime()) ? record.timestamp : at.toISOString(), place);
  noteOutcome(redrive, outcomes.get(place));
});

follow("audit", (event) => {
  if (event.unreadable || ![...FINAL, "RETRY"].includes(event.action) || event.offset === undefined) return;
  const place = placeOf(event.partition, event.offset);
  keep(outcomes, place, event.action, MOST_PLACES);
  if (places.has(place)) noteOutcome(places.get(place), event.action);
});

follow("dlq", ({ record }) => show(String(record.offset)));

const entryOf = (letter) => lists.dead.entries.find(({ data }) => data.offset === letter);

function noteOutcome(redrive, outcome) {
  if (outcome !== undefined && !FINAL.includes(redrive.outcome)) redrive.outcome = outcome;
  show(redrive.letter);
}

function show(letter) {
  const redrives = letters.get(letter);
  const entry = redrives && entryOf(letter);
  if (!entry) return;
  lists.dead.change(entry, {
    redriven_at: redrives.at(-1).at,
    redriven_to: redrives.map(({ place }) => place).join(", "),
    outcome: redrives.map(({ outcome }) => outcome ?? "").filter(Boolean).join(", "),
  });
}

for (const { data: { offset, redrives } } of lists.dead.entries) {
  for (const { at, partition, offset: to, tries, outcome } of JSON.parse(redrives || "[]")) {
    const redrive = redriveOf(offset, at, placeOf(partition, to));
    for (const [p, o] of tries) keep(places, placeOf(p, o), redrive, MOST_PLACES);
    noteOutcome(redrive, outcome ?? undefined);
  }
}

// ---- sending back -------------------------------------------------------------------------------------------------

const sayOfAll = (text) => { byId("redrive-outcome").textContent = text; };

// Says in its row what became of asking for a dead letter.
function say(offset, refused) {
  const entry = entryOf(String(offset));
  if (!entry) return;
  lists.dead.change(entry, { refused });
  lists.dead.show();
}

async function redrive(body) {
  const answer = await send("POST", "/dlq/redrive", JSON.stringify(body), { within: ANSWER_WITHIN_MS });
  if (!answer.ok) return { refusal: sentence(answer.detail), redriven: [], refused: [], left: 0 };
  for (const { offset, reason } of answer.body.refused) say(offset, `Not sent back: ${reason}`);
  return answer.body;
}

async function one({ offset }) {
  say(offset, "");
  const { refusal } = await redrive({ offsets: [Number(offset)] });
  if (refusal) say(offset, refusal);
}

// The server sends back as many as it has time and room for, and says how many are left. What it refuses, it refuses each
// time.
async function all() {
  let redriven = 0;
  let answer;
  do {
    sayOfAll(`Sending back … ${redriven} so far.`);
    answer = await redrive({ all: true });
    redriven += answer.redriven.length;
  } while (answer.left > 0 && answer.redriven.length > 0);
  const reasons = [...new Set(answer.refused.map(({ reason }) => reason))].slice(0, 3).join("; ");
  const refused = answer.refused.length > 0 ? ` ${answer.refused.length} refused: ${reasons}.` : "";
  const left = answer.left > 0 ? ` Up to ${answer.left} are left.` : "";
  sayOfAll(`${redriven} sent back.${refused}${left} ${answer.refusal ?? ""}`);
}

let isBusy = false;

lists.dead.element.closest("section").addEventListener("click", async ({ target }) => {
  if (!target.matches("[data-redrive], [data-redrive-all]")) return;
  if (isBusy) return sayOfAll("Wait until those before are sent back.");
  isBusy = true;
  await (target.matches("[data-redrive]") ? one(target.closest(".row").dataset) : all());
  isBusy = false;
});

// While letters are sent back, the page isn't loaded again.
holdReload(() => isBusy);
