// The view of the topics: which ones there are, and what is on them. What it shows is in the page's address, so a reload and the
// browser's own buttons keep it: `#/topics`, `#/topics/orders`, and behind a `?` the query of the records.
import { send, sentence } from "./api.js";
import { offerForm } from "./by_hand.js";
import { byId, clone, fill, plural } from "./dom.js";
import { addressOf, showRecords } from "./records.js";
import { isJourney, onAddress } from "./views.js";

const ANSWER_WITHIN_MS = 15000;

const panel = byId("topics");
const list = byId("topic-list");

// The topic that is shown, to read its records again only if the address says something else.
let shown = null;
let topics = [];
// Counts requests: an answer to any but the last one comes too late.
let asked = 0;

// What the address asks for, while it is one of this view's.
let wanted = null;
let isCovered = false;

onAddress(async (address) => {
  // A journey opens over the view, which is the same when the journey closes.
  const wasCovered = isCovered;
  isCovered = isJourney(address);
  if (isCovered) return;
  const isSame = wanted?.name === address.rest && String(wanted.query) === String(address.query);
  if (wasCovered && address.name === "topics" && isSame) return;
  const wasShown = wanted !== null;
  wanted = address.name === "topics" ? { name: address.rest, query: address.query } : null;
  if (!wanted) {
    shown = null;
    return;
  }
  if (!wasShown) await readTopics();
  if (wanted) showTopic(wanted);
});

// ---- the list -----------------------------------------------------------------------------------------------------

const say = (text) => { byId("topics-outcome").textContent = text; };

async function readTopics() {
  const turn = ++asked;
  say("Asking Kafka …");
  const answer = await send("GET", "/topics", undefined, { within: ANSWER_WITHIN_MS });
  if (turn !== asked) return;
  const last = answer.ok ? answer.body : answer.body?.lastKnown;
  const said = [];
  if (!answer.ok) said.push(sentence(answer.detail));
  if (!answer.ok && last) said.push(`This is what Kafka said ${Math.round(last.ageMillis / 1000)} s ago.`);
  if (last?.omitted) said.push(`${last.omitted} more topics have too many partitions to be listed.`);
  if (last?.groupsOmitted) said.push(`${last.groupsOmitted} more groups are not listed.`);
  say(said.join(" "));
  if (!last) return;
  topics = last.topics;
  list.replaceChildren(...topics.map(topicRow));
  // Its facts are filled in anew.
  shown = null;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function topicRow(topic) {
  const held = sum(topic.partitions.map((p) => (p.endOffset ?? 0) - (p.earliestOffset ?? 0)));
  const row = fill(clone("topic-row"), {
    topic: topic.name, held: plural(held, "offset"), partitions: plural(topic.partitions.length, "partition"),
    readers: topic.groups.map((g) => `${g.group}: lag ${g.lag ?? "unknown"}`).join(", "),
  });
  row.dataset.topic = topic.name;
  row.querySelector("a").href = addressOf(topic.name);
  return row;
}

// ---- one topic ----------------------------------------------------------------------------------------------------

function showTopic({ name, query }) {
  for (const row of list.children) {
    const link = row.querySelector("a");
    if (row.dataset.topic === name) link.ariaCurrent = "true";
    else link.removeAttribute("aria-current");
  }
  panel.dataset.topic = name;
  byId("topic").hidden = name === "";
  if (name === "") return;
  const topic = topics.find((other) => other.name === name);
  if (shown !== name) {
    byId("topic-name").textContent = name;
    showAbout(topic?.about ?? (topic ? "Not one of the dojo's own topics." : ""));
    showFacts(topic);
    offerForm(name, topic?.partitions ?? [], () => showTopic(wanted ?? { name, query }));
  }
  shown = name;
  showRecords(name, query, topic?.partitions ?? []);
}

// Names stand in backticks.
function showAbout(text) {
  const parts = text.split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const name = document.createElement("code");
    name.textContent = part;
    return name;
  });
  byId("topic-about").replaceChildren(...parts);
}

function showFacts(topic) {
  const partitions = topic?.partitions.map((p) => fill(clone("bounds-row"), {
    partition: p.partition, earliest: p.earliestOffset, stable: p.lastStableOffset, end: p.endOffset,
  })) ?? [];
  byId("topic-partitions").replaceChildren(...partitions);
  const groups = topic?.groups.flatMap((g) => g.partitions.map((p) => fill(clone("position-row"), {
    group: `${g.group} (${g.state}, ${plural(g.members, "member")})`, partition: p.partition,
    position: p.position ?? "none", lag: p.lag ?? "unknown", member: p.clientId,
  }))) ?? [];
  byId("topic-groups").replaceChildren(...groups);
  const configs = topic?.configs.map((c) => {
    const tag = fill(clone("config-tag"), { config: `${c.name} = ${c.value ?? "?"}` });
    tag.title = c.setForTopic ? "Set for this topic" : "The broker's value, or Kafka's default";
    return tag;
  }) ?? [];
  byId("topic-configs").replaceChildren(...configs);
}

byId("topics-again").addEventListener("click", async () => {
  await readTopics();
  if (wanted) showTopic(wanted);
});
