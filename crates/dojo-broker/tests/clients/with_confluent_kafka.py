"""What a user of confluent-kafka does first: write, read in a group, commit, look around. Argument: bootstrap server."""

import sys

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

server = {"bootstrap.servers": sys.argv[1]}


def done(futures):
    return {key: future.result(20) for key, future in futures.items()}


admin = AdminClient(server)
done(admin.create_topics([NewTopic("confluent", 2, 1, config={"retention.ms": "60000"})]))

for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
    reports = []
    producer = Producer({**server, "enable.idempotence": True, "compression.type": codec, "linger.ms": 20})
    for n in range(20):
        producer.produce("confluent", key="k", value="v" * 100, partition=0, on_delivery=lambda e, m: reports.append(e))
    assert producer.flush(20) == 0 and reports == [None] * 20, (codec, reports)

consumer = Consumer(
    {**server, "group.id": "confluent-group", "auto.offset.reset": "earliest", "enable.auto.commit": False}
)
consumer.subscribe(["confluent"])
offsets = []
while len(offsets) < 100:
    record = consumer.poll(20)
    assert record is not None and not record.error(), record
    offsets.append(record.offset())
assert offsets == list(range(100)), offsets
consumer.commit(asynchronous=False)

group = done(admin.describe_consumer_groups(["confluent-group"]))["confluent-group"]
assert group.state.name == "STABLE" and len(group.members[0].assignment.topic_partitions) == 2, group
consumer.close()

groups = admin.list_consumer_groups().result(20)
assert "confluent-group" in [group.group_id for group in groups.valid], groups
wanted = ConsumerGroupTopicPartitions("confluent-group")
committed = done(admin.list_consumer_group_offsets([wanted]))["confluent-group"]
assert [p.offset for p in committed.topic_partitions if p.partition == 0] == [100], committed

partition = TopicPartition("confluent", 0)
for spec, offset in [(OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 100)]:
    assert done(admin.list_offsets({partition: spec}))[partition].offset == offset
resource = ConfigResource(ResourceType.TOPIC, "confluent")
assert done(admin.describe_configs([resource]))[resource]["retention.ms"].value == "60000"
described = done(admin.describe_topics(TopicCollection(["confluent"])))["confluent"]
assert len(described.partitions) == 2, described
assert len(admin.describe_cluster().result(20).nodes) == 1

done(admin.delete_consumer_groups(["confluent-group"]))
done(admin.delete_topics(["confluent"]))
print("all well")
