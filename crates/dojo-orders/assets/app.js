// Shows what GET /events delivers: a row changes when its event has come back through Kafka, and never before. Forms
// show what the server answered. Every text is set as text, never as markup. `edit.js` edits and deletes orders.
"use strict";

const MOST_ROWS = 200;
const MOST_VERDICTS = 5000;
const MOST_DELIVERIES = 20000;
const MOST_RETRY_COUNTS = 16;
const SILENT_AFTER_MS = 6000;
// The server sends a heartbeat every three seconds.
const STREAM_SILENT_AFTER_MS = 10000;
// The server answers within five seconds.
const ANSWER_WITHIN_MS = 10000;

const byId = (id) => document.getElementById(id);
const clone = (id) => byId(id).content.firstElementChild.cloneNode(true);
const field = (row, name) => row.querySelector(`[data-f="${name}"]`);

// ---- rows ---------------------------------------------------------------------------------------------------------

const TONES = {
  NOTIFIED: "good", FRAUD_CHECK_PASSED: "good", passed: "good",
  RETRY: "warn", BURST: "warn", MEDIUM: "warn", REDRIVEN: "warn", LOW: "note",
  DLQ: "bad", DROPPED: "bad", FRAUD_ALERT: "bad", RULE_ERROR: "bad", VELOCITY: "bad", HIGH: "bad",
};

function tone(badge) {
  const word = badge.textContent.split(/[ ,]/)[0];
  const fallback = badge.dataset.f === "fraud" && word !== "" ? "warn" : "note";
  badge.dataset.tone = TONES[badge.dataset.severity] ?? TONES[word] ?? fallback;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

function localTime(element) {
  const at = new Date(element.dateTime);
  element.textContent = Number.isNaN(at.getTime()) ? "" : clock.format(at);
}

function fill(row, values) {
  for (const [name, value] of Object.entries(values)) {
    const element = field(row, name);
    if (!element) continue;
    if (element.tagName === "TIME") {
      element.dateTime = value ?? "";
      localTime(element);
    } else {
      element.textContent = value ?? "";
      if (element.classList.contains("badge")) tone(element);
      if (name === "status") element.dataset.status = value;
    }
  }
  return row;
}

const short = (id) => String(id ?? "").slice(-8);

// Adds a row at the top. Past MOST_ROWS, removes the oldest row that the person isn't using.
function prepend(list, row) {
  row.classList.add("fresh");
  list.prepend(row);
  while (list.childElementCount > MOST_ROWS) {
    let oldest = list.lastElementChild;
    while (oldest && isInUse(oldest)) oldest = oldest.previousElementSibling;
    (oldest ?? list.lastElementChild).remove();
  }
}

const isInUse = (row) => row.editor !== undefined || row.contains(document.activeElement);

// Removes a row. If it has the focus, the focus goes to a row beside it.
function remove(row) {
  const list = row.parentElement;
  const near = row.nextElementSibling ?? row.previousElementSibling;
  const hadFocus = row.contains(document.activeElement);
  row.remove();
  if (hadFocus) (near?.querySelector(":not([hidden]) > button") ?? list).focus();
}

// Keeps the row that has the focus at its place on the screen while `change` adds rows above it.
function keepFocusInPlace(change) {
  const row = document.activeElement?.closest("#orders > .row");
  const top = row?.getBoundingClientRect().top;
  change();
  if (row?.isConnected) lists.orders.scrollTop += row.getBoundingClientRect().top - top;
}

// ---- what each event changes --------------------------------------------------------------------------------------

const lists = { orders: byId("orders"), audit: byId("audit"), alerts: byId("alerts"), dead: byId("dead-letters") };
const orderRows = new Map([...lists.orders.children].map((row) => [row.dataset.orderId, row]));
// A verdict may come before its order, because topics are read side by side.
const verdicts = new Map();

const apply = {
  order(event) {
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
      row = clone("order-row");
      row.dataset.orderId = order.id;
      field(row, "short").title = order.id;
      for (const button of row.querySelectorAll("button")) button.ariaLabel += short(order.id);
      orderRows.set(order.id, row);
      prepend(lists.orders, row);
    }
    fill(row, {
      customer: order.customerName, item: order.item, quantity: order.quantity, price: Number(order.price).toFixed(2),
      status: order.status, at: order.createdAt, short: short(order.id), ...verdicts.get(order.id),
    });
    row.editor?.orderChanged(order);
  },

  audit(event) {
    if (event.unreadable) return;
    const by = event.instanceId ?? event.source;
    const row = clone("audit-row");
    row.dataset.orderId = event.orderId;
    prepend(lists.audit, fill(row, {
      action: event.action + attemptOf(event) + partial(event), customer: event.customerName, by, at: event.timestamp,
    }));
    if (event.action === "FRAUD_ALERT") alert(event);
    judge(event);
    countDelivery(event);
  },

  dlq(event) {
    const headers = event.record.headers;
    const order = event.order;
    const place = [headers["dojo-original-partition"], headers["dojo-original-offset"]];
    const row = clone("dead-letter-row");
    row.dataset.orderId = order?.id ?? event.key ?? "";
    prepend(lists.dead, fill(row, {
      what: order ? `${order.customerName} · ${order.item}` : "unreadable record",
      reason: event.reason ?? headers["dojo-error"] ?? event.unreadable,
      by: event.instanceId ?? headers["dojo-instance"], at: event.record.timestamp,
      original: place.includes(undefined) ? "" : place.join("@"),
    }));
  },

  settings(event) {
    if (event.unreadable) return;
    const name = /^(?:instances\.(.+)\.)?(failRate|guarantee)$/.exec(event.key ?? "");
    if (!name) return;
    const [, instance, setting] = name;
    const own = setting === "failRate" ? ownRates : ownGuarantees;
    if (instance === undefined) {
      setOfAll(setting === "failRate" ? all : guaranteeOfAll, event.value);
    } else if (event.value === null) {
      own.delete(instance);
    } else {
      own.set(instance, event.value);
    }
    showRates();
    showGuarantees();
  },

  status(event) {
    if (event.unreadable || !event.instanceId) return;
    const row = instanceRow(event.instanceId, event.service);
    row.heard = performance.now();
    const live = event.state !== "stopped";
    row.dataset.live = String(live);
    row.querySelector(".rate").hidden = event.service !== "notification" || !live;
    row.querySelector(".guarantee").hidden = !["notification", "fraud"].includes(event.service) || !live;
    row.dataset.limitation = live && event.limitation ? `${event.instanceId}: ${event.limitation}` : "";
    fill(row, { id: event.instanceId, state: event.state, rule: event.ruleVersion });
    field(row, "rule").dataset.error = live ? event.ruleError ?? "" : "";
    showBanner();
    showPartitions(row, live ? event.partitions : []);
  },
};

function alert(event) {
  const alerts = event.alerts ?? [];
  const row = clone("alert-row");
  row.dataset.orderId = event.orderId;
  const severities = ["HIGH", "MEDIUM", "LOW"];
  field(row, "alerts").dataset.severity = severities.find((s) => alerts.some((a) => a.severity === s)) ?? "";
  prepend(lists.alerts, fill(row, {
    alerts: alerts.map((a) => a.type).join(", "), customer: event.customerName, at: event.timestamp,
    reason: alerts.map((a) => a.reason).join("; ") + partial(event),
  }));
}

// Marks a verdict that was reached without the orders of some partition.
const partial = (event) => (event.windowStats?.partial ? " (partial)" : "");
const attemptOf = (event) => (event.action === "RETRY" ? ` ${event.retryCount ?? 1}` : "");

function judge(event) {
  const verdict = {};
  switch (event.action) {
    case "NOTIFIED": case "RETRY": case "DLQ": case "DROPPED": verdict.delivery = event.action + attemptOf(event); break;
    case "FRAUD_CHECK_PASSED": verdict.fraud = "passed" + partial(event); break;
    case "FRAUD_ALERT": verdict.fraud = (event.alerts ?? []).map((a) => a.type).join(", ") + partial(event); break;
    case "RULE_ERROR": if (event.source === "fraud-service") verdict.fraud = "RULE_ERROR"; break;
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

// Applies an event without adding a row for it: so many events follow it that its row would be pushed out at once.
const applyToOthers = {
  order(event) {
    if (event.action !== "created") apply.order(event);
  },
  audit(event) {
    if (event.unreadable) return;
    if (event.action === "FRAUD_ALERT") alert(event);
    judge(event);
    countDelivery(event);
  },
  dlq() {},
  settings: apply.settings,
  status: apply.status,
};

// ---- instances ----------------------------------------------------------------------------------------------------

const instances = byId("instances");
const instanceRows = new Map([...instances.children].map((row) => [row.dataset.instance, row]));
for (const row of instanceRows.values()) row.heard = performance.now();

// Services with controls come first.
const SERVICES = ["notification", "fraud", "audit", "order"];
const rank = ({ service, instance }) => `${SERVICES.indexOf(service)} ${instance}`;

function instanceRow(id, service) {
  let row = instanceRows.get(id);
  if (!row) {
    row = clone("instance-card");
    row.dataset.instance = id;
    row.querySelector(".rate").dataset.rate = id;
    row.querySelector(".guarantee").dataset.guarantee = id;
    instanceRows.set(id, row);
    row.dataset.service = service;
    const after = [...instances.children].find((other) => rank(other.dataset) > rank(row.dataset));
    instances.insertBefore(row, after ?? null);
    if (instanceRows.size > MOST_ROWS) {
      const gone = [...instanceRows].find(([, other]) => other.dataset.live === "false") ?? [...instanceRows][0];
      gone[1].remove();
      instanceRows.delete(gone[0]);
    }
    showRates();
    showGuarantees();
  }
  return row;
}

function showPartitions(row, partitions) {
  const text = JSON.stringify(partitions.map((p) => [p.topic, p.partition, p.lag]));
  if (row.partitions === text) return;
  row.partitions = text;
  field(row, "partitions").replaceChildren(...partitions.map((p) => {
    const item = document.createElement("li");
    item.className = "tag";
    const lag = document.createElement("span");
    lag.className = "lag";
    lag.textContent = `lag ${p.lag < 0 ? "?" : p.lag}`;
    item.append(`${p.topic} ${p.partition} `, lag);
    return item;
  }));
}

setInterval(() => {
  for (const row of instanceRows.values()) {
    const silent = performance.now() - row.heard > SILENT_AFTER_MS;
    if (row.dataset.live !== "true" || !silent || !streamIsLive) continue;
    row.dataset.live = "false";
    row.dataset.limitation = "";
    field(row, "rule").dataset.error = "";
    fill(row, { state: "silent" });
    showPartitions(row, []);
  }
}, 1000);

// ---- settings -----------------------------------------------------------------------------------------------------

const all = document.querySelector('.rate[data-rate=""]');
const ownRates = new Map();
for (const [id, row] of instanceRows) {
  const follow = row.querySelector("[data-follow]");
  if (!follow.hidden) ownRates.set(id, field(row, "effective_rate").textContent);
}

const guaranteeOfAll = document.querySelector('.guarantee[data-guarantee=""]');
guaranteeOfAll.dataset.value = byId("guarantee").value;
const ownGuarantees = new Map();
for (const [id, row] of instanceRows) {
  const own = row.querySelector(".guarantee select").value;
  if (own !== "") ownGuarantees.set(id, own);
}

function setOfAll(form, value) {
  form.dataset.value = value ?? form.dataset.fallback;
  form.dataset.source = value === null ? form.dataset.fallbackSource : "topic";
}

function showGuarantees() {
  byId("guarantee-source").textContent = guaranteeOfAll.dataset.source;
  byId("guarantee").value = guaranteeOfAll.dataset.value;
  for (const [id, row] of instanceRows) row.querySelector(".guarantee select").value = ownGuarantees.get(id) ?? "";
}

function showRates() {
  byId("fail-rate-value").textContent = all.dataset.value;
  byId("fail-rate-source").textContent = all.dataset.source;
  slide(byId("fail-rate"), all.dataset.value);
  for (const [id, row] of instanceRows) {
    const rate = ownRates.get(id) ?? all.dataset.value;
    fill(row, { effective_rate: rate });
    slide(row.querySelector("input"), rate);
    row.querySelector("[data-follow]").hidden = !ownRates.has(id);
  }
}

function slide(input, value) {
  // A slider that a person is moving stays where it is.
  if (!input.matches(":active")) input.value = value;
}

async function patch(change) {
  const said = byId("setting");
  said.textContent = "Sending the setting to the topic dojo-settings …";
  const answer = await send("PATCH", "/settings", JSON.stringify(change));
  const waiting = answer.body?.waitingFor;
  said.textContent = !answer.ok ? sentence(answer.detail)
    : waiting ? `Not yet applied by ${waiting.join(", ")}.` : "";
  if (!answer.ok) {
    showRates();
    showGuarantees();
  }
}

const change = (id, setting) => patch(id === "" ? setting : { instances: { [id]: setting } });
const changeRate = (form, value) => change(form.dataset.rate, { failRate: value });

document.addEventListener("change", (event) => {
  const form = event.target.closest("form.rate");
  if (form) changeRate(form, Number(event.target.value));
  const guarantee = event.target.closest("form.guarantee");
  if (guarantee) change(guarantee.dataset.guarantee, { guarantee: event.target.value || null });
});
document.addEventListener("click", (event) => {
  if (event.target.matches("[data-follow]")) changeRate(event.target.closest("form.rate"), null);
});
document.addEventListener("submit", (event) => event.preventDefault());

// ---- forms --------------------------------------------------------------------------------------------------------

async function send(method, path, json, headers = {}) {
  try {
    const response = await fetch(path, {
      method, body: json, signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      headers: { "Content-Type": "application/json", ...headers },
    });
    const body = response.status === 204 ? null : await response.json();
    return { ok: response.ok, body, errors: body?.errors ?? [], detail: body?.detail ?? "" };
  } catch {
    return { ok: false, errors: [], detail: "the order service does not answer" };
  }
}

const sentence = (text) => text && `${text[0].toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;

// The fields that hold numbers, and what to type into them.
const NUMBERS = { quantity: "a whole number such as 2", price: "a number such as 12.50" };
const JSON_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function numberErrors(values) {
  const wrong = Object.entries(values).filter(([name, text]) => name in NUMBERS && !JSON_NUMBER.test(text.trim()));
  return wrong.map(([field, text]) => {
    const typed = text.trim() === "" ? "empty" : `\`${text.trim()}\``;
    return { field, message: `is ${typed}: give ${NUMBERS[field]}` };
  });
}

// The JSON of a form's values. A number is sent as it was typed: JavaScript would round it, and read `0x10` as 16.
function toJson(values) {
  const members = Object.entries(values).map(
    ([name, text]) => `${JSON.stringify(name)}:${name in NUMBERS ? text.trim() : JSON.stringify(text)}`);
  return `{${members.join(",")}}`;
}

// Not `form.elements[name]`, where the name `item` is a method.
const input = (form, name) => form.querySelector(`[name="${name}"]`);

// Shows each error beside its field, and returns whether there was one to show.
function showErrors(form, errors) {
  let shown = false;
  for (const place of form.querySelectorAll("[data-error-of]")) {
    const name = place.dataset.errorOf;
    const error = errors.find((e) => e.field === name);
    place.textContent = error ? `${name} ${error.message}` : "";
    input(form, name).ariaInvalid = String(error !== undefined);
    shown ||= error !== undefined;
  }
  return shown;
}

// A disabled button would lose the focus, so a busy one only looks disabled; its form ignores it.
function setBusy(form, busy) {
  form.ariaBusy = String(busy);
  for (const button of form.querySelectorAll("[type=submit]")) button.ariaDisabled = String(busy);
}

// ---- the order form -----------------------------------------------------------------------------------------------

const newOrder = byId("new-order");
// The Idempotency-Key of the order in the form: pressing the button again after a missing answer orders nothing twice.
let attempt = null;
newOrder.addEventListener("input", () => { attempt = null; });

newOrder.addEventListener("submit", async () => {
  if (newOrder.ariaBusy === "true") return;
  const order = Object.fromEntries(new FormData(newOrder));
  const wrong = numberErrors(order);
  byId("placed").textContent = "";
  if (showErrors(newOrder, wrong)) return;
  attempt ??= globalThis.crypto?.randomUUID?.() ?? null;
  setBusy(newOrder, true);
  const answer = await send("POST", "/orders", toJson(order), attempt ? { "Idempotency-Key": attempt } : {});
  setBusy(newOrder, false);
  const shown = showErrors(newOrder, answer.errors);
  byId("placed").textContent = answer.ok ? `Order ${short(answer.body.id)} is on the log.` : shown ? "" : sentence(answer.detail);
  if (answer.ok) attempt = null;
});

// ---- the stream ---------------------------------------------------------------------------------------------------

let cursor = document.body.dataset.cursor;
let streamIsLive = false;
// Events that wait to be shown, by type; at most MOST_ROWS of each, also in a hidden tab.
const pending = new Map(Object.keys(apply).map((type) => [type, []]));
let frame = 0;
let timer = 0;

// Shows them once a frame, or twice a second while the tab is hidden and has no frames.
function schedule() {
  frame ||= requestAnimationFrame(flush);
  timer ||= setTimeout(flush, 500);
}

function flush() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  frame = timer = 0;
  keepFocusInPlace(() => {
    for (const [type, events] of pending) {
      for (const data of events.splice(0)) show(apply[type], type, data);
    }
  });
  if (orderRows.size > MOST_ROWS) {
    for (const [id, row] of orderRows) if (!row.isConnected) orderRows.delete(id);
  }
}

function show(change, type, data) {
  try {
    change(JSON.parse(data));
  } catch (error) {
    console.error(type, data, error);
  }
}

let counted = 0;
setInterval(() => {
  byId("per-second").textContent = String(counted);
  counted = 0;
}, 1000);

function streamState(state, text) {
  streamIsLive = state === "live";
  byId("stream").dataset.state = state;
  byId("stream").textContent = text;
}

// When the stream last delivered anything: a connection that was cut off looks like a quiet one.
let lastHeard = 0;
let source = null;

function connect() {
  lastHeard = performance.now();
  source = new EventSource(`/events?after=${encodeURIComponent(cursor)}`);
  source.addEventListener("heartbeat", heard);
  for (const type of Object.keys(apply)) {
    source.addEventListener(type, (event) => {
      heard();
      cursor = event.lastEventId;
      counted += 1;
      const waiting = pending.get(type);
      waiting.push(event.data);
      if (waiting.length > MOST_ROWS) show(applyToOthers[type], type, waiting.shift());
      schedule();
    });
  }
  // The log no longer holds some of the events in between, so the page starts over.
  source.addEventListener("gap", reload);
  source.onopen = () => {
    heard();
    for (const row of instanceRows.values()) row.heard = performance.now();
  };
  source.onerror = () => {
    interrupted();
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
}

function heard() {
  lastHeard = performance.now();
  if (!streamIsLive) streamState("live", "live");
}

function interrupted() {
  streamState("away", "stream interrupted, reconnecting");
  look();
}

setInterval(() => {
  // A closed stream has its own timer.
  if (source.readyState === EventSource.CLOSED) return;
  if (performance.now() - lastHeard < STREAM_SILENT_AFTER_MS) return;
  source.close();
  interrupted();
  connect();
}, 1000);

let reloadTimer = 0;

// Loads the page again: at most every five seconds, and not while an editor is open, whose text would be lost.
function reload() {
  clearTimeout(reloadTimer);
  const last = Number(sessionStorage.getItem("reloaded") ?? 0);
  if (Date.now() - last < 5000 || [...lists.orders.children].some((row) => row.editor)) {
    reloadTimer = setTimeout(reload, 1000);
    return;
  }
  sessionStorage.setItem("reloaded", String(Date.now()));
  location.reload();
}

// ---- what is wrong ------------------------------------------------------------------------------------------------

let causes = [];

async function look() {
  try {
    const response = await fetch("/readyz", { cache: "no-store" });
    if (response.ok && document.body.dataset.ready !== "true") return reload();
    const answer = await response.json();
    causes = response.ok ? answer.notices ?? [] : answer.errors.map((e) => e.message);
  } catch {
    causes = ["the order service does not answer"];
  }
  showBanner();
}

// Shows what this service lacks, which log stands still, what an instance can't do, and which rule is broken.
function showBanner() {
  const errors = [...instances.querySelectorAll("[data-error]")].map((rule) => rule.dataset.error);
  for (const row of instanceRows.values()) errors.push(row.dataset.limitation ?? "");
  const shown = [...new Set([...causes, ...errors])].filter((text) => text !== "");
  const banner = byId("banner");
  if (banner.shown === shown.join("\n")) return;
  banner.shown = shown.join("\n");
  banner.hidden = shown.length === 0;
  banner.firstElementChild.replaceChildren(...shown.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
}

document.querySelectorAll("time").forEach(localTime);
document.querySelectorAll(".badge").forEach(tone);
showRates();
look();
setInterval(look, 3000);
connect();
