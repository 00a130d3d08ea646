//! Streams and lists when a log is another one under the same name.

use crate::fixture::{Events, HEARTBEAT, Orders};
use dojo_contract::topic;
use dojo_testbed::{Kafka, OwnKafka, until};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

async fn place(orders: &Orders, count: usize) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for n in 0..count {
        ids.insert(orders.place(&format!("customer {n}")).await["id"].as_str().unwrap().to_owned());
    }
    ids
}

/// Reads until every order of `placed` was seen as `created` on both topics; says of which topics there were gaps.
async fn sees(events: &mut Events, placed: &BTreeSet<String>) -> BTreeSet<String> {
    let (mut orders, mut audit, mut gaps) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    while !placed.is_subset(&orders) || !placed.is_subset(&audit) {
        let event = events.next_of_any(&["order", "audit", "gap"]).await;
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        match event.event.as_str() {
            "order" => orders.insert(text(&event.data["order"]["id"])),
            "audit" => audit.insert(text(&event.data["orderId"])),
            _ => gaps.insert(text(&event.data["topic"])),
        };
    }
    gaps
}

fn both() -> BTreeSet<String> {
    [topic::AUDIT, topic::ORDERS].map(str::to_owned).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_resumes_on_another_kafka_has_a_gap_and_every_new_event() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let old = place(&orders, 6).await;
    sees(&mut events, &old).await;
    orders.place("the last").await;
    let last = events.next_of("audit").await.id;
    drop(events);
    orders.stop().await;

    kafka.kill().await;
    kafka.start_another().await;
    let orders = Orders::start(&kafka.config).await;
    let new = place(&orders, 40).await;
    let mut events = orders.events_after("", Some(&last)).await;
    let gaps = sees(&mut events, &new).await;
    assert!(gaps.is_superset(&both()), "{gaps:?}");
    let listed = orders.get("/orders").await.1;
    assert_eq!(listed.as_array().unwrap().len(), 40);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_and_the_list_notice_another_kafka_under_a_running_service() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let old = place(&orders, 3).await;
    sees(&mut events, &old).await;
    kafka.kill().await;
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    kafka.start_another().await;
    let new = place(&orders, 12).await;
    let gaps = sees(&mut events, &new).await;
    assert!(gaps.contains(topic::ORDERS), "{gaps:?}");
    let listed = orders.get("/orders").await.1;
    let listed: BTreeSet<_> =
        listed.as_array().unwrap().iter().map(|o| o["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, new);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_log_is_recognized_by_the_record_before_it() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let placed = place(&orders, 3).await;
    sees(&mut events, &placed).await;
    let last = events.next_of("status").await.id;
    drop(events);
    let audit = last.split('-').find(|part| part.starts_with('a')).unwrap();
    let (next, timestamp) = audit[1..].split_once('~').expect("the audit log was seen");
    assert_eq!(next, "3");
    let other = format!("a3~{:x}", i64::from_str_radix(timestamp, 16).unwrap() - 1);
    let foreign = last.replace(audit, &other);
    let mut events = orders.events(&format!("?after={foreign}")).await;
    let gap = events.next_of("gap").await;
    assert_eq!(gap.data, json!({"topic": "audit", "partition": 0, "wanted": 3, "resumes": 0}));
    assert_eq!(events.next_of("audit").await.place(), ("audit".to_owned(), 0, 0));

    let cluster = last.split('-').next().unwrap();
    assert!(cluster.starts_with('k'), "{last}");
    let mut events = orders.events(&format!("?after={}", last.replace(cluster, "kother"))).await;
    assert_eq!(events.next_of("gap").await.data["topic"], "orders");
    orders.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_says_every_three_seconds_that_it_is_alive() {
    let mut kafka = OwnKafka::start().await;
    kafka.stop().await;
    // Without Kafka nothing happens at all.
    let orders = Orders::start_cold(&kafka.config).await;
    let response = orders.request(Method::GET, "/events").send().await.unwrap();
    let mut events = Events::of(response);
    for _ in 0..2 {
        assert_eq!(events.block().await.unwrap(), HEARTBEAT);
    }
    orders.stop().await;
}
