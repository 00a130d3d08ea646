// Places the order that is in the form.
import { input, numberErrors, send, sentence, setBusy, showErrors, toJson } from "./api.js";
import { byId, can, short } from "./dom.js";

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

// What the order will come to.
function showTotal() {
  const { quantity, price } = Object.fromEntries(new FormData(newOrder));
  const isNumber = numberErrors({ quantity, price }).length === 0;
  byId("new-total").textContent = isNumber ? `$${(Number(quantity) * Number(price)).toFixed(2)}` : "?";
}

if (can("orders")) {
  newOrder.addEventListener("input", showTotal);
  newOrder.addEventListener("input", () => { attempt = null; });
  newOrder.addEventListener("submit", placeOrder);
}
