// The questions of a run: a guess for each browser, how the room has guessed, and the answer once it is revealed.
import { send, sentence } from "./api.js";
import { byId, clone, field, fill } from "./dom.js";

const list = byId("run-questions");

// ---- what this browser keeps --------------------------------------------------------------------------------------

const KEY = "dojo-guesses";
// What this page knows where the browser keeps nothing; then it is another guesser after a reload.
let kept = null;

function keep() {
  try {
    localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // It is kept until the page is closed.
  }
}

// The id of this browser, and its guesses in this run by the question's number. Another page of the browser may have guessed since.
function mine(run) {
  try {
    kept = JSON.parse(localStorage.getItem(KEY)) ?? kept;
  } catch {
    // What this page knows is all there is.
  }
  if (typeof kept?.guesser !== "string") {
    kept = { guesser: randomUuid() };
    keep();
  }
  if (kept.run !== run) kept = { guesser: kept.guesser, run, guesses: {} };
  return kept;
}

// `crypto.randomUUID` is missing on a page that comes from another machine without TLS.
function randomUuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

// ---- showing ------------------------------------------------------------------------------------------------------

export function showQuestions(run) {
  const isOther = list.dataset.run !== run.runId;
  if (isOther) list.replaceChildren();
  list.dataset.run = run.runId;
  const questions = run.questions ?? [];
  for (const row of [...list.children]) {
    if (!questions.some(({ number }) => row.dataset.number === String(number))) row.remove();
  }
  for (const question of questions) {
    let row = list.querySelector(`[data-number="${question.number}"]`);
    if (!row) list.prepend(row = newRow(question));
    show(row, question, run);
  }
}

function newRow({ number, choices }) {
  const row = clone("run-question");
  row.dataset.number = number;
  const isChosen = choices?.length > 0;
  row.querySelector("label").hidden = row.querySelector("[type=submit]").hidden = isChosen;
  row.querySelector(".choices").replaceChildren(...(choices ?? []).map((choice) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.guess = "";
    button.value = button.textContent = choice;
    return button;
  }));
  return row;
}

const counted = (number) => `${number} ${number === 1 ? "guess" : "guesses"}`;

function show(row, question, run) {
  row.question = question;
  row.run = run;
  const isOver = run.state !== "running";
  const isOpen = question.open && !isOver;
  const own = mine(run.runId).guesses[question.number];
  const hadFocus = row.contains(document.activeElement);
  row.querySelector("form").hidden = !isOpen || own !== undefined;
  const close = row.querySelector("[data-close]");
  if (close) close.hidden = !isOpen;
  // Those who have still to guess don't see how the others did.
  const showsGuesses = !isOpen || own !== undefined;
  const guesses = question.guesses ?? [];
  const all = guesses.reduce((sum, { count }) => sum + count, 0);
  const said = [
    own ? `Your guess: ${own}.` : "",
    question.facilitator === undefined ? "" : `The facilitator: ${question.facilitator}.`,
    isOpen ? `${counted(all)} so far.` : all === 0 ? "The room made no guess." : `${counted(all)}.`,
    isOpen || question.answer !== undefined ? "" : isOver ? "The run ended before the answer." : "Closed: the run shows the answer at its end.",
  ];
  const answer = question.answer === undefined ? "" : `The answer: ${question.answer}.`;
  fill(row, { text: question.text, answer, state: said.filter(Boolean).join(" ") });
  showGuesses(field(row, "guesses"), showsGuesses ? guesses : [], question.answer, own);
  row.dataset.open = String(isOpen);
  // What had the focus is gone.
  if (hadFocus && !document.activeElement?.checkVisibility()) (close?.hidden === false ? close : byId("run")).focus();
}

const isSame = (one, other) => one === other || (one?.trim() !== "" && Number(one) === Number(other));

function showGuesses(place, guesses, answer, own) {
  const text = JSON.stringify([guesses, answer, own]);
  if (place.shown === text) return;
  place.shown = text;
  const most = Math.max(1, ...guesses.map(({ count }) => count));
  const sorted = [...guesses].sort((one, other) => other.count - one.count);
  place.replaceChildren(...sorted.map(({ guess, count }) => {
    const isRight = answer !== undefined && isSame(guess, answer);
    const marks = answer === undefined ? "" : isRight ? "✓ right" : "✗ wrong";
    const item = fill(clone("run-guess"), { guess, count: counted(count), right: marks });
    field(item, "right").dataset.tone = isRight ? "good" : "note";
    Object.assign(item.querySelector("progress"), { max: most, value: count });
    return item;
  }));
}

// ---- guessing -----------------------------------------------------------------------------------------------------

let isBusy = false;

async function guess(row, text) {
  const { run, question } = row;
  const say = (outcome) => fill(row, { outcome });
  if (text.trim() === "") return say("Give a number, such as 7.");
  if (isBusy) return say("Wait until the guess before is counted.");
  isBusy = true;
  say("Sending your guess …");
  const path = `/runs/${encodeURIComponent(run.runId)}/questions/${question.number}/guesses`;
  const answer = await send("POST", path, JSON.stringify({ guess: text.trim(), guesser: mine(run.runId).guesser }));
  isBusy = false;
  const errors = answer.errors.map((e) => sentence(`${e.field} ${e.message}`)).join(" ");
  say(answer.ok ? "" : `Not counted: ${errors || sentence(answer.detail)}`);
  // The guess of another page of this browser counts, too.
  const isCounted = answer.ok || (answer.status === 409 && row.question.open);
  if (!isCounted) return;
  const { guesses } = mine(run.runId);
  guesses[question.number] = answer.ok ? text.trim() : guesses[question.number] ?? "";
  keep();
  show(row, row.question, row.run);
}

async function close(row) {
  const { run, question } = row;
  fill(row, { outcome: "Closing the question …" });
  const answer = await send("POST", `/runs/${encodeURIComponent(run.runId)}/questions/${question.number}/close`, "{}");
  fill(row, { outcome: answer.ok ? "" : sentence(answer.detail) });
}

// Another page of this browser has guessed.
addEventListener("storage", ({ key }) => {
  if (key === KEY) for (const row of list.children) show(row, row.question, row.run);
});
list.addEventListener("click", ({ target }) => {
  const row = target.closest(".question");
  if (target.matches("[data-guess][type=button]")) guess(row, target.value);
  if (target.matches("[data-close]")) close(row);
});
list.addEventListener("submit", ({ target }) => guess(target.closest(".question"), new FormData(target).get("guess")));
