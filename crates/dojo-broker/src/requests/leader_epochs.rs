//! OffsetForLeaderEpoch, and the check of the leader epoch that a client knows.
//!
//! Each time a partition gets a new leader, its epoch grows by one. A consumer names the epoch of its last
//! read, to learn whether what it read is still in the log (KIP-320). Here, leadership never changes: the
//! first epoch is the only one.

use crate::{
    log::{LEADER_EPOCH, Log},
    node::Node,
    partition::Partition,
    topics::Topic,
};
use kafka_protocol::{
    ResponseError,
    messages::{
        OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
        offset_for_leader_epoch_request::OffsetForLeaderPartition,
        offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
    },
};

/// The epoch of a client that knows of none. It isn't checked.
pub(super) const NO_EPOCH: i32 = -1;
const NO_OFFSET: i64 = -1;

/// Checks that a client knows the present leader.
///
/// # Errors
/// `UNKNOWN_LEADER_EPOCH` if the client knows of a later leader, and has to ask again; `FENCED_LEADER_EPOCH`
/// if it doesn't know of the present one yet.
pub(super) fn check_epoch(current: i32) -> Result<(), ResponseError> {
    match current {
        NO_EPOCH | LEADER_EPOCH => Ok(()),
        LEADER_EPOCH.. => Err(ResponseError::UnknownLeaderEpoch),
        _ => Err(ResponseError::FencedLeaderEpoch),
    }
}

/// Returns the partition with this number, for a client that knows this epoch.
///
/// # Errors
/// `UNKNOWN_TOPIC_OR_PARTITION`; see also [`check_epoch`].
pub(super) fn led_partition(
    topic: Option<&Topic>,
    index: i32,
    current_epoch: i32,
) -> Result<&Partition, ResponseError> {
    let partition =
        topic.and_then(|topic| topic.partition(index)).ok_or(ResponseError::UnknownTopicOrPartition)?;
    check_epoch(current_epoch)?;
    Ok(partition)
}

pub(super) fn offset_for_leader_epoch(
    node: &Node,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = request.topics.into_iter().map(|wanted| {
        let topic = node.topics.get(&wanted.topic);
        let partitions = wanted.partitions.iter().map(|wanted| {
            let response = EpochEndOffset::default()
                .with_partition(wanted.partition)
                .with_leader_epoch(NO_EPOCH)
                .with_end_offset(NO_OFFSET);
            match end_of_epoch(topic.as_deref(), wanted) {
                Ok(Some(end)) => response.with_leader_epoch(LEADER_EPOCH).with_end_offset(end),
                Ok(None) => response,
                Err(error) => response.with_error_code(error.code()),
            }
        });
        OffsetForLeaderTopicResult::default().with_partitions(partitions.collect()).with_topic(wanted.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

/// The only epoch hasn't ended, so its end is that of the log.
fn end_of_epoch(
    topic: Option<&Topic>,
    wanted: &OffsetForLeaderPartition,
) -> Result<Option<i64>, ResponseError> {
    let partition = led_partition(topic, wanted.partition, wanted.current_leader_epoch)?;
    Ok((wanted.leader_epoch == LEADER_EPOCH).then(|| partition.look(Log::high_watermark)))
}
