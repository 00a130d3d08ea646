// Shows what GET /events delivers. Each module follows the events that it shows; this one starts them, and places orders.
import { input, numberErrors, send, sentence, setBusy, showErrors, toJson } from "./api.js";
import "./banner.js";
import { byId, can, localTime, short, tone } from "./dom.js";
import { showSettings } from "./settings.js";
import { connect } from "./stream.js";
// An event is passed to these in this order, so that its row is there first.
import "./rows.js";
import "./instances.js";
import "./rebalances.js";
import "./redrive.js";
import "./journey.js";
import "./edit.js";
import "./terms.js";
import "./topics.js";
import "./rules.js";
import "./rule_editor.js";
import "./scenarios.js";
import "./run.js";

const newOrder = byId("new-order");
// The Idempotency-Key of the order in the form: pressing the button again after a missing answer orders nothing twice.
let attempt = null;

async function placeOrder() {
  if (newOrder.ariaBusy === "true") return;
  const order = Object.fromEntries(new FormData(newOrder));
  const wrong = numberErrors(order);
  byId("placed").textContent = "";
  if (showErrors(newOrder, wrong)) return;
  attempt ??= globalThis.crypto?.randomUUID?.() ?? null;
  setBusy(newOrder, true);
  const headers = attempt ? { "Idempotency-Key": attempt } : {};
  const answer = await send("POST", "/orders", toJson(order), { headers });
  setBusy(newOrder, false);
  const shown = showErrors(newOrder, answer.errors);
  byId("placed").textContent = answer.ok ? `Order ${short(answer.body.id)} is on the log.` : shown ? "" : sentence(answer.detail);
  if (answer.ok) attempt = null;
}

if (can("orders")) {
  newOrder.addEventListener("input", () => { attempt = null; });
  newOrder.addEventListener("submit", placeOrder);
}
// The script sends what is in a form.
document.addEventListener("submit", (event) => event.preventDefault());

document.querySelectorAll("time").forEach(localTime);
document.querySelectorAll(".badge").forEach(tone);
showSettings();
connect();
