// What the lists of orders, audit events, fraud alerts and dead letters say. An entry changes when its event has come back through
// Kafka, and never before.
import { byId, short } from "./dom.js";
import { lists } from "./lists.js";
import { follow } from "./stream.js";

// What goes well is most of what happens; the journey has its rule.
const PLAIN = ["NOTIFIED", "FRAUD_CHECK_PASSED"];
const MOST_VERDICTS = 5000;
const MOST_DELIVERIES = 20000;
const MOST_RETRY_COUNTS = 16;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const MOST_HEADERS = 20;
const cut = (text) => text.slice(0, 200);
const money = (amount) => amount.toFixed(2);

// ---- orders -------------------------------------------------------------------------------------------------------

const orders = new Map(lists.orders.entries.map((entry) => [entry.data.orderId, entry]));
// A verdict may come before its order, because topics are read side by side.
const verdicts = new Map();

follow("order", (event) => {
  // A retry or a redrive repeats an event; an unreadable record isn't an event.
  const { headers, partition, offset } = event.record;
  if (event.unreadable || "retryCount" in headers || "redriveCount" in headers) return;
  const order = event.order;
  let entry = orders.get(order.id);
  if (event.action === "deleted") {
    orders.delete(order.id);
    // An open editor keeps its row until the person closes it.
    if (entry && !entry.row?.editor?.orderWasDeleted()) lists.orders.remove(entry);
    return;
  }
  // Only a new order gets a row. An update of an order that is no longer listed doesn't bring it back.
  if (!entry && event.action !== "created") return;
  const values = {
    customer: order.customerName, item: order.item, quantity: order.quantity, price: money(Number(order.price)),
    total: money(order.quantity * Number(order.price)), status: order.status, at: order.createdAt, short: short(order.id),
    place: `${partition}@${offset}`,
  };
  if (entry) lists.orders.change(entry, values);
  else {
    entry = lists.orders.add({ orderId: order.id }, { ...values, ...verdicts.get(order.id) });
    orders.set(order.id, entry);
    forgetOld();
  }
  if (!entry.row?.editor) return;
  lists.orders.fillNow(entry);
  entry.row.editor.orderChanged(order);
});

function forgetOld() {
  if (orders.size <= 2 * lists.orders.entries.length + 100) return;
  const kept = new Set(lists.orders.entries);
  for (const [id, entry] of orders) if (!kept.has(entry)) orders.delete(id);
}

// ---- audit events and alerts --------------------------------------------------------------------------------------

follow("audit", (event) => {
  if (event.unreadable) return;
  lists.audit.add({ orderId: event.orderId ?? "" }, {
    action: event.action + attemptOf(event) + partial(event), customer: customerOf(event),
    by: event.instanceId ?? event.source, at: event.timestamp, about: aboutOf(event),
    rule: PLAIN.includes(event.action) ? "" : event.ruleVersion,
    mistake: event.action === "RULE_ERROR" ? event.reason : "",
  });
  if (event.action === "FRAUD_ALERT") showAlert(event);
  judge(event);
  countDelivery(event);
});

const SEVERITIES = ["HIGH", "MEDIUM", "LOW"];

function showAlert(event) {
  const alerts = event.alerts ?? [];
  const severity = SEVERITIES.find((s) => alerts.some((a) => a.severity === s)) ?? "";
  lists.alerts.add({ orderId: event.orderId ?? "", severity }, {
    alerts: alerts.map((a) => a.type).join(", "), severity, customer: customerOf(event), at: event.timestamp,
    reason: alerts.map((a) => a.reason).join("; ") + partial(event), rule: event.ruleVersion,
  });
}

const aboutOf = ({ partition, offset }) => (offset === undefined ? "" : `${partition}@${offset}`);
// What opens the journey needs a text, and an event may have no customer.
const customerOf = (event) => event.customerName ?? short(event.orderId);
// Marks a verdict that was reached without the orders of some partition.
const partial = (event) => (event.windowStats?.partial ? " (partial)" : "");
const attemptOf = (event) => (event.action === "RETRY" ? ` ${event.retryCount ?? 1}` : "");

function judge(event) {
  const verdict = {};
  switch (event.action) {
    case "NOTIFIED": case "RETRY": case "DLQ": case "DROPPED": verdict.delivery = event.action + attemptOf(event); break;
    case "FRAUD_CHECK_PASSED": verdict.fraud = "passed" + partial(event); break;
    case "FRAUD_ALERT": verdict.fraud = (event.alerts ?? []).map((a) => a.type).join(", ") + partial(event); break;
    case "RULE_ERROR":
      if (event.source === "fraud-service") verdict.fraud = "RULE_ERROR";
      verdict.mistake = event.reason;
      break;
    default: return;
  }
  verdicts.set(event.orderId, { ...verdicts.get(event.orderId), ...verdict });
  if (verdicts.size > MOST_VERDICTS) verdicts.delete(verdicts.keys().next().value);
  const entry = orders.get(event.orderId);
  if (entry) lists.orders.change(entry, verdict);
}

// ---- dead letters -------------------------------------------------------------------------------------------------

follow("dlq", (event) => {
  const headers = event.record.headers;
  const order = event.order;
  const place = [headers["dojo-original-partition"], headers["dojo-original-offset"]];
  // The key of an unreadable record can be anything.
  const key = order?.id ?? event.key ?? "";
  lists.dead.add({ orderId: UUID.test(key) ? key : "", offset: String(event.record.offset) }, {
    what: order ? `${order.customerName} · ${order.item}` : "unreadable record",
    reason: event.reason ?? headers["dojo-error"] ?? event.unreadable,
    by: event.instanceId ?? headers["dojo-instance"], at: event.record.timestamp,
    original: place.includes(undefined) ? "" : place.join("@"), rule: headers["dojo-rule-version"],
    headers: Object.entries(headers).slice(0, MOST_HEADERS).map(([name, value]) => `${cut(name)}: ${cut(value)}`).join("\n"),
  });
});

// ---- how often each order was notified ----------------------------------------------------------------------------

// By retry count. Each change of an order is to be notified once.
const deliveries = new Map();

function countDelivery(event) {
  const isChange = ["created", "updated", "deleted", "REDRIVEN"].includes(event.action);
  if (!isChange && event.action !== "NOTIFIED") return;
  let delivery = deliveries.get(event.orderId);
  if (!delivery) {
    delivery = { changes: 0, notified: new Map(), counted: false };
    deliveries.set(event.orderId, delivery);
    if (deliveries.size > MOST_DELIVERIES) deliveries.delete(deliveries.keys().next().value);
  }
  if (isChange) {
    delivery.changes += 1;
    return;
  }
  const retry = event.retryCount ?? 0;
  if (delivery.notified.size >= MOST_RETRY_COUNTS && !delivery.notified.has(retry)) return;
  const times = (delivery.notified.get(retry) ?? 0) + 1;
  delivery.notified.set(retry, times);
  if (times > Math.max(1, delivery.changes) && !delivery.counted) {
    delivery.counted = true;
    byId("notified-twice").textContent = String(Number(byId("notified-twice").textContent) + 1);
  }
}
