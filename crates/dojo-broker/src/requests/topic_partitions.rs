//! DescribeTopicPartitions: topics with their partitions, page by page (KIP-966).
//!
//! Topics are sorted by name. If a page ends before the last partition, the answer says where the next page
//! begins: its *cursor*.

use super::{
    authorized,
    fields::{NODE_ID, topic_name},
};
use crate::{
    log::LEADER_EPOCH,
    node::Node,
    topics::{Topic, check_name},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
        describe_topic_partitions_request,
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
};
use std::collections::BTreeSet;

/// The most partitions on a page: Kafka's `max.request.partition.size.limit`.
const MAX_PAGE: usize = 2000;

pub(super) fn describe_topic_partitions(
    node: &Node,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let all = request.topics.is_empty();
    let wanted: BTreeSet<TopicName> = if all {
        node.topics.all().iter().map(|topic| topic_name(&topic.name)).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.clone()).collect()
    };
    if let Some(cursor) = &request.cursor
        && (cursor.partition_index < 0 || !all && !wanted.contains(&cursor.topic_name))
    {
        return refuse(request);
    }
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, MAX_PAGE);
    page(node, wanted, all, request.cursor.as_ref(), limit)
}

/// Returns the partitions from the cursor on, up to `limit` of them.
fn page(
    node: &Node,
    wanted: BTreeSet<TopicName>,
    all: bool,
    cursor: Option<&describe_topic_partitions_request::Cursor>,
    limit: usize,
) -> DescribeTopicPartitionsResponse {
    let mut topics = Vec::new();
    let mut left = limit;
    let mut next = None;
    for name in wanted {
        let first = match cursor {
            Some(cursor) if name < cursor.topic_name => continue,
            Some(cursor) if name == cursor.topic_name => cursor.partition_index,
            _ => 0,
        };
        if left == 0 {
            next = Some(Cursor::default().with_topic_name(name).with_partition_index(0));
            break;
        }
        let Some(topic) = node.topics.get(&name) else {
            // The topic was deleted since it was listed, or the client named it.
            if !all {
                topics.push(unknown(name));
            }
            continue;
        };
        let partitions: Vec<_> = partitions(&topic, first).take(left).collect();
        left -= partitions.len();
        let end = partitions.last().map_or(first, |last| last.partition_index + 1);
        topics.push(describe(&topic).with_partitions(partitions));
        if topic.partition(end).is_some() {
            next = Some(Cursor::default().with_topic_name(name).with_partition_index(end));
            break;
        }
    }
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next)
}

fn partitions(
    topic: &Topic,
    first: i32,
) -> impl Iterator<Item = DescribeTopicPartitionsResponsePartition> + use<> {
    let count = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
    (first..count).map(|index| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(NODE_ID)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![NODE_ID])
            .with_isr_nodes(vec![NODE_ID])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    })
}

fn describe(topic: &Topic) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_topic_authorized_operations(authorized::ON_TOPIC)
}

fn unknown(name: TopicName) -> DescribeTopicPartitionsResponseTopic {
    let invalid = check_name(&name).err().map(|refusal| refusal.error);
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(invalid.unwrap_or(ResponseError::UnknownTopicOrPartition).code())
        .with_name(Some(name))
        .with_topic_authorized_operations(authorized::ON_TOPIC)
}

/// Refuses every topic of a request whose cursor is invalid.
fn refuse(request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let refused = |name| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_error_code(ResponseError::InvalidRequest.code())
            .with_name(Some(name))
    };
    DescribeTopicPartitionsResponse::default()
        .with_topics(request.topics.into_iter().map(|topic| refused(topic.name)).collect())
}
