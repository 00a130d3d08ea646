//! CreatePartitions: a topic that exists gets more partitions. It never gets fewer.
//!
//! The new partitions are there for whoever asks next. Producers and consumers ask again every few minutes
//! (`metadata.max.age.ms`, `topic.metadata.refresh.interval.ms`), and a group's leader then shares out anew.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};

use super::NODE_ID;
use super::topics::MAX_PARTITIONS;
use crate::broker::Node;
use crate::refusal::Refusal;

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
            Err(refusal) => result.with_error_code(refusal.error.code()).with_error_message(refusal.text()),
        };
        Some(result.with_name(topic.name))
    });
    CreatePartitionsResponse::default().with_results(results.collect())
}

fn create(node: &Node, wanted: &CreatePartitionsTopic, validate_only: bool) -> Result<(), Refusal> {
    let name = wanted.name.as_str();
    let topic = node.topics.get(name).ok_or_else(|| {
        // Without a message, clients show their own for the code.
        Refusal::new(ResponseError::UnknownTopicOrPartition, "")
    })?;
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

/// Whoever says on which brokers the new partitions go can only name this one.
fn check(assignments: &[CreatePartitionsAssignment], new: usize) -> Result<(), Refusal> {
    let refuse = |message: String| Err(Refusal::new(ResponseError::InvalidReplicaAssignment, message));
    if assignments.len() != new {
        let given = assignments.len();
        return refuse(format!(
            "Attempted to add {new} additional partition(s), but only {given} assignment(s) were specified."
        ));
    }
    for assignment in assignments {
        match assignment.broker_ids.as_slice() {
            [broker] if *broker == NODE_ID => {}
            [] => return refuse("The manual partition assignment includes an empty replica list.".into()),
            brokers => {
                let stranger = brokers.iter().find(|broker| **broker != NODE_ID);
                return refuse(match stranger {
                    Some(stranger) => format!(
                        "The manual partition assignment includes broker {}, but no such broker is registered.",
                        stranger.0
                    ),
                    None => format!(
                        "The manual partition assignment includes the broker {} more than once.",
                        NODE_ID.0
                    ),
                });
            }
        }
    }
    Ok(())
}
