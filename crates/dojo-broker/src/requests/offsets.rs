//! ListOffsets and OffsetForLeaderEpoch: where a log starts, where it ends, and which record was written when.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, ListOffsetsResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
};

use super::Caller;
use crate::broker::Node;
use crate::log::{LEADER_EPOCH, Log};
use crate::partition::Partition;
use crate::topics::Topic;

/// In place of a timestamp, what a client may ask for: the end of the log,
const LATEST: i64 = -1;
/// its start,
const EARLIEST: i64 = -2;
/// the record with the latest timestamp (KIP-734),
const MAX_TIMESTAMP: i64 = -3;
/// the start of what is on the broker itself (KIP-405): here, all of it,
const EARLIEST_LOCAL: i64 = -4;
/// the end of what was moved to remote storage (KIP-1005): here, nothing.
const LATEST_TIERED: i64 = -5;

const READ_COMMITTED: i8 = 1;
const NONE: i64 = -1;
const NO_EPOCH: i32 = -1;
/// From this version on, an answer has room for the leader's epoch.
const WITH_EPOCH: i16 = 4;

pub(super) fn list_offsets(node: &Node, caller: &Caller, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let committed_only = request.isolation_level == READ_COMMITTED;
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.name);
        let partitions = wanted.partitions.iter().map(|wanted| {
            let response =
                ListOffsetsPartitionResponse::default().with_partition_index(wanted.partition_index);
            match find(topic.as_deref(), wanted, committed_only) {
                Ok(Some((offset, timestamp))) => response
                    .with_offset(offset)
                    .with_timestamp(timestamp)
                    .with_leader_epoch(if caller.version >= WITH_EPOCH { LEADER_EPOCH } else { NO_EPOCH }),
                Ok(None) => response.with_offset(NONE).with_timestamp(NONE),
                Err(error) => response.with_error_code(error.code()).with_offset(NONE).with_timestamp(NONE),
            }
        });
        ListOffsetsTopicResponse::default().with_partitions(partitions.collect()).with_name(wanted.name)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Offset and timestamp, where there is such a record or place.
fn find(
    topic: Option<&Topic>,
    wanted: &ListOffsetsPartition,
    committed_only: bool,
) -> Result<Option<(i64, i64)>, ResponseError> {
    let partition = known_partition(topic, wanted.partition_index, wanted.current_leader_epoch)?;
    Ok(match wanted.timestamp {
        LATEST if committed_only => Some((partition.look(Log::last_stable_offset), NONE)),
        LATEST => Some((partition.look(Log::high_watermark), NONE)),
        EARLIEST | EARLIEST_LOCAL => Some((partition.look(Log::start), NONE)),
        MAX_TIMESTAMP => partition.look(Log::latest_timestamp),
        LATEST_TIERED => None,
        timestamp => {
            partition.look(|log| log.batch_at(timestamp)).and_then(|batch| batch.first_at(timestamp))
        }
    })
}

pub(super) fn offset_for_leader_epoch(
    node: &Node,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.topic);
        let partitions = wanted.partitions.iter().map(|wanted| {
            let response = EpochEndOffset::default().with_partition(wanted.partition);
            match end_of_epoch(topic.as_deref(), wanted) {
                Ok(Some(end)) => response.with_leader_epoch(LEADER_EPOCH).with_end_offset(end),
                Ok(None) => response.with_leader_epoch(NO_EPOCH).with_end_offset(NONE),
                Err(error) => response.with_error_code(error.code()),
            }
        });
        OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(wanted.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// There is one epoch, and it has not ended, so it ends where the log does.
fn end_of_epoch(
    topic: Option<&Topic>,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<i64>, ResponseError> {
    let partition = known_partition(topic, wanted.partition, wanted.current_leader_epoch)?;
    Ok((wanted.leader_epoch == LEADER_EPOCH).then(|| partition.look(Log::high_watermark)))
}

fn known_partition(topic: Option<&Topic>, index: i32, epoch: i32) -> Result<&Partition, ResponseError> {
    let partition =
        topic.and_then(|topic| topic.partition(index)).ok_or(ResponseError::UnknownTopicOrPartition)?;
    // A client that has heard of a later leader than this broker knows has to ask again.
    if epoch > LEADER_EPOCH { Err(ResponseError::UnknownLeaderEpoch) } else { Ok(partition) }
}
