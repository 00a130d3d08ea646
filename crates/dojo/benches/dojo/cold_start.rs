//! From the start of an order service on a long log until it is ready, and the most memory that it takes; beside a consumer
//! that reads the same log and does nothing with it. On Apache Kafka: the embedded broker's log is bounded.

use crate::{
    broker::On,
    processes::{Process, answers, free_port},
};
use chrono::{TimeDelta, Utc};
use dojo_contract::{NewOrder, OrderAction, OrderEvent, topic};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// `COLD_ORDERS` overrides it.
const ORDERS: usize = 2_000_000;
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn measure(on: On) {
    if on == On::Embedded {
        println!("cold start: only on Apache Kafka");
        return;
    }
    let orders = std::env::var("COLD_ORDERS").map_or(ORDERS, |number| number.parse().unwrap());
    let (_broker, brokers) = on.broker().await;
    let bytes = tokio::task::block_in_place(|| write(&brokers, orders));
    let bare = tokio::task::block_in_place(|| read(&brokers, orders));
    let port = free_port();
    let begun = Instant::now();
    let service = Process::dojo(&["order", "--kafka-brokers", &brokers, "--port", &port.to_string()]);
    answers(&format!("http://localhost:{port}/readyz"), PATIENCE).await;
    let ready = begun.elapsed();
    println!(
        "cold start: {orders} orders, {} MB: ready after {:.1} s, {:.1} times as long as a consumer that does nothing ({:.1} s); \
         at most {:.0} MiB resident",
        bytes / 1_000_000,
        ready.as_secs_f32(),
        ready.as_secs_f32() / bare.as_secs_f32(),
        bare.as_secs_f32(),
        service.peak_mib(),
    );
}

/// Writes that many orders; returns the bytes of their values.
fn write(brokers: &str, orders: usize) -> usize {
    let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20")
        .set("queue.buffering.max.kbytes", "262144")
        .create()
        .unwrap();
    let begun = Utc::now() - TimeDelta::hours(1);
    let mut bytes = 0;
    for n in 0..orders {
        let at = begun + TimeDelta::milliseconds(n as i64);
        let asked = NewOrder {
            customer_name: format!("Customer {}", n % 5_000),
            item: "Pizza Margherita".to_owned(),
            quantity: 2,
            price: 9.into(),
        };
        let order = asked.into_order(Uuid::now_v7(), at);
        let (key, event) =
            (order.id.to_string(), OrderEvent { action: OrderAction::Created, order, timestamp: at });
        let value = serde_json::to_vec(&event).unwrap();
        bytes += value.len();
        let mut record = BaseRecord::to(topic::ORDERS).key(&key).payload(&value);
        while let Err((_, back)) = producer.send(record) {
            record = back;
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    producer.flush(PATIENCE).unwrap();
    bytes
}

/// How long a consumer takes for all records.
fn read(brokers: &str, orders: usize) -> Duration {
    let begun = Instant::now();
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "cold-start")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic::ORDERS]).unwrap();
    let mut seen = 0;
    while seen < orders {
        assert!(begun.elapsed() < PATIENCE, "{seen} of {orders} records");
        if let Some(record) = consumer.poll(Duration::from_millis(100)) {
            record.unwrap();
            seen += 1;
        }
    }
    begun.elapsed()
}
