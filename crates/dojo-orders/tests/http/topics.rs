//! `GET /topics`: which topics there are.

use crate::fixture::{Orders, record};
use dojo_contract::topic::{self, TOPICS, TopicSpec};
use dojo_kafka::{KafkaConfig, create_topics};
use dojo_testbed::{Kafka, OwnKafka, eventually, own_prefix, until};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// The topic of that name in an answer.
pub fn topic_in<'a>(list: &'a Value, name: &str) -> Option<&'a Value> {
    list["topics"].as_array()?.iter().find(|topic| topic["name"] == name)
}

fn config<'a>(topic: &'a Value, name: &str) -> &'a Value {
    let configs = topic["configs"].as_array().unwrap();
    configs.iter().find(|config| config["name"] == name).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn the_dojos_topics_are_listed_with_their_offsets_configurations_and_groups() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for n in 0..5 {
        kafka.send(record(topic::ORDERS_DLQ, &n.to_string(), Some(b"poison"))).await;
    }
    let list = eventually("the relay to have committed the dead letters", async || {
        let (status, list) = orders.get("/topics").await;
        assert_eq!(status, 200, "{list}");
        let dlq = topic_in(&list, topic::ORDERS_DLQ).unwrap();
        let position = dlq["groups"][0]["partitions"][0]["position"].as_i64();
        if position == Some(5) { Ok(list) } else { Err(list) }
    })
    .await;
    let names: Vec<_> = list["topics"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
    assert_eq!(names[..6], TOPICS.iter().map(|spec| json!(spec.name)).collect::<Vec<_>>());
    let dlq = topic_in(&list, topic::ORDERS_DLQ).unwrap();
    let bounds = json!({"partition": 0, "earliestOffset": 0, "endOffset": 5, "lastStableOffset": 5});
    assert_eq!((&dlq["partitions"], &dlq["own"]), (&json!([bounds]), &json!(true)));
    assert!(dlq["about"].as_str().unwrap().starts_with("Events whose notification failed"));
    let limit = json!({"name": "max.message.bytes", "value": "2097152", "setForTopic": true});
    assert_eq!(config(dlq, "max.message.bytes"), &limit);
    assert_eq!(config(dlq, "message.timestamp.type")["setForTopic"], false);
    let group = &dlq["groups"][0];
    assert_eq!(group["group"], topic::SSE_RELAY_GROUP);
    assert_eq!((&group["state"], &group["members"], &group["lag"]), (&json!("Stable"), &json!(1), &json!(0)));
    assert_eq!(group["partitions"][0]["clientId"], "order-1");
    let settings = topic_in(&list, topic::SETTINGS).unwrap();
    assert_eq!(config(settings, "cleanup.policy")["value"], "compact");
    assert_eq!(topic_in(&list, topic::ORDERS).unwrap()["partitions"].as_array().unwrap().len(), 3);
    orders.stop().await;
}

const FOREIGN: TopicSpec = TopicSpec { name: "foreign", about: "", partitions: 1_000, config: &[] };

#[tokio::test]
async fn only_topics_with_the_dojos_prefix_are_listed_also_those_that_are_not_its_own() {
    let kafka = Kafka::start().await;
    let with = |prefix: dojo_kafka::Prefix| KafkaConfig { prefix, ..kafka.config.clone() };
    let (ours, theirs) = (with(own_prefix()), with(own_prefix()));
    create_topics(&ours, TOPICS, 1).await.unwrap();
    create_topics(&ours, &[FOREIGN], 1).await.unwrap();
    create_topics(&theirs, &[TopicSpec { name: "theirs", partitions: 1, ..FOREIGN }], 1).await.unwrap();
    let sender = Kafka::at(ours.clone(), &[]).await;
    sender.send(record("foreign", "k", Some(b"v"))).await;
    let orders = Orders::start(&ours).await;
    let (status, list) = orders.get("/topics").await;
    assert_eq!(status, 200, "{list}");
    assert_eq!(list["topics"].as_array().unwrap().len(), TOPICS.len() + 1, "{list}");
    let foreign = topic_in(&list, "foreign").unwrap();
    assert_eq!((&foreign["own"], &foreign["about"]), (&json!(false), &Value::Null));
    let partitions = foreign["partitions"].as_array().unwrap();
    assert_eq!((partitions.len(), &partitions[999]["partition"]), (1_000, &json!(999)));
    let ends: i64 = partitions.iter().map(|partition| partition["endOffset"].as_i64().unwrap()).sum();
    assert_eq!(ends, 1);
    let (_, page) = orders.get("/topics/foreign/records").await;
    assert_eq!(page["records"][0]["value"]["text"], "v", "{page}");
    assert_eq!(orders.get("/topics/theirs/records").await.0, 404);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_nobody_is_in_has_its_positions_and_its_lag() {
    let kafka = Kafka::start().await;
    for key in ["a", "b", "c"] {
        kafka.send(record(topic::AUDIT, key, Some(b"x"))).await;
    }
    let name = |name: &str| format!("{}{name}", kafka.config.prefix);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.config.brokers).set("group.id", name("night-shift"));
    let consumer: BaseConsumer = config.create().unwrap();
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset(&name(topic::AUDIT), 0, Offset::Offset(1)).unwrap();
    eventually("the offset to be committed", async || {
        tokio::task::block_in_place(|| consumer.commit(&offsets, CommitMode::Sync))
    })
    .await;
    let orders = Orders::start(&kafka.config).await;
    let (_, list) = orders.get("/topics").await;
    let audit = topic_in(&list, topic::AUDIT).unwrap();
    let groups = audit["groups"].as_array().unwrap();
    let group =
        groups.iter().find(|group| group["group"] == "night-shift").unwrap_or_else(|| panic!("{audit}"));
    let row = json!({"partition": 0, "position": 1, "lag": 2, "clientId": null});
    assert_eq!((&group["partitions"], &group["members"]), (&json!([row]), &json!(0)));
    orders.stop().await;
}

const MEMBERS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_more_members_than_partitions_has_one_row_for_each_partition() {
    let kafka = Kafka::start().await;
    let name = |name: &str| format!("{}{name}", kafka.config.prefix);
    let join = |n: usize| {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &kafka.config.brokers).set("group.id", name("crowd"));
        config.set("client.id", format!("member-{n}")).set("auto.offset.reset", "earliest");
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.subscribe(&[&name(topic::ORDERS)]).unwrap();
        consumer
    };
    let members: Vec<_> = (0..MEMBERS).map(join).collect();
    let orders = Orders::start(&kafka.config).await;
    let group = eventually("the group to be settled", async || {
        tokio::task::block_in_place(|| members.iter().for_each(|member| drop(member.poll(Duration::ZERO))));
        let (_, list) = orders.get("/topics").await;
        let of_orders = topic_in(&list, topic::ORDERS).unwrap()["groups"].as_array().unwrap();
        let group = of_orders.iter().find(|group| group["group"] == "crowd").cloned().ok_or(list.clone())?;
        let is_settled = group["state"] == "Stable" && group["members"] == MEMBERS;
        if is_settled { Ok(group) } else { Err(group) }
    })
    .await;
    let rows = group["partitions"].as_array().unwrap();
    assert_eq!(rows.len(), 3, "{group}");
    let clients: BTreeSet<_> = rows.iter().map(|row| row["clientId"].as_str().unwrap()).collect();
    assert!(clients.len() == 3 && clients.iter().all(|client| client.starts_with("member-")), "{group}");
    orders.stop().await;
}

#[tokio::test]
async fn while_kafka_is_away_the_topics_are_the_last_ones_that_it_told_with_their_age() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let (_, before) = orders.get("/topics").await;
    kafka.stop().await;
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    let asked = Instant::now();
    let (status, problem) = orders.get("/topics").await;
    assert_eq!(status, 503);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert!(problem["detail"].as_str().unwrap().contains("Kafka has been away"), "{problem}");
    let last = &problem["lastKnown"];
    assert_eq!((&last["asOf"], &last["topics"]), (&before["asOf"], &before["topics"]));
    assert!(last["ageMillis"].as_i64().unwrap() > 0, "{}", last["ageMillis"]);
    let (status, problem) = orders.get("/topics/orders/records").await;
    assert_eq!((status.as_u16(), &problem["lastKnown"]), (503, &Value::Null));
    kafka.start_again().await;
    orders.until_ready().await;
    eventually("the topics to be told again", async || match orders.get("/topics").await {
        (status, list) if status == 200 => Ok(list),
        refused => Err(refused),
    })
    .await;
    orders.stop().await;
}
