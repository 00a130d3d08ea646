// The scenarios of the folder, and a button that plays each. What a run does is shown by run.js, as Kafka delivers it.
import { send, sentence } from "./api.js";
import { byId, clone, fill, nameControls } from "./dom.js";
import { onOpened } from "./stream.js";

// A runner has to start and to get the lease.
const BEGUN_WITHIN_MS = 30000;

const list = byId("scenario-list");
const say = (text) => { byId("scenario-outcome").textContent = text; };

onOpened(readAll);

async function readAll() {
  const answer = await send("GET", "/scenarios");
  if (!answer.ok) return say(`The scenarios can't be listed: ${answer.detail || "the order service refuses to"}.`);
  const text = JSON.stringify(answer.body);
  // The row that has the focus stays if nothing has changed.
  if (list.shown === text) return;
  list.shown = text;
  list.replaceChildren(...answer.body.map(rowOf));
}

function rowOf({ name, title, lesson, tags, error }) {
  const row = fill(clone("scenario-row"), { title, lesson, error });
  row.dataset.scenario = name;
  nameControls(row, title);
  row.querySelector("[data-f=tags]").replaceChildren(...tags.map((tag) => {
    const item = clone("scenario-tag");
    item.textContent = tag;
    return item;
  }));
  if (error) row.querySelector("[data-play]")?.remove();
  return row;
}

let isBusy = false;

async function play(name, title) {
  if (isBusy) return say("Wait until the runner has started.");
  isBusy = true;
  say(`Starting ${title} …`);
  const path = `/scenarios/${encodeURIComponent(name)}/play`;
  const answer = await send("POST", path, "{}", { within: BEGUN_WITHIN_MS });
  isBusy = false;
  const errors = answer.errors.map((e) => sentence(`${e.field} ${e.message}`)).join(" ");
  say(answer.ok ? "" : `${title} isn't played. ${errors || sentence(answer.detail)}`);
}

list.addEventListener("click", ({ target }) => {
  if (!target.matches("[data-play]")) return;
  const row = target.closest(".row");
  play(row.dataset.scenario, row.querySelector("[data-f=title]").textContent);
});
