//! Metadata: the topics, their partitions, and the leader of each partition, which is always the only node.

use super::{
    authorized,
    caller::Caller,
    fields::{NODE_ID, text, topic_name},
};
use crate::{
    log::LEADER_EPOCH,
    node::Node,
    topics::{Topic, check_name},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        MetadataRequest, MetadataResponse, TopicName,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// From this version on, a request can name topics by their ids. Two versions before had the field without a
/// meaning.
const BY_ID: i16 = 12;
/// The versions whose answer says what the client may do with the cluster.
const CLUSTER_OPERATIONS: std::ops::RangeInclusive<i16> = 8..=10;

pub(super) fn metadata(node: &Node, caller: &Caller, request: MetadataRequest) -> MetadataResponse {
    let mut topics = match request.topics {
        None => everything(node),
        // Before there were nullable lists, an empty list meant all topics.
        Some(topics) if topics.is_empty() && caller.version == 0 => everything(node),
        Some(topics) if caller.version < BY_ID && topics.iter().any(is_by_id) => refuse(topics),
        Some(topics) => some(node, caller, topics),
    };
    if request.include_topic_authorized_operations {
        let known = |topic: &&mut MetadataResponseTopic| topic.error_code == 0;
        for topic in topics.iter_mut().filter(known) {
            topic.topic_authorized_operations = authorized::ON_TOPIC;
        }
    }
    let broker = MetadataResponseBroker::default()
        .with_node_id(NODE_ID)
        .with_host(text(&caller.endpoint.host))
        .with_port(i32::from(caller.endpoint.port));
    let asked = request.include_cluster_authorized_operations && CLUSTER_OPERATIONS.contains(&caller.version);
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&node.cluster_id)))
        .with_controller_id(NODE_ID)
        .with_topics(topics)
        .with_cluster_authorized_operations(authorized::shown(authorized::ON_CLUSTER, asked))
}

fn is_by_id(topic: &MetadataRequestTopic) -> bool {
    topic.name.is_none() || !topic.topic_id.is_nil()
}

/// Refuses topics that are named by id, or not at all, in a version that only has names.
fn refuse(topics: Vec<MetadataRequestTopic>) -> Vec<MetadataResponseTopic> {
    let refused = |topic: MetadataRequestTopic| {
        MetadataResponseTopic::default()
            .with_error_code(ResponseError::InvalidRequest.code())
            .with_name(Some(topic.name.unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    };
    topics.into_iter().map(refused).collect()
}

fn everything(node: &Node) -> Vec<MetadataResponseTopic> {
    node.topics.all().iter().map(|topic| describe(topic)).collect()
}

/// Returns each topic once, however often it is named. If any topic is named by id, the names are ignored.
fn some(node: &Node, caller: &Caller, wanted: Vec<MetadataRequestTopic>) -> Vec<MetadataResponseTopic> {
    let ids: BTreeSet<Uuid> = wanted.iter().map(|topic| topic.topic_id).filter(|id| !id.is_nil()).collect();
    if !ids.is_empty() {
        return ids.into_iter().map(|id| by_id(node, id)).collect();
    }
    let names: BTreeSet<TopicName> = wanted.into_iter().filter_map(|topic| topic.name).collect();
    names.into_iter().map(|name| by_name(node, caller, name)).collect()
}

fn by_name(node: &Node, caller: &Caller, name: TopicName) -> MetadataResponseTopic {
    match node.topics.get(&name) {
        Some(topic) => describe(&topic),
        None => {
            let invalid = check_name(&name).err().map(|refusal| refusal.error);
            if invalid.is_none() {
                node.missing_topics.warn(&name, &caller.client_id);
            }
            unknown(invalid.unwrap_or(ResponseError::UnknownTopicOrPartition)).with_name(Some(name))
        }
    }
}

fn by_id(node: &Node, id: Uuid) -> MetadataResponseTopic {
    match node.topics.by_id(&id) {
        Some(topic) => describe(&topic),
        None => unknown(ResponseError::UnknownTopicId).with_name(None).with_topic_id(id),
    }
}

fn unknown(error: ResponseError) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_error_code(error.code())
}

fn describe(topic: &Topic) -> MetadataResponseTopic {
    let partition = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(NODE_ID)
            .with_leader_epoch(LEADER_EPOCH)
            .with_replica_nodes(vec![NODE_ID])
            .with_isr_nodes(vec![NODE_ID])
    };
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_partitions((0_i32..).take(topic.partitions.len()).map(partition).collect())
}
