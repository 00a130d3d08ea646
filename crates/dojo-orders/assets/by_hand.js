// A record by hand, on a topic of the lesson: whatever is typed goes there as it is.
import { input, send, sentence, setBusy } from "./api.js";
import { byId, can } from "./dom.js";

const ANSWER_WITHIN_MS = 15000;
const TOPICS = ["orders", "audit", "orders-dlq"];

const form = byId("by-hand");
let topic = "";
let whenWritten = () => {};

const say = (text) => { byId("by-hand-outcome").textContent = text; };

// Shows the form for a topic that takes records by hand.
export function offerForm(name, partitions, written) {
  if (!form) return;
  [topic, whenWritten] = [name, written];
  form.closest("details").hidden = !TOPICS.includes(name);
  const options = partitions.map(({ partition }) => new Option(partition, partition));
  input(form, "partition").replaceChildren(new Option("by key", ""), ...options);
  say("");
}

// One header a line, `name: value`. A line without a colon is a header without a value.
function headersOf(text) {
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const [name, ...value] = line.split(":");
    return { name: name.trim(), value: value.length === 0 ? null : value.join(":").trim() };
  });
}

const bytes = { text: (text) => text, base64: (text) => ({ base64: text.trim() }), none: () => null };

async function write() {
  if (form.ariaBusy === "true") return;
  const values = Object.fromEntries(new FormData(form));
  const record = {
    partition: values.partition === "" ? null : Number(values.partition),
    key: values.key === "" ? null : values.key,
    headers: headersOf(values.headers),
    value: bytes[values.kind](values.value),
  };
  say("Waiting for Kafka's acknowledgement …");
  setBusy(form, true);
  const path = `/topics/${encodeURIComponent(topic)}/records`;
  const answer = await send("POST", path, JSON.stringify(record), { within: ANSWER_WITHIN_MS });
  setBusy(form, false);
  if (!answer.ok) {
    const errors = answer.errors.map(({ field, message }) => `${field} ${message}`).join("; ");
    return say(sentence(errors || answer.detail));
  }
  say(`On the log: partition ${answer.body.partition}, offset ${answer.body.offset}.`);
  whenWritten();
}

if (can("records")) form.addEventListener("submit", write);
