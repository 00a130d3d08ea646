//! Produce: append a batch to each of some partitions.
//!
//! A batch is checked before any lock is taken, so producers to one partition wait for each other only while a checked batch gets
//! its offset. With one replica there is nobody to wait for: `acks=all` and `acks=1` come to the same.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, ResponseKind};

use super::producer_id::no_transactions;
use super::{Answer, Caller, text};
use crate::broker::Node;
use crate::log::{Appended, Checked, Refused};
use crate::refusal::Refusal;
use crate::topics::Topic;

/// From this version on, an answer can say which records were at fault, and why.
const EXPLAINS: i16 = 8;
/// The offset and time of what was not stored.
const NOWHERE: i64 = -1;

pub(super) fn produce(node: &Node, caller: &Caller, request: ProduceRequest) -> Answer {
    let acks = request.acks;
    let refusal = if request.transactional_id.is_some() {
        Some(no_transactions())
    } else if !(-1..=1).contains(&acks) {
        Some(Refusal::new(ResponseError::InvalidRequiredAcks, format!("acks is -1, 0 or 1, not {acks}")))
    } else {
        None
    };
    let mut failure = None;
    let mut topic = |data: TopicProduceData| {
        let topic = node.topics.get(&data.name);
        let partition = |partition: PartitionProduceData| {
            let index = partition.index;
            let outcome = match &refusal {
                Some(refusal) => Err(Refused { refusal: refusal.clone(), record: None }),
                None => append(topic.as_deref(), partition),
            };
            if let Err(refused) = &outcome {
                failure
                    .get_or_insert_with(|| format!("{}-{index}: {}", &*data.name, refused.refusal.message));
            }
            describe(index, outcome, caller.version)
        };
        let responses = data.partition_data.into_iter().map(partition).collect();
        TopicProduceResponse::default().with_partition_responses(responses).with_name(data.name)
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

fn append(topic: Option<&Topic>, data: PartitionProduceData) -> Result<Stored, Refused> {
    let refused = |refusal| Refused { refusal, record: None };
    let unknown = || refused(Refusal::new(ResponseError::UnknownTopicOrPartition, "no such partition"));
    let topic = topic.ok_or_else(unknown)?;
    let partition = topic.partition(data.index).ok_or_else(unknown)?;
    let bytes = data.records.filter(|bytes: &Bytes| !bytes.is_empty()).ok_or_else(|| {
        refused(Refusal::new(
            ResponseError::InvalidRecord,
            "a produce request has one record batch for a partition",
        ))
    })?;
    let batch = Checked::check(bytes, topic.settings.rules(), now_ms())?;
    let appended = partition.append(&batch).map_err(refused)?;
    Ok(Stored { appended, log_append_time: batch.log_append_time() })
}

fn describe(index: i32, outcome: Result<Stored, Refused>, version: i16) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok(stored) => response
            .with_base_offset(stored.appended.base_offset)
            .with_log_append_time_ms(stored.log_append_time.unwrap_or(NOWHERE))
            .with_log_start_offset(stored.appended.log_start),
        Err(Refused { refusal, record }) => {
            let response = response
                .with_error_code(refusal.error.code())
                .with_base_offset(NOWHERE)
                .with_log_append_time_ms(NOWHERE)
                .with_log_start_offset(NOWHERE);
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

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
