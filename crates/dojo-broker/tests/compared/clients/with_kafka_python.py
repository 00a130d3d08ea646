"""kafka-python: writing, reading, groups, transactions, administration. Argument: bootstrap server."""

import logging
import sys
import threading

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from notebook import PATIENCE, attempt, note, wait_until

logging.disable(logging.CRITICAL)
SERVER = {"bootstrap_servers": sys.argv[1]}
admin = KafkaAdminClient(**SERVER)


def failure(error):
    return type(error).__name__


def seen(name, action):
    return attempt(name, action, failure)


def create(*topics):
    """Makes topics, unseen, and waits until they are known."""
    try:
        admin.create_topics(list(topics))
    except KafkaError:
        pass
    for topic in topics:
        wait_until(lambda: partitions(topic.name) == list(range(topic.num_partitions)))


def partitions(topic):
    found = admin.describe_topics([topic])[0]
    return sorted(p["partition_index"] for p in found["partitions"] if p["error_code"] == 0)


def topics():
    seen("topics: create", lambda: bool(admin.create_topics([NewTopic("kp-new", 2, 1), NewTopic("kp-other", 1, 1)])))
    seen("topics: create again", lambda: bool(admin.create_topics([NewTopic("kp-new", 2, 1)])))
    seen("topics: create a bad name", lambda: bool(admin.create_topics([NewTopic("kp new", 2, 1)])))
    seen("topics: create with too many replicas", lambda: bool(admin.create_topics([NewTopic("kp-two", 1, 2)])))
    seen("topics: create with a bad value", lambda: bool(admin.create_topics([NewTopic("kp-bad", 1, 1, topic_configs={"retention.ms": "x"})])))
    wait_until(lambda: partitions("kp-new") == [0, 1])
    seen("topics: listed", lambda: sorted(t for t in admin.list_topics() if t.startswith("kp-")))
    seen("topics: described", lambda: partitions("kp-new"))
    seen("topics: unknown described", lambda: admin.describe_topics(["kp-nowhere"])[0]["error_code"])
    seen("partitions: more", lambda: bool(admin.create_partitions({"kp-new": NewPartitions(3)})))
    seen("partitions: fewer", lambda: bool(admin.create_partitions({"kp-new": NewPartitions(1)})))
    seen("partitions: known", lambda: wait_until(lambda: partitions("kp-new") == [0, 1, 2]))
    seen("topics: delete", lambda: bool(admin.delete_topics(["kp-other"])))
    seen("topics: delete an unknown one", lambda: bool(admin.delete_topics(["kp-nowhere"])))
    seen("cluster: described", lambda: [[b["broker_id"] if "broker_id" in b else b["node_id"], b["host"]] for b in admin.describe_cluster()["brokers"]])


def configs():
    create(NewTopic("kp-configs", 1, 1, topic_configs={"retention.ms": "60000"}))

    def described(name):
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "kp-configs")])
        return str(search(found, name))

    def search(found, name):
        """The config of a name, in whichever shape this version of the client gives."""
        if isinstance(found, dict):
            if name in found:
                return found[name] if not isinstance(found[name], dict) else found[name].get("value")
            for value in found.values():
                deeper = search(value, name)
                if deeper is not None:
                    return deeper
        elif isinstance(found, (list, tuple)):
            for value in found:
                if isinstance(value, (list, tuple)) and value and value[0] == name:
                    return value[1]
                deeper = search(value, name)
                if deeper is not None:
                    return deeper
        elif hasattr(found, "to_dict"):
            return search(found.to_dict(), name)
        return None

    seen("configs: described", lambda: described("retention.ms"))
    changed = ConfigResource(ConfigResourceType.TOPIC, "kp-configs", configs={"retention.ms": "70000"})
    seen("configs: changed", lambda: bool(admin.alter_configs([changed])))
    seen("configs: changed, seen", lambda: wait_until(lambda: described("retention.ms") == "70000"))
    bad = ConfigResource(ConfigResourceType.TOPIC, "kp-configs", configs={"retention.ms": "x"})
    seen("configs: a bad value", lambda: str(admin.alter_configs([bad])))


def records():
    # The records are older than a topic keeps them by default.
    create(NewTopic("kp-written", 2, 1, topic_configs={"retention.ms": "-1"}), NewTopic("kp-small", 1, 1, topic_configs={"max.message.bytes": "500"}))
    for codec in [None, "gzip"]:
        for idempotent in [False, True]:
            def written():
                producer = KafkaProducer(**SERVER, acks="all", compression_type=codec, enable_idempotence=idempotent, linger_ms=20)
                sent = [producer.send("kp-written", b"%d" % n, key=b"k", headers=[("h", b"v")], partition=0, timestamp_ms=1_600_000_000_000) for n in range(20)]
                reports = [future.get(PATIENCE) for future in sent]
                producer.close()
                return [[r.offset for r in reports], reports[0].timestamp]

            seen(f"writing: {codec}, {'idempotent' if idempotent else 'plain'}", written)

    def one(topic, partition=None, value=b"x", **settings):
        producer = KafkaProducer(**SERVER, max_block_ms=2000, retries=0, **settings)
        try:
            return producer.send(topic, value, partition=partition).get(PATIENCE).offset
        finally:
            producer.close(timeout=1)

    seen("writing: acks 0", lambda: one("kp-written", 1, acks=0, enable_idempotence=False))
    seen("writing: acks 1", lambda: one("kp-written", 1, acks=1, enable_idempotence=False))
    seen("writing: too large", lambda: one("kp-small", 0, b"x" * 1000))
    seen("writing: unknown topic", lambda: one("kp-nowhere"))

    def all_of(partition, **settings):
        consumer = KafkaConsumer(**SERVER, consumer_timeout_ms=1500, auto_offset_reset="earliest", **settings)
        consumer.assign([TopicPartition("kp-written", partition)])
        found = [[r.offset, r.value.decode(), r.headers and r.headers[0][0]] for r in consumer]
        consumer.close()
        return [len(found), found[:2], found[-2:]]

    seen("reading: all", lambda: all_of(0))
    seen("reading: without checks", lambda: all_of(0, check_crcs=False))
    seen("reading: few bytes at once", lambda: all_of(0, max_partition_fetch_bytes=100, fetch_max_bytes=100))
    consumer = KafkaConsumer(**SERVER)
    both = [TopicPartition("kp-written", 0), TopicPartition("kp-written", 1)]
    seen("offsets: first", lambda: sorted(consumer.beginning_offsets(both).values()))
    seen("offsets: last", lambda: sorted(consumer.end_offsets(both).values()))
    seen("offsets: at a time", lambda: str([consumer.offsets_for_times({both[0]: t})[both[0]] for t in (0, 1_600_000_000_000)]))
    seen("offsets: of the future", lambda: consumer.offsets_for_times({both[0]: 4_000_000_000_000})[both[0]])
    seen("partitions: of a topic", lambda: sorted(consumer.partitions_for_topic("kp-written")))
    seen("partitions: of an unknown topic", lambda: consumer.partitions_for_topic("kp-nowhere"))
    consumer.close()


def groups():
    create(NewTopic("kp-shared", 3, 1))
    producer = KafkaProducer(**SERVER)
    for n in range(9):
        producer.send("kp-shared", b"%d" % n, partition=n % 3).get(PATIENCE)
    producer.close()

    def member(name, group="kp-group", **settings):
        config = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "session_timeout_ms": 6000, "heartbeat_interval_ms": 200}
        return KafkaConsumer("kp-shared", **SERVER, group_id=group, client_id=name, **{**config, **settings})

    def shared(members, sizes):
        """Polls each member in a thread of its own, since one that joins waits for the others, until they share by these sizes."""
        stop, found = threading.Event(), {}

        def polling(each):
            while not stop.is_set():
                each.poll(500)
                found[each] = len(each.assignment())

        threads = [threading.Thread(target=polling, args=(each,)) for each in members]
        for thread in threads:
            thread.start()
        settled = wait_until(lambda: sorted(found.values()) == sizes)
        stop.set()
        for thread in threads:
            thread.join()
        return settled

    a = member("a")
    note("group: one", shared([a], [3]))
    b = member("b")
    note("group: two", shared([a, b], [1, 2]))
    note("group: who has what", [sorted(p.partition for p in m.assignment()) for m in (a, b)])
    seen("group: commit", lambda: a.commit({TopicPartition("kp-shared", p.partition): OffsetAndMetadata(1, "note", -1) for p in a.assignment()}))
    seen("group: committed", lambda: a.committed(sorted(a.assignment())[0]))
    seen("group: committed by nobody", lambda: a.committed(TopicPartition("kp-shared", 2)))
    b.close()
    note("group: one leaves", shared([a], [3]))
    seen("groups: listed", lambda: "kp-group" in str(admin.list_groups() if hasattr(admin, "list_groups") else admin.list_consumer_groups()))

    def offsets():
        list_offsets = getattr(admin, "list_group_offsets", None) or admin.list_consumer_group_offsets
        found = list_offsets("kp-group")
        found = found.get("kp-group", found) if isinstance(found, dict) else found
        return sorted([p.partition, o.offset, o.metadata] for p, o in found.items())

    seen("groups: offsets", offsets)

    def state():
        describe = getattr(admin, "describe_groups", None) or admin.describe_consumer_groups
        found = str(describe(["kp-group"]))
        return [s for s in ("Stable", "Empty", "Dead") if f"'{s}'" in found or f"={s}" in found.replace("'", "")]

    seen("groups: state", state)

    def deleted():
        delete = getattr(admin, "delete_groups", None) or admin.delete_consumer_groups
        return str(delete(["kp-group"]))

    seen("groups: delete a living one", deleted)
    a.close()
    seen("groups: delete an empty one", lambda: wait_until(lambda: state() == ["Empty"]) and deleted())
    for strategy in ("RoundRobinPartitionAssignor", "StickyPartitionAssignor"):
        module = __import__("kafka.coordinator.assignors." + {"R": "roundrobin", "S": "sticky.sticky_assignor"}[strategy[0]], fromlist=[strategy])
        settings = {"group": f"kp-{strategy}", "partition_assignment_strategy": [getattr(module, strategy)]}
        a, b = member("a", **settings), member("b", **settings)
        note(f"group, {strategy}: two", shared([a, b], [1, 2]))
        a.close()
        b.close()


def transactions():
    create(NewTopic("kp-steps", 1, 1))

    def producer(name):
        return KafkaProducer(**SERVER, transactional_id=name, enable_idempotence=True, acks="all", max_block_ms=10000)

    def values(isolation):
        consumer = KafkaConsumer(**SERVER, isolation_level=isolation, consumer_timeout_ms=1500, auto_offset_reset="earliest")
        consumer.assign([TopicPartition("kp-steps", 0)])
        found = [r.value.decode() for r in consumer]
        consumer.close()
        return found

    p = producer("kp-txn")
    seen("transactions: init", p.init_transactions)
    p.begin_transaction()
    seen("transactions: write", lambda: p.send("kp-steps", b"A", partition=0).get(PATIENCE).offset)
    seen("transactions: committed while open", lambda: values("read_committed"))
    seen("transactions: abort", p.abort_transaction)
    p.begin_transaction()
    seen("transactions: write again", lambda: p.send("kp-steps", b"C", partition=0).get(PATIENCE).offset)
    seen("transactions: offsets", lambda: p.send_offsets_to_transaction({TopicPartition("kp-steps", 0): OffsetAndMetadata(1, "", -1)}, "kp-txn-group"))
    seen("transactions: commit", p.commit_transaction)
    seen("transactions: committed", lambda: values("read_committed"))
    seen("transactions: all", lambda: values("read_uncommitted"))
    p.begin_transaction()
    successor = producer("kp-txn")
    seen("transactions: a second producer", successor.init_transactions)
    seen("transactions: write by the first", lambda: p.send("kp-steps", b"zombie", partition=0).get(PATIENCE).offset)
    successor.close()
    p.close(timeout=1)


for script in [topics, configs, records, groups, transactions]:
    script()
