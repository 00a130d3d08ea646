//! ElectLeaders: every partition is led by the only node, so no election is needed.

use super::fields::text;
use crate::node::Node;
use kafka_protocol::{
    ResponseError,
    messages::{
        ElectLeadersRequest, ElectLeadersResponse, TopicName,
        elect_leaders_response::{PartitionResult, ReplicaElectionResult},
    },
};

pub(super) fn elect_leaders(node: &Node, request: ElectLeadersRequest) -> ElectLeadersResponse {
    // A request for all partitions is answered with those that got another leader: none.
    let results = request.topic_partitions.unwrap_or_default().into_iter().map(|topic| {
        let results = topic.partitions.iter().map(|index| elect(node, &topic.topic, *index)).collect();
        ReplicaElectionResult::default().with_topic(topic.topic).with_partition_result(results)
    });
    ElectLeadersResponse::default().with_replica_election_results(results.collect())
}

fn elect(node: &Node, topic: &TopicName, index: i32) -> PartitionResult {
    let (error, message) = match node.topics.get(topic) {
        None => (ResponseError::UnknownTopicOrPartition, format!("No such topic as {}", topic.as_str())),
        Some(found) if found.partition(index).is_none() => {
            (ResponseError::UnknownTopicOrPartition, format!("No such partition as {}-{index}", found.name))
        }
        Some(_) => {
            let message = "Leader election not needed for topic partition.";
            (ResponseError::ElectionNotNeeded, message.to_owned())
        }
    };
    PartitionResult::default()
        .with_partition_id(index)
        .with_error_code(error.code())
        .with_error_message(Some(text(message)))
}
