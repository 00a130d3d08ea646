//! Writing and reading.

use super::{Client, PATIENCE, administration::offsets, value};
use crate::notes::Notes;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::AdminOptions,
    consumer::{BaseConsumer, Consumer},
    message::{Header, Headers, Message, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};

pub async fn play(client: &Client, notes: &mut Notes) {
    // Some records are older than a topic keeps them by default.
    client.topic("rd-written", 2, &[("retention.ms", "-1")]).await;
    client.topic("rd-small", 1, &[("max.message.bytes", "500")]).await;
    client.topic("rd-keyed", 1, &[("cleanup.policy", "compact")]).await;
    writing(client, notes).await;
    reading(client, notes).await;
    cutting(client, notes).await;
}

/// Writes one record and returns the outcome.
async fn write(
    producer: &FutureProducer,
    topic: &str,
    partition: i32,
    key: Option<&str>,
    value: &str,
) -> Result<String, String> {
    let headers = OwnedHeaders::new()
        .insert(Header { key: "name", value: Some("value") })
        .insert(Header { key: "null", value: None::<&str> });
    let mut record = FutureRecord::to(topic)
        .partition(partition)
        .payload(value)
        .headers(headers)
        .timestamp(1_600_000_000_000);
    record.key = key;
    match producer.send(record, PATIENCE).await {
        Ok(delivered) => Ok(format!("{}/{}", delivered.partition, delivered.offset)),
        Err((error, _)) => Err(error.to_string()),
    }
}

async fn writing(client: &Client, notes: &mut Notes) {
    for (what, settings) in [
        ("at the defaults", &[][..]),
        ("with gzip", &[("compression.type", "gzip")]),
        ("idempotently", &[("enable.idempotence", "true")]),
        ("idempotently with gzip", &[("enable.idempotence", "true"), ("compression.type", "gzip")]),
        ("with acks 1", &[("acks", "1")]),
        ("with acks 0", &[("acks", "0")]),
    ] {
        let producer: FutureProducer = client.make(settings);
        let written = write(&producer, "rd-written", 0, Some("key"), "value").await;
        notes.outcome(format!("write {what}"), written);
    }
    let producer: FutureProducer =
        client.make(&[("message.timeout.ms", "3000"), ("message.max.bytes", "5000000")]);
    let large = "x".repeat(1_200_000);
    for (what, topic, partition, key, value) in [
        ("without a key", "rd-written", 1, None, "value"),
        ("nothing", "rd-written", 1, Some(""), ""),
        ("too much for the topic", "rd-small", 0, Some("key"), &large[..1000]),
        ("too much for the broker", "rd-written", 1, Some("key"), &large),
        ("just not too much", "rd-written", 1, Some("key"), &large[..1_040_000]),
        ("to an unknown topic", "rd-nowhere", 0, Some("key"), "value"),
        ("to an unknown partition", "rd-written", 9, Some("key"), "value"),
        ("without a key to a compacted topic", "rd-keyed", 0, None, "value"),
        ("with a key to a compacted topic", "rd-keyed", 0, Some("key"), "value"),
    ] {
        notes.outcome(format!("write {what}"), write(&producer, topic, partition, key, value).await);
    }
}

async fn reading(client: &Client, notes: &mut Notes) {
    let all = |record: &rdkafka::message::BorrowedMessage<'_>| {
        let headers: Vec<String> = record
            .headers()
            .into_iter()
            .flat_map(Headers::iter)
            .map(|h| format!("{}={:?}", h.key, h.value.map(String::from_utf8_lossy)))
            .collect();
        format!(
            "{} {:?} {} {:?} [{}]",
            record.offset(),
            record.key().map(String::from_utf8_lossy),
            value(record),
            record.timestamp(),
            headers.join(", ")
        )
    };
    let offset = |record: &rdkafka::message::BorrowedMessage<'_>| record.offset().to_string();
    notes.note("read all", client.read("rd-written", Offset::Beginning, &[], all).await);
    notes.note("read from 3", client.read("rd-written", Offset::Offset(3), &[], offset).await);
    notes.note("read the last two", client.read("rd-written", Offset::OffsetTail(2), &[], offset).await);
    notes.note("read at the end", client.read("rd-written", Offset::End, &[], offset).await);
    for reset in ["earliest", "latest", "error"] {
        let read =
            client.read("rd-written", Offset::Offset(99), &[("auto.offset.reset", reset)], offset).await;
        notes.note(format!("read beyond the end, {reset}"), read);
    }
    let few = [("fetch.message.max.bytes", "10"), ("fetch.max.bytes", "1000"), ("message.max.bytes", "1000")];
    notes.note("read few bytes at once", client.read("rd-written", Offset::Beginning, &few, offset).await);

    let looker: BaseConsumer = client.make(&[("group.id", "unused")]);
    for (what, topic, partition) in
        [("of records", "rd-written", 0), ("of nothing", "rd-keyed", 0), ("unknown", "rd-written", 9)]
    {
        notes.outcome(format!("watermarks: {what}"), looker.fetch_watermarks(topic, partition, PATIENCE));
    }
    for time in [0, 1_600_000_000_000, 1_600_000_000_001, 4_000_000_000_000] {
        let mut asked = TopicPartitionList::new();
        asked.add_partition_offset("rd-written", 0, Offset::Offset(time)).unwrap();
        notes.outcome(
            format!("offset for time {}", time - 1_600_000_000_000),
            looker.offsets_for_times(asked, PATIENCE).map(offsets),
        );
    }
}

async fn cutting(client: &Client, notes: &mut Notes) {
    let admin = client.admin();
    for (what, partition, offset) in [
        ("some", 0, Offset::Offset(2)),
        ("all", 1, Offset::End),
        ("beyond the end", 0, Offset::Offset(99)),
        ("of an unknown partition", 9, Offset::Offset(1)),
    ] {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("rd-written", partition, offset).unwrap();
        notes.outcome(
            format!("delete records: {what}"),
            admin.delete_records(&list, &AdminOptions::new()).await.map(offsets),
        );
    }
    let looker: BaseConsumer = client.make(&[("group.id", "unused")]);
    notes.outcome("watermarks: after a deletion", looker.fetch_watermarks("rd-written", 0, PATIENCE));
    let reset = [("auto.offset.reset", "earliest")];
    let offset = |record: &rdkafka::message::BorrowedMessage<'_>| record.offset().to_string();
    notes.note("read what is deleted", client.read("rd-written", Offset::Offset(0), &reset, offset).await);
}
