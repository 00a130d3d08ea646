// What the board knows: the lane of each partition, where each group stands in it, and which instance reads it. It knows no
// element of the page and no clock; the modules beside it draw what it holds. All of it follows from what is on the topics,
// so two browsers hold the same.

export const KEPT = 64;
export const SECONDS = 60;

// Above so many records in one second a lane is drawn as columns, until some quiet seconds have passed.
const DENSE_ABOVE = 30;
const CALM_BELOW = 20;
const CALM_SECONDS = 3;

export const TOPICS = ["orders", "audit", "orders-dlq"];
export const GROUPS = {
  notification: { group: "notification-group", topic: "orders" },
  fraud: { group: "fraud-group", topic: "orders" },
  audit: { group: "audit-group", topic: "audit" },
};
// What the notification service reports about a record once its delivery is over.
const OUTCOMES = ["NOTIFIED", "RETRY", "DLQ", "DROPPED"];
const SILENT_AFTER_MS = 6000;

export class Lane {
  constructor(topic, partition, earliest) {
    Object.assign(this, { topic, partition, earliest, end: earliest, tiles: [], columns: [], seen: new Map() });
    this.dense = false;
    // Records before this offset are in the columns already.
    this.counted = 0;
    this.changed = new Set();
    // What happened to a record that isn't here yet: topics are read side by side.
    this.early = new Map();
  }

  get key() {
    return `${this.topic}/${this.partition}`;
  }

  // Adds the next record. One that the lane has already is ignored.
  add(tile, second) {
    if (tile.offset < this.end) return false;
    this.end = tile.offset + 1;
    this.count(tile, second);
    const early = this.early.get(tile.offset);
    if (early) Object.assign(tile, early);
    this.early.delete(tile.offset);
    if (tile.attempt > 0) tile.repeats = this.repeatedBy(tile);
    this.tiles.push(tile);
    this.seen.set(tile.offset, tile);
    if (this.tiles.length > KEPT) this.seen.delete(this.tiles.shift().offset);
    this.changed.add(tile);
    return true;
  }

  // The record that a retry repeats: the last try of the same event of the same order.
  repeatedBy({ key, attempt, redrive, action }) {
    const isSame = (t) => t.key === key && t.attempt === attempt - 1 && t.redrive === redrive && t.action === action;
    return this.tiles.findLast(isSame)?.offset ?? null;
  }

  // Notes what has become of a record.
  note(offset, what) {
    const tile = this.seen.get(offset);
    if (tile) {
      Object.assign(tile, what);
      this.changed.add(tile);
    } else if (offset >= this.end) {
      this.early.set(offset, { ...this.early.get(offset), ...what });
      if (this.early.size > KEPT) this.early.delete(this.early.keys().next().value);
    }
  }

  // A retry and a redrive carry the time of the record that they repeat, so a column never begins before the last one.
  count({ offset, attempt, redrive }, second) {
    if (offset < this.counted) return;
    let column = this.columns.at(-1);
    if (!column || column.second < second) {
      column = { second, first: offset, records: 0, retries: 0, redrives: 0 };
      this.columns.push(column);
      if (this.columns.length > SECONDS) this.columns.shift();
    }
    column.records += 1;
    if (attempt > 0) column.retries += 1;
    else if (redrive > 0) column.redrives += 1;
  }

  // The server has counted what came before the page was opened.
  goOnFrom({ end, seconds }) {
    this.columns = seconds;
    this.counted = end;
  }

  // Of a lane that was read from its middle on, the first second isn't there in whole.
  forgetCutColumn() {
    if (this.columns[0]?.first > this.earliest) this.columns.shift();
  }

  recordsAt(second) {
    return this.columns.findLast((column) => column.second === second)?.records ?? 0;
  }

  // Whether the lane is drawn as columns in this second.
  settle(second) {
    if (Math.max(this.recordsAt(second), this.recordsAt(second - 1)) > DENSE_ABOVE) this.dense = true;
    else if (this.dense) {
      const quiet = (ago) => this.recordsAt(second - ago) < CALM_BELOW;
      this.dense = !Array.from({ length: CALM_SECONDS + 1 }, (_, ago) => ago).every(quiet);
    }
    return this.dense;
  }
}

export class Board {
  lanes = new Map();
  instances = new Map();
  // By group and lane: the position of the group, and the instance that reads there.
  positions = new Map();
  rebalances = new Map();
  // How far the clock of the server is ahead of the clock here.
  ahead = 0;

  // ---- the log ----

  lane(topic, partition, earliest = 0) {
    const key = `${topic}/${partition}`;
    if (!this.lanes.has(key)) this.lanes.set(key, new Lane(topic, partition, earliest));
    return this.lanes.get(key);
  }

  second(now) {
    return Math.floor((now + this.ahead) / 1000);
  }

  // A record of the stream: its event, of any of the three topics.
  record(event, now) {
    const { topic, partition, offset, timestamp, headers } = event.record;
    const lane = this.lane(topic, partition, offset);
    const last = lane.columns.at(-1)?.second ?? 0;
    const second = Math.max(last, Math.min(Math.floor(Date.parse(timestamp) / 1000), this.second(now)));
    const tile = TILES[topic]?.(event, headers);
    if (!tile || !lane.add({ offset, at: timestamp, ...tile }, second)) return;
    if (topic === "audit") this.audit(event, timestamp);
    if (tile.letter !== undefined && topic === "orders") {
      this.lane("orders-dlq", 0).note(tile.letter, { sentTo: `${partition}@${offset}` });
    }
  }

  // An audit event says what has become of the record that it is about.
  audit({ unreadable, source, action, partition, offset, alerts, reason, instanceId }, timestamp) {
    if (unreadable || offset === undefined || partition === undefined) return;
    const lane = this.lane("orders", partition, offset);
    if (source === "notification-service" && OUTCOMES.includes(action)) {
      lane.note(offset, { outcome: action });
      this.advance("notification-group", lane.key, offset, instanceId, timestamp);
    } else if (source === "fraud-service") {
      if (action === "FRAUD_ALERT") lane.note(offset, { alerts: (alerts ?? []).map(({ type }) => String(type)) });
      if (action === "RULE_ERROR") lane.note(offset, { mistake: String(reason ?? "") });
      this.advance("fraud-group", lane.key, offset, instanceId, timestamp);
    }
  }

  // ---- groups and instances ----

  // Reports come every two seconds; in between, what the reader of a partition says about a record shows that it has read it.
  advance(group, lane, offset, id, timestamp) {
    const known = this.positions.get(`${group} ${lane}`);
    const isReader = known && known.owner === id && Date.parse(timestamp) >= known.since;
    if (isReader && known.position <= offset) known.position = offset + 1;
  }

  // The report of an instance, or the picture of it that `GET /status` gives.
  report(event, heard) {
    const { instanceId: id, service } = event;
    if (!id || !(service in GROUPS)) return;
    const { group, topic } = GROUPS[service];
    const live = event.state !== "stopped" && event.live !== false;
    const instance = {
      id, service, group, heard, live, state: live ? event.state : event.state === "stopped" ? "stopped" : "silent",
      startedAt: event.startedAt, rule: event.ruleVersion ?? "", broken: Boolean(event.ruleError),
      partitions: live ? (event.partitions ?? []).filter((p) => p.topic === topic) : [],
    };
    const isAnother = this.instances.get(id)?.startedAt !== event.startedAt;
    this.instances.set(id, instance);
    this.own(instance, Date.parse(event.timestamp), isAnother);
  }

  own({ id, group, partitions }, at, isAnother = false) {
    const mine = new Set();
    for (const { topic, partition, position, lag } of partitions) {
      const key = `${group} ${topic}/${partition}`;
      const lane = this.lane(topic, partition, Math.max(0, position));
      mine.add(key);
      const known = this.positions.get(key);
      // A member that has just lost the partition may report after the one that has it now.
      if (known?.owner && known.owner !== id && known.at > at) continue;
      const isSame = known?.owner === id && !isAnother;
      // A report may be older than the last thing that its instance said about a record.
      // Of a partition that never had a record, the position isn't known: the group begins at its start.
      const start = known?.position >= 0 ? known.position : lag === 0 ? lane.earliest : -1;
      const place = position < 0 ? start : isSame ? Math.max(position, known.position) : position;
      this.positions.set(key, { group, lane: lane.key, owner: id, position: place, lag, at, since: isSame ? known.since : at });
    }
    for (const [key, known] of this.positions) if (known.owner === id && !mine.has(key)) known.owner = null;
  }

  // How far a group is that may have no reader now, as `GET /topics` tells.
  committed(group, lane, position) {
    this.positions.set(`${group} ${lane.key}`, { group, lane: lane.key, owner: null, position, lag: -1, at: 0, since: 0 });
  }

  forget(id) {
    const instance = this.instances.get(id);
    if (!instance) return;
    this.instances.delete(id);
    this.own({ ...instance, partitions: [] }, instance.heard);
  }

  // An instance that has said nothing for a while, or obeyed a crash command, reads nothing.
  lose(id, state) {
    const instance = this.instances.get(id);
    if (!instance?.live) return;
    Object.assign(instance, { live: false, state, partitions: [] });
    this.own(instance, instance.heard);
  }

  loseSilent(heard) {
    for (const { id, live, heard: last } of this.instances.values()) {
      if (live && heard - last > SILENT_AFTER_MS) this.lose(id, "silent");
    }
  }

  // How many records a group hasn't handled in a lane. The audit group tells only in its reports how far it is, so its
  // distance is the reported one while it reads.
  lag(lane, { group, position, lag, owner }) {
    if (position < 0) return null;
    if (group === "audit-group" && owner) return Math.max(0, lag);
    return Math.max(0, lane.end - position);
  }

  positionsIn(lane) {
    return [...this.positions.values()].filter((known) => known.lane === lane.key);
  }
}

// ---- what is drawn of a record ------------------------------------------------------------------------------------

const number = (text) => Number.parseInt(text ?? "0", 10) || 0;

const TILES = {
  orders(event, headers) {
    if (event.unreadable) return { key: String(event.key ?? ""), kind: "unreadable", attempt: 0, redrive: 0, who: "" };
    const { order, action } = event;
    const [attempt, redrive] = [number(headers.retryCount), number(headers.redriveCount)];
    const letter = headers["dojo-dlq-offset"];
    return {
      key: order.id, who: order.customerName, action, attempt, redrive,
      letter: letter === undefined ? undefined : Number(letter),
      kind: attempt > 0 ? "retry" : redrive > 0 ? "redrive" : "plain",
    };
  },
  audit(event) {
    if (event.unreadable) return { key: String(event.key ?? ""), kind: "unreadable", attempt: 0, redrive: 0, who: "" };
    return { key: event.orderId, who: event.customerName ?? "", action: event.action, by: event.instanceId ?? event.source, kind: "plain", attempt: 0, redrive: 0 };
  },
  "orders-dlq"(event, headers) {
    const [p, o] = [headers["dojo-original-partition"], headers["dojo-original-offset"]];
    return {
      key: String(event.order?.id ?? event.key ?? ""), who: event.order?.customerName ?? "", kind: "dead", attempt: 0, redrive: 0,
      from: p === undefined || o === undefined ? null : { partition: Number(p), offset: Number(o) },
      reason: String(event.reason ?? headers["dojo-error"] ?? event.unreadable ?? ""),
    };
  },
};
