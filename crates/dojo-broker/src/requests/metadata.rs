//! Metadata: which topics there are, how many partitions each has, and which broker leads them. Here, always the one.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use super::{Caller, NODE_ID, text, topic_name};
use crate::broker::Node;
use crate::log::LEADER_EPOCH;
use crate::topics::{Topic, check_name};

pub(super) fn metadata(node: &Node, caller: &Caller, request: MetadataRequest) -> MetadataResponse {
    let topics = match request.topics {
        None => everything(node),
        // Before there were nullable lists, an empty one meant all topics.
        Some(topics) if topics.is_empty() && caller.version == 0 => everything(node),
        Some(topics) => topics.into_iter().map(|topic| one(node, topic)).collect(),
    };
    let broker = MetadataResponseBroker::default()
        .with_node_id(NODE_ID)
        .with_host(text(&caller.endpoint.host))
        .with_port(i32::from(caller.endpoint.port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(&node.cluster_id)))
        .with_controller_id(NODE_ID)
        .with_topics(topics)
}

fn everything(node: &Node) -> Vec<MetadataResponseTopic> {
    node.topics.all().iter().map(|topic| describe(topic)).collect()
}

fn one(node: &Node, wanted: MetadataRequestTopic) -> MetadataResponseTopic {
    let unknown = |error: ResponseError| MetadataResponseTopic::default().with_error_code(error.code());
    match wanted.name {
        Some(name) => match node.topics.get(&name) {
            Some(topic) => describe(&topic),
            None => {
                let invalid = check_name(&name).err().map(|refusal| refusal.error);
                unknown(invalid.unwrap_or(ResponseError::UnknownTopicOrPartition)).with_name(Some(name))
            }
        },
        None => match node.topics.by_id(&wanted.topic_id) {
            Some(topic) => describe(&topic),
            None => unknown(ResponseError::UnknownTopicId).with_topic_id(wanted.topic_id),
        },
    }
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
