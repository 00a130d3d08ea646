//! Topics, partitions, configs, groups and records, through the admin client.

use super::{Client, PATIENCE, eventually};
use crate::notes::Notes;
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::{BaseConsumer, CommitMode, Consumer},
};

pub async fn play(client: &Client, notes: &mut Notes) {
    topics(client, notes).await;
    configs(client, notes).await;
    groups(client, notes).await;
}

async fn topics(client: &Client, notes: &mut Notes) {
    let (admin, options) = (client.admin(), AdminOptions::new().operation_timeout(Some(PATIENCE)));
    let assigned: &[&[i32]] = &[&[1], &[1]];
    for (what, topic) in [
        ("new", NewTopic::new("rd-new", 2, TopicReplication::Fixed(1))),
        ("that exists", NewTopic::new("rd-new", 2, TopicReplication::Fixed(1))),
        ("with a bad name", NewTopic::new("rd new", 2, TopicReplication::Fixed(1))),
        ("without partitions", NewTopic::new("rd-none", 0, TopicReplication::Fixed(1))),
        ("with two replicas", NewTopic::new("rd-two", 1, TopicReplication::Fixed(2))),
        ("with an assignment", NewTopic::new("rd-assigned", 2, TopicReplication::Variable(assigned))),
        (
            "with an unknown config",
            NewTopic::new("rd-config", 1, TopicReplication::Fixed(1)).set("no.such.config", "1"),
        ),
        (
            "with a bad value",
            NewTopic::new("rd-config", 1, TopicReplication::Fixed(1)).set("retention.ms", "x"),
        ),
        (
            "with a config",
            NewTopic::new("rd-config", 1, TopicReplication::Fixed(1)).set("cleanup.policy", "compact"),
        ),
    ] {
        notes.outcome(format!("create a topic {what}"), admin.create_topics([&topic], &options).await);
    }
    client.known("rd-new", 2).await;
    client.known("rd-assigned", 2).await;
    for (what, name, count) in [
        ("more", "rd-new", 3),
        ("as many", "rd-new", 3),
        ("fewer", "rd-new", 1),
        ("of an unknown topic", "rd-nowhere", 3),
    ] {
        notes.outcome(
            format!("partitions: {what}"),
            admin.create_partitions([&NewPartitions::new(name, count)], &options).await,
        );
        if what == "more" {
            notes.note("partitions: known", client.known("rd-new", 3).await);
        }
    }
    notes.outcome("delete topics", admin.delete_topics(&["rd-assigned", "rd-nowhere"], &options).await);
    let looker: BaseConsumer = client.make(&[]);
    let gone = eventually(|| {
        looker.fetch_metadata(Some("rd-assigned"), PATIENCE).unwrap().topics()[0].error().is_some()
    });
    notes.note("delete topics: gone", gone.await);
    let metadata = looker.fetch_metadata(Some("rd-new"), PATIENCE).unwrap();
    let partitions: Vec<String> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|p| format!("{} led by {}, on {:?}, in sync {:?}", p.id(), p.leader(), p.replicas(), p.isr()))
        .collect();
    notes.note("metadata", partitions.join("; "));
    let brokers: Vec<String> =
        metadata.brokers().iter().map(|b| format!("{} {}:{}", b.id(), b.host(), b.port())).collect();
    notes.note("brokers", brokers.join("; "));
    notes.outcome(
        "metadata: an unknown topic",
        looker.fetch_metadata(Some("rd-nowhere"), PATIENCE).map(|found| {
            found.topics()[0]
                .error()
                .map(|error| format!("{:?}", rdkafka::types::RDKafkaErrorCode::from(error)))
        }),
    );
    let mut list = TopicPartitionList::new();
    list.add_partition_offset("rd-nowhere", 0, Offset::Offset(1)).unwrap();
    notes.outcome("delete records of an unknown topic", admin.delete_records(&list, &options).await);
}

async fn configs(client: &Client, notes: &mut Notes) {
    let (admin, options) = (client.admin(), AdminOptions::new());
    let topic = ResourceSpecifier::Topic("rd-config");
    let find = async |name: &'static str| {
        let described = admin.describe_configs([&topic], &options).await.unwrap().remove(0);
        described.map(|found| {
            found.get(name).map(|entry| {
                let source = &entry.source;
                format!(
                    "{:?} {source:?} default {} read only {}",
                    entry.value, entry.is_default, entry.is_read_only
                )
            })
        })
    };
    notes.outcome("config that was set", find("cleanup.policy").await);
    notes.outcome("config by default", find("segment.bytes").await);
    let alter = async |name: &'static str, value: &'static str| {
        admin.alter_configs([&AlterConfig::new(topic).set(name, value)], &options).await
    };
    notes.outcome("change a config", alter("retention.ms", "70000").await);
    let mut changed = None;
    for _ in 0..500 {
        changed = find("retention.ms").await.unwrap();
        if changed.as_ref().is_some_and(|seen| seen.contains("70000")) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    notes.note("changed config", format!("{changed:?}"));
    notes.outcome("config that is no longer set", find("cleanup.policy").await);
    notes.outcome("change to a bad value", alter("retention.ms", "x").await);
    notes.outcome("change an unknown config", alter("no.such.config", "x").await);
    for (what, resource) in [
        ("an unknown topic", ResourceSpecifier::Topic("rd-nowhere")),
        ("a group", ResourceSpecifier::Group("rd-group")),
    ] {
        let described = admin.describe_configs([&resource], &options).await;
        let described = described.map(|mut list| list.remove(0).map(|found| found.entries.len()));
        notes.outcome(format!("configs of {what}"), described);
    }
}

async fn groups(client: &Client, notes: &mut Notes) {
    let (admin, options) = (client.admin(), AdminOptions::new());
    let outsider: BaseConsumer = client.make(&[("group.id", "rd-outside")]);
    let commit = |topic: &str, partition, offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).unwrap();
        outsider.commit(&list, CommitMode::Sync)
    };
    notes.outcome("commit from outside", commit("rd-new", 0, 5));
    notes.outcome("commit to an unknown partition", commit("rd-new", 9, 5));
    notes.outcome("commit to an unknown topic", commit("rd-nowhere", 0, 5));
    let mut asked = TopicPartitionList::new();
    asked.add_partition("rd-new", 0);
    asked.add_partition("rd-new", 1);
    asked.add_partition("rd-nowhere", 0);
    notes.outcome("committed", outsider.committed_offsets(asked, PATIENCE).map(offsets));
    let listed = outsider.fetch_group_list(Some("rd-outside"), PATIENCE).unwrap();
    let seen = listed.groups().iter().map(|g| format!("{} {} {:?}", g.name(), g.state(), g.protocol_type()));
    notes.note("group without members", seen.collect::<Vec<_>>().join("; "));
    notes.outcome("delete groups", admin.delete_groups(&["rd-outside", "rd-nobodys"], &options).await);
}

/// Returns each partition with its offset.
pub fn offsets(list: TopicPartitionList) -> String {
    let all = list.elements();
    let seen =
        all.iter().map(|e| format!("{}/{} {:?} {:?}", e.topic(), e.partition(), e.offset(), e.error()));
    seen.collect::<Vec<_>>().join("; ")
}
