// The settings, for all instances and for one: a form for each, which shows the value in force and where it comes from. All
// of them work in the same way; `data-setting` and `data-instance` say which setting a form is for.
import { send, sentence } from "./api.js";
import { byId } from "./dom.js";
import { follow } from "./stream.js";

// More than the settings of any workshop.
const MOST_KEYS = 2000;

// What the topic dojo-settings holds, by key.
const topic = new Map(Object.entries(JSON.parse(byId("settings").dataset.topic)));
const keyOf = ({ instance, setting }) => (instance === "" ? setting : `instances.${instance}.${setting}`);

export const onTopic = (key) => topic.get(key);

follow("settings", (event) => {
  if (event.unreadable) return;
  topic.delete(event.key);
  if (event.value !== null) topic.set(event.key, event.value);
  if (topic.size > MOST_KEYS) topic.delete(topic.keys().next().value);
  showSettingsSoon();
});

// ---- showing ------------------------------------------------------------------------------------------------------

// Forms whose control a person is using, or whose change is on its way: their control stays as it is.
const inUse = new Set();
let isAboutToShow = false;

// Shows all of them once, after all events that came together.
function showSettingsSoon() {
  if (isAboutToShow) return;
  isAboutToShow = true;
  queueMicrotask(() => {
    isAboutToShow = false;
    showSettings();
  });
}

const formsIn = (place) => [...place.querySelectorAll("form.setting")];

export function showSettings() {
  const forAll = new Map(formsIn(byId("settings")).map((form) => [form.dataset.setting, showForAll(form)]));
  const values = [...forAll.values()];
  for (const card of byId("instances").children) {
    const forms = formsIn(card);
    for (const form of forms) values.push(showOwn(form, forAll.get(form.dataset.setting)));
    const own = forms.filter((form) => topic.has(keyOf(form.dataset)));
    const summary = card.querySelector("[data-f=own]");
    const texts = own.map((form) => `${nameOf(form)} ${valueText(form)}`);
    if (summary) summary.textContent = texts.length === 0 ? "" : `: ${texts.join(", ")}`;
  }
  byId("endless").hidden = !values.includes("retry");
}

function showForAll(form) {
  const own = topic.get(keyOf(form.dataset));
  const value = String(own ?? form.dataset.fallback);
  show(form, value, own === undefined ? form.dataset.fallbackSource : "topic", own !== undefined);
  return value;
}

function showOwn(form, forAll) {
  const own = topic.get(keyOf(form.dataset));
  const value = String(own ?? forAll);
  show(form, value, own === undefined ? "as for all" : "own", own !== undefined);
  return form.hidden ? "" : value;
}

function show(form, value, source, canReset) {
  const control = controlOf(form);
  if (control && !inUse.has(form) && !control.matches(":active")) control.value = value;
  form.querySelector("output").textContent = value;
  form.querySelector("[data-f=source]").textContent = source;
  const reset = form.querySelector("[data-reset]");
  if (!reset) return;
  if (!canReset && reset === document.activeElement) control.focus();
  reset.hidden = !canReset;
}

const controlOf = (form) => form.querySelector("input, select");
const nameOf = (form) => form.querySelector("label > span").textContent.toLowerCase();

function valueText(form) {
  const chosen = controlOf(form)?.selectedOptions?.[0];
  return chosen?.textContent ?? form.querySelector("output").textContent;
}

// ---- changing -----------------------------------------------------------------------------------------------------

// A JSON Merge Patch of what was changed while a request was under way.
let waiting = null;
let isSending = false;

const say = (text) => { byId("setting").textContent = text; };

function merge(into, change) {
  for (const [name, value] of Object.entries(change)) {
    if (value !== null && typeof value === "object") merge(into[name] ??= {}, value);
    else into[name] = value;
  }
}

async function change(form, value) {
  const { instance, setting } = form.dataset;
  inUse.add(form);
  merge(waiting ??= {}, instance === "" ? { [setting]: value } : { instances: { [instance]: { [setting]: value } } });
  if (isSending) return;
  isSending = true;
  while (waiting) {
    const patch = waiting;
    waiting = null;
    await sendPatch(patch);
  }
  isSending = false;
  inUse.clear();
  // Meanwhile another page may have set another value.
  showSettings();
}

async function sendPatch(patch) {
  say("Sending the setting to the topic dojo-settings …");
  const answer = await send("PATCH", "/settings", JSON.stringify(patch));
  const behind = answer.body?.waitingFor;
  if (answer.ok) return say(behind ? `Not yet applied by ${behind.join(", ")}.` : "");
  say(answer.errors.map((e) => sentence(`${e.field} ${e.message}`)).join(" ") || sentence(answer.detail));
  // What was refused isn't in force.
  if (!waiting) {
    inUse.clear();
    showSettings();
  }
}

// A number field that holds no number has an empty value.
function typedWrong(control) {
  return control.type === "number" && control.value === "";
}

document.addEventListener("input", ({ target }) => {
  const form = target.closest("form.setting");
  if (form) inUse.add(form);
  if (target.type === "range" && form) form.querySelector("output").textContent = target.value;
});

document.addEventListener("change", ({ target }) => {
  const form = target.closest("form.setting");
  if (!form) return;
  if (typedWrong(target)) {
    say(`${form.querySelector("label > span").textContent}: give a whole number from ${target.min} to ${target.max}.`);
    return leave(form);
  }
  change(form, target.tagName === "SELECT" ? target.value : Number(target.value));
});

// Takes back what was typed and not sent.
function leave(form) {
  if (isSending) return;
  inUse.delete(form);
  showSettings();
}

document.addEventListener("focusout", ({ target }) => {
  const form = target.closest("form.setting");
  if (form && inUse.has(form)) leave(form);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest("form.setting");
  if (form && event.key === "Escape" && inUse.has(form)) leave(form);
});

document.addEventListener("click", ({ target }) => {
  if (target.matches("[data-reset]")) change(target.closest("form.setting"), null);
});
