// The rows of orders, audit events, fraud alerts and dead letters. A row changes when its event has come back through
// Kafka, and never before.
import { MOST_ROWS, byId, clone, field, fill, lists, nameControls, prepend, remove, short } from "./dom.js";
import { follow } from "./stream.js";

// What goes well is most of what happens; the journey has its rule.
const PLAIN = ["NOTIFIED", "FRAUD_CHECK_PASSED"];
const MOST_VERDICTS = 5000;
const MOST_DELIVERIES = 20000;
const MOST_RETRY_COUNTS = 16;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

const orderRows = new Map([...lists.orders.children].map((row) => [row.dataset.orderId, row]));
// A verdict may come before its order, because topics are read side by side.
const verdicts = new Map();

function newRow(template, orderId) {
  const row = clone(template);
  row.dataset.orderId = orderId ?? "";
  nameControls(row, short(orderId));
  return row;
}

follow("order", showOrder, (event) => event.action !== "created" && showOrder(event));

function showOrder(event) {
  // A retry or a redrive repeats an event; an unreadable record isn't an event.
  const headers = event.record.headers;
  if (event.unreadable || "retryCount" in headers || "redriveCount" in headers) return;
  const order = event.order;
  let row = orderRows.get(order.id);
  if (event.action === "deleted") {
    orderRows.delete(order.id);
    // An open editor keeps its row until the person closes it.
    if (row && !row.editor?.orderWasDeleted()) remove(row);
    return;
  }
  if (!row) {
    // Only a new order gets a row. An update of an order that is no longer listed doesn't bring it back.
    if (event.action !== "created") return;
    row = newRow("order-row", order.id);
    field(row, "short").title = order.id;
    orderRows.set(order.id, row);
    prepend(lists.orders, row);
    forgetRemovedRows();
  }
  fill(row, {
    customer: order.customerName, item: order.item, quantity: order.quantity, price: Number(order.price).toFixed(2),
    status: order.status, at: order.createdAt, short: short(order.id), ...verdicts.get(order.id),
  });
  row.editor?.orderChanged(order);
}

function forgetRemovedRows() {
  if (orderRows.size <= 2 * MOST_ROWS) return;
  for (const [id, row] of orderRows) if (!row.isConnected) orderRows.delete(id);
}

follow("audit", (event) => {
  if (!event.unreadable) {
    const row = newRow("audit-row", event.orderId);
    prepend(lists.audit, fill(row, {
      action: event.action + attemptOf(event) + partial(event), customer: customerOf(event),
      by: event.instanceId ?? event.source, at: event.timestamp,
      rule: PLAIN.includes(event.action) ? "" : event.ruleVersion,
      mistake: event.action === "RULE_ERROR" ? event.reason : "",
    }));
  }
  skimAudit(event);
}, skimAudit);

function skimAudit(event) {
  if (event.unreadable) return;
  if (event.action === "FRAUD_ALERT") showAlert(event);
  judge(event);
  countDelivery(event);
}

function showAlert(event) {
  const alerts = event.alerts ?? [];
  const row = newRow("alert-row", event.orderId);
  const severities = ["HIGH", "MEDIUM", "LOW"];
  field(row, "alerts").dataset.severity = severities.find((s) => alerts.some((a) => a.severity === s)) ?? "";
  prepend(lists.alerts, fill(row, {
    alerts: alerts.map((a) => a.type).join(", "), customer: customerOf(event), at: event.timestamp,
    reason: alerts.map((a) => a.reason).join("; ") + partial(event), rule: event.ruleVersion,
  }));
}

follow("dlq", (event) => {
  const headers = event.record.headers;
  const order = event.order;
  const place = [headers["dojo-original-partition"], headers["dojo-original-offset"]];
  // The key of an unreadable record can be anything.
  const key = order?.id ?? event.key ?? "";
  const row = newRow("dead-letter-row", UUID.test(key) ? key : "");
  row.dataset.offset = event.record.offset;
  row.querySelector("[data-journey]").disabled = row.dataset.orderId === "";
  prepend(lists.dead, fill(row, {
    what: order ? `${order.customerName} · ${order.item}` : "unreadable record",
    reason: event.reason ?? headers["dojo-error"] ?? event.unreadable,
    by: event.instanceId ?? headers["dojo-instance"], at: event.record.timestamp,
    original: place.includes(undefined) ? "" : place.join("@"), rule: headers["dojo-rule-version"],
  }));
}, () => {});

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
  }
  verdicts.set(event.orderId, { ...verdicts.get(event.orderId), ...verdict });
  if (verdicts.size > MOST_VERDICTS) verdicts.delete(verdicts.keys().next().value);
  const row = orderRows.get(event.orderId);
  if (row) fill(row, verdict);
}

// How often each order was notified, by retry count. Each change of an order is to be notified once.
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
