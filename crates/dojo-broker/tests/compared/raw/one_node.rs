//! Requests about what a single node without security doesn't have: access lists, elections, reassignments,
//! subscriptions to client metrics.

use super::{Raw, text, topic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest,
    DescribeConfigsRequest, ElectLeadersRequest, ListConfigResourcesRequest,
    ListPartitionReassignmentsRequest,
    alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic},
    create_acls_request::AclCreation,
    delete_acls_request::DeleteAclsFilter,
    describe_configs_request::DescribeConfigsResource,
    elect_leaders_request::TopicPartitions,
    list_partition_reassignments_request::ListPartitionReassignmentsTopics,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

pub async fn play(raw: &mut Raw) {
    raw.make("raw-still", 2, &[]).await;
    access_lists(raw).await;
    elections(raw).await;
    reassignments(raw).await;
    config_resources(raw).await;
}

async fn access_lists(raw: &mut Raw) {
    let creation = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("raw-still"))
        .with_resource_pattern_type(3)
        .with_principal(text("User:ada"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    let described = DescribeAclsRequest::default()
        .with_resource_type_filter(1)
        .with_resource_name_filter(None)
        .with_pattern_type_filter(1)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    for version in 1..=3 {
        let name = format!("version {version}");
        raw.ask(&name, version, described.clone()).await;
        let creations = vec![creation.clone(), creation.clone()];
        raw.ask(&name, version, CreateAclsRequest::default().with_creations(creations)).await;
        let filters = vec![filter.clone(), filter.clone()];
        raw.ask(&name, version, DeleteAclsRequest::default().with_filters(filters)).await;
    }
    raw.ask("none", 3, CreateAclsRequest::default()).await;
    raw.ask("none", 3, DeleteAclsRequest::default()).await;
}

async fn elections(raw: &mut Raw) {
    let of = |name: &str, partitions: &[i32]| {
        TopicPartitions::default().with_topic(topic(name)).with_partitions(partitions.to_vec())
    };
    let asked = |topics| ElectLeadersRequest::default().with_topic_partitions(topics).with_timeout_ms(10_000);
    for version in 0..=2 {
        let topics = Some(vec![of("raw-still", &[1])]);
        raw.ask(&format!("version {version}"), version, asked(topics)).await;
    }
    raw.ask("of all partitions", 2, asked(None)).await;
    raw.ask("of no partition", 2, asked(Some(vec![]))).await;
    raw.ask("unclean", 2, asked(Some(vec![of("raw-still", &[0])])).with_election_type(1)).await;
    raw.ask("of an unknown topic", 2, asked(Some(vec![of("raw-nowhere", &[0])]))).await;
    raw.ask("of an unknown partition", 2, asked(Some(vec![of("raw-still", &[0, 9])]))).await;
}

async fn reassignments(raw: &mut Raw) {
    let to = |name: &str, index, brokers: Option<&[i32]>| {
        let replicas = brokers.map(|ids| ids.iter().map(|id| BrokerId(*id)).collect());
        let partition = ReassignablePartition::default().with_partition_index(index).with_replicas(replicas);
        let topic = ReassignableTopic::default().with_name(topic(name)).with_partitions(vec![partition]);
        AlterPartitionReassignmentsRequest::default().with_timeout_ms(10_000).with_topics(vec![topic])
    };
    for version in 0..=1 {
        raw.ask(&format!("to the node, version {version}"), version, to("raw-still", 1, Some(&[1]))).await;
    }
    for (name, brokers) in [
        ("to another node", Some(&[7][..])),
        ("to a node twice", Some(&[1, 1])),
        ("to nobody", Some(&[])),
        ("cancelled", None),
    ] {
        raw.ask(name, 0, to("raw-still", 0, brokers)).await;
    }
    raw.ask("of an unknown topic", 0, to("raw-nowhere", 0, Some(&[1]))).await;
    raw.ask("of an unknown partition", 0, to("raw-still", 9, Some(&[1]))).await;
    raw.ask("of nothing", 0, AlterPartitionReassignmentsRequest::default()).await;
    let of = |name: &str| {
        let topic = ListPartitionReassignmentsTopics::default()
            .with_name(topic(name))
            .with_partition_indexes(vec![0, 9]);
        ListPartitionReassignmentsRequest::default().with_topics(Some(vec![topic]))
    };
    raw.ask("of everything", 0, ListPartitionReassignmentsRequest::default().with_topics(None)).await;
    raw.ask("of a topic", 0, of("raw-still")).await;
    raw.ask("of an unknown topic", 0, of("raw-nowhere")).await;
}

async fn config_resources(raw: &mut Raw) {
    let of = |kinds: &[i8]| ListConfigResourcesRequest::default().with_resource_types(kinds.to_vec());
    raw.ask("version 0", 0, of(&[])).await;
    for (name, kind) in [
        ("brokers", BROKER),
        ("loggers", BROKER_LOGGER),
        ("client metrics", CLIENT_METRICS),
        ("groups", GROUP),
    ] {
        raw.ask(name, 1, of(&[kind])).await;
    }
    raw.ask("an unknown kind", 1, of(&[99])).await;
    for (name, kinds) in [("everything", &[][..]), ("topics", &[TOPIC])] {
        let listed = raw.call(1, &of(kinds)).await.unwrap();
        let mut kinds: Vec<_> =
            listed.config_resources.iter().map(|resource| resource.resource_type).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let topic = listed.config_resources.iter().any(|resource| &*resource.resource_name == "raw-still");
        let seen = format!("error {}, kinds {kinds:?}, our topic {topic}", listed.error_code);
        raw.notes.note(format!("ListConfigResources: {name}"), seen);
    }
    for (what, name) in [("of nobody's metrics", "raw-nobody"), ("of metrics without a name", "")] {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(CLIENT_METRICS)
            .with_resource_name(text(name))
            .with_configuration_keys(None);
        let asked =
            DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
        raw.ask(what, 4, asked).await;
    }
}
