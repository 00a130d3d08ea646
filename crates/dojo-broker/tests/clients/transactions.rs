//! Transactions: records that count together or not at all, and producers that were replaced and don't know
//! it yet.

use crate::support::{PATIENCE, Raw, Running, next, send, serve, start};
use bytes::{Bytes, BytesMut};
use dojo_broker::Broker;
use kafka_protocol::{
    messages::{
        AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, ApiKey, ApiVersionsRequest, EndTxnRequest,
        EndTxnResponse, GroupId, InitProducerIdRequest, InitProducerIdResponse, OffsetFetchRequest,
        ProduceRequest, ProducerId, RequestKind, ResponseKind, TopicName, TransactionalId,
        TxnOffsetCommitRequest, add_partitions_to_txn_request, offset_fetch_request,
        produce_request::{PartitionProduceData, TopicProduceData},
        txn_offset_commit_request,
    },
    protocol::StrBytes,
    records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType},
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer},
};
use std::time::Duration;

const CONCURRENT_TRANSACTIONS: i16 = 51;
const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const UNSTABLE_OFFSET_COMMIT: i16 = 88;
const PRODUCER_FENCED: i16 = 90;

/// Returns a producer that has taken over the transactional id.
pub fn transactional(running: &Running, id: &str, timeout_ms: u32) -> BaseProducer {
    let timeout = timeout_ms.to_string();
    let settings = [("transactional.id", id), ("transaction.timeout.ms", &timeout), ("linger.ms", "0")];
    let producer: BaseProducer = running.client(&settings).create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

pub fn write(producer: &BaseProducer, partition: i32, value: &str) {
    let record = BaseRecord::<str, str>::to("orders").partition(partition).key("key").payload(value);
    producer.send(record).unwrap();
}

/// Waits until every record was acknowledged or refused.
pub fn flush(producer: &BaseProducer) {
    producer.flush(PATIENCE).unwrap();
}

/// Returns a reader of the first partition, of committed records or of all.
fn reader(running: &Running, isolation_level: &str) -> StreamConsumer {
    let settings =
        [("group.id", "reader"), ("enable.auto.commit", "false"), ("isolation.level", isolation_level)];
    let reader: StreamConsumer = running.client(&settings).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("orders", 0, Offset::Beginning).unwrap();
    reader.assign(&list).unwrap();
    reader
}

async fn values(reader: &StreamConsumer, count: usize) -> Vec<String> {
    let mut values = Vec::new();
    while values.len() < count {
        values.push(String::from_utf8(next(reader).await.payload().unwrap().to_vec()).unwrap());
    }
    values
}

fn code(error: KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::Transaction(error) => Some(error.code()),
        other => other.rdkafka_error_code(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_of_committed_records_sees_nothing_else_and_another_sees_all() {
    let running = start().await;
    let producer = transactional(&running, "writer", 60_000);
    for (value, commit) in [("one", true), ("two", false), ("three", true)] {
        producer.begin_transaction().unwrap();
        write(&producer, 0, value);
        write(&producer, 1, value);
        flush(&producer);
        if commit { producer.commit_transaction(PATIENCE) } else { producer.abort_transaction(PATIENCE) }
            .unwrap();
    }
    send(&running.producer(&[]), "orders", 0, "plain").await;
    assert_eq!(values(&reader(&running, "read_committed"), 3).await, ["one", "three", "plain"]);
    assert_eq!(values(&reader(&running, "read_uncommitted"), 4).await, ["one", "two", "three", "plain"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lies_behind_an_open_transaction_waits_for_its_end() {
    let running = start().await;
    let producer = transactional(&running, "slow", 60_000);
    producer.begin_transaction().unwrap();
    write(&producer, 0, "open");
    flush(&producer);
    send(&running.producer(&[]), "orders", 0, "plain").await;
    let committed = reader(&running, "read_committed");
    assert_eq!(values(&reader(&running, "read_uncommitted"), 2).await, ["open", "plain"]);
    let early = tokio::time::timeout(Duration::from_millis(300), committed.recv()).await;
    assert!(early.is_err(), "{early:?}");
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(values(&committed, 2).await, ["open", "plain"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_producer_with_the_same_id_fences_the_first_and_aborts_what_it_had_begun() {
    let running = start().await;
    let first = transactional(&running, "shared", 60_000);
    first.begin_transaction().unwrap();
    write(&first, 0, "of the first");
    flush(&first);
    let second = transactional(&running, "shared", 60_000);
    second.begin_transaction().unwrap();
    write(&second, 0, "of the second");
    second.commit_transaction(PATIENCE).unwrap();
    let fenced = code(first.commit_transaction(PATIENCE).unwrap_err());
    let said =
        [RDKafkaErrorCode::Fenced, RDKafkaErrorCode::InvalidProducerEpoch, RDKafkaErrorCode::ProducerFenced];
    assert!(fenced.is_some_and(|code| said.contains(&code)), "{fenced:?}");
    assert_eq!(values(&reader(&running, "read_committed"), 1).await, ["of the second"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_takes_too_long_is_aborted_without_its_producer() {
    let running = start().await;
    let producer = transactional(&running, "sleeper", 1000);
    producer.begin_transaction().unwrap();
    write(&producer, 0, "too late");
    flush(&producer);
    send(&running.producer(&[]), "orders", 0, "plain").await;
    assert_eq!(values(&reader(&running, "read_committed"), 1).await, ["plain"]);
    producer.commit_transaction(PATIENCE).unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_and_what_is_written_count_together() {
    let running = start().await;
    let source = running.producer(&[]);
    for n in 0..6 {
        send(&source, "orders", 1, &n.to_string()).await;
    }
    // Each process reads three records, transforms them, and commits both sides after the second; then it is
    // killed.
    for life in 0..2 {
        let consumer = running.member("transformers", &[("session.timeout.ms", "1000")]);
        let producer = transactional(&running, "transformer", 60_000);
        for step in 0..3 {
            let record = next(&consumer).await;
            assert_eq!(record.offset(), life * 2 + step, "goes on where it committed");
            producer.begin_transaction().unwrap();
            write(&producer, 0, &format!("{}!", std::str::from_utf8(record.payload().unwrap()).unwrap()));
            let mut position = TopicPartitionList::new();
            position.add_partition_offset("orders", 1, Offset::Offset(record.offset() + 1)).unwrap();
            let group = consumer.group_metadata().unwrap();
            producer.send_offsets_to_transaction(&position, &group, PATIENCE).unwrap();
            if step < 2 {
                producer.commit_transaction(PATIENCE).unwrap();
            } else {
                flush(&producer);
                producer.abort_transaction(PATIENCE).unwrap();
            }
        }
    }
    assert_eq!(values(&reader(&running, "read_committed"), 4).await, ["0!", "1!", "2!", "3!"]);
    let mut asked = TopicPartitionList::new();
    asked.add_partition("orders", 1);
    let committed = running.member("transformers", &[]).committed_offsets(asked, PATIENCE).unwrap();
    assert_eq!(committed.find_partition("orders", 1).unwrap().offset(), Offset::Offset(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_served_again_goes_on_with_its_open_transactions() {
    let running = start().await;
    let producer = transactional(&running, "patient", 60_000);
    producer.begin_transaction().unwrap();
    write(&producer, 0, "before");
    flush(&producer);
    let listen = running.address.to_string();
    let broker: Broker = running.stop().await;
    let running = serve(broker, &listen).await;
    write(&producer, 0, "after");
    producer.commit_transaction(PATIENCE).unwrap();
    assert_eq!(values(&reader(&running, "read_committed"), 2).await, ["before", "after"]);
}

/// A client of the second protocol that sends one request at a time.
struct Second {
    raw: Raw,
    id: ProducerId,
    epoch: i16,
}

fn shared_id() -> TransactionalId {
    TransactionalId(StrBytes::from_static_str("shared"))
}

fn orders() -> TopicName {
    TopicName(StrBytes::from_static_str("orders"))
}

impl Second {
    async fn init(running: &Running) -> Self {
        let mut raw = running.raw().await;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(shared_id()))
            .with_transaction_timeout_ms(60_000);
        loop {
            let answer: InitProducerIdResponse =
                match raw.call(ApiKey::InitProducerId, 5, RequestKind::InitProducerId(request.clone())).await
                {
                    ResponseKind::InitProducerId(answer) => answer,
                    other => panic!("{other:?}"),
                };
            if answer.error_code != CONCURRENT_TRANSACTIONS {
                assert_eq!(answer.error_code, 0);
                return Self { raw, id: answer.producer_id, epoch: answer.producer_epoch };
            }
        }
    }

    /// Writes one record to the first partition and returns the error code.
    async fn write(&mut self, version: i16, sequence: i32) -> i16 {
        let partition = PartitionProduceData::default().with_records(Some(self.batch(sequence)));
        let topic = TopicProduceData::default().with_name(orders()).with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(shared_id()))
            .with_acks(-1)
            .with_topic_data(vec![topic]);
        match self.raw.call(ApiKey::Produce, version, RequestKind::Produce(request)).await {
            ResponseKind::Produce(answer) => answer.responses[0].partition_responses[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    fn batch(&self, sequence: i32) -> Bytes {
        let record = Record {
            transactional: true,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: -1,
            producer_id: self.id.0,
            producer_epoch: self.epoch,
            timestamp_type: TimestampType::Creation,
            offset: i64::from(sequence),
            sequence,
            timestamp: 0,
            key: None,
            value: Some(Bytes::from_static(b"value")),
            headers: Default::default(),
        };
        let mut batch = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut batch, [&record], &options).unwrap();
        // The encoder counts offsets from the log's start; a producer's batch begins at 0, which the checksum
        // doesn't cover.
        batch[..8].copy_from_slice(&0_i64.to_be_bytes());
        batch.freeze()
    }

    async fn end(&mut self, version: i16, commit: bool) -> EndTxnResponse {
        let request = EndTxnRequest::default()
            .with_transactional_id(shared_id())
            .with_producer_id(self.id)
            .with_producer_epoch(self.epoch)
            .with_committed(commit);
        match self.raw.call(ApiKey::EndTxn, version, RequestKind::EndTxn(request)).await {
            ResponseKind::EndTxn(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    async fn commit_offset(&mut self, version: i16, group: &GroupId, offset: i64) -> i16 {
        let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
            .with_committed_offset(offset)
            .with_committed_metadata(Some(StrBytes::new()));
        let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
            .with_name(orders())
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(shared_id())
            .with_group_id(group.clone())
            .with_producer_id(self.id)
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        match self.raw.call(ApiKey::TxnOffsetCommit, version, RequestKind::TxnOffsetCommit(request)).await {
            ResponseKind::TxnOffsetCommit(answer) => answer.topics[0].partitions[0].error_code,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the group's offset in the first partition, and the error code.
    async fn fetch_offset(&mut self, group: &GroupId, stable: bool) -> (i64, i16) {
        let topic = offset_fetch_request::OffsetFetchRequestTopic::default()
            .with_name(orders())
            .with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group.clone())
            .with_topics(Some(vec![topic]))
            .with_require_stable(stable);
        match self.raw.call(ApiKey::OffsetFetch, 7, RequestKind::OffsetFetch(request)).await {
            ResponseKind::OffsetFetch(answer) => {
                let partition = &answer.topics[0].partitions[0];
                (partition.committed_offset, partition.error_code)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn clients_learn_of_the_second_protocol() {
    let running = start().await;
    let mut raw = running.raw().await;
    let request = ApiVersionsRequest::default().with_client_software_name(StrBytes::from_static_str("raw"));
    let request = request.with_client_software_version(StrBytes::from_static_str("1"));
    for version in [3, 4] {
        let request = RequestKind::ApiVersions(request.clone());
        let ResponseKind::ApiVersions(answer) = raw.call(ApiKey::ApiVersions, version, request).await else {
            panic!("another answer");
        };
        let feature = &answer.finalized_features[0];
        assert_eq!((&*feature.name, feature.max_version_level), ("transaction.version", 2));
    }
}

#[tokio::test]
async fn a_request_that_comes_after_the_end_of_its_transaction_does_not_slip_into_the_next() {
    let running = start().await;
    let mut producer = Second::init(&running).await;
    let before = producer.epoch;
    assert_eq!(producer.write(12, 0).await, 0);
    let ended = producer.end(5, true).await;
    assert_eq!((ended.error_code, ended.producer_id, ended.producer_epoch), (0, producer.id, before + 1));
    assert_eq!(producer.write(12, 1).await, INVALID_PRODUCER_EPOCH, "late");
    assert_eq!(producer.end(5, true).await, ended, "asked again, it answers again");
    assert_eq!(producer.end(5, false).await.error_code, INVALID_TXN_STATE);
    producer.epoch = ended.producer_epoch;
    assert_eq!(producer.write(12, 1).await, OUT_OF_ORDER_SEQUENCE_NUMBER, "its first batch is missing");
    assert_eq!(producer.write(12, 0).await, 0);
    assert_eq!(producer.end(5, false).await.producer_epoch, before + 2);
    assert_eq!(producer.end(4, true).await.error_code, PRODUCER_FENCED);
}

#[tokio::test]
async fn by_the_first_protocol_a_partition_has_to_be_added_before_it_is_written() {
    let running = start().await;
    let mut producer = Second::init(&running).await;
    assert_eq!(producer.write(10, 0).await, INVALID_TXN_STATE);
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(orders())
        .with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(shared_id())
        .with_v3_and_below_producer_id(producer.id)
        .with_v3_and_below_producer_epoch(producer.epoch)
        .with_v3_and_below_topics(vec![topic]);
    producer.raw.call(ApiKey::AddPartitionsToTxn, 3, RequestKind::AddPartitionsToTxn(request)).await;
    assert_eq!(producer.write(10, 0).await, 0);
    for _ in 0..2 {
        assert_eq!(producer.end(3, true).await.error_code, 0);
    }
    assert_eq!(producer.write(10, 1).await, INVALID_TXN_STATE);
}

#[tokio::test]
async fn a_zombie_is_refused_whatever_it_tries() {
    let running = start().await;
    let mut zombie = Second::init(&running).await;
    assert_eq!(zombie.write(12, 0).await, 0);
    let mut heir = Second::init(&running).await;
    assert_eq!(heir.id, zombie.id);
    assert!(heir.epoch > zombie.epoch);
    let group = GroupId(StrBytes::from_static_str("group"));
    assert_eq!(zombie.write(12, 1).await, INVALID_PRODUCER_EPOCH);
    assert_eq!(zombie.write(11, 1).await, INVALID_PRODUCER_EPOCH);
    assert_eq!(zombie.end(5, true).await.error_code, PRODUCER_FENCED);
    assert_eq!(zombie.end(1, true).await.error_code, INVALID_PRODUCER_EPOCH, "as old clients know it");
    assert_eq!(zombie.commit_offset(5, &group, 7).await, INVALID_PRODUCER_EPOCH);
    assert_eq!(heir.write(12, 0).await, 0);
    assert_eq!(heir.end(5, true).await.error_code, 0);
}

#[tokio::test]
async fn an_offset_that_depends_on_an_open_transaction_is_unstable_and_counts_at_its_end() {
    let running = start().await;
    let mut producer = Second::init(&running).await;
    let group = GroupId(StrBytes::from_static_str("group"));
    assert_eq!(producer.commit_offset(3, &group, 7).await, INVALID_TXN_STATE, "the group was not added");
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(shared_id())
        .with_producer_id(producer.id)
        .with_producer_epoch(producer.epoch)
        .with_group_id(group.clone());
    producer.raw.call(ApiKey::AddOffsetsToTxn, 3, RequestKind::AddOffsetsToTxn(request)).await;
    assert_eq!(producer.commit_offset(3, &group, 7).await, 0);
    assert_eq!(producer.fetch_offset(&group, false).await, (-1, 0));
    assert_eq!(producer.fetch_offset(&group, true).await, (-1, UNSTABLE_OFFSET_COMMIT));
    producer.epoch = producer.end(5, true).await.producer_epoch;
    assert_eq!(producer.fetch_offset(&group, true).await, (7, 0));
    assert_eq!(producer.commit_offset(5, &group, 9).await, 0);
    producer.end(5, false).await;
    assert_eq!(producer.fetch_offset(&group, true).await, (7, 0));
}
