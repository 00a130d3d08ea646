//! Produce: appends a batch to each of some partitions.
//!
//! A batch is checked before any lock is taken, so producers to one partition only wait for each other while
//! a checked batch gets its offset. With one replica, `acks=all` and `acks=1` are the same.
//!
//! A batch of a transaction is only appended while the transaction is open and belongs to the batch's
//! producer.

use super::{
    caller::{Answer, Caller},
    fields::text,
    transactions::for_writers,
};
use crate::{
    clock::now_ms,
    log::{self, Appended, Checked, Codec, Log, RecordFault, Refused, Sequence, refuse},
    node::Node,
    partition::Partition,
    refusal::Refusal,
    topics::Topic,
    transaction::Producer,
};
use bytes::Bytes;
use kafka_protocol::{
    ResponseError,
    messages::{
        ProduceRequest, ProduceResponse, ResponseKind,
        produce_request::{PartitionProduceData, TopicProduceData},
        produce_response::{BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse},
    },
};
use std::sync::Arc;
use tokio::task::spawn_blocking;
use tracing::{error, warn};

/// From this version on, batches may be compressed by zstd (KIP-110).
const ZSTD: i16 = 7;
/// From this version on, the answer can name the faulty records and say what is wrong.
const EXPLAINS: i16 = 8;
/// From this version on, a producer understands that it should abort its transaction and can then go on.
const UNDERSTANDS_ABORTABLE: i16 = 11;
/// From this version on, writing to a partition adds it to the transaction (KIP-890).
const ADDS_PARTITIONS: i16 = 12;
/// From this version on, topics are named by their ids.
const TOPIC_IDS: i16 = 13;
/// How many times a batch is tried again after a compaction. Other producers can take the room that a compaction makes.
const ATTEMPTS: usize = 3;
/// The offset and time of a batch that wasn't stored.
const NOWHERE: i64 = -1;

pub(super) async fn produce(node: &Node, caller: &Caller, request: ProduceRequest) -> Answer {
    let acks = request.acks;
    let transactional_id = request.transactional_id.as_ref().map(|id| id.as_str());
    let writer = Writer { node, version: caller.version, transactional_id };
    let mut failure = None;
    let mut responses = Vec::with_capacity(request.topic_data.len());
    for data in request.topic_data {
        let topic = writer.topic(&data);
        let mut partitions = Vec::with_capacity(data.partition_data.len());
        for partition in data.partition_data {
            let index = partition.index;
            let outcome = match &topic {
                _ if !(-1..=1).contains(&acks) => {
                    let message = format!("acks is -1, 0 or 1, not {acks}");
                    refuse(ResponseError::InvalidRequiredAcks, message).map_err(NotStored::from)
                }
                Err(refused) => Err(NotStored::from(refused.clone())),
                Ok(topic) => writer.append(topic, partition).await,
            };
            if let Err(NotStored { refused, .. }) = &outcome {
                failure.get_or_insert_with(|| {
                    let name = topic.as_ref().map_or(data.name.as_str(), |topic| &topic.name);
                    format!("{name}-{index}: {}", refused.refusal.message)
                });
            }
            partitions.push(describe(index, outcome, caller.version));
        }
        responses.push(
            TopicProduceResponse::default()
                .with_partition_responses(partitions)
                .with_name(data.name)
                .with_topic_id(data.topic_id),
        );
    }
    match failure {
        _ if acks != 0 => {
            Answer::Reply(ResponseKind::Produce(ProduceResponse::default().with_responses(responses)))
        }
        None => Answer::Silence,
        Some(failure) => Answer::HangUp(failure),
    }
}

struct Stored {
    appended: Appended,
    log_append_time: Option<i64>,
}

fn by_log(refusal: Refusal) -> Refused {
    Refused { refusal, records: Vec::new(), by_log: true }
}

/// A batch that wasn't stored, with the start of the log if it is part of the answer.
struct NotStored {
    refused: Refused,
    log_start: Option<i64>,
}

impl From<Refused> for NotStored {
    fn from(refused: Refused) -> Self {
        Self { refused, log_start: None }
    }
}

/// The producer's request.
struct Writer<'a> {
    node: &'a Node,
    version: i16,
    transactional_id: Option<&'a str>,
}

impl Writer<'_> {
    fn topic(&self, data: &TopicProduceData) -> Result<Arc<Topic>, Refused> {
        let (topic, error) = if self.version >= TOPIC_IDS {
            (self.node.topics.by_id(&data.topic_id), ResponseError::UnknownTopicId)
        } else {
            (self.node.topics.get(&data.name), ResponseError::UnknownTopicOrPartition)
        };
        topic.map_or_else(|| refuse(error, "no such topic"), Ok)
    }

    async fn append(&self, topic: &Topic, data: PartitionProduceData) -> Result<Stored, NotStored> {
        let Some(partition) = topic.partition(data.index) else {
            return Ok(refuse(ResponseError::UnknownTopicOrPartition, "no such partition")?);
        };
        let index = data.index;
        let mut outcome = self.append_to(topic, partition, data.clone());
        for _ in 0..ATTEMPTS {
            if !is_full(&outcome) || !make_room(topic, partition, &data).await {
                break;
            }
            outcome = self.append_to(topic, partition, data.clone());
        }
        let has_dropped = outcome.as_ref().is_ok_and(|stored| stored.appended.has_dropped);
        if (has_dropped || is_full(&outcome)) && topic.is_first_to_be_full() {
            warn_full(topic, index, self.node.config.retention_bytes_per_partition, has_dropped);
        }
        outcome.map_err(|refused| NotStored {
            log_start: refused.by_log.then(|| partition.look(Log::start)),
            refused,
        })
    }

    fn append_to(
        &self,
        topic: &Topic,
        partition: &Partition,
        data: PartitionProduceData,
    ) -> Result<Stored, Refused> {
        let index = data.index;
        let Some(bytes) = data.records.filter(|bytes: &Bytes| !bytes.is_empty()) else {
            return refuse(
                ResponseError::InvalidRecord,
                "a produce request has one record batch for a partition",
            );
        };
        if self.version < ZSTD && log::codec(&bytes) == Some(Codec::Zstd) {
            let message = format!("zstd is not for produce requests below version {ZSTD}");
            return refuse(ResponseError::UnsupportedCompressionType, message);
        }
        let batch = Checked::check(bytes, topic.settings.rules(), now_ms())?;
        let log_append_time = batch.log_append_time();
        let appended = match (batch.is_transactional(), batch.sequence(), self.transactional_id) {
            (false, _, _) | (true, None, Some(_)) => partition.append(batch).map_err(by_log),
            (true, Some(sequence), Some(id)) => {
                self.append_in_transaction(id, &topic.name, index, partition, batch, sequence)
            }
            (true, _, None) => refuse(
                ResponseError::TransactionalIdAuthorizationFailed,
                "a batch of a transaction comes in a request with a transactional id",
            ),
        };
        Ok(Stored { appended: appended?, log_append_time })
    }

    /// Appends a batch while its transaction is locked, so that it can't end.
    fn append_in_transaction(
        &self,
        id: &str,
        topic: &str,
        index: i32,
        partition: &Partition,
        batch: Checked,
        sequence: Sequence,
    ) -> Result<Appended, Refused> {
        let producer = Producer { id: sequence.producer_id, epoch: sequence.epoch };
        let appended = self.node.transactions.with_known(id, |transaction| {
            if self.version >= ADDS_PARTITIONS {
                transaction.add_partitions(producer, [(topic.to_owned(), index)], now_ms())?;
                // Each transaction has its own epoch and begins with number 0. Another number means that an
                // earlier batch was lost.
                if sequence.first != 0 && !partition.look(|log| log.has_open_transaction(producer.id)) {
                    return Err(ResponseError::OutOfOrderSequenceNumber);
                }
            } else {
                transaction.check_partition(producer, topic, index)?;
            }
            Ok(partition.append(batch).map_err(by_log))
        });
        appended.unwrap_or_else(|error| {
            let Producer { id: producer, epoch } = producer;
            let message = format!("producer {producer} in epoch {epoch} cannot write for `{id}`");
            refuse(for_writers(error, self.version >= UNDERSTANDS_ABORTABLE), message)
        })
    }
}

/// Returns whether the batch was refused because its compacted partition is full.
fn is_full(outcome: &Result<Stored, Refused>) -> bool {
    outcome.as_ref().is_err_and(|refused| refused.refusal.error == ResponseError::PolicyViolation)
}

/// Compacts a full partition, on a thread of its own so that other clients are served meanwhile. Returns whether the
/// batch may have room now.
async fn make_room(topic: &Topic, partition: &Arc<Partition>, data: &PartitionProduceData) -> bool {
    let sent = data.records.as_ref().map_or(0, Bytes::len);
    let rules = topic.settings.rules();
    // The size of a batch that is compressed anew isn't known here.
    let bytes = if rules.compression.is_some() { sent.max(rules.max_bytes) } else { sent };
    let partition = partition.clone();
    spawn_blocking(move || partition.make_room_for(bytes, now_ms())).await.unwrap_or_else(|error| {
        error!("compacting a full partition failed by a fault of the broker: {error}");
        false
    })
}

/// Says in the log that a partition has reached its bound, and what follows.
fn warn_full(topic: &Topic, partition: i32, max_bytes: usize, has_dropped: bool) {
    let outcome = if has_dropped {
        "its oldest records are dropped from now on"
    } else {
        "compaction finds no record that a later one replaces, so writes are refused until keys are deleted"
    };
    warn!(
        topic = topic.name,
        partition,
        "partition {partition} of topic `{}` has reached retention.bytes, {max_bytes}: {outcome}; \
         to keep more, start the broker with a larger BROKER_RETENTION_BYTES",
        topic.name
    );
}

fn describe(index: i32, outcome: Result<Stored, NotStored>, version: i16) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(stored) => response
            .with_base_offset(stored.appended.base_offset)
            .with_log_append_time_ms(stored.log_append_time.unwrap_or(NOWHERE))
            .with_log_start_offset(stored.appended.log_start),
        Err(NotStored { refused: Refused { refusal, records, .. }, log_start }) => {
            let response = response
                .with_error_code(refusal.error.code())
                .with_base_offset(NOWHERE)
                .with_log_append_time_ms(NOWHERE)
                .with_log_start_offset(log_start.unwrap_or(NOWHERE));
            if version < EXPLAINS {
                return response;
            }
            let fault = |fault: RecordFault| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(fault.index)
                    .with_batch_index_error_message(Some(text(fault.message)))
            };
            response
                .with_record_errors(records.into_iter().map(fault).collect())
                .with_error_message(refusal.text())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, TopicConfig},
        log::sample::Sample,
    };

    #[tokio::test]
    async fn zstd_is_for_clients_that_know_of_it() {
        let node =
            Node::new(Config { topics: vec![TopicConfig::new("orders", 1)], ..Config::default() }).unwrap();
        let topic = node.topics.get("orders").unwrap();
        let error = async |version, codec| {
            let batch = Sample::at(&[0]).compressed(codec).bytes();
            let data = PartitionProduceData::default().with_records(Some(batch));
            let outcome = Writer { node: &node, version, transactional_id: None }.append(&topic, data).await;
            outcome.err().map(|not_stored| not_stored.refused.refusal.error)
        };
        assert_eq!(error(ZSTD - 1, Codec::Zstd).await, Some(ResponseError::UnsupportedCompressionType));
        assert_eq!(error(ZSTD - 1, Codec::Gzip).await, None);
        assert_eq!(error(ZSTD, Codec::Zstd).await, None);
    }
}
