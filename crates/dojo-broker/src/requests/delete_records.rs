//! DeleteRecords: makes a log start later, for good.

use crate::{node::Node, topics::Topic};
use kafka_protocol::{
    ResponseError,
    messages::{
        DeleteRecordsRequest, DeleteRecordsResponse,
        delete_records_request::DeleteRecordsPartition,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    },
};

/// Stands for an offset: all records.
const ALL: i64 = -1;
/// The start of a log that doesn't exist.
const NOWHERE: i64 = -1;

pub(super) fn delete_records(node: &Node, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.name);
        let partitions = wanted.partitions.iter().map(|wanted| {
            let result = DeleteRecordsPartitionResult::default().with_partition_index(wanted.partition_index);
            match delete(topic.as_deref(), wanted) {
                Ok(start) => result.with_low_watermark(start),
                Err(error) => result.with_error_code(error.code()).with_low_watermark(NOWHERE),
            }
        });
        DeleteRecordsTopicResult::default().with_partitions(partitions.collect()).with_name(wanted.name)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

/// Returns where the log starts afterwards.
fn delete(topic: Option<&Topic>, wanted: &DeleteRecordsPartition) -> Result<i64, ResponseError> {
    let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition = topic.partition(wanted.partition_index).ok_or(ResponseError::UnknownTopicOrPartition)?;
    let policy = topic.settings.policy();
    if policy.compaction.is_some() && policy.retention.is_none() {
        // A reader of such a topic expects every key that wasn't deleted.
        return Err(ResponseError::PolicyViolation);
    }
    let offset = (wanted.offset != ALL).then_some(wanted.offset);
    let deleted = partition.change(|log| log.delete_before(offset));
    deleted.map_err(|refusal| refusal.error)
}
