"""What a user of kafka-python does first: write, read in a group, commit, look around. Argument: bootstrap server."""

import sys

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

server = sys.argv[1]

admin = KafkaAdminClient(bootstrap_servers=server)
admin.create_topics([NewTopic("python", 2, 1)])
assert "python" in admin.list_topics()

producer = KafkaProducer(bootstrap_servers=server, acks="all", compression_type="gzip")
for n in range(10):
    sent = producer.send("python", key=b"k", value=b"%d" % n, headers=[("h", b"v")], partition=0).get(20)
    assert sent.offset == n, sent
producer.close()

consumer = KafkaConsumer(
    "python",
    bootstrap_servers=server,
    group_id="python-group",
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    session_timeout_ms=6000,
)
values = []
for record in consumer:
    assert record.headers == [("h", b"v")], record
    values.append(record.value)
    if len(values) == 10:
        break
assert values == [b"%d" % n for n in range(10)], values
consumer.commit()
partition = TopicPartition("python", 0)
assert consumer.committed(partition) == 10
assert consumer.end_offsets([partition]) == {partition: 10}
consumer.close()

admin.delete_topics(["python"])
assert "python" not in admin.list_topics()
print("all well")
