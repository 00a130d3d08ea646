// Finds, clones and fills the elements of the page. Only the template has the markup of a row, and every text is set as
// text, never as markup. `data-f` names the field whose value an element shows.

import { look } from "./board_who.js";

export const byId = (id) => document.getElementById(id);
export const clone = (id) => byId(id).content.firstElementChild.cloneNode(true);
export const field = (row, name) => row.querySelector(`[data-f="${name}"]`);

// Gives the name of an instance its colour and its letter.
export function markWho(element) {
  const id = element.textContent;
  const { letter, colour } = id === "" ? { letter: "", colour: "" } : look(id);
  element.dataset.letter = letter;
  element.dataset.colour = colour;
}

// What the server lets a person change: `READ_ONLY` takes parts away, and the template leaves out their controls.
const allowed = document.body.dataset.can.split(" ");
export const can = (part) => allowed.includes(part);

const TONES = {
  NOTIFIED: "good", FRAUD_CHECK_PASSED: "good", passed: "good",
  RETRY: "warn", BURST: "warn", MEDIUM: "warn", REDRIVEN: "warn", LOW: "note",
  committed: "good", open: "warn", aborted: "bad",
  "dead-letter": "bad", unreadable: "bad", DLQ: "bad", DROPPED: "bad", FRAUD_ALERT: "bad", RULE_ERROR: "bad", VELOCITY: "bad", HIGH: "bad",
};

export function tone(badge) {
  const word = badge.textContent.split(/[ ,]/)[0];
  const fallback = badge.dataset.f === "fraud" && word !== "" ? "warn" : "note";
  badge.dataset.tone = TONES[badge.closest("[data-severity]")?.dataset.severity] ?? TONES[word] ?? fallback;
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
      if ("who" in element.dataset) markWho(element);
      if (name === "status") element.dataset.status = value;
    }
  }
  return row;
}

// Says something to those who don't see the page.
export const announce = (words) => { byId("announcement").textContent = words; };

export const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
export const short = (id) => String(id ?? "").slice(-8);

// Completes the labels and titles of a new row's controls: in the template they end where the name of their subject comes.
export function nameControls(row, subject) {
  for (const control of row.querySelectorAll("[aria-label$=' ']")) control.ariaLabel += subject;
  for (const control of row.querySelectorAll("[title$=' ']")) control.title += subject;
}
