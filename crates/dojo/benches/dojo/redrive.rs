//! A redrive of many dead letters with one request, beside plain sends of the records that it writes.

use crate::{
    broker::On,
    processes::{PATIENCE, Process, answers, free_port},
};
use dojo_contract::{
    AuditAction, AuditEvent, DlqEvent, NewOrder, Order, OrderAction, OrderEvent, Source, header, topic,
};
use dojo_kafka::{KafkaConfig, Outgoing, Producer};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use std::time::Instant;
use uuid::Uuid;

/// As many as one request takes.
const LETTERS: usize = 10_000;
/// As many as a redrive has on their way.
const IN_FLIGHT: usize = 1_000;

pub async fn measure(on: On) {
    let before = plain(on).await;
    let redrive = redrive(on).await;
    let after = plain(on).await;
    println!(
        "redrive: {LETTERS} dead letters in {:.2} s, {redrive:.0} letters/s; plain sends of the same records {before:.0}/s and \
         {after:.0}/s, ratio {:.2}",
        LETTERS as f64 / redrive,
        redrive / f64::midpoint(before, after)
    );
}

/// Letters a second, from the request to its answer.
async fn redrive(on: On) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = producer(&brokers);
    send_all(&producer, (0..LETTERS).map(|n| letter(n, &order(n)))).await;
    let port = free_port();
    let _service = Process::dojo(&["order", "--kafka-brokers", &brokers, "--port", &port.to_string()]);
    let url = format!("http://localhost:{port}");
    answers(&format!("{url}/readyz"), PATIENCE).await;
    let request = reqwest::Client::new().post(format!("{url}/dlq/redrive")).json(&json!({"all": true}));
    let begun = Instant::now();
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let took = begun.elapsed();
    assert_eq!(answer["redriven"].as_array().unwrap().len(), LETTERS, "{}", answer["refused"]);
    LETTERS as f64 / took.as_secs_f64()
}

/// The same with two plain sends a letter, the second after the acknowledgement of the first.
async fn plain(on: On) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = producer(&brokers);
    let records: Vec<_> = (0..LETTERS).map(|n| (audit(n), event(n))).collect();
    let begun = Instant::now();
    let sends = records.into_iter().map(async |(audit, event)| {
        producer.send(audit).await.unwrap();
        producer.send(event).await.unwrap();
    });
    stream::iter(sends).buffered(IN_FLIGHT).for_each(async |()| {}).await;
    LETTERS as f64 / begun.elapsed().as_secs_f64()
}

fn producer(brokers: &str) -> Producer {
    Producer::batching(&KafkaConfig::new(brokers), "plain", PATIENCE).unwrap()
}

async fn send_all(producer: &Producer, records: impl Iterator<Item = Outgoing>) {
    let sends = records.map(|record| producer.send(record));
    stream::iter(sends)
        .buffered(IN_FLIGHT)
        .for_each(async |sent| {
            sent.unwrap();
        })
        .await;
}

fn order(n: usize) -> Order {
    let asked = NewOrder {
        customer_name: format!("Customer {n}"),
        item: "Pizza".to_owned(),
        quantity: 2,
        price: "12.50".parse().unwrap(),
    };
    asked.into_order(Uuid::now_v7(), chrono::Utc::now())
}

fn letter(n: usize, order: &Order) -> Outgoing {
    let now = chrono::Utc::now();
    let letter = DlqEvent {
        action: OrderAction::Created,
        order: order.clone(),
        reason: "nobody at home".to_owned(),
        instance_id: "notification-1".to_owned(),
        timestamp: now,
    };
    let record = Outgoing::json(topic::ORDERS_DLQ, order.id, &letter, now).unwrap();
    with_headers(record, &[(header::RETRY_COUNT, "2".to_owned())], n)
}

fn event(n: usize) -> Outgoing {
    let (order, now) = (order(n), chrono::Utc::now());
    let key = order.id;
    let event = OrderEvent { action: OrderAction::Created, order, timestamp: now };
    let millis = now.timestamp_millis().to_string();
    let more = [
        (header::REDRIVE_COUNT, "1".to_owned()),
        (header::DLQ_OFFSET, n.to_string()),
        (header::REDRIVEN_AT, millis),
    ];
    with_headers(Outgoing::json(topic::ORDERS, key, &event, now).unwrap(), &more, n)
}

/// The headers of a dead letter, and more.
fn with_headers(mut record: Outgoing, more: &[(&str, String)], n: usize) -> Outgoing {
    for (name, value) in [
        (header::ORIGINAL_TOPIC, topic::ORDERS.to_owned()),
        (header::ORIGINAL_PARTITION, "1".to_owned()),
        (header::ORIGINAL_OFFSET, n.to_string()),
        (header::ORIGINAL_TIMESTAMP, "1769851800000".to_owned()),
        (header::ERROR, "nobody at home".to_owned()),
        (header::INSTANCE, "notification-1".to_owned()),
        (header::RULE_VERSION, "0a1b2c3d".to_owned()),
    ]
    .iter()
    .chain(more)
    {
        header::set(&mut record.headers, name, value.as_str());
    }
    record
}

fn audit(n: usize) -> Outgoing {
    let (id, now) = (Uuid::now_v7(), chrono::Utc::now());
    let event = AuditEvent {
        instance_id: Some("order-1".to_owned()),
        customer_name: Some(format!("Customer {n}")),
        reason: Some(format!("redrive 1 of 3: from orders-dlq, partition 0, offset {n}")),
        partition: Some(1),
        offset: Some(n as i64),
        ..AuditEvent::new(Source::OrderService, AuditAction::Redriven, id, now)
    };
    Outgoing::json(topic::AUDIT, id, &event, now).unwrap()
}
