//! What Kafka says about groups, and what a reader of another dojo's groups doesn't see.

use super::{Copy, order, run};
use dojo_contract::topic::{self, TOPICS};
use dojo_kafka::{Error, GroupReader, KafkaConfig, create_topics};
use dojo_testbed::{Kafka, own_prefix, until};
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_shows_who_reads_what_and_what_it_has_committed() {
    let kafka = Kafka::start().await;
    kafka.flood((0..30).map(order)).await;
    let groups = GroupReader::new(&kafka.config, "groups").unwrap();
    assert_eq!(groups.describe("g").await.unwrap(), None);

    let one = run(&kafka.config, "g", Copy::default());
    until("thirty records", async || one.count() == 30).await;
    let other = run(&kafka.config, "g", Copy::default());
    until("the partitions to be shared", async || !other.progress.partitions().is_empty()).await;
    let mut group = None;
    until("the group to be settled", async || {
        group = groups.describe("g").await.unwrap();
        group.as_ref().is_some_and(|group| group.state == "Stable")
    })
    .await;
    let group = group.unwrap();
    assert_eq!((group.name.as_str(), group.members.len()), ("g", 2));
    let read: BTreeSet<_> = group.members.values().flat_map(|member| member.partitions.clone()).collect();
    assert_eq!(read, BTreeSet::from([0, 1, 2].map(|partition| (topic::ORDERS.to_owned(), partition))));
    let topics = [(topic::ORDERS.to_owned(), 3), (topic::AUDIT.to_owned(), 1)];
    until("the offsets to be committed", async || {
        let committed = groups.committed(&group, &topics).await.unwrap();
        committed.values().sum::<i64>() == 30
    })
    .await;
    one.end().await;
    other.end().await;
    until("an empty group", async || {
        groups
            .describe("g")
            .await
            .unwrap()
            .is_some_and(|group| group.members.is_empty() && group.is_settled() == Some(true))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_its_own_dojos_groups_and_those_that_read_its_topics() {
    let kafka = Kafka::start().await;
    let with_prefix = || KafkaConfig { prefix: own_prefix(), ..kafka.config.clone() };
    let (here, there) = (with_prefix(), with_prefix());
    for dojo in [&here, &there] {
        create_topics(dojo, TOPICS, 1).await.unwrap();
    }
    let members = [&here, &there].map(|dojo| run(dojo, "g", Copy::default()));
    let groups = GroupReader::new(&here, "groups").unwrap();
    let names = async || {
        let groups = groups.all().await.unwrap();
        groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    until("the dojo's own group", async || names().await == ["g"]).await;
    let elsewhere = GroupReader::new(&kafka.config, "groups").unwrap();
    assert_eq!(elsewhere.describe("g").await.unwrap(), None);
    for member in members {
        member.end().await;
    }
}

#[tokio::test]
async fn asking_a_kafka_that_is_not_there_is_bounded() {
    let groups = GroupReader::new(&KafkaConfig::new("127.0.0.1:1"), "groups").unwrap();
    let failed = groups.describe("g").await.unwrap_err();
    assert!(matches!(failed, Error::Describe { .. }), "{failed}");
    assert!(failed.to_string().starts_with("can't describe group g: "), "{failed}");
}
