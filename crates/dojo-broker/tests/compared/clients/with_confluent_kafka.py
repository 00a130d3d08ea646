"""confluent-kafka: writing, reading, groups, transactions, administration. Argument: bootstrap server."""

import signal
import subprocess
import sys
import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    ElectionType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

from notebook import PATIENCE, attempt, note, wait_until

SERVER = {"bootstrap.servers": sys.argv[1], "log_level": 0}
admin = AdminClient(SERVER)


def failure(error):
    if isinstance(error, KafkaException):
        reason = error.args[0]
        return f"{reason.name()}: {reason.str()}"
    return f"{type(error).__name__}: {error}"


def seen(name, action):
    return attempt(name, action, failure)


def done(futures):
    """What became of each future, by its key's text."""

    def outcome(future):
        try:
            return future.result(PATIENCE)
        except KafkaException as error:
            return failure(error)

    return {str(key): outcome(future) for key, future in futures.items()}


def create(*topics):
    """Makes topics, unseen, and waits until they are known."""
    done(admin.create_topics(list(topics)))
    for topic in topics:
        wait_until(lambda: len(known_partitions(topic.topic)) == topic.num_partitions)


def known_partitions(topic):
    found = admin.list_topics(topic, timeout=PATIENCE).topics[topic]
    return [] if found.error else [p for p in found.partitions.values() if p.leader >= 0]


def write(topic, values, partition=0, **settings):
    """Writes values, and gives where each has come to, or its error."""
    reports = []

    def report(error, record):
        reports.append(error.name() if error else [record.partition(), record.offset()])

    producer = Producer({**SERVER, "linger.ms": 20, "message.timeout.ms": 10000, **settings})
    for value in values:
        producer.produce(topic, value, key="k", partition=partition, on_delivery=report)
        producer.poll(0)
    producer.flush(PATIENCE)
    return reports


def read(topic, partitions=(0,), start=OFFSET_BEGINNING, **settings):
    """All records of partitions from a place to the end."""
    consumer = Consumer({**SERVER, "group.id": "unused", "enable.partition.eof": True, "enable.auto.commit": False, **settings})
    consumer.assign([TopicPartition(topic, partition, start) for partition in partitions])
    records, ends = [], 0
    until = time.monotonic() + PATIENCE
    while ends < len(partitions) and time.monotonic() < until:
        record = consumer.poll(0.5)
        if record is None:
            continue
        if not record.error():
            records.append(record)
        elif record.error().code() == KafkaError._PARTITION_EOF:
            ends += 1
        else:
            records.append(record)
            break
    consumer.close()
    return records


def topics():
    def new(name, partitions=1, replicas=1, **more):
        return NewTopic(name, partitions, replicas, **more)

    seen("topics: create", lambda: done(admin.create_topics([new("ck-new", 3), new("ck-other")])))
    seen("topics: create again", lambda: done(admin.create_topics([new("ck-new", 3)])))
    seen("topics: create a bad name", lambda: done(admin.create_topics([new("ck new")])))
    seen("topics: create without partitions", lambda: done(admin.create_topics([new("ck-none", 0)])))
    seen("topics: create with too many replicas", lambda: done(admin.create_topics([new("ck-two", 1, 2)])))
    seen("topics: create with a config", lambda: done(admin.create_topics([new("ck-cfg", 2, config={"retention.ms": "3600000"})])))
    seen("topics: create with an unknown config", lambda: done(admin.create_topics([new("ck-bad", 1, config={"no.such": "1"})])))
    seen("topics: create with a bad value", lambda: done(admin.create_topics([new("ck-bad", 1, config={"retention.ms": "x"})])))
    seen("topics: only to see", lambda: done(admin.create_topics([new("ck-seen")], validate_only=True)))
    seen("topics: as the broker likes", lambda: done(admin.create_topics([NewTopic("ck-default")])))
    wait_until(lambda: len(known_partitions("ck-new")) == 3 and len(known_partitions("ck-default")) > 0)
    seen("topics: known", lambda: sorted(t for t in admin.list_topics(timeout=PATIENCE).topics if t.startswith("ck-")))
    seen("topics: as the broker likes, partitions", lambda: len(known_partitions("ck-default")))
    seen("topics: unknown", lambda: str(admin.list_topics("ck-nowhere", timeout=PATIENCE).topics["ck-nowhere"].error))

    def described():
        found = done(admin.describe_topics(TopicCollection(["ck-new", "ck-nowhere"])))
        topic = found["ck-new"]
        return [
            topic.is_internal,
            [[p.id, p.leader.id, [r.id for r in p.replicas], [i.id for i in p.isr]] for p in topic.partitions],
            found["ck-nowhere"],
        ]

    seen("topics: described", described)
    seen("partitions: more", lambda: done(admin.create_partitions([NewPartitions("ck-new", 4)])))
    seen("partitions: as many", lambda: done(admin.create_partitions([NewPartitions("ck-new", 4)])))
    seen("partitions: fewer", lambda: done(admin.create_partitions([NewPartitions("ck-new", 2)])))
    seen("partitions: of an unknown topic", lambda: done(admin.create_partitions([NewPartitions("ck-nowhere", 2)])))
    seen("partitions: known", lambda: wait_until(lambda: len(known_partitions("ck-new")) == 4))
    seen("topics: delete", lambda: done(admin.delete_topics(["ck-other", "ck-nowhere"], operation_timeout=PATIENCE)))
    seen("topics: gone", lambda: wait_until(lambda: "ck-other" not in admin.list_topics(timeout=PATIENCE).topics))

    def cluster():
        found = admin.describe_cluster(include_authorized_operations=True).result(PATIENCE)
        operations = sorted(operation.name for operation in found.authorized_operations)
        return [[node.id, node.host] for node in found.nodes], found.controller.id, operations

    seen("cluster: described", cluster)


def configs():
    topic = ConfigResource(ResourceType.TOPIC, "ck-cfg")

    def described(resource, *names):
        found = list(done(admin.describe_configs([resource])).values())[0]
        if isinstance(found, str):
            return found
        return {n: [found[n].value, found[n].source, found[n].is_read_only, found[n].is_default, sorted(found[n].synonyms)] for n in names if n in found}

    def changed(name, value, operation=AlterConfigOpType.SET, resource=topic):
        entry = ConfigEntry(name, value, incremental_operation=operation)
        changed = ConfigResource(resource.restype, resource.name, incremental_configs=[entry])
        return list(done(admin.incremental_alter_configs([changed])).values())[0]

    seen("configs: topic", lambda: described(topic, "retention.ms", "cleanup.policy", "max.message.bytes"))
    seen("configs: unknown topic", lambda: described(ConfigResource(ResourceType.TOPIC, "ck-nowhere")))
    seen("configs: broker", lambda: described(ConfigResource(ResourceType.BROKER, "1"), "num.partitions", "log.retention.hours", "message.max.bytes"))
    seen("configs: set", lambda: changed("retention.ms", "60000"))
    seen("configs: set, seen", lambda: wait_until(lambda: described(topic, "retention.ms")["retention.ms"][0] == "60000"))
    seen("configs: append", lambda: changed("cleanup.policy", "compact", AlterConfigOpType.APPEND))
    seen("configs: append, seen", lambda: wait_until(lambda: described(topic, "cleanup.policy")["cleanup.policy"][0] == "delete,compact"))
    seen("configs: subtract", lambda: changed("cleanup.policy", "compact", AlterConfigOpType.SUBTRACT))
    seen("configs: delete", lambda: changed("retention.ms", None, AlterConfigOpType.DELETE))
    seen("configs: delete, seen", lambda: wait_until(lambda: described(topic, "retention.ms")["retention.ms"][0] == "604800000"))
    seen("configs: a bad value", lambda: changed("retention.ms", "soon"))
    seen("configs: an unknown one", lambda: changed("no.such", "1"))
    replaced = ConfigResource(ResourceType.TOPIC, "ck-cfg", set_config={"segment.ms": "7000"})
    seen("configs: replaced", lambda: list(done(admin.alter_configs([replaced])).values())[0])
    seen("configs: replaced, seen", lambda: wait_until(lambda: described(topic, "segment.ms")["segment.ms"][0] == "7000"))


def writing():
    create(NewTopic("ck-written", 3, 1), NewTopic("ck-small", 1, 1, config={"max.message.bytes": "500"}))
    create(NewTopic("ck-keyed", 1, 1, config={"cleanup.policy": "compact"}))
    headers = [("trace-id", b"t"), ("empty", b""), ("null", None), ("bytes", bytes(range(8)))]
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        for idempotent in [False, True]:
            tag = f"{codec}, {'idempotent' if idempotent else 'plain'}"
            settings = {"compression.type": codec, "enable.idempotence": idempotent, "linger.ms": 20}
            producer, reports = Producer({**SERVER, **settings}), []
            for n in range(50):
                producer.produce("ck-written", f"{n}" + "x" * 100, key=f"{n}", partition=0, headers=headers, on_delivery=lambda e, r: reports.append(e.name() if e else r.offset()))
            producer.flush(PATIENCE)
            note(f"writing: {tag}", [len(reports), reports[:2], reports[-2:]])
            last = read("ck-written", start=reports[-1])[0] if isinstance(reports[-1], int) else None
            kept = last and [last.offset(), last.key().decode(), len(last.value()), last.timestamp()[0], [[k, None if v is None else v.hex()] for k, v in last.headers()]]
            note(f"reading: {tag}", kept)
    seen("writing: acks 0", lambda: write("ck-written", ["x"], 1, acks=0))
    seen("writing: acks 1", lambda: write("ck-written", ["x"], 1, acks=1))
    seen("writing: too large for the topic", lambda: write("ck-small", ["x" * 1000]))
    seen("writing: too large for the client", lambda: write("ck-small", ["x" * 2_000_000]))
    seen("writing: just not too large for the broker", lambda: write("ck-written", ["x" * 1_040_000], 1, **{"message.max.bytes": 5_000_000}))
    seen("writing: too large for the broker", lambda: write("ck-written", ["x" * 1_200_000], 1, **{"message.max.bytes": 5_000_000}))
    seen("writing: unknown topic", lambda: write("ck-nowhere", ["x"], -1, **{"message.timeout.ms": 3000}))
    seen("writing: unknown partition", lambda: write("ck-written", ["x"], 9, **{"message.timeout.ms": 3000}))

    def keyless():
        reports = []
        producer = Producer(SERVER)
        producer.produce("ck-keyed", "x", on_delivery=lambda e, r: reports.append(failure(KafkaException(e)) if e else r.offset()))
        producer.flush(PATIENCE)
        return reports

    seen("writing: without a key to a compacted topic", keyless)


def offsets():
    # The records are older than a topic keeps them by default.
    create(NewTopic("ck-times", 2, 1, config={"retention.ms": "-1"}))
    for n in range(10):
        producer = Producer({**SERVER, "compression.type": "lz4"})
        for m in range(2):
            producer.produce("ck-times", f"{n}", partition=0, timestamp=1_600_000_000_000 + n * 1000 + m * 500)
        producer.flush(PATIENCE)
    consumer = Consumer({**SERVER, "group.id": "ck-unused"})
    both = [TopicPartition("ck-times", 0), TopicPartition("ck-times", 1)]
    seen("offsets: watermarks", lambda: [consumer.get_watermark_offsets(p, timeout=PATIENCE) for p in both])
    seen("offsets: watermarks of an unknown topic", lambda: consumer.get_watermark_offsets(TopicPartition("ck-nowhere", 0), timeout=3))

    def at(milliseconds):
        asked = [TopicPartition("ck-times", p, 1_600_000_000_000 + milliseconds) for p in (0, 1)]
        return [[p.offset, p.error and p.error.name()] for p in consumer.offsets_for_times(asked, timeout=PATIENCE)]

    for milliseconds in [-1, 0, 1, 500, 501, 4400, 9500, 9501]:
        seen(f"offsets: at {milliseconds} ms", lambda: at(milliseconds))
    seen("offsets: of an unknown partition", lambda: [p.error.name() for p in consumer.offsets_for_times([TopicPartition("ck-times", 9, 0)], timeout=PATIENCE)])
    consumer.close()
    for name, spec in [("earliest", OffsetSpec.earliest()), ("latest", OffsetSpec.latest()), ("newest", OffsetSpec.max_timestamp()), ("at a time", OffsetSpec.for_timestamp(1_600_000_004_500))]:
        def listed(isolation=IsolationLevel.READ_UNCOMMITTED):
            found = done(admin.list_offsets({p: spec for p in both}, isolation_level=isolation))
            return [[f.offset, f.timestamp, f.leader_epoch] for f in found.values()]

        seen(f"offsets: listed, {name}", listed)
    seen("offsets: seek into a batch", lambda: [r.offset() for r in read("ck-times", start=3)][:3])
    seen("offsets: read at the end", lambda: [r.offset() for r in read("ck-times", start=OFFSET_END)])
    strict = {"auto.offset.reset": "error"}
    seen("offsets: beyond the end", lambda: [r.error().name() for r in read("ck-times", start=99, **strict)])
    seen("offsets: beyond the end, from the start", lambda: [r.offset() for r in read("ck-times", start=99, **{"auto.offset.reset": "earliest"})][:2])
    seen("records: delete", lambda: [p.low_watermark for p in done(admin.delete_records([TopicPartition("ck-times", 0, 4)])).values()])
    seen("records: delete beyond the end", lambda: list(done(admin.delete_records([TopicPartition("ck-times", 0, 400)])).values()))
    seen("records: of an unknown topic", lambda: list(done(admin.delete_records([TopicPartition("ck-nowhere", 0, 1)])).values()))
    seen("records: left", lambda: [r.offset() for r in read("ck-times")][:2])


class Member:
    """A member of a group that notes what it is given and what is taken from it."""

    def __init__(self, group, name, topic="ck-shared", **settings):
        self.events, self.parts = [], set()
        config = {
            **SERVER,
            "group.id": group,
            "client.id": name,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 100,
            **settings,
        }
        self.cooperative = config.get("partition.assignment.strategy") == "cooperative-sticky"
        self.consumer = Consumer(config)
        self.consumer.subscribe([topic], on_assign=self.assigned, on_revoke=self.revoked, on_lost=self.lost)
        self.records = []

    def assigned(self, consumer, partitions):
        given = sorted(p.partition for p in partitions)
        self.events.append(f"+{given}")
        self.parts = self.parts | set(given) if self.cooperative else set(given)

    def revoked(self, consumer, partitions):
        taken = sorted(p.partition for p in partitions)
        self.events.append(f"-{taken}")
        self.parts -= set(taken)

    def lost(self, consumer, partitions):
        self.events.append(f"lost {sorted(p.partition for p in partitions)}")
        self.parts -= {p.partition for p in partitions}

    def poll(self):
        record = self.consumer.poll(0.02)
        if record is not None:
            self.records.append(record.error().name() if record.error() else [record.partition(), record.offset()])

    def told(self):
        """The events since it was asked last. How often it was told of nothing depends on who was faster."""
        events, self.events = self.events, []
        return [event for event in events if "[]" not in event]


def share(members, sizes):
    """Polls until the members share three partitions by these sizes, and for a while more stay so."""

    def settled():
        for member in members:
            member.poll()
        parts = [p for member in members for p in member.parts]
        return sorted(len(m.parts) for m in members) == sizes and sorted(parts) == [0, 1, 2]

    found = wait_until(settled)
    quiet = time.monotonic() + 0.5
    while time.monotonic() < quiet:
        settled()
    return found


def groups():
    create(NewTopic("ck-shared", 3, 1))
    for partition in range(3):
        write("ck-shared", ["x"] * 10, partition)
    for strategy in ["range", "roundrobin", "cooperative-sticky"]:
        group, settings = f"ck-{strategy}", {"partition.assignment.strategy": strategy}
        a = Member(group, "a", **settings)
        note(f"group, {strategy}: one", [share([a], [3]), a.told()])
        b = Member(group, "b", **settings)
        note(f"group, {strategy}: a second", [share([a, b], [1, 2]), a.told(), b.told()])
        c = Member(group, "c", **settings)
        note(f"group, {strategy}: a third", [share([a, b, c], [1, 1, 1]), a.told(), b.told(), c.told()])
        c.consumer.close()
        note(f"group, {strategy}: the third leaves", [share([a, b], [1, 2]), a.told(), b.told(), c.told()])
        d = Member(group, "d", **settings)
        e = Member(group, "e", **settings)
        note(f"group, {strategy}: more than partitions", share([a, b, d, e], [0, 1, 1, 1]))
        for member in [a, b, d, e]:
            member.consumer.close()
    killed()
    static()
    restarts()
    new_members()
    mixed()
    config = {**SERVER, "group.id": "ck-848", "group.protocol": "consumer", "auto.offset.reset": "earliest"}
    consumer = Consumer(config)
    consumer.subscribe(["ck-shared"])

    def first():
        record = wait_until(lambda: consumer.poll(0.5), 10)
        return record and (record.error().name() if record.error() else "a record")

    seen("group, KIP-848: a record", first)
    consumer.close()


def killed():
    """A member that is killed says no goodbye: the others wait for its session to end."""
    a = Member("ck-killed", "a")
    share([a], [3])
    program = "import sys; from confluent_kafka import Consumer; c = Consumer({'bootstrap.servers': sys.argv[1], 'group.id': 'ck-killed', 'client.id': 'b', 'session.timeout.ms': 6000, 'heartbeat.interval.ms': 100}); c.subscribe(['ck-shared'])\nwhile True: c.poll(0.1)"
    other = subprocess.Popen([sys.executable, "-c", program, sys.argv[1]])
    wait_until(lambda: a.poll() or len(a.parts) == 2)
    note("group, killed member: two members", a.told())
    other.send_signal(signal.SIGKILL)
    other.wait()
    begun = time.monotonic()
    share([a], [3])
    waited = time.monotonic() - begun
    note("group, killed member: gone after its session", [5 < waited < 9, a.told()])
    a.consumer.close()


def static():
    def named(name):
        return Member("ck-static", name, **{"group.instance.id": f"i-{name}", "session.timeout.ms": 10000})

    a, b = named("a"), named("b")
    share([a, b], [1, 2])
    before = [sorted(a.parts), sorted(b.parts)]
    a.told()
    b.consumer.close()
    b = named("b")
    share([a, b], [1, 2])
    note("group, static members: back without a rebalance", [[sorted(a.parts), sorted(b.parts)] == before, a.told()])
    twin = named("b")

    def fenced():
        twin.poll()
        a.poll()
        b.poll()
        return [r for r in b.records if isinstance(r, str)]

    note("group, static members: a second of the name", wait_until(fenced))
    for member in [a, b, twin]:
        member.consumer.close()


def restarts():
    """Offsets outlive their consumers."""
    create(NewTopic("ck-kept", 1, 1))
    write("ck-kept", ["x"] * 10)
    a = Member("ck-restart", "a", "ck-kept")
    wait_until(lambda: a.poll() or len(a.records) == 10)
    seen("offsets kept: commit", lambda: [[p.partition, p.offset] for p in a.consumer.commit(asynchronous=False)])
    a.consumer.close()
    write("ck-kept", ["y"] * 3)
    b = Member("ck-restart", "b", "ck-kept")
    wait_until(lambda: b.poll() or len(b.records) == 3)
    note("offsets kept: the next reads on", b.records)
    partition = TopicPartition("ck-kept", 0, 12, metadata="note")
    seen("offsets kept: commit by hand", lambda: [[p.offset, p.metadata] for p in b.consumer.commit(offsets=[partition], asynchronous=False)])
    seen("offsets kept: committed", lambda: [[p.offset, p.metadata] for p in b.consumer.committed([TopicPartition("ck-kept", 0)], timeout=PATIENCE)])
    unknown = [TopicPartition("ck-nowhere", 0, 1)]
    seen("offsets kept: commit of an unknown topic", lambda: [p.error and p.error.name() for p in b.consumer.commit(offsets=unknown, asynchronous=False)])
    b.consumer.close()
    seen("offsets kept: commit after leaving", lambda: b.consumer.commit(offsets=[partition], asynchronous=False))


def new_members():
    """Whoever starts at the end sees all that is written afterwards."""
    create(NewTopic("ck-latest", 1, 1))
    write("ck-latest", ["x"] * 5)
    a = Member("ck-latest", "a", "ck-latest", **{"auto.offset.reset": "latest"})
    position = lambda: [p.offset for p in a.consumer.position([TopicPartition("ck-latest", 0)])]
    wait_until(lambda: a.poll() or a.parts)
    ready = time.monotonic() + 1.0
    wait_until(lambda: a.poll() or time.monotonic() > ready)
    write("ck-latest", ["y"] * 3)
    wait_until(lambda: a.poll() or len(a.records) == 3)
    note("group: from the end on", [a.records, position()])
    a.consumer.close()


def mixed():
    a = Member("ck-mixed", "a", **{"partition.assignment.strategy": "range"})
    share([a], [3])
    b = Member("ck-mixed", "b", **{"partition.assignment.strategy": "roundrobin"})
    wait_until(lambda: a.poll() or b.poll() or b.records)
    note("group: strategies that do not meet", b.records[:1])
    b.consumer.close()
    a.consumer.close()


def group_administration():
    create(NewTopic("ck-admin", 2, 1))
    write("ck-admin", ["x"] * 10)
    live = [Member("ck-live", "a", "ck-admin"), Member("ck-live", "b", "ck-admin")]
    wait_until(lambda: [m.poll() for m in live] and all(len(m.parts) == 1 for m in live))
    live[0].consumer.commit(offsets=[TopicPartition("ck-admin", 0, 4), TopicPartition("ck-admin", 1, 0)], asynchronous=False)

    def described(name):
        found = done(admin.describe_consumer_groups([name], include_authorized_operations=True))[name]
        if isinstance(found, str):
            return found
        members = sorted([m.client_id, m.host, m.group_instance_id, [[p.topic, p.partition] for p in m.assignment.topic_partitions]] for m in found.members)
        operations = sorted(operation.name for operation in found.authorized_operations)
        return [found.state.name, found.type.name, found.is_simple_consumer_group, found.partition_assignor, found.coordinator.id, members, operations]

    def listed(**filters):
        found = admin.list_consumer_groups(**filters).result(PATIENCE)
        return [sorted([g.group_id, g.state.name, g.type.name, g.is_simple_consumer_group] for g in found.valid if g.group_id in ("ck-live", "ck-outside")), [str(e) for e in found.errors]]

    def committed(name, partitions=None):
        found = done(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name, partitions)]))[name]
        if isinstance(found, str):
            return found
        return sorted([p.topic, p.partition, p.offset, p.metadata, p.error and p.error.name()] for p in found.topic_partitions)

    def altered(name, topic, offset):
        found = done(admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 0, offset)])]))[name]
        return found if isinstance(found, str) else [[p.partition, p.offset, p.error and p.error.name()] for p in found.topic_partitions]

    seen("groups: described", lambda: described("ck-live"))
    seen("groups: unknown described", lambda: described("ck-nobodys"))
    seen("groups: offsets altered from outside", lambda: altered("ck-outside", "ck-admin", 3))
    seen("groups: offsets altered from outside, unknown topic", lambda: altered("ck-outside", "ck-nowhere", 3))
    seen("groups: offsets of a living group altered", lambda: altered("ck-live", "ck-admin", 3))
    seen("groups: of offsets alone described", lambda: described("ck-outside"))
    seen("groups: listed", listed)
    seen("groups: stable ones listed", lambda: listed(states={ConsumerGroupState.STABLE}))
    seen("groups: classic ones listed", lambda: listed(types={ConsumerGroupType.CLASSIC}))
    seen("groups: new ones listed", lambda: listed(types={ConsumerGroupType.CONSUMER}))
    seen("groups: committed", lambda: committed("ck-live"))
    seen("groups: committed, by partition", lambda: committed("ck-live", [TopicPartition("ck-admin", 0), TopicPartition("ck-admin", 9), TopicPartition("ck-nowhere", 0)]))
    seen("groups: committed by nobody", lambda: committed("ck-nobodys"))
    seen("groups: living deleted", lambda: done(admin.delete_consumer_groups(["ck-live"])))
    for member in live:
        member.consumer.close()
    wait_until(lambda: described("ck-live")[0] == "EMPTY")
    seen("groups: empty described", lambda: described("ck-live"))
    seen("groups: deleted", lambda: done(admin.delete_consumer_groups(["ck-live", "ck-nobodys"])))
    seen("groups: deleted listed", listed)


def transactions():
    create(NewTopic("ck-steps", 1, 1), NewTopic("ck-source", 1, 1))
    write("ck-source", ["x"] * 5)

    def producer(name, **settings):
        return Producer({**SERVER, "transactional.id": name, "transaction.timeout.ms": 20000, **settings})

    def values(isolation):
        return [r.value().decode() for r in read("ck-steps", **{"isolation.level": isolation})]

    def end(isolation):
        latest = {TopicPartition("ck-steps", 0): OffsetSpec.latest()}
        return list(done(admin.list_offsets(latest, isolation_level=isolation)).values())[0].offset

    def no_transaction_is_open():
        return end(IsolationLevel.READ_COMMITTED) == end(IsolationLevel.READ_UNCOMMITTED)

    def both(what, is_open=False):
        # Kafka answers the end of a transaction before its marker is written.
        if not is_open:
            wait_until(no_transaction_is_open)
        seen(f"transactions: committed, {what}", lambda: values("read_committed"))
        seen(f"transactions: all, {what}", lambda: values("read_uncommitted"))

    p = producer("ck-txn")
    seen("transactions: init", lambda: p.init_transactions(PATIENCE))

    def send(producer, *values):
        for value in values:
            producer.produce("ck-steps", value, partition=0)
        producer.flush(PATIENCE)

    p.begin_transaction()
    send(p, "A1", "A2")
    both("while open", is_open=True)
    seen("transactions: abort", lambda: p.abort_transaction(PATIENCE))
    both("aborted")
    p.begin_transaction()
    send(p, "C1", "C2")
    consumer = Consumer({**SERVER, "group.id": "ck-txn-group", "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe(["ck-source"])
    record = wait_until(lambda: consumer.poll(0.5))
    offsets = [TopicPartition("ck-source", 0, record.offset() + 3)]
    seen("transactions: offsets", lambda: p.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), PATIENCE))
    seen("transactions: commit", lambda: p.commit_transaction(PATIENCE))
    seen("transactions: offsets committed", lambda: [o.offset for o in consumer.committed([TopicPartition("ck-source", 0)], timeout=PATIENCE)])
    both("committed")
    p.begin_transaction()
    send(p, "lost")
    seen("transactions: offsets, to be aborted", lambda: p.send_offsets_to_transaction([TopicPartition("ck-source", 0, 5)], consumer.consumer_group_metadata(), PATIENCE))
    p.abort_transaction(PATIENCE)
    seen("transactions: offsets aborted", lambda: [o.offset for o in consumer.committed([TopicPartition("ck-source", 0)], timeout=PATIENCE)])
    consumer.close()
    seen("transactions: commit of nothing", lambda: [p.begin_transaction(), p.commit_transaction(PATIENCE)])
    p.begin_transaction()
    send(p, "zombie")
    successor = producer("ck-txn")
    seen("transactions: a second producer", lambda: successor.init_transactions(PATIENCE))
    seen("transactions: commit by the first", lambda: p.commit_transaction(PATIENCE))
    both("fenced")
    successor.begin_transaction()
    send(successor, "S1")
    seen("transactions: commit by the second", lambda: successor.commit_transaction(PATIENCE))
    both("of the second")
    seen("transactions: too long", lambda: producer("ck-long", **{"transaction.timeout.ms": 900_001}).init_transactions(PATIENCE))
    seen("transactions: not begun", lambda: successor.commit_transaction(PATIENCE))
    slow = producer("ck-slow", **{"transaction.timeout.ms": 1000, "message.timeout.ms": 1000})
    slow.init_transactions(PATIENCE)
    slow.begin_transaction()
    slow.produce("ck-steps", "slow", partition=0)
    slow.flush(PATIENCE)
    # The broker looks for transactions that take too long every ten seconds, and ends them itself.
    ended = wait_until(no_transaction_is_open, 25)
    note("transactions: ended by the broker", ended)
    seen("transactions: commit of what took too long", lambda: slow.commit_transaction(PATIENCE))


def what_is_not_there():
    binding = AclBinding(ResourceType.TOPIC, "ck-new", ResourcePatternType.LITERAL, "User:a", "*", AclOperation.READ, AclPermissionType.ALLOW)
    any_binding = AclBindingFilter(ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY)
    seen("access lists: described", lambda: str(admin.describe_acls(any_binding).result(PATIENCE)))
    seen("access lists: created", lambda: list(done(admin.create_acls([binding])).values()))
    seen("users: described", lambda: str({k: str(v.result(PATIENCE)) for k, v in admin.describe_user_scram_credentials(["a"]).items()}))
    seen("leaders: elected", lambda: str(sorted(admin.elect_leaders(ElectionType.PREFERRED, [TopicPartition("ck-new", 0)]).result(PATIENCE).values(), key=str)))


for script in [topics, configs, writing, offsets, groups, group_administration, transactions, what_is_not_there]:
    script()
