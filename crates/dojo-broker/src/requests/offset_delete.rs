//! OffsetDelete: forgets how far a group has read (KIP-496).

use super::fields::code;
use crate::{
    group::{Group, coordinator::Waiter},
    node::Node,
};
use kafka_protocol::{
    ResponseError,
    messages::{
        OffsetDeleteRequest, OffsetDeleteResponse, TopicName,
        offset_delete_request::OffsetDeleteRequestTopic,
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
};
use std::collections::BTreeMap;

pub(super) fn offset_delete(node: &Node, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let outcome = if request.group_id.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else {
        let delete_all = |group: &mut Group<Waiter>| {
            group.check_offset_deletion()?;
            Ok(request.topics.iter().map(|topic| delete(node, group, topic)).collect())
        };
        let deleted = node.groups.with_known(&request.group_id, delete_all);
        deleted.unwrap_or(Err(ResponseError::GroupIdNotFound))
    };
    match outcome {
        Ok(topics) => OffsetDeleteResponse::default().with_topics(topics),
        Err(error) => OffsetDeleteResponse::default().with_error_code(error.code()),
    }
}

fn delete(
    node: &Node,
    group: &mut Group<Waiter>,
    topic: &OffsetDeleteRequestTopic,
) -> OffsetDeleteResponseTopic {
    // A partition that is named twice is answered once.
    let mut outcomes: BTreeMap<i32, Result<(), ResponseError>> = BTreeMap::new();
    for partition in &topic.partitions {
        let index = partition.partition_index;
        let outcome = if node.topics.has_partition(&topic.name, index) {
            group.delete_offset(&topic.name, index)
        } else {
            Err(ResponseError::UnknownTopicOrPartition)
        };
        outcomes.insert(index, outcome);
    }
    let partitions = outcomes.into_iter().map(|(index, outcome)| {
        OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code(outcome))
    });
    OffsetDeleteResponseTopic::default()
        .with_partitions(partitions.collect())
        .with_name(TopicName(topic.name.0.clone()))
}
