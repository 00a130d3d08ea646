//! ListOffsets: the start and the end of a log, and the record at a point in time.

use super::{
    caller::Caller,
    leader_epochs::{NO_EPOCH, led_partition},
};
use crate::{
    log::{LEADER_EPOCH, Log},
    node::Node,
    topics::Topic,
};
use kafka_protocol::{
    ResponseError,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse, TopicName,
        list_offsets_request::ListOffsetsPartition,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};
use std::collections::HashSet;

/// Stands for a timestamp: the end of the log.
const LATEST: i64 = -1;
/// Stands for a timestamp: the start of the log.
const EARLIEST: i64 = -2;
/// Stands for a timestamp: the record with the latest timestamp (KIP-734).
const MAX_TIMESTAMP: i64 = -3;
/// Stands for a timestamp: the start of what is on the broker itself (KIP-405), which is everything.
const EARLIEST_LOCAL: i64 = -4;
/// Stands for a timestamp: the end of what was moved to remote storage (KIP-1005), which is nothing.
const LATEST_TIERED: i64 = -5;

/// Stands for a timestamp: the start of what wasn't moved to remote storage yet (KIP-1023), in a version that
/// this broker doesn't speak.
const EARLIEST_PENDING: i64 = -6;

const READ_COMMITTED: i8 = 1;
const NONE: i64 = -1;
/// From this version on, the answer has room for the leader's epoch.
const WITH_EPOCH: i16 = 4;

pub(super) fn list_offsets(node: &Node, caller: &Caller, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let twice = named_twice(&request);
    let committed_only = request.isolation_level == READ_COMMITTED;
    let topics = request.topics.into_iter().filter(|wanted| !wanted.partitions.is_empty()).map(|wanted| {
        let topic = node.topics.get(&wanted.name);
        let mut answered = HashSet::new();
        let once = wanted.partitions.iter().filter(|partition| answered.insert(partition.partition_index));
        let partitions = once.map(|partition| {
            let response =
                ListOffsetsPartitionResponse::default().with_partition_index(partition.partition_index);
            let found = if twice.contains(&(wanted.name.clone(), partition.partition_index)) {
                Err(ResponseError::InvalidRequest)
            } else {
                find(topic.as_deref(), partition, committed_only, caller.version)
            };
            match found {
                Ok(Some((offset, timestamp))) => response
                    .with_offset(offset)
                    .with_timestamp(timestamp)
                    .with_leader_epoch(if caller.version >= WITH_EPOCH { LEADER_EPOCH } else { NO_EPOCH }),
                Ok(None) => response.with_offset(NONE).with_timestamp(NONE),
                Err(error) => response.with_error_code(error.code()).with_offset(NONE).with_timestamp(NONE),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_partitions(partitions).with_name(wanted.name)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

/// Returns the partitions that are named twice, which have no single answer.
fn named_twice(request: &ListOffsetsRequest) -> HashSet<(TopicName, i32)> {
    let mut seen = HashSet::new();
    let partitions = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|partition| (topic.name.clone(), partition.partition_index))
    });
    partitions.filter(|partition| !seen.insert(partition.clone())).collect()
}

/// Returns the offset and timestamp, if there is such a record or place.
fn find(
    topic: Option<&Topic>,
    wanted: &ListOffsetsPartition,
    committed_only: bool,
    version: i16,
) -> Result<Option<(i64, i64)>, ResponseError> {
    if since(wanted.timestamp).is_none_or(|first| version < first) {
        return Err(ResponseError::UnsupportedVersion);
    }
    let partition = led_partition(topic, wanted.partition_index, wanted.current_leader_epoch)?;
    let end = || {
        partition
            .look(|log: &Log| if committed_only { log.last_stable_offset() } else { log.high_watermark() })
    };
    // A record that the client can't read yet isn't found.
    let readable = |found: Option<(i64, i64)>| found.filter(|(offset, _)| *offset < end());
    Ok(match wanted.timestamp {
        LATEST => Some((end(), NONE)),
        EARLIEST | EARLIEST_LOCAL => Some((partition.look(Log::start), NONE)),
        MAX_TIMESTAMP => readable(partition.look(Log::latest_timestamp)),
        LATEST_TIERED => None,
        timestamp => readable(partition.offset_at(timestamp)),
    })
}

/// Returns the first version in which a client can ask for this; `None` if no version can.
fn since(timestamp: i64) -> Option<i16> {
    match timestamp {
        EARLIEST_PENDING => None,
        LATEST_TIERED => Some(9),
        EARLIEST_LOCAL => Some(8),
        MAX_TIMESTAMP => Some(7),
        i64::MIN..EARLIEST_PENDING => None,
        _ => Some(0),
    }
}
