//! Logs that aren't as the services left them: dated ahead, or deleted and made again.

use crate::{accounts::velocity, process::Start};
use chrono::{TimeDelta, Utc};
use dojo_contract::{
    NewOrder, OrderAction, OrderEvent,
    topic::{self, TOPICS, TopicSpec},
};
use dojo_kafka::{KafkaConfig, Outgoing, create_topics};
use dojo_testbed::{Kafka, eventually};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Orders of each customer, three of which are suspicious where they count together.
const EACH: usize = 8;
/// Between them, fraud detection is killed.
const ROUNDS: usize = 3;

/// The dojo's topics, but `orders` takes records of any date.
fn topics_of_any_date() -> Vec<TopicSpec> {
    let lifted = &[("message.timestamp.after.max.ms", "9223372036854775807")];
    let orders = TopicSpec { name: topic::ORDERS, about: "", partitions: 3, config: lifted };
    TOPICS.iter().map(|spec| if spec.name == topic::ORDERS { orders } else { *spec }).collect()
}

fn dated(ahead: TimeDelta, customer: &str) -> (String, Outgoing) {
    let (id, time) = (Uuid::now_v7(), Utc::now() + ahead);
    let order = NewOrder {
        customer_name: customer.to_owned(),
        item: "Pizza".to_owned(),
        quantity: 1,
        price: 1.into(),
    };
    let event =
        OrderEvent { action: OrderAction::Created, order: order.into_order(id, time), timestamp: time };
    (id.to_string(), Outgoing::json(topic::ORDERS, id, &event, time).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_dated_two_hours_ahead_holds_nobody_up_and_bends_no_verdict() {
    let kafka = Kafka::with_topics(&topics_of_any_date()).await;
    let dojo = Start::at(&kafka.config).ready().await;
    let events = dojo.events().await;
    let mut orders = BTreeSet::new();
    for round in 0..ROUNDS {
        for _ in 0..EACH {
            let (id, record) = dated(TimeDelta::hours(2), &format!("Ahead {round}"));
            kafka.send(record).await;
            orders.insert(id);
            orders.insert(dojo.placed(&format!("Today {round}"), "1").await);
        }
        events.all_have(&orders, &["NOTIFIED"]).await;
        events.all_have(&orders, &["FRAUD_CHECK_PASSED", "FRAUD_ALERT"]).await;
        // The windows of the next round are rebuilt from that log.
        dojo.kill_and_wait("fraud-1").await;
    }
    // One that is dated more than a minute ahead is alone in its window, and in nobody else's.
    let expected = [("Ahead", 0), ("Today", EACH - 5)].into_iter().flat_map(|(customer, suspicious)| {
        (0..ROUNDS).map(move |round| (format!("{customer} {round}"), (EACH, suspicious)))
    });
    assert_eq!(velocity(&kafka.config).await, expected.collect());
    assert_eq!(dojo.get("/orders?limit=1000").await.as_array().unwrap().len(), orders.len());
}

/// Deletes a topic, and makes it again, empty.
async fn make_again(kafka: &KafkaConfig, name: &'static str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.brokers);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let on_cluster = format!("{}{name}", kafka.prefix);
    let deleted = admin.delete_topics(&[&on_cluster], &AdminOptions::new()).await.unwrap();
    assert!(deleted.iter().all(Result::is_ok), "{deleted:?}");
    eventually("the topic to be made again", async || {
        let created = create_topics(kafka, TOPICS, 1).await.map_err(|e| e.to_string())?;
        let made = created.iter().any(|created| created.name == on_cluster && !created.existed);
        if made { Ok(()) } else { Err("it is still there".to_owned()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_flow_again_after_their_topic_was_deleted_and_made_again() {
    let kafka = Kafka::start().await;
    let dojo = Start::at(&kafka.config).ready().await;
    let events = dojo.events().await;
    let mut before = BTreeSet::new();
    for n in 0..30 {
        before.insert(dojo.placed(&format!("Before {n}"), "1").await);
    }
    events.all_have(&before, &["NOTIFIED"]).await;
    make_again(&kafka.config, topic::ORDERS).await;
    // More than the old log held in each partition, and fewer.
    for round in 0..2 {
        let mut after = BTreeSet::new();
        for n in 0..20 {
            after.insert(dojo.placed(&format!("After {round}-{n}"), "1").await);
        }
        events.all_have(&after, &["NOTIFIED"]).await;
        events.all_have(&after, &["FRAUD_CHECK_PASSED", "FRAUD_ALERT"]).await;
    }
    eventually("the list to hold what the new log holds", async || {
        let listed = dojo.ask("/orders?limit=1000").await?;
        let listed = listed.as_array().map_or(0, Vec::len);
        if listed == 40 { Ok(()) } else { Err(format!("{listed} orders")) }
    })
    .await;
}
