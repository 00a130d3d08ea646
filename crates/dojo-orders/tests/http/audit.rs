use crate::fixture::{Orders, answer, pizza, told};
use dojo_contract::{
    AuditAction, AuditEvent, OrderEvent, Source,
    topic::{self, TOPICS, TopicSpec},
};
use dojo_kafka::{Isolation, Outgoing, StartFrom, Tailed, tail};
use dojo_testbed::Kafka;
use futures::{StreamExt, stream};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::collections::HashMap;
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

const ORDERS: usize = 100;

/// The dojo's topics, of which `name` refuses every record.
fn refusing(name: &str) -> Vec<TopicSpec> {
    let refuses = |spec: &TopicSpec| match spec.name == name {
        true => TopicSpec { config: &[("cleanup.policy", "delete"), ("max.message.bytes", "50")], ..*spec },
        false => *spec,
    };
    TOPICS.iter().map(refuses).collect()
}

async fn post(orders: &Orders) -> (StatusCode, Value) {
    let request = orders.request(Method::POST, "/orders").header("idempotency-key", "k1");
    answer(request.json(&pizza("Ada")).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_stands_on_audit_before_everything_that_follows_from_it() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    // A service that says something about each order as soon as it reads it.
    let (producer, runtime, end) = (kafka.producer.clone(), Handle::current(), CancellationToken::new());
    let (notified, mut done) = mpsc::unbounded_channel();
    let (from, isolation) = (StartFrom::Earliest, Isolation::ReadCommitted);
    let _service = tail(&kafka.config, "notification", topic::ORDERS, from, isolation, &end, move |tailed| {
        let Tailed::Record(record) = tailed else { return };
        let OrderEvent { order, timestamp, .. } = serde_json::from_slice(record.value.unwrap()).unwrap();
        let (source, action) = (Source::NotificationService, AuditAction::Notified);
        let event = AuditEvent::new(source, action, order.id, timestamp);
        let record = Outgoing::json(topic::AUDIT, order.id.to_string(), &event, timestamp).unwrap();
        notified.send(runtime.block_on(producer.send(record)).unwrap()).unwrap();
    })
    .unwrap();
    let customers: Vec<_> = (0..ORDERS).map(|n| format!("customer {n}")).collect();
    let places = customers.iter().map(|customer| orders.place(customer));
    stream::iter(places).buffer_unordered(8).for_each(async |_| {}).await;
    for _ in 0..ORDERS {
        done.recv().await.unwrap();
    }

    let mut stories = HashMap::<_, Vec<_>>::new();
    for (id, event) in told(kafka.records(topic::AUDIT).await) {
        stories.entry(id).or_default().push(event["action"].clone());
    }
    assert_eq!(stories.len(), ORDERS);
    assert!(stories.values().all(|story| *story == ["created", "NOTIFIED"]), "{stories:?}");
    orders.stop().await;
}

#[tokio::test]
async fn an_order_without_an_audit_record_is_not_made() {
    let kafka = Kafka::with_topics(&refusing(topic::AUDIT)).await;
    let orders = Orders::start(&kafka.config).await;
    let (status, problem) = post(&orders).await;
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().unwrap().starts_with("nothing was changed"), "{problem}");
    assert_eq!(kafka.records(topic::ORDERS).await, []);
    orders.stop().await;
}

#[tokio::test]
async fn what_may_stay_behind_is_an_audit_record_for_each_attempt() {
    let kafka = Kafka::with_topics(&refusing(topic::ORDERS)).await;
    let orders = Orders::start(&kafka.config).await;
    for attempt in 1..=2 {
        let (status, problem) = post(&orders).await;
        assert_eq!(status, 503);
        assert!(problem["detail"].as_str().unwrap().starts_with("nothing was changed"), "{problem}");
        assert_eq!(kafka.records(topic::AUDIT).await.len(), attempt);
    }
    let audit = told(kafka.records(topic::AUDIT).await);
    assert_eq!(audit[0].0, audit[1].0, "of the same order");
    assert_eq!(kafka.records(topic::ORDERS).await, []);
    orders.stop().await;
}
