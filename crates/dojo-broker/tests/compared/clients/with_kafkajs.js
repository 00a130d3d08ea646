// kafkajs: writing, reading, groups, transactions, administration. Argument: bootstrap server.
const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel, PartitionAssigners } = require("kafkajs");

const kafka = new Kafka({ clientId: "js", brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 2, initialRetryTime: 100 } });
const PATIENCE = 30_000;

const note = (name, seen) => console.log(JSON.stringify({ name, seen: seen === undefined ? null : seen }));

// kafkajs wraps an error that stays in the one that says so.
const failure = (error) => `${(error.errors || []).map((e) => e.type || e.name).join() || error.type || (error.cause && error.cause.type) || error.name}: ${error.message}`;

async function seen(name, action) {
  let found;
  try {
    found = await action();
  } catch (error) {
    found = failure(error);
  }
  note(name, found);
  return found;
}

async function waitUntil(condition, patience = PATIENCE) {
  const until = Date.now() + patience;
  for (;;) {
    const found = await condition();
    if (found || Date.now() > until) return found;
    await new Promise((again) => setTimeout(again, 20));
  }
}

const admin = kafka.admin();

async function create(topic, numPartitions = 1, configEntries = []) {
  await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: true });
}

async function topics() {
  const one = (more) => admin.createTopics({ topics: [{ topic: "js-new", numPartitions: 2, ...more }] });
  await seen("topics: create", () => one({}));
  await seen("topics: create again", () => one({}));
  await seen("topics: create a bad name", () => one({ topic: "js new" }));
  await seen("topics: create with too many replicas", () => one({ topic: "js-two", replicationFactor: 2 }));
  await seen("topics: create with a bad value", () => one({ topic: "js-bad", configEntries: [{ name: "retention.ms", value: "x" }] }));
  await seen("topics: only to see", () => admin.createTopics({ validateOnly: true, topics: [{ topic: "js-seen" }] }));
  await seen("topics: listed", async () => (await admin.listTopics()).filter((topic) => topic.startsWith("js-")).sort());
  await seen("topics: described", async () => (await admin.fetchTopicMetadata({ topics: ["js-new"] })).topics);
  await seen("topics: unknown described", () => admin.fetchTopicMetadata({ topics: ["js-nowhere"] }));
  await seen("partitions: more", () => admin.createPartitions({ topicPartitions: [{ topic: "js-new", count: 3 }] }));
  await seen("partitions: fewer", () => admin.createPartitions({ topicPartitions: [{ topic: "js-new", count: 1 }] }));
  await seen("cluster: described", async () => {
    const found = await admin.describeCluster();
    return [found.brokers.map((b) => [b.nodeId, b.host]), found.controller];
  });
  await create("js-goes");
  await seen("topics: delete", () => admin.deleteTopics({ topics: ["js-goes"] }));
  await seen("topics: delete an unknown one", () => admin.deleteTopics({ topics: ["js-nowhere"] }));
}

async function configs() {
  await create("js-configs", 1, [{ name: "retention.ms", value: "60000" }]);
  const described = async (configNames, name = "js-configs") =>
    (await admin.describeConfigs({ includeSynonyms: true, resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames }] })).resources;
  await seen("configs: described", () => described(["retention.ms", "cleanup.policy"]));
  await seen("configs: of an unknown topic", () => described(["retention.ms"], "js-nowhere"));
  await seen("configs: broker", async () => {
    const found = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.BROKER, name: "1", configNames: ["num.partitions"] }] });
    return found.resources[0].configEntries;
  });
  const alter = (value) =>
    admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: "js-configs", configEntries: [{ name: "retention.ms", value }] }] });
  await seen("configs: changed", () => alter("70000"));
  await seen("configs: changed, seen", () => waitUntil(async () => (await described(["retention.ms"]))[0].configEntries[0].configValue === "70000"));
  await seen("configs: a bad value", () => alter("x"));
}

async function records() {
  // The records are older than a topic keeps them by default.
  await create("js-written", 2, [{ name: "retention.ms", value: "-1" }]);
  await create("js-small", 1, [{ name: "max.message.bytes", value: "500" }]);
  const plain = kafka.producer();
  const idempotent = kafka.producer({ idempotent: true });
  for (const [name, producer] of [["plain", plain], ["idempotent", idempotent]]) {
    await producer.connect();
    for (const [codec, compression] of [["none", CompressionTypes.None], ["gzip", CompressionTypes.GZIP]]) {
      const messages = [0, 1, 2].map((n) => ({ partition: 0, key: "k", value: `${codec} ${n}`, headers: { h: "v" }, timestamp: "1600000000000" }));
      await seen(`writing: ${name}, ${codec}`, () => producer.send({ topic: "js-written", compression, messages }));
    }
  }
  const one = (topic, more = {}, value = "x") => plain.send({ topic, messages: [{ partition: 0, value }], ...more });
  await seen("writing: acks 0", () => one("js-written", { acks: 0 }));
  await seen("writing: acks 1", () => one("js-written", { acks: 1 }));
  await seen("writing: too large", () => one("js-small", {}, "x".repeat(1000)));
  await seen("writing: unknown topic", () => one("js-nowhere"));
  await seen("writing: several topics", async () => {
    const written = await plain.sendBatch({ topicMessages: [{ topic: "js-written", messages: [{ partition: 1, value: "a" }] }, { topic: "js-small", messages: [{ value: "b" }] }] });
    return written.sort((x, y) => x.topicName.localeCompare(y.topicName));
  });
  await plain.disconnect();
  await idempotent.disconnect();
  await seen("offsets: of a topic", () => admin.fetchTopicOffsets("js-written"));
  await seen("offsets: of a topic at a time", () => admin.fetchTopicOffsetsByTimestamp("js-written", 1600000000000));
  await seen("offsets: of a topic in the future", () => admin.fetchTopicOffsetsByTimestamp("js-written", 4000000000000));
  await seen("records: delete", () => admin.deleteTopicRecords({ topic: "js-written", partitions: [{ partition: 0, offset: "3" }] }));
  await seen("offsets: after a deletion", () => admin.fetchTopicOffsets("js-written"));
  await seen("records: delete beyond the end", () => admin.deleteTopicRecords({ topic: "js-written", partitions: [{ partition: 0, offset: "300" }] }));
}

function member(groupId, clientId, more = {}) {
  const own = new Kafka({ clientId, brokers: [process.argv[2]], logLevel: logLevel.NOTHING });
  const consumer = own.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 200, rebalanceTimeout: 6000, maxWaitTimeInMs: 100, ...more });
  const found = { consumer, parts: [], records: [], crashed: null };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    found.parts = Object.values(payload.memberAssignment).flat().sort();
    found.leads = payload.isLeader;
    found.protocol = payload.groupProtocol;
  });
  consumer.on(consumer.events.CRASH, ({ payload }) => (found.crashed = failure(payload.error)));
  return found;
}

async function start(found, topic) {
  await found.consumer.connect();
  await found.consumer.subscribe({ topics: [topic], fromBeginning: true });
  await found.consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => found.records.push([partition, Number(message.offset), message.value.toString()]),
  });
}

async function groups() {
  await create("js-shared", 3);
  const producer = kafka.producer();
  await producer.connect();
  for (let n = 0; n < 9; n++) await producer.send({ topic: "js-shared", messages: [{ partition: n % 3, value: `${n}` }] });
  await producer.disconnect();
  const sizes = (members) => members.map((m) => m.parts.length).sort().join();
  const a = member("js-group", "a");
  await start(a, "js-shared");
  await waitUntil(() => a.records.length === 9);
  note("group: one", [a.parts, a.leads, a.protocol, a.records.sort()]);
  const b = member("js-group", "b");
  await start(b, "js-shared");
  note("group: two", await waitUntil(() => sizes([a, b]) === "1,2"));
  await seen("group: commit", () => a.consumer.commitOffsets([{ topic: "js-shared", partition: a.parts[0], offset: "2", metadata: "note" }]));
  await seen("groups: described", async () => {
    const group = (await admin.describeGroups(["js-group"])).groups[0];
    return [group.state, group.protocol, group.protocolType, group.errorCode, group.members.map((m) => m.clientId).sort()];
  });
  await seen("groups: unknown described", async () => (await admin.describeGroups(["js-nobodys"])).groups);
  await seen("groups: listed", async () => (await admin.listGroups()).groups.filter((g) => g.groupId === "js-group"));
  await seen("groups: living reset", () => admin.resetOffsets({ groupId: "js-group", topic: "js-shared", earliest: true }));
  await seen("groups: living deleted", () => admin.deleteGroups(["js-group"]));
  const committed = async () => {
    const found = await admin.fetchOffsets({ groupId: "js-group", topics: ["js-shared"] });
    return found[0].partitions.sort((x, y) => x.partition - y.partition).map((p) => [p.offset, p.metadata]).sort();
  };
  await seen("groups: committed", committed);
  await b.consumer.disconnect();
  note("group: one leaves", await waitUntil(() => a.parts.length === 3));
  await a.consumer.disconnect();
  await seen("groups: set", () => admin.setOffsets({ groupId: "js-group", topic: "js-shared", partitions: [{ partition: 0, offset: "1" }] }));
  await seen("groups: set, seen", committed);
  await seen("groups: reset", () => admin.resetOffsets({ groupId: "js-group", topic: "js-shared", earliest: true }));
  await seen("groups: reset, seen", committed);
  await seen("groups: deleted", () => admin.deleteGroups(["js-group", "js-nobodys"]));
  const short = member("js-short", "a", { sessionTimeout: 1000 });
  await start(short, "js-shared").catch(() => {});
  note("group: a session too short", await waitUntil(() => short.crashed, 10_000));
  await short.consumer.disconnect();
}

async function transactions() {
  await create("js-steps");
  const producer = kafka.producer({ transactionalId: "js-txn", maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  const send = (transaction, value) => transaction.send({ topic: "js-steps", messages: [{ partition: 0, value }] });
  const aborted = await producer.transaction();
  await seen("transactions: write", () => send(aborted, "A"));
  await seen("transactions: abort", () => aborted.abort());
  const committed = await producer.transaction();
  await seen("transactions: write again", () => send(committed, "C"));
  await seen("transactions: offsets", () =>
    committed.sendOffsets({ consumerGroupId: "js-txn-group", topics: [{ topic: "js-steps", partitions: [{ partition: 0, offset: "1" }] }] }));
  await seen("transactions: commit", () => committed.commit());
  // Kafka answers a commit before the offsets have their marker; until then a client that doesn't ask for stable ones sees none.
  await seen("transactions: offsets, seen", async () => {
    const offsets = () => admin.fetchOffsets({ groupId: "js-txn-group", topics: ["js-steps"] });
    await waitUntil(async () => (await offsets())[0].partitions[0].offset !== "-1");
    return offsets();
  });
  for (const readUncommitted of [false, true]) {
    const reader = member(`js-read-${readUncommitted}`, "r", { readUncommitted });
    await start(reader, "js-steps");
    await waitUntil(() => reader.records.length === (readUncommitted ? 2 : 1));
    note(`transactions: read, ${readUncommitted ? "all" : "committed"}`, reader.records);
    await reader.consumer.disconnect();
  }
  const open = await producer.transaction();
  await send(open, "zombie");
  const successor = kafka.producer({ transactionalId: "js-txn", maxInFlightRequests: 1, idempotent: true });
  await successor.connect();
  const next = await successor.transaction();
  await seen("transactions: by the second", () => send(next, "S"));
  await seen("transactions: commit by the first", () => open.commit());
  await seen("transactions: commit by the second", () => next.commit());
  await producer.disconnect();
  await successor.disconnect();
}

async function accessLists() {
  const { AclResourceTypes, AclOperationTypes, AclPermissionTypes, ResourcePatternTypes } = require("kafkajs");
  const filter = { resourceType: AclResourceTypes.ANY, resourcePatternType: ResourcePatternTypes.ANY, operation: AclOperationTypes.ANY, permissionType: AclPermissionTypes.ANY };
  await seen("access lists: described", () => admin.describeAcls(filter));
}

(async () => {
  await admin.connect();
  for (const script of [topics, configs, records, groups, transactions, accessLists]) await script();
  await admin.disconnect();
})().catch((error) => note("the script", failure(error)));
