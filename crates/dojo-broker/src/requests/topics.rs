//! CreateTopics and DeleteTopics.

use super::{
    broker_configs::in_force,
    caller::Caller,
    config_entries::Sourced,
    fields::{NODE_ID, text},
};
use crate::{
    node::Node,
    refusal::Refusal,
    topic_config::{Setting, TopicSettings},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        BrokerId, CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
        TopicName,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Stands for a count: the broker's default.
const DEFAULT: i32 = -1;
/// Kafka's `num.partitions`.
const DEFAULT_PARTITIONS: i32 = 1;
/// How many partitions one request may create.
pub(super) const MAX_PARTITIONS: i32 = 10_000;
/// From this version on, topics can be deleted by id.
const BY_ID: i16 = 6;

pub(super) fn create_topics(node: &Node, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut count: BTreeMap<TopicName, usize> = BTreeMap::new();
    for topic in &request.topics {
        *count.entry(topic.name.clone()).or_default() += 1;
    }
    let too_many = request.topics.iter().map(wanted_partitions).sum::<i64>() > i64::from(MAX_PARTITIONS);
    let results = request.topics.into_iter().filter_map(|topic| {
        let copies = count.remove(&topic.name)?;
        let outcome = if copies > 1 {
            refuse(ResponseError::InvalidRequest, "Duplicate topic name.")
        } else if too_many {
            refuse(ResponseError::PolicyViolation, "Excessively large number of partitions per request.")
        } else {
            create(node, &topic, request.validate_only)
        };
        let result = match outcome {
            Ok(created) => CreatableTopicResult::default()
                .with_topic_id(created.id)
                .with_num_partitions(created.partitions)
                .with_replication_factor(1)
                .with_configs(Some(configs(node, &created.settings)))
                .with_error_message(None),
            Err(refusal) => CreatableTopicResult::default()
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.text()),
        };
        Some(result.with_name(topic.name))
    });
    CreateTopicsResponse::default().with_topics(results.collect())
}

fn refuse<T>(error: ResponseError, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(error, message))
}

/// Returns how many partitions the request creates for a topic.
fn wanted_partitions(topic: &CreatableTopic) -> i64 {
    if topic.assignments.is_empty() {
        i64::from(if topic.num_partitions == DEFAULT {
            DEFAULT_PARTITIONS
        } else {
            topic.num_partitions.max(0)
        })
    } else {
        i64::try_from(topic.assignments.len()).unwrap_or(i64::MAX)
    }
}

struct Created {
    id: Uuid,
    partitions: i32,
    settings: TopicSettings,
}

fn create(node: &Node, topic: &CreatableTopic, validate_only: bool) -> Result<Created, Refusal> {
    node.topics.check_new_name(&topic.name)?;
    let set = topic.configs.iter().map(|config| {
        let value = config.value.as_ref().ok_or_else(|| {
            let name = config.name.as_str();
            Refusal::new(
                ResponseError::InvalidConfig,
                format!("Null value not supported for topic configs: {name}"),
            )
        })?;
        Ok((config.name.to_string(), value.to_string()))
    });
    let settings = TopicSettings::new(set.collect::<Result<_, Refusal>>()?)?;
    let partitions =
        if topic.assignments.is_empty() { partitions(topic)? } else { assigned_partitions(topic)? };
    let id = if validate_only {
        // Kafka also returns an id for a topic that it only validates.
        Uuid::new_v4()
    } else {
        let max_bytes = node.config.retention_bytes_per_partition;
        let count = usize::try_from(partitions).unwrap_or(0);
        node.topics.create(&topic.name, count, settings.clone(), max_bytes)?.id
    };
    Ok(Created { id, partitions, settings })
}

/// Returns how many partitions the topic gets if the broker places them.
fn partitions(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let factor = i32::from(topic.replication_factor);
    if factor != DEFAULT && factor < 1 {
        return refuse(
            ResponseError::InvalidReplicationFactor,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        );
    }
    let partitions = if topic.num_partitions == DEFAULT { DEFAULT_PARTITIONS } else { topic.num_partitions };
    if partitions < 1 {
        return refuse(
            ResponseError::InvalidPartitions,
            "Number of partitions was set to an invalid non-positive value.",
        );
    }
    if factor > 1 {
        return refuse(
            ResponseError::InvalidReplicationFactor,
            format!(
                "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot \
                 be reached because only 1 broker(s) are registered or some brokers have all their log directories \
                 cordoned."
            ),
        );
    }
    Ok(partitions)
}

/// Returns how many partitions the topic gets if the client places them, which it can only do on this node.
fn assigned_partitions(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let not_default = |what: &str| {
        refuse(
            ResponseError::InvalidRequest,
            format!("A manual partition assignment was specified, but {what} was not set to -1."),
        )
    };
    if i32::from(topic.replication_factor) != DEFAULT {
        return not_default("replication factor");
    }
    if topic.num_partitions != DEFAULT {
        return not_default("numPartitions");
    }
    let mut indexes = BTreeSet::new();
    for assignment in &topic.assignments {
        if !indexes.insert(assignment.partition_index) {
            return refuse(
                ResponseError::InvalidReplicaAssignment,
                format!(
                    "Found multiple manual partition assignments for partition {}",
                    assignment.partition_index
                ),
            );
        }
        check_replicas(&assignment.broker_ids)?;
    }
    if !indexes.iter().copied().eq((0..).take(indexes.len())) {
        return refuse(
            ResponseError::InvalidReplicaAssignment,
            "partitions should be a consecutive 0-based integer sequence",
        );
    }
    i32::try_from(indexes.len())
        .map_err(|_| Refusal::new(ResponseError::PolicyViolation, "more partitions than can be numbered"))
}

/// Checks that a partition's replicas can be on these brokers.
///
/// # Errors
/// `INVALID_REPLICA_ASSIGNMENT` unless they are this node, once.
pub(super) fn check_replicas(brokers: &[BrokerId]) -> Result<(), Refusal> {
    let invalid = |fault: String| {
        refuse(
            ResponseError::InvalidReplicaAssignment,
            format!("The manual partition assignment includes {fault}"),
        )
    };
    if brokers.is_empty() {
        return invalid("an empty replica list.".into());
    }
    if let Some(other) = brokers.iter().filter(|broker| **broker != NODE_ID).min() {
        return invalid(format!("broker {}, but no such broker is registered.", other.0));
    }
    if brokers.len() > 1 {
        return invalid(format!("the broker {} more than once.", NODE_ID.0));
    }
    Ok(())
}

fn configs(node: &Node, settings: &TopicSettings) -> Vec<CreatableTopicConfigs> {
    let config = |setting: Setting<'_>| {
        let Sourced { value, source } = in_force(node, &setting);
        CreatableTopicConfigs::default()
            .with_name(text(setting.definition.name))
            .with_value(Some(text(value)))
            .with_config_source(source)
    };
    settings.all().map(config).collect()
}

pub(super) fn delete_topics(
    node: &Node,
    caller: &Caller,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let topics = if caller.version >= BY_ID {
        request.topics
    } else {
        request
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState::default().with_name(Some(name)))
            .collect()
    };
    let mut named: BTreeMap<_, usize> = BTreeMap::new();
    for topic in &topics {
        *named.entry((topic.name.clone(), topic.topic_id)).or_default() += 1;
    }
    let results = topics.into_iter().filter_map(|topic| {
        let result = DeletableTopicResult::default().with_topic_id(topic.topic_id);
        let copies = named.remove(&(topic.name.clone(), topic.topic_id))?;
        let outcome = if copies > 1 {
            let what = if topic.name.is_some() { "name" } else { "id" };
            refuse(ResponseError::InvalidRequest, format!("Duplicate topic {what}."))
        } else {
            delete(node, &topic)
        };
        Some(match outcome {
            Ok((name, id)) => result.with_topic_id(id).with_name(Some(TopicName(text(name)))),
            Err(refusal) => result
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.text())
                .with_name(topic.name),
        })
    });
    DeleteTopicsResponse::default().with_responses(results.collect())
}

fn delete(node: &Node, wanted: &DeleteTopicState) -> Result<(String, Uuid), Refusal> {
    let name = match (&wanted.name, wanted.topic_id.is_nil()) {
        (Some(name), true) => name.to_string(),
        (None, false) => match node.topics.by_id(&wanted.topic_id) {
            Some(topic) => topic.name.clone(),
            None => {
                return refuse(ResponseError::UnknownTopicId, "This server does not host this topic ID.");
            }
        },
        (Some(_), false) => {
            return refuse(
                ResponseError::InvalidRequest,
                "You may not specify both topic name and topic id.",
            );
        }
        (None, true) => {
            return refuse(ResponseError::InvalidRequest, "Neither topic name nor id were specified.");
        }
    };
    let topic = node.topics.delete(&name).ok_or_else(|| {
        Refusal::new(
            ResponseError::UnknownTopicOrPartition,
            "This server does not host this topic-partition.",
        )
    })?;
    node.groups.with_each(|_, group| group.forget_topic(&name));
    Ok((name, topic.id))
}
