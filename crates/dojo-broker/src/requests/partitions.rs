//! CreatePartitions: adds partitions to a topic. Partitions are never removed.
//!
//! Clients find the new partitions when they ask for metadata next. Producers and consumers ask every few
//! minutes (`metadata.max.age.ms`, `topic.metadata.refresh.interval.ms`), and a group's leader then assigns
//! anew.

use super::topics::{MAX_PARTITIONS, check_replicas};
use crate::{node::Node, refusal::Refusal};
use kafka_protocol::{
    ResponseError,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse, TopicName,
        create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic},
        create_partitions_response::CreatePartitionsTopicResult,
    },
};
use std::collections::BTreeMap;

pub(super) fn create_partitions(node: &Node, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let mut count: BTreeMap<TopicName, usize> = BTreeMap::new();
    for topic in &request.topics {
        *count.entry(topic.name.clone()).or_default() += 1;
    }
    let results = request.topics.into_iter().filter_map(|topic| {
        let outcome = match count.remove(&topic.name)? {
            1 => create(node, &topic, request.validate_only),
            _ => Err(Refusal::new(ResponseError::InvalidRequest, "Duplicate topic name.")),
        };
        let result = CreatePartitionsTopicResult::default();
        let result = match outcome {
            Ok(()) => result,
            Err(refusal) => {
                // Without a message, clients show their own for the code.
                let message = refusal.text().filter(|message| !message.is_empty());
                result.with_error_code(refusal.error.code()).with_error_message(message)
            }
        };
        Some(result.with_name(topic.name))
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn create(node: &Node, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let name = wanted.name.as_str();
    let topic =
        node.topics.get(name).ok_or_else(|| Refusal::new(ResponseError::UnknownTopicOrPartition, ""))?;
    let missing = topic.missing(wanted.count)?;
    if wanted.count > MAX_PARTITIONS {
        return Err(Refusal::new(
            ResponseError::PolicyViolation,
            "Excessively large number of partitions per request.",
        ));
    }
    if let Some(assignments) = &wanted.assignments {
        check(assignments, missing)?;
    }
    if !validate_only {
        node.topics.add_partitions(name, wanted.count, node.config.retention_bytes_per_partition)?;
    }
    Ok(())
}

/// Checks that the new partitions are assigned to the only node.
fn check(assignments: &[CreatePartitionsAssignment], new: usize) -> Result<(), Refusal> {
    let given = assignments.len();
    if given != new {
        return Err(Refusal::new(
            ResponseError::InvalidReplicaAssignment,
            format!(
                "Attempted to add {new} additional partition(s), but only {given} assignment(s) were specified."
            ),
        ));
    }
    assignments.iter().try_for_each(|assignment| check_replicas(&assignment.broker_ids))
}
