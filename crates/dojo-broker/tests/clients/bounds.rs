//! Full partitions: what happens to their records, and what clients and the log learn of it.

use crate::support::{PATIENCE, Running, eventually, log, next, start_with};
use dojo_broker::{Config, TopicConfig};
use rdkafka::{
    Message as _,
    consumer::{Consumer as _, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{FutureProducer, FutureRecord},
};
use std::collections::BTreeMap;

/// A broker with one topic, whose only partition keeps a megabyte.
async fn start(topic: &str, policy: &str) -> Running {
    let config = [("cleanup.policy".to_owned(), policy.to_owned())].into();
    let topics = vec![TopicConfig { config, ..TopicConfig::new(topic, 1) }];
    start_with(Config { topics, retention_bytes_per_partition: 1 << 20, ..Config::default() }).await
}

/// Writes a value of ten kilobytes, or a tombstone.
async fn write(producer: &FutureProducer, topic: &str, key: &str, value: bool) -> Result<(), KafkaError> {
    let payload = "x".repeat(10_000);
    let record = FutureRecord::<str, str>::to(topic).partition(0).key(key);
    let record = if value { record.payload(&payload) } else { record };
    producer.send(record, PATIENCE).await.map(drop).map_err(|(error, _)| error)
}

/// Returns the last offset of each key that can be read.
async fn keys(running: &Running, topic: &str) -> BTreeMap<String, i64> {
    let reader = running.reader(topic, 1);
    let (_, end) = reader.fetch_watermarks(topic, 0, PATIENCE).unwrap();
    let mut keys = BTreeMap::new();
    loop {
        let record = next(&reader).await;
        keys.insert(String::from_utf8(record.key().unwrap().to_vec()).unwrap(), record.offset());
        if record.offset() + 1 == end {
            return keys;
        }
    }
}

fn lines_about(topic: &str) -> usize {
    let about = format!("of topic `{topic}` has reached retention.bytes, 1048576");
    log().lines().filter(|line| line.contains(&about)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_partition_drops_its_oldest_records_and_the_log_says_so_once() {
    let running = start("overflowing", "delete").await;
    let producer = running.producer(&[]);
    for n in 0..200 {
        write(&producer, "overflowing", &n.to_string(), true).await.unwrap();
    }
    let reader: StreamConsumer = running.reader("overflowing", 1);
    let (start, end) = reader.fetch_watermarks("overflowing", 0, PATIENCE).unwrap();
    assert!(start > 90 && end == 200, "{start} {end}");
    eventually("a line in the log", async || (lines_about("overflowing") > 0).then_some(())).await;
    assert_eq!(lines_about("overflowing"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_compacted_partition_keeps_every_key_and_refuses_another() {
    let running = start("table", "compact").await;
    let producer = running.producer(&[]);
    let mut written = 0;
    let refused = loop {
        match write(&producer, "table", &written.to_string(), true).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 200, "the bound holds");
    };
    assert_eq!(refused, KafkaError::MessageProduction(RDKafkaErrorCode::PolicyViolation));
    assert!(written > 90, "{written}");
    assert_eq!(keys(&running, "table").await.len(), written);
    eventually("a line in the log", async || (lines_about("table") > 0).then_some(())).await;
    write(&producer, "table", "another", true).await.unwrap_err();
    assert_eq!(lines_about("table"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_partition_takes_any_number_of_changes_to_a_few_keys() {
    let running = start("changes", "compact").await;
    let producer = running.producer(&[]);
    for n in 0..500 {
        write(&producer, "changes", &(n % 5).to_string(), true).await.unwrap();
    }
    let keys = keys(&running, "changes").await;
    assert_eq!(keys.into_values().collect::<Vec<_>>(), [495, 496, 497, 498, 499]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_key_makes_room_in_a_full_compacted_partition() {
    let running = start("rows", "compact").await;
    let producer = running.producer(&[]);
    let mut written = 0;
    while write(&producer, "rows", &written.to_string(), true).await.is_ok() {
        written += 1;
        assert!(written < 200, "the bound holds");
    }
    for key in ["0", "1"] {
        write(&producer, "rows", key, false).await.unwrap();
    }
    write(&producer, "rows", "another", true).await.unwrap();
    assert!(keys(&running, "rows").await.contains_key("another"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn producers_of_the_same_keys_find_room_in_a_full_compacted_partition_at_the_same_time() {
    let running = start("contended", "compact").await;
    let write_all = async |producer: u32| {
        let writer = running.producer(&[]);
        for n in 0..150 {
            let key = format!("{producer}-{}", n % 10);
            write(&writer, "contended", &key, true).await.unwrap();
        }
    };
    tokio::join!(write_all(0), write_all(1), write_all(2), write_all(3));
    assert_eq!(keys(&running, "contended").await.len(), 40);
}
