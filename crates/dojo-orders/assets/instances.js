// A card for each instance: what it reports, and buttons to stop, start, crash, add and remove instances. Each of these is a
// record on the topic dojo-settings, which every instance follows; a card changes when the instance reports.
import { send, sentence } from "./api.js";
import { showBanner } from "./banner.js";
import { byId, clone, field, fill, nameControls } from "./dom.js";
import { onTopic, showSettings } from "./settings.js";
import { follow, isLive, lastHeard, onOpened } from "./stream.js";

const SILENT_AFTER_MS = 6000;
const MOST_CARDS = 200;

const list = byId("instances");
const section = list.closest("section");
const cards = new Map([...list.children].map((card) => [card.dataset.instance, card]));
// What runs the processes. It reports as the instances do.
const supervisor = { heard: performance.now() };

onOpened(() => {
  for (const known of [...cards.values(), supervisor]) known.heard = performance.now();
});

// ---- what they report ---------------------------------------------------------------------------------------------

follow("status", (event) => {
  if (event.unreadable) return;
  if (event.service === "supervisor") {
    supervisor.heard = performance.now();
    section.dataset.supervisor = String(event.state === "running");
  } else if (event.instanceId) {
    showReport(cardOf(event.instanceId, event.service), event);
  } else if (cards.has(event.key)) {
    // An instance whose record was removed.
    removeCard(cards.get(event.key));
    cards.delete(event.key);
    showBanner();
  }
});

function removeCard(card) {
  const near = card.nextElementSibling ?? card.previousElementSibling;
  const hadFocus = card.contains(document.activeElement);
  card.remove();
  if (hadFocus) (near?.querySelector(":not([hidden]) > button:not([hidden])") ?? list).focus();
}

function showReport(card, event) {
  card.heard = performance.now();
  card.report = event;
  card.dataset.startedAt = event.startedAt;
  const live = event.state !== "stopped" && !isCrashed(card);
  card.dataset.live = String(live);
  card.dataset.limitation = live && event.limitation ? `${event.instanceId}: ${event.limitation}` : "";
  fill(card, { id: event.instanceId, state: isCrashed(card) ? "crashed" : event.state, rule: event.ruleVersion });
  field(card, "rule").dataset.error = live ? event.ruleError ?? "" : "";
  showBanner();
  showPartitions(card, live ? event.partitions : []);
}

// A crash command names the process that obeys it by the time of its start.
function isCrashed(card) {
  const crash = onTopic(`instances.${card.dataset.instance}.crash`);
  return crash !== undefined && Date.parse(crash) === Date.parse(card.dataset.startedAt);
}

// Services with controls come first.
const SERVICES = ["notification", "fraud", "audit", "order"];
const rank = ({ service, instance }) => `${SERVICES.indexOf(service)} ${instance}`;

function cardOf(id, service) {
  let card = cards.get(id);
  if (!card) {
    card = clone("instance-card");
    cards.set(id, card);
    Object.assign(card.dataset, { instance: id, service });
    nameControls(card, id);
    hideWhatIsNotOfTheService(card);
    for (const form of card.querySelectorAll(".setting")) form.dataset.instance = id;
    const after = [...list.children].find((other) => rank(other.dataset) > rank(card.dataset));
    list.insertBefore(card, after ?? null);
    forgetOne();
    showSettings();
    showWish(card);
  }
  return card;
}

function hideWhatIsNotOfTheService(card) {
  for (const part of card.querySelectorAll("[data-services]")) {
    part.hidden = !part.dataset.services.split(" ").includes(card.dataset.service);
  }
}

function forgetOne() {
  if (cards.size <= MOST_CARDS) return;
  const [id, card] = [...cards].find(([, other]) => other.dataset.live === "false") ?? [...cards][0];
  card.remove();
  cards.delete(id);
}

function showPartitions(card, partitions) {
  const text = JSON.stringify(partitions.map((p) => [p.topic, p.partition, p.lag]));
  if (card.partitions === text) return;
  card.partitions = text;
  field(card, "partitions").replaceChildren(...partitions.map((p) => {
    const tag = clone("partition-tag");
    return fill(tag, { name: `${p.topic} ${p.partition}`, lag: `lag ${p.lag < 0 ? "?" : p.lag}` });
  }));
}

setInterval(() => {
  if (!isLive) return;
  // While the page itself is cut off, it can't tell.
  const isSilent = ({ heard }) => lastHeard - heard > SILENT_AFTER_MS;
  if (isSilent(supervisor)) section.dataset.supervisor = "false";
  const isGone = (card) => ["silent", "crashed"].includes(field(card, "state").textContent);
  for (const card of cards.values()) if (isSilent(card) && !isGone(card)) showGone(card, "silent");
}, 1000);

function showGone(card, state) {
  card.dataset.live = "false";
  card.dataset.limitation = "";
  field(card, "rule").dataset.error = "";
  fill(card, { state });
  showPartitions(card, []);
  showBanner();
}

// ---- what they are asked to do ------------------------------------------------------------------------------------

follow("settings", (event) => {
  const [, id, kind] = /^instances\.(.+)\.(state|crash)$/.exec(event.key ?? "") ?? [];
  const card = cards.get(id);
  if (!card || event.unreadable) return;
  if (kind === "state") showWish(card);
  else if (isCrashed(card)) showGone(card, "crashed");
});

// One button stops and starts, so that it keeps the focus.
function showWish(card) {
  const button = card.querySelector("[data-act=stop], [data-act=start]");
  if (!button) return;
  const act = onTopic(`instances.${card.dataset.instance}.state`) === "stopped" ? "start" : "stop";
  const name = act === "stop" ? "Stop" : "Start";
  button.dataset.act = act;
  button.textContent = name;
  button.ariaLabel = `${name} ${card.dataset.instance}`;
}

const say = (text) => { byId("instance-outcome").textContent = text; };

const ACTS = {
  stop: { method: "POST", late: "has not reported yet that it has stopped", asked: "to stop" },
  start: { method: "POST", late: "has not reported yet that it runs", asked: "to start" },
  crash: { method: "POST", asked: "to crash" },
  remove: { method: "DELETE", asked: "to end" },
};

async function ask(id, act) {
  const { method, late, asked } = ACTS[act];
  const path = `/instances/${encodeURIComponent(id)}`;
  say(`Asking ${id} ${asked} …`);
  const answer = await send(method, act === "remove" ? path : `${path}/${act}`);
  if (!answer.ok) say(sentence(answer.detail));
  else say(answer.status === 202 && late ? `${id} ${late}.` : "");
}

async function add(service) {
  say("Asking the supervisor for another instance …");
  const answer = await send("POST", "/instances", JSON.stringify({ service }));
  if (!answer.ok) say(answer.errors.map((e) => sentence(`${e.field} ${e.message}`)).join(" ") || sentence(answer.detail));
  else say(answer.status === 202 ? `${answer.body.instanceId} has not reported yet.` : "");
}

section.addEventListener("click", ({ target }) => {
  if (target.matches("[data-act]")) ask(target.closest(".instance").dataset.instance, target.dataset.act);
  if (target.matches("[data-add]")) add(target.dataset.add);
});

for (const card of cards.values()) {
  card.heard = performance.now();
  showWish(card);
}
