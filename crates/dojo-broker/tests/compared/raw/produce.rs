//! Produce and InitProducerId.

use super::{
    Raw,
    batch::{Batch, now},
    text, topic,
};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{
    BrokerId, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest, ProducerId, TransactionalId,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    produce_request::{PartitionProduceData, TopicProduceData},
};

const VERSION: i16 = 9;

pub fn to(name: &str, partition: i32, records: Option<Bytes>) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(records);
    let topic = TopicProduceData::default().with_name(topic(name)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(10_000).with_topic_data(vec![topic])
}

impl Raw {
    /// Writes records without noting it.
    pub async fn produce(&mut self, name: &str, records: Bytes) {
        let written = self.call(VERSION, &to(name, 0, Some(records))).await.unwrap();
        let code = written.responses[0].partition_responses[0].error_code;
        assert_eq!(code, 0, "{written:?}");
    }

    async fn write(&mut self, what: &str, name: &str, records: Bytes) {
        self.ask(what, VERSION, to(name, 0, Some(records))).await;
    }
}

pub async fn play(raw: &mut Raw) {
    // Some records are older than a topic keeps them by default.
    raw.make("raw-written", 2, &[("retention.ms", "-1")]).await;
    requests(raw).await;
    batches(raw).await;
    rules(raw).await;
    producers(raw).await;
    full_partitions(raw).await;
}

async fn requests(raw: &mut Raw) {
    let good = || Some(Batch::of("good").bytes());
    for version in 3..=12 {
        raw.ask(&format!("version {version}"), version, to("raw-written", 0, good())).await;
    }
    raw.ask("unknown topic", VERSION, to("raw-nowhere", 0, good())).await;
    raw.ask("a name with a space", VERSION, to("a b", 0, good())).await;
    raw.ask("unknown partition", VERSION, to("raw-written", 9, good())).await;
    raw.ask("negative partition", VERSION, to("raw-written", -1, good())).await;
    raw.ask("to a topic of Kafka itself", VERSION, to("__consumer_offsets", 0, good())).await;
    for acks in [1, 2, -2] {
        raw.ask(&format!("acks {acks}"), VERSION, to("raw-written", 0, good()).with_acks(acks)).await;
    }
    raw.ask("no time", VERSION, to("raw-written", 0, good()).with_timeout_ms(-1)).await;
    raw.ask("nowhere", VERSION, ProduceRequest::default().with_acks(-1)).await;
    raw.ask("with no records", VERSION, to("raw-written", 0, Some(Bytes::new()))).await;
    raw.make("raw-written-twice", 1, &[]).await;
    let once = to("raw-written-twice", 0, good()).topic_data;
    let twice = [once.clone(), once].concat();
    raw.ask("the same partition twice", VERSION, to("raw-written", 0, None).with_topic_data(twice)).await;
    let transactional =
        to("raw-written", 0, good()).with_transactional_id(Some(TransactionalId(text("raw-nobody"))));
    raw.ask("plain records in a transaction", VERSION, transactional).await;
    // A write without acknowledgement reports its error by hanging up.
    let silent = to("raw-nowhere", 0, good()).with_acks(0);
    let frame = raw.frame(VERSION, &silent);
    let next = raw.frame(VERSION, &to("raw-written", 0, good()));
    let stream = raw.stream().await;
    let mut both = BytesMut::new();
    for frame in [frame, next] {
        both.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
        both.extend_from_slice(&frame);
    }
    tokio::io::AsyncWriteExt::write_all(stream, &both).await.unwrap();
    let answered = tokio::time::timeout(super::PATIENCE, tokio::io::AsyncReadExt::read_i32(stream)).await;
    raw.notes.note(
        "Produce: acks 0 to an unknown topic, then another",
        if answered.unwrap().is_ok() { "answered" } else { "hung up" },
    );
    raw.stream = None;
}

async fn batches(raw: &mut Raw) {
    let good = Batch::of("good");
    let of_two = Batch::of_all(&["a", "b"]);
    for (what, batch) in [
        ("a wrong checksum", Batch { crc_off_by: 1, ..good.clone() }),
        ("magic 0", Batch { magic: 0, ..good.clone() }),
        ("magic 1", Batch { magic: 1, ..good.clone() }),
        ("magic 3", Batch { magic: 3, ..good.clone() }),
        ("a base offset of its own", Batch { base_offset: 7, ..good.clone() }),
        ("a negative base offset", Batch { base_offset: -7, ..good.clone() }),
        ("a leader epoch of its own", Batch { leader_epoch: 7, ..good.clone() }),
        ("more records than announced", Batch { count: Some(1), ..of_two.clone() }),
        ("fewer records than announced", Batch { count: Some(3), ..of_two.clone() }),
        ("a negative count", Batch { count: Some(-1), ..of_two.clone() }),
        ("none of its records", Batch { records: vec![], ..good.clone() }),
        ("a last offset beyond its records", Batch { last_offset_delta: Some(5), ..of_two.clone() }),
        ("a last offset before its records", Batch { last_offset_delta: Some(0), ..of_two.clone() }),
        ("a wrong newest timestamp", Batch { max_timestamp: Some(1), ..good.clone() }),
        ("no timestamp", Batch { timestamp: -1, ..good.clone() }),
        ("a negative timestamp", Batch { timestamp: -2, ..good.clone() }),
        ("a control batch", Batch { attributes: 0x20, ..good.clone() }),
        ("a transactional batch of nobody", Batch { attributes: 0x10, ..good.clone() }),
        ("a timestamp said to be the broker's", Batch { attributes: 0x08, ..good.clone() }),
        ("an attribute to come", Batch { attributes: 0x400, ..good.clone() }),
        ("unknown compression", Batch { attributes: 7, ..good.clone() }),
        ("gzip that is none", Batch { attributes: 1, ..good.clone() }),
        ("snappy that is none", Batch { attributes: 2, ..good.clone() }),
        ("lz4 that is none", Batch { attributes: 3, ..good.clone() }),
        ("zstd that is none", Batch { attributes: 4, ..good.clone() }),
        ("a record without a value", Batch { records: vec![(Some("key"), None)], ..good.clone() }),
        ("a record without anything", Batch { records: vec![(None, None)], ..good.clone() }),
    ] {
        raw.write(what, "raw-written", batch.bytes()).await;
    }
    let bytes = good.bytes();
    raw.write("a batch cut short", "raw-written", bytes.slice(..bytes.len() - 3)).await;
    raw.write("half a header", "raw-written", bytes.slice(..30)).await;
    raw.write("two batches", "raw-written", Bytes::from([bytes.clone(), bytes.clone()].concat())).await;
    raw.write("a batch and a half", "raw-written-twice", Bytes::from([&bytes[..], &bytes[..40]].concat()))
        .await;
    raw.write("noise", "raw-written", Bytes::from(vec![0x5a; 200])).await;
}

async fn rules(raw: &mut Raw) {
    raw.make("raw-small", 1, &[("max.message.bytes", "300")]).await;
    raw.write("just small enough", "raw-small", Batch::of(&"x".repeat(220)).bytes()).await;
    raw.write("too large", "raw-small", Batch::of(&"x".repeat(500)).bytes()).await;
    raw.write("too large for any topic", "raw-written", Batch::of(&"x".repeat(1_100_000)).bytes()).await;
    raw.make("raw-keyed", 1, &[("cleanup.policy", "compact")]).await;
    let keyless = Batch { records: vec![(None, Some("value".into()))], ..Batch::of("") };
    raw.write("no key on a compacted topic", "raw-keyed", keyless.bytes()).await;
    let (before, after) = ("message.timestamp.before.max.ms", "message.timestamp.after.max.ms");
    raw.make("raw-timely", 1, &[(before, "60000"), (after, "60000")]).await;
    let at = |timestamp| Batch { timestamp, ..Batch::of("x") }.bytes();
    raw.write("too old", "raw-timely", at(now() - 120_000)).await;
    raw.write("of the future", "raw-timely", at(now() + 120_000)).await;
    raw.write("in time", "raw-timely", at(now() - 5_000)).await;
    raw.write("of the future by default", "raw-written", at(now() + 7_200_000)).await;
    raw.write("very old by default", "raw-written", at(1_000)).await;
    raw.make("raw-stamped", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    raw.write("stamped by the broker", "raw-stamped", at(5)).await;
    raw.write("stamped by the broker, of the future", "raw-stamped", at(now() + 7_200_000)).await;
    let records = vec![(None, Some("a".into())), (Some("k"), Some("b".into())), (None, Some("c".into()))];
    let mixed = Batch { records, ..Batch::of("") };
    raw.write("some keys on a compacted topic", "raw-keyed", mixed.bytes()).await;
    raw.write("a key on a compacted topic", "raw-keyed", Batch::of("x").bytes()).await;
}

async fn producers(raw: &mut Raw) {
    raw.make("raw-once", 2, &[]).await;
    let none = InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    for version in 0..=5 {
        raw.ask(&format!("a new one, version {version}"), version, none.clone()).await;
    }
    raw.ask("no time", 4, none.clone().with_transaction_timeout_ms(0)).await;
    raw.ask("an id without an epoch", 4, none.clone().with_producer_id(ProducerId(5))).await;
    raw.ask("an epoch without an id", 4, none.clone().with_producer_epoch(5)).await;
    raw.ask("an id nobody has", 4, none.clone().with_producer_id(ProducerId(123_456)).with_producer_epoch(0))
        .await;
    let id = raw.call(4, &none).await.unwrap().producer_id.0;
    let batch = |producer: (i64, i16, i32)| Batch { producer, ..Batch::of_all(&["a", "b"]) }.bytes();
    for (what, producer) in [
        ("first batch", (id, 0, 0)),
        ("the same again", (id, 0, 0)),
        ("the next", (id, 0, 2)),
        ("the first again", (id, 0, 0)),
        ("one left out", (id, 0, 6)),
        ("overlapping the last", (id, 0, 3)),
        ("a new epoch in the middle", (id, 1, 4)),
        ("a new epoch", (id, 1, 0)),
        ("the old epoch", (id, 0, 4)),
        ("a negative epoch", (id, -1, 2)),
        ("a negative sequence", (id, 1, -5)),
        ("a producer nobody knows", (987_654, 0, 0)),
        ("a producer nobody knows, later", (987_655, 0, 3)),
        ("no producer, but an epoch", (-1, 3, -1)),
    ] {
        raw.write(what, "raw-once", batch(producer)).await;
    }
    for sequence in (2..14).step_by(2) {
        raw.produce("raw-once", batch((id, 1, sequence))).await;
    }
    raw.write("a batch long acknowledged", "raw-once", batch((id, 1, 0))).await;
    let last = i32::MAX - 1;
    raw.write("the last sequence of another", "raw-once", batch((id + 1_000, 0, last))).await;
    raw.write("round the end of the numbers", "raw-once", batch((id + 1_000, 0, 0))).await;
    let two = Bytes::from([batch((id + 2_000, 0, 0)), batch((id + 2_000, 0, 2))].concat());
    raw.write("two idempotent batches at once", "raw-once", two).await;
    let mixed = Bytes::from([batch((id + 3_000, 0, 0)), Batch::of("x").bytes()].concat());
    raw.write("an idempotent and a plain batch", "raw-once", mixed).await;
}

/// Writes more to a partition than the embedded broker keeps.
async fn full_partitions(raw: &mut Raw) {
    const KEYS: &str = "abcdefghijklmnopqrst";
    let value = "x".repeat(900_000);
    for (name, policy) in [("raw-full", "delete"), ("raw-full-table", "compact")] {
        raw.make(name, 1, &[("cleanup.policy", policy)]).await;
        let mut last = 0;
        for key in 0..KEYS.len() {
            let records = vec![(Some(&KEYS[key..=key]), Some(value.clone()))];
            let batch = Batch { records, ..Batch::of("") }.bytes();
            let answer = raw.call(VERSION, &to(name, 0, Some(batch))).await.unwrap();
            last = answer.responses[0].partition_responses[0].error_code;
        }
        let earliest = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(-2);
        let earliest = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(vec![earliest]);
        let earliest =
            ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![earliest]);
        let start = raw.call(8, &earliest).await.unwrap().topics[0].partitions[0].offset;
        let seen = format!("the last of 20 writes: {last}, the first is there: {}", start == 0);
        raw.notes.note(format!("20 MB in a partition: {policy}"), seen);
    }
}
