//! AlterPartitionReassignments and ListPartitionReassignments: with one node, nothing ever moves.

use super::{fields::text, topics::check_replicas};
use crate::{node::Node, refusal::Refusal};
use kafka_protocol::{
    ResponseError,
    messages::{
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        ListPartitionReassignmentsResponse, TopicName,
        alter_partition_reassignments_request::ReassignablePartition,
        alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
    },
};

pub(super) fn alter_partition_reassignments(
    node: &Node,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    // Apache Kafka answers an empty request with an empty message.
    let message = request.topics.is_empty().then(|| text(""));
    let responses = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let response =
                ReassignablePartitionResponse::default().with_partition_index(partition.partition_index);
            match reassign(node, &topic.name, partition) {
                Ok(()) => response.with_error_message(None),
                Err(refusal) => {
                    let message = refusal.text().filter(|message| !message.is_empty());
                    response.with_error_code(refusal.error.code()).with_error_message(message)
                }
            }
        });
        let partitions = partitions.collect();
        ReassignableTopicResponse::default().with_partitions(partitions).with_name(topic.name)
    });
    AlterPartitionReassignmentsResponse::default()
        .with_allow_replication_factor_change(request.allow_replication_factor_change)
        .with_error_message(message)
        .with_responses(responses.collect())
}

/// Checks that a partition is assigned to the only node.
fn reassign(node: &Node, topic: &TopicName, wanted: &ReassignablePartition) -> Result<(), Refusal> {
    if !node.topics.has_partition(topic, wanted.partition_index) {
        return Err(Refusal::new(
            ResponseError::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        ));
    }
    match &wanted.replicas {
        Some(replicas) => check_replicas(replicas),
        // Without a message, as by Apache Kafka, clients show their own for the code.
        None => Err(Refusal::new(ResponseError::NoReassignmentInProgress, "")),
    }
}

pub(super) fn list_partition_reassignments() -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default().with_error_message(None)
}
