//! CreateTopics and DeleteTopics.

use std::collections::BTreeMap;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use uuid::Uuid;

use super::configs::{DEFAULT_SOURCE, TOPIC_SOURCE};
use super::{Caller, NODE_ID, text};
use crate::broker::Node;
use crate::refusal::Refusal;
use crate::topic_config::TopicSettings;

/// In place of a count: whatever the broker's default is.
const DEFAULT: i32 = -1;
/// Kafka's `num.partitions`.
const DEFAULT_PARTITIONS: i32 = 1;
/// How many partitions one request may create.
const MAX_PARTITIONS: i32 = 10_000;
/// From this version on, topics can be deleted by id.
const BY_ID: i16 = 6;

pub(super) fn create_topics(node: &Node, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut count: BTreeMap<TopicName, usize> = BTreeMap::new();
    for topic in &request.topics {
        *count.entry(topic.name.clone()).or_default() += 1;
    }
    let results = request.topics.into_iter().filter_map(|topic| {
        let copies = count.remove(&topic.name)?;
        let outcome = if copies > 1 {
            Err(Refusal::new(ResponseError::InvalidRequest, "Duplicate topic name."))
        } else {
            create(node, &topic, request.validate_only)
        };
        let result = match outcome {
            Ok(created) => CreatableTopicResult::default()
                .with_topic_id(created.id)
                .with_num_partitions(created.partitions)
                .with_replication_factor(1)
                .with_configs(Some(configs(&created.settings))),
            Err(refusal) => CreatableTopicResult::default()
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.text()),
        };
        Some(result.with_name(topic.name))
    });
    CreateTopicsResponse::default().with_topics(results.collect())
}

struct Created {
    id: Uuid,
    partitions: i32,
    settings: TopicSettings,
}

fn create(node: &Node, topic: &CreatableTopic, validate_only: bool) -> Result<Created, Refusal> {
    node.topics.check_new_name(&topic.name)?;
    let partitions = partitions(topic)?;
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
    let id = if validate_only {
        Uuid::nil()
    } else {
        let max_bytes = node.config.retention_bytes_per_partition;
        let count = usize::try_from(partitions).unwrap_or(0);
        node.topics.create(&topic.name, count, settings.clone(), max_bytes)?.id
    };
    Ok(Created { id, partitions, settings })
}

/// How many partitions the topic gets; whoever says on which brokers they go can only name this one.
fn partitions(topic: &CreatableTopic) -> Result<i32, Refusal> {
    let refuse = |error, message: String| Err(Refusal::new(error, message));
    let factor = i32::from(topic.replication_factor);
    if topic.assignments.is_empty() {
        if factor != DEFAULT && factor < 1 {
            return refuse(
                ResponseError::InvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.".into(),
            );
        }
        if factor > 1 {
            return refuse(
                ResponseError::InvalidReplicationFactor,
                format!(
                    "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} \
                     cannot be reached because only 1 broker(s) are registered."
                ),
            );
        }
        return match topic.num_partitions {
            DEFAULT => Ok(DEFAULT_PARTITIONS),
            ..=0 => refuse(
                ResponseError::InvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.".into(),
            ),
            1..=MAX_PARTITIONS => Ok(topic.num_partitions),
            _ => refuse(
                ResponseError::PolicyViolation,
                "Excessively large number of partitions per request.".into(),
            ),
        };
    }
    if factor != DEFAULT || topic.num_partitions != DEFAULT {
        return refuse(
            ResponseError::InvalidRequest,
            "A manual partition assignment was specified, but the number of partitions or the replication factor \
             was not set to -1."
                .into(),
        );
    }
    let mut indexes: Vec<i32> =
        topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
    indexes.sort_unstable();
    let consecutive = indexes.iter().zip(0..).all(|(index, expected)| *index == expected);
    let on_this_node = topic.assignments.iter().all(|assignment| assignment.broker_ids == [NODE_ID]);
    match i32::try_from(indexes.len()) {
        Ok(count @ ..=MAX_PARTITIONS) if consecutive && on_this_node => Ok(count),
        _ => refuse(
            ResponseError::InvalidReplicaAssignment,
            "partitions are numbered from 0 without gaps, each with a single replica on broker 1".into(),
        ),
    }
}

fn configs(settings: &TopicSettings) -> Vec<CreatableTopicConfigs> {
    let config = |setting: crate::topic_config::Setting<'_>| {
        CreatableTopicConfigs::default()
            .with_name(text(setting.definition.name))
            .with_value(Some(text(setting.value)))
            .with_config_source(if setting.is_set { TOPIC_SOURCE } else { DEFAULT_SOURCE })
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
    let results = topics.into_iter().map(|topic| {
        let result = DeletableTopicResult::default().with_topic_id(topic.topic_id);
        match delete(node, &topic) {
            Ok((name, id)) => result.with_topic_id(id).with_name(Some(TopicName(text(name)))),
            Err(refusal) => result
                .with_error_code(refusal.error.code())
                .with_error_message(refusal.text())
                .with_name(topic.name),
        }
    });
    DeleteTopicsResponse::default().with_responses(results.collect())
}

fn delete(node: &Node, wanted: &DeleteTopicState) -> Result<(String, Uuid), Refusal> {
    let name = match (&wanted.name, wanted.topic_id.is_nil()) {
        (Some(name), true) => name.to_string(),
        (None, false) => match node.topics.by_id(&wanted.topic_id) {
            Some(topic) => topic.name.clone(),
            None => {
                return Err(Refusal::new(
                    ResponseError::UnknownTopicId,
                    "This server does not host this topic ID.",
                ));
            }
        },
        _ => {
            return Err(Refusal::new(
                ResponseError::InvalidRequest,
                "a topic to delete is named either by its name or by its id",
            ));
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
