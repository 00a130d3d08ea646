//! OffsetCommit and OffsetFetch: how far a group has read.
//!
//! A committed offset is that of the next record to read. It is kept with the group, and forgotten with the
//! group or the topic.

use super::{
    caller::Caller,
    fields::{code, text, topic_name},
    group_membership::identity,
};
use crate::{
    group::{Committed, Group, coordinator::Waiter},
    node::Node,
};
use kafka_protocol::{
    ResponseError,
    messages::{
        OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};
use std::time::Instant;

/// How many bytes of text can be committed with an offset: Kafka's `offset.metadata.max.bytes`.
pub(super) const MAX_METADATA: usize = 4096;
/// From this version on, a member understands that the group doesn't exist.
const KNOWS_GROUP_NOT_FOUND: i16 = 9;
/// From this version on, one request asks for several groups.
const SEVERAL_GROUPS: i16 = 8;
const NO_OFFSET: i64 = -1;
const NO_EPOCH: i32 = -1;

pub(super) fn offset_commit(
    node: &Node,
    caller: &Caller,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let generation = request.generation_id_or_member_epoch;
    let identity = identity(&request.member_id, request.group_instance_id.as_ref());
    // The group stays locked from the check to the last offset, so that no rebalance comes in between.
    let commit_all = |group: &mut Group<Waiter>| {
        let allowed = group.may_commit(&identity, generation, Instant::now());
        answer(&request.topics, |topic, partition| {
            allowed.and_then(|()| commit(node, group, topic, partition))
        })
    };
    let (answers, otherwise) = if generation < 0 {
        // A client that picks its own partitions only keeps its offsets here, which creates the group. The
        // name can be empty, as it could before groups had coordinators.
        (node.groups.with(&request.group_id, commit_all), ResponseError::PolicyViolation)
    } else {
        let unknown = if caller.version >= KNOWS_GROUP_NOT_FOUND {
            ResponseError::GroupIdNotFound
        } else {
            ResponseError::IllegalGeneration
        };
        (node.groups.with_known(&request.group_id, commit_all), unknown)
    };
    let topics = answers.unwrap_or_else(|| answer(&request.topics, |_, _| Err(otherwise)));
    OffsetCommitResponse::default().with_topics(topics)
}

/// Answers each partition with what `outcome` returns.
fn answer(
    topics: &[OffsetCommitRequestTopic],
    mut outcome: impl FnMut(&str, &OffsetCommitRequestPartition) -> Result<(), ResponseError>,
) -> Vec<OffsetCommitResponseTopic> {
    let mut answers = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions = topic.partitions.iter().map(|partition| {
            let outcome = outcome(&topic.name, partition);
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(outcome))
        });
        let partitions = partitions.collect();
        answers.push(
            OffsetCommitResponseTopic::default().with_partitions(partitions).with_name(topic.name.clone()),
        );
    }
    answers
}

fn commit(
    node: &Node,
    group: &mut Group<Waiter>,
    topic: &str,
    partition: &OffsetCommitRequestPartition,
) -> Result<(), ResponseError> {
    if !node.topics.has_partition(topic, partition.partition_index) {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let metadata = partition.committed_metadata.as_ref();
    if metadata.is_some_and(|metadata| metadata.len() > MAX_METADATA) {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    let committed = Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.map(ToString::to_string),
    };
    group.commit(topic, partition.partition_index, committed);
    Ok(())
}

pub(super) fn offset_fetch(node: &Node, caller: &Caller, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stable = request.require_stable;
    if caller.version < SEVERAL_GROUPS {
        let wanted = request
            .topics
            .map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let topics = find(node, &request.group_id, wanted, stable).into_iter().map(|(name, offsets)| {
            let partition = |offset: Offset| {
                OffsetFetchResponsePartition::default()
                    .with_partition_index(offset.partition)
                    .with_committed_offset(offset.committed.offset)
                    .with_committed_leader_epoch(offset.committed.leader_epoch)
                    .with_metadata(Some(text(offset.committed.metadata.unwrap_or_default())))
                    .with_error_code(offset.error.map_or(0, |error| error.code()))
            };
            OffsetFetchResponseTopic::default()
                .with_name(name)
                .with_partitions(offsets.into_iter().map(partition).collect())
        });
        return OffsetFetchResponse::default().with_topics(topics.collect());
    }
    let groups = request.groups.into_iter().map(|group| {
        let wanted = group
            .topics
            .map(|topics| topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect());
        let topics = find(node, &group.group_id, wanted, stable).into_iter().map(|(name, offsets)| {
            let partition = |offset: Offset| {
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(offset.partition)
                    .with_committed_offset(offset.committed.offset)
                    .with_committed_leader_epoch(offset.committed.leader_epoch)
                    .with_metadata(Some(text(offset.committed.metadata.unwrap_or_default())))
                    .with_error_code(offset.error.map_or(0, |error| error.code()))
            };
            OffsetFetchResponseTopics::default()
                .with_name(name)
                .with_partitions(offsets.into_iter().map(partition).collect())
        });
        OffsetFetchResponseGroup::default().with_topics(topics.collect()).with_group_id(group.group_id)
    });
    OffsetFetchResponse::default().with_groups(groups.collect())
}

/// A partition's committed offset.
struct Offset {
    partition: i32,
    committed: Committed,
    error: Option<ResponseError>,
}

impl Offset {
    /// The answer if nothing was committed, or if it can't be told.
    fn none(partition: i32, error: Option<ResponseError>) -> Self {
        let committed = Committed { offset: NO_OFFSET, leader_epoch: NO_EPOCH, metadata: None };
        Self { partition, committed, error }
    }

    /// A consumer that wants `stable` offsets has to ask again while a transaction can still change them
    /// (KIP-447).
    fn of(group: &Group<Waiter>, topic: &str, partition: i32, stable: bool) -> Self {
        if stable && group.is_unstable(topic, partition) {
            return Self::none(partition, Some(ResponseError::UnstableOffsetCommit));
        }
        match group.committed().get(topic).and_then(|known| known.get(&partition)) {
            Some(committed) => Self { partition, committed: committed.clone(), error: None },
            None => Self::none(partition, None),
        }
    }
}

/// Returns a group's offsets for the wanted partitions, or for all if the request names none.
fn find(
    node: &Node,
    group: &StrBytes,
    wanted: Option<Vec<(TopicName, Vec<i32>)>>,
    stable: bool,
) -> Vec<(TopicName, Vec<Offset>)> {
    let Some(wanted) = wanted else {
        let everything = |group: &mut Group<Waiter>| {
            let topics = group.committed().iter().map(|(topic, known)| {
                let offsets = known.keys().map(|partition| Offset::of(group, topic, *partition, stable));
                (topic_name(topic), offsets.collect())
            });
            topics.collect()
        };
        return node.groups.with_known(group, everything).unwrap_or_default();
    };
    let find = |of: &dyn Fn(&str, i32) -> Offset| {
        let topics = wanted.iter().map(|(topic, partitions)| {
            (topic.clone(), partitions.iter().map(|partition| of(topic, *partition)).collect())
        });
        topics.collect()
    };
    node.groups
        .with_known(group, |group| find(&|topic, partition| Offset::of(group, topic, partition, stable)))
        .unwrap_or_else(|| find(&|_, partition| Offset::none(partition, None)))
}
