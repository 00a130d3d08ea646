//! What operators do: topics, configs, lists.

use rdkafka::admin::{AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::RDKafkaErrorCode;

use crate::support::{PATIENCE, next, send, start};

const OPTIONS: fn() -> AdminOptions = AdminOptions::new;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_is_created_once_seen_by_everyone_and_deleted() {
    let running = start().await;
    let admin = running.admin();
    let topic = || NewTopic::new("fresh", 2, TopicReplication::Fixed(1)).set("retention.ms", "1000");
    let create = async || admin.create_topics(&[topic()], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(create().await, Ok("fresh".into()));
    assert_eq!(create().await, Err(("fresh".into(), RDKafkaErrorCode::TopicAlreadyExists)));
    let reader = running.reader("fresh", 2);
    let metadata = reader.fetch_metadata(Some("fresh"), PATIENCE).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 2);
    send(&running.producer(&[]), "fresh", 1, "hello").await;
    next(&reader).await;
    let delete = async || admin.delete_topics(&["fresh"], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(delete().await, Ok("fresh".into()));
    assert_eq!(delete().await, Err(("fresh".into(), RDKafkaErrorCode::UnknownTopicOrPartition)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_kafka_would_refuse_is_refused() {
    let running = start().await;
    let admin = running.admin();
    let plain = |name, partitions| NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for (topic, code) in [
        (plain("a b", 1), RDKafkaErrorCode::InvalidTopic),
        (plain("thrice", 1).set("nonsense", "1"), RDKafkaErrorCode::InvalidConfig),
        (plain("soon", 1).set("retention.ms", "soon"), RDKafkaErrorCode::InvalidConfig),
        (NewTopic::new("far", 1, TopicReplication::Fixed(3)), RDKafkaErrorCode::InvalidReplicationFactor),
        (plain("many", 100_000), RDKafkaErrorCode::PolicyViolation),
    ] {
        let outcome = admin.create_topics(&[topic], &OPTIONS()).await.unwrap().remove(0);
        assert_eq!(outcome.unwrap_err().1, code);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_topic_appears_because_somebody_asks_for_it() {
    let running = start().await;
    let consumer: StreamConsumer =
        running.client(&[("group.id", "g"), ("allow.auto.create.topics", "true")]).create().unwrap();
    consumer.fetch_metadata(Some("orders-typo"), PATIENCE).unwrap();
    let metadata = consumer.fetch_metadata(None, PATIENCE).unwrap();
    let names: Vec<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
    assert_eq!(names, ["orders"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_are_described_with_where_they_come_from() {
    let running = start().await;
    let admin = running.admin();
    let topic = NewTopic::new("kept", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact");
    admin.create_topics(&[topic], &OPTIONS()).await.unwrap();
    let specifiers = [ResourceSpecifier::Topic("kept"), ResourceSpecifier::Broker(1)];
    let mut found = admin.describe_configs(&specifiers, &OPTIONS()).await.unwrap();
    let broker = found.remove(1).unwrap();
    let topic = found.remove(0).unwrap();
    let policy = topic.get("cleanup.policy").unwrap();
    assert_eq!((policy.value.as_deref(), &policy.source), (Some("compact"), &ConfigSource::DynamicTopic));
    let retention = topic.get("retention.ms").unwrap();
    assert_eq!((retention.value.as_deref(), &retention.source), (Some("604800000"), &ConfigSource::Default));
    assert_eq!(broker.get("auto.create.topics.enable").unwrap().value.as_deref(), Some("false"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_with_their_members_and_deleted_when_empty() {
    let running = start().await;
    send(&running.producer(&[]), "orders", 0, "hello").await;
    let member = running.member("listed", &[("client.id", "notification-1")]);
    next(&member).await;
    let list = member.fetch_group_list(None, PATIENCE).unwrap();
    let group = list.groups().iter().find(|group| group.name() == "listed").unwrap();
    assert_eq!((group.state(), group.protocol_type()), ("Stable", "consumer"));
    assert_eq!(group.members()[0].client_id(), "notification-1");
    let admin = running.admin();
    let busy = admin.delete_groups(&["listed"], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(busy.unwrap_err().1, RDKafkaErrorCode::NonEmptyGroup);
    drop(member);
    let gone = admin.delete_groups(&["listed"], &OPTIONS()).await.unwrap().remove(0);
    assert_eq!(gone, Ok("listed".into()));
}
