//! Produce: append a batch to each of some partitions.
//!
//! A batch is checked before any lock is taken, so producers to one partition wait for each other only while a checked batch gets
//! its offset. With one replica there is nobody to wait for: `acks=all` and `acks=1` come to the same.
//!
//! A batch of a transaction is appended only while the transaction is open and belongs to the batch's producer.

use std::sync::Arc;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, ResponseKind};

use super::transactions::for_writers;
use super::{Answer, Caller, text};
use crate::broker::Node;
use crate::clock::now_ms;
use crate::log::{self, Appended, Checked, Codec, Log, Refused, Sequence, refuse};
use crate::partition::Partition;
use crate::refusal::Refusal;
use crate::topics::Topic;
use crate::transaction::Producer;

/// From this version on, batches may be compressed by zstd (KIP-110).
const ZSTD: i16 = 7;
/// From this version on, an answer can say which records were at fault, and why.
const EXPLAINS: i16 = 8;
/// From this version on, a producer understands that it should abort its transaction and may then go on.
const UNDERSTANDS_ABORTABLE: i16 = 11;
/// From this version on, writing to a partition adds it to the transaction (KIP-890).
const ADDS_PARTITIONS: i16 = 12;
/// From this version on, topics are named by their ids.
const TOPIC_IDS: i16 = 13;
/// The offset and time of what was not stored.
const NOWHERE: i64 = -1;

pub(super) fn produce(node: &Node, caller: &Caller, request: ProduceRequest) -> Answer {
    let acks = request.acks;
    let transactional_id = request.transactional_id.as_ref().map(|id| id.as_str());
    let writer = Writer { node, version: caller.version, transactional_id };
    let mut failure = None;
    let mut topic = |data: TopicProduceData| {
        let topic = writer.topic(&data);
        let partition = |partition: PartitionProduceData| {
            let index = partition.index;
            let outcome = if (-1..=1).contains(&acks) {
                topic.clone().map_err(NotStored::from).and_then(|topic| writer.append(&topic, partition))
            } else {
                let message = format!("acks is -1, 0 or 1, not {acks}");
                refuse(ResponseError::InvalidRequiredAcks, message).map_err(NotStored::from)
            };
            if let Err(NotStored { refused, .. }) = &outcome {
                failure.get_or_insert_with(|| {
                    let name = topic.as_ref().map_or(data.name.as_str(), |topic| &topic.name);
                    format!("{name}-{index}: {}", refused.refusal.message)
                });
            }
            describe(index, outcome, caller.version)
        };
        let responses = data.partition_data.into_iter().map(partition).collect();
        TopicProduceResponse::default()
            .with_partition_responses(responses)
            .with_name(data.name)
            .with_topic_id(data.topic_id)
    };
    let responses = request.topic_data.into_iter().map(&mut topic).collect();
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
    Refused { refusal, record: None, by_log: true }
}

/// A batch that was not stored, and where the log starts that was asked about it.
struct NotStored {
    refused: Refused,
    log_start: Option<i64>,
}

impl From<Refused> for NotStored {
    fn from(refused: Refused) -> Self {
        Self { refused, log_start: None }
    }
}

/// Whose request it is that is being worked on.
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

    fn append(&self, topic: &Topic, data: PartitionProduceData) -> Result<Stored, NotStored> {
        let Some(partition) = topic.partition(data.index) else {
            return Ok(refuse(ResponseError::UnknownTopicOrPartition, "no such partition")?);
        };
        self.append_to(topic, partition, data).map_err(|refused| NotStored {
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

    /// Appends a batch while its transaction cannot end.
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
                // Each transaction is an epoch of its own and begins with number 0: any other has overtaken one that was lost.
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

fn describe(index: i32, outcome: Result<Stored, NotStored>, version: i16) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(stored) => response
            .with_base_offset(stored.appended.base_offset)
            .with_log_append_time_ms(stored.log_append_time.unwrap_or(NOWHERE))
            .with_log_start_offset(stored.appended.log_start),
        Err(NotStored { refused: Refused { refusal, record, .. }, log_start }) => {
            let response = response
                .with_error_code(refusal.error.code())
                .with_base_offset(NOWHERE)
                .with_log_append_time_ms(NOWHERE)
                .with_log_start_offset(log_start.unwrap_or(NOWHERE));
            if version < EXPLAINS {
                return response;
            }
            let fault = |record| {
                BatchIndexAndErrorMessage::default()
                    .with_batch_index(record)
                    .with_batch_index_error_message(Some(text(&refusal.message)))
            };
            response
                .with_record_errors(record.into_iter().map(fault).collect())
                .with_error_message(refusal.text())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, TopicConfig};
    use crate::log::sample::Sample;

    #[test]
    fn zstd_is_for_clients_that_know_of_it() {
        let node =
            Node::new(Config { topics: vec![TopicConfig::new("orders", 1)], ..Config::default() }).unwrap();
        let topic = node.topics.get("orders").unwrap();
        let error = |version, codec| {
            let batch = Sample::at(&[0]).compressed(codec).bytes();
            let data = PartitionProduceData::default().with_records(Some(batch));
            let outcome = Writer { node: &node, version, transactional_id: None }.append(&topic, data);
            outcome.err().map(|not_stored| not_stored.refused.refusal.error)
        };
        assert_eq!(error(ZSTD - 1, Codec::Zstd), Some(ResponseError::UnsupportedCompressionType));
        assert_eq!(error(ZSTD - 1, Codec::Gzip), None);
        assert_eq!(error(ZSTD, Codec::Zstd), None);
    }
}
