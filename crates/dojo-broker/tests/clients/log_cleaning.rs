//! How records leave a log, and what clients see of it: retention, compaction, deleted records, the broker's
//! own time and compression.

use crate::support::{PATIENCE, Raw, Running, eventually, log, next, start, start_with};
use dojo_broker::{Config, TopicConfig};
use kafka_protocol::{
    messages::{
        ApiKey, DeleteRecordsRequest, DescribeLogDirsRequest, ListOffsetsRequest,
        OffsetForLeaderEpochRequest, RequestKind, ResponseKind, TopicName, delete_records_request,
        list_offsets_request, offset_for_leader_epoch_request,
    },
    protocol::StrBytes,
};
use rdkafka::{
    consumer::{Consumer, StreamConsumer},
    error::RDKafkaErrorCode,
    message::{Message, OwnedMessage, Timestamp},
    producer::{FutureProducer, FutureRecord},
};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A time in a data set that was recorded long ago, in milliseconds since 1970.
const YEAR_2023: i64 = 1_672_531_200_000;

/// The codecs of every build of librdkafka. The tests of the log cover zstd.
const COMPRESSIONS: [&str; 4] = ["none", "gzip", "snappy", "lz4"];

fn topic(name: &str, config: &[(&str, &str)]) -> TopicConfig {
    let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TopicConfig { config, ..TopicConfig::new(name, 1) }
}

async fn start_topic(config: &[(&str, &str)]) -> Running {
    let retention_check_interval = Duration::from_millis(100);
    let topics = vec![topic("orders", config)];
    start_with(Config { topics, retention_check_interval, ..Config::default() }).await
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Sends one record with this timestamp. An empty value stands for none. Returns the record's offset.
async fn send_at(producer: &FutureProducer, timestamp: i64, key: &str, value: &str) -> i64 {
    let record = FutureRecord::<str, str>::to("orders").partition(0).key(key).timestamp(timestamp);
    let record = if value.is_empty() { record } else { record.payload(value) };
    producer.send(record, PATIENCE).await.unwrap().offset
}

fn watermarks(reader: &StreamConsumer) -> (i64, i64) {
    reader.fetch_watermarks("orders", 0, PATIENCE).unwrap()
}

async fn read_until(reader: &StreamConsumer, last: i64) -> Vec<OwnedMessage> {
    let mut read = Vec::new();
    loop {
        read.push(next(reader).await);
        if read.last().unwrap().offset() >= last {
            return read;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_go_and_a_consumer_at_the_old_start_goes_on_at_the_new_one() {
    let running = start_topic(&[("retention.ms", "3600000"), ("segment.ms", "1000")]).await;
    let producer = running.producer(&[]);
    let now = now_ms();
    for hours in [5, 3, 0] {
        send_at(&producer, now - hours * 3_600_000, "key", "value").await;
    }
    let reader = running.reader("orders", 1);
    eventually("two segments to go", async || (watermarks(&reader) == (2, 3)).then_some(())).await;
    let reader = running.member("late", &[]);
    assert_eq!(next(&reader).await.offset(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_says_how_many_records_retention_dropped_and_from_which_topic() {
    let retention_check_interval = Duration::from_millis(100);
    let topics = vec![topic("recorded", &[])];
    let running = start_with(Config { topics, retention_check_interval, ..Config::default() }).await;
    let producer = running.producer(&[("linger.ms", "20")]);
    let sends: Vec<_> = (0..300)
        .map(|n| {
            let record =
                FutureRecord::<str, str>::to("recorded").partition(0).timestamp(YEAR_2023 + n).payload("x");
            producer.send_result(record).unwrap_or_else(|(error, _)| panic!("{error}"))
        })
        .collect();
    for sent in sends {
        sent.await.unwrap().unwrap();
    }
    eventually("300 dropped records in the log", async || {
        let log = log();
        let counts = log.lines().filter_map(|line| {
            let (_, dropped) = line.split_once("retention dropped ")?;
            let (count, topic) = dropped.split_once(" records of topic ")?;
            topic.starts_with("`recorded`").then(|| count.parse::<u32>().unwrap())
        });
        (counts.sum::<u32>() == 300).then_some(())
    })
    .await;
}

/// The compaction of another log shows that the broker has looked at its logs in the meantime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_stay_until_retention_checks_which_is_every_five_minutes() {
    let compacted =
        [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0.01")];
    let topics = vec![TopicConfig::new("recorded", 1), topic("orders", &compacted)];
    let running = start_with(Config { topics, ..Config::default() }).await;
    let producer = running.producer(&[]);
    for n in 0..3 {
        let record =
            FutureRecord::<str, str>::to("recorded").partition(0).timestamp(YEAR_2023 + n).payload("x");
        producer.send(record, PATIENCE).await.unwrap();
        send_at(&producer, YEAR_2023 + n * 10_000, "key", "value").await;
    }
    let reader = running.reader("recorded", 1);
    eventually("a compaction", async || {
        let end = 2;
        (read_until(&running.reader("orders", 1), end).await.len() < 3).then_some(())
    })
    .await;
    for offset in 0..3 {
        assert_eq!(next(&reader).await.offset(), offset);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_is_a_table_of_the_last_values() {
    let settings = [
        ("cleanup.policy", "compact"),
        ("segment.ms", "1000"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("delete.retention.ms", "0"),
    ];
    for compression in COMPRESSIONS {
        let running = start_topic(&settings).await;
        let producer = running.producer(&[("compression.type", compression), ("linger.ms", "20")]);
        let early = now_ms() - 100_000;
        let values = (0..200).map(|n| (format!("key-{}", n % 7), format!("value-{n}-{}", "x".repeat(50))));
        let values: Vec<_> = values.chain([("key-3".to_owned(), String::new())]).collect();
        for (at, (key, value)) in (early..).zip(&values[..150]) {
            // Records that are sent together share a batch.
            let record =
                FutureRecord::<str, str>::to("orders").partition(0).key(key).timestamp(at).payload(value);
            producer.send_result(record).unwrap_or_else(|(error, _)| panic!("{error}"));
        }
        for (at, (key, value)) in (early + 10_000..).zip(&values[150..]) {
            send_at(&producer, at, key, value).await;
        }
        // Two records that are later than all others, since the newest segment is left alone.
        for late in [30_000, 60_000] {
            send_at(&producer, early + late, "last", "value").await;
        }
        let mut last: BTreeMap<&str, i64> =
            (0_i64..).zip(&values).map(|(offset, (key, _))| (key.as_str(), offset)).collect();
        assert_eq!(last.remove("key-3"), Some(200), "its deletion");
        let mut wanted: Vec<i64> = last.into_values().collect();
        wanted.sort_unstable();
        let found = eventually("the last values alone", async || {
            // A pass can only drop what the pass before has marked.
            send_at(&producer, now_ms(), "last", "value").await;
            let end = send_at(&producer, now_ms() + 5000, "last", "value").await;
            let read = read_until(&running.reader("orders", 1), end).await;
            let read: Vec<_> = read.into_iter().filter(|record| record.offset() <= 200).collect();
            (read.len() == wanted.len()).then_some(read)
        })
        .await;
        assert_eq!(found.iter().map(|record| record.offset()).collect::<Vec<_>>(), wanted, "{compression}");
        for record in found {
            let (key, value) = &values[usize::try_from(record.offset()).unwrap()];
            assert_eq!(record.key(), Some(key.as_bytes()), "{compression}");
            assert_eq!(record.payload(), Some(value.as_bytes()), "{compression}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_may_ask_for_the_brokers_time_and_for_its_own_compression() {
    for compression in COMPRESSIONS.map(|name| if name == "none" { "uncompressed" } else { name }) {
        let settings = [("message.timestamp.type", "LogAppendTime"), ("compression.type", compression)];
        let running = start_topic(&settings).await;
        let value = "again and again ".repeat(500);
        let before = now_ms();
        for sent in ["none", "lz4"] {
            send_at(&running.producer(&[("compression.type", sent)]), 1, "key", &value).await;
        }
        for record in read_until(&running.reader("orders", 1), 1).await {
            assert_eq!(record.payload(), Some(value.as_bytes()), "{compression}");
            assert!(
                matches!(record.timestamp(), Timestamp::LogAppendTime(time) if (before..=now_ms()).contains(&time))
            );
        }
        let dirs = describe_log_dirs(&mut running.raw().await).await;
        assert_eq!(dirs > 2 * value.len() as i64, compression == "uncompressed", "{compression}: {dirs}");
    }
}

/// Returns the size of all partitions together.
async fn describe_log_dirs(raw: &mut Raw) -> i64 {
    let request = RequestKind::DescribeLogDirs(DescribeLogDirsRequest::default().with_topics(None));
    let ResponseKind::DescribeLogDirs(response) = raw.call(ApiKey::DescribeLogDirs, 4, request).await else {
        panic!("another answer");
    };
    let [dir] = response.results.as_slice() else { panic!("{response:?}") };
    let sizes =
        dir.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.partition_size);
    let used: i64 = sizes.sum();
    assert_eq!(dir.usable_bytes, dir.total_bytes - used);
    used
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_larger_than_the_topic_takes_is_refused() {
    let running = start_topic(&[("max.message.bytes", "1000")]).await;
    let producer = running.producer(&[]);
    let send = async |size: usize| {
        let value = "x".repeat(size);
        let record = FutureRecord::<str, str>::to("orders").partition(0).payload(&value);
        producer.send(record, PATIENCE).await.map_err(|(error, _)| error.rdkafka_error_code())
    };
    assert_eq!(send(2000).await.unwrap_err(), Some(RDKafkaErrorCode::MessageSizeTooLarge));
    assert!(send(500).await.is_ok());
}

fn orders() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

/// Deletes the records before `offset`. Returns the error code and the start of the log.
async fn delete(raw: &mut Raw, partition: i32, offset: i64) -> (i16, i64) {
    let partition = delete_records_request::DeleteRecordsPartition::default()
        .with_partition_index(partition)
        .with_offset(offset);
    let topic = delete_records_request::DeleteRecordsTopic::default()
        .with_name(orders())
        .with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    let answer = raw.call(ApiKey::DeleteRecords, 2, RequestKind::DeleteRecords(request)).await;
    let ResponseKind::DeleteRecords(response) = answer else { panic!("another answer") };
    let result = &response.topics[0].partitions[0];
    (result.error_code, result.low_watermark)
}

/// Looks up `timestamp`. Returns the error code, the offset and the timestamp.
async fn list(raw: &mut Raw, version: i16, epoch: i32, timestamp: i64) -> (i16, i64, i64) {
    let partition = list_offsets_request::ListOffsetsPartition::default()
        .with_timestamp(timestamp)
        .with_current_leader_epoch(epoch);
    let topic = list_offsets_request::ListOffsetsTopic::default()
        .with_name(orders())
        .with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let answer = raw.call(ApiKey::ListOffsets, version, RequestKind::ListOffsets(request)).await;
    let ResponseKind::ListOffsets(response) = answer else { panic!("another answer") };
    let result = &response.topics[0].partitions[0];
    (result.error_code, result.offset, result.timestamp)
}

const OUT_OF_RANGE: i16 = 1;
const UNKNOWN_PARTITION: i16 = 3;
const UNSUPPORTED_VERSION: i16 = 35;
const POLICY_VIOLATION: i16 = 44;
const FENCED_EPOCH: i16 = 74;
const UNKNOWN_EPOCH: i16 = 75;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_records_are_gone_and_the_others_stay_where_they_are() {
    let running = start_topic(&[]).await;
    let producer = running.producer(&[]);
    let now = now_ms();
    for n in 0..10 {
        send_at(&producer, now + n * 1000, "key", "value").await;
    }
    let mut raw = running.raw().await;
    assert_eq!(delete(&mut raw, 0, 4).await, (0, 4));
    assert_eq!(delete(&mut raw, 0, 2).await, (0, 4));
    assert_eq!(delete(&mut raw, 0, 11).await, (OUT_OF_RANGE, -1));
    assert_eq!(delete(&mut raw, 0, -2).await, (OUT_OF_RANGE, -1));
    assert_eq!(delete(&mut raw, 1, 0).await, (UNKNOWN_PARTITION, -1));
    let reader = running.reader("orders", 1);
    assert_eq!(watermarks(&reader), (4, 10));
    assert_eq!(next(&reader).await.offset(), 4);
    assert_eq!(list(&mut raw, 10, -1, 0).await, (0, 4, now + 4000));
    assert_eq!(delete(&mut raw, 0, -1).await, (0, 10));
    assert_eq!(describe_log_dirs(&mut raw).await, 0);
    let compacted = start_topic(&[("cleanup.policy", "compact")]).await;
    assert_eq!(delete(&mut compacted.raw().await, 0, 0).await, (POLICY_VIOLATION, -1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_says_where_it_starts_and_ends_and_what_was_when_even_within_a_compressed_batch() {
    let running = start_topic(&[]).await;
    let mut raw = running.raw().await;
    for special in [-3, 0] {
        assert_eq!(list(&mut raw, 10, -1, special).await, (0, -1, -1), "there is nothing");
    }
    let producer = running.producer(&[("compression.type", "lz4"), ("linger.ms", "1000")]);
    let now = now_ms();
    let sends: Vec<_> = [0, 50, 20, 10]
        .map(|ms| {
            let record =
                FutureRecord::<str, str>::to("orders").partition(0).timestamp(now + ms).payload("value");
            producer.send_result(record).unwrap_or_else(|(error, _)| panic!("{error}"))
        })
        .into();
    for sent in sends {
        sent.await.unwrap().unwrap();
    }
    let answers = [
        (-1, (0, 4, -1)),
        (-2, (0, 0, -1)),
        (-3, (0, 1, now + 50)),
        (-4, (0, 0, -1)),
        (-5, (0, -1, -1)),
        (now + 15, (0, 1, now + 50)),
        (now + 51, (0, -1, -1)),
    ];
    for (asked, expected) in answers {
        assert_eq!(list(&mut raw, 10, -1, asked).await, expected, "{asked}");
    }
    for (asked, last_without) in [(-3, 6), (-4, 7), (-5, 8), (-6, 10)] {
        assert_eq!(list(&mut raw, last_without, -1, asked).await.0, UNSUPPORTED_VERSION, "{asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_another_leader_epoch_gets_an_error() {
    let running = start().await;
    let mut raw = running.raw().await;
    assert_eq!(list(&mut raw, 10, 0, -1).await.0, 0);
    assert_eq!(list(&mut raw, 10, 1, -1).await.0, UNKNOWN_EPOCH);
    assert_eq!(list(&mut raw, 10, -2, -1).await.0, FENCED_EPOCH);
    let mut end_of = async |current, wanted| {
        let partition = offset_for_leader_epoch_request::OffsetForLeaderPartition::default()
            .with_current_leader_epoch(current)
            .with_leader_epoch(wanted);
        let topic = offset_for_leader_epoch_request::OffsetForLeaderTopic::default()
            .with_topic(orders())
            .with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        let request = RequestKind::OffsetForLeaderEpoch(request);
        let ResponseKind::OffsetForLeaderEpoch(response) =
            raw.call(ApiKey::OffsetForLeaderEpoch, 4, request).await
        else {
            panic!("another answer");
        };
        let end = &response.topics[0].partitions[0];
        (end.error_code, end.leader_epoch, end.end_offset)
    };
    assert_eq!(end_of(0, 0).await, (0, 0, 0));
    assert_eq!(end_of(0, 1).await, (0, -1, -1));
    assert_eq!(end_of(-1, -1).await, (0, -1, -1));
    assert_eq!(end_of(1, 0).await, (UNKNOWN_EPOCH, -1, -1));
}
