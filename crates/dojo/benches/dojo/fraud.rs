//! Events a second through fraud detection, beside a loop that only consumes and produces the same records.

use crate::{broker::On, processes::Process};
use dojo_contract::{NewOrder, OrderAction, OrderEvent, topic};
use dojo_kafka::{KafkaConfig, Outgoing, Producer};
use futures::{StreamExt as _, stream::FuturesUnordered};
use std::time::{Duration, Instant};
use uuid::Uuid;

const EVENTS: i64 = 300_000;
const CUSTOMERS: i64 = 1_000;
const IN_FLIGHT: usize = 2_000;

pub async fn measure(on: On) {
    let before = bare(on).await;
    let fraud = fraud(on).await;
    let after = bare(on).await;
    let ratio = fraud / f64::midpoint(before, after);
    println!(
        "fraud: {fraud:.0} events/s, bare loop {before:.0}/s and {after:.0}/s, ratio {ratio:.2} (aim 0.5)"
    );
}

async fn bare(on: On) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = filled(&brokers).await;
    let _bare = Process::role(&["as-bare-loop", &brokers]);
    rate(&producer).await
}

async fn fraud(on: On) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = filled(&brokers).await;
    let _fraud = Process::dojo(&["fraud", "--kafka-brokers", &brokers]);
    rate(&producer).await
}

/// Fills `orders` with the last minutes' events, a millisecond between them.
pub async fn filled(brokers: &str) -> Producer {
    let producer = Producer::new(&KafkaConfig::new(brokers), "filler", Duration::from_secs(30)).unwrap();
    let first = chrono::Utc::now() - chrono::TimeDelta::milliseconds(EVENTS);
    let mut sending = FuturesUnordered::new();
    for n in 0..EVENTS {
        let (id, timestamp) = (Uuid::new_v4(), first + chrono::TimeDelta::milliseconds(n));
        let order = NewOrder {
            customer_name: format!("Customer {}", n % CUSTOMERS),
            item: "Pizza".to_owned(),
            quantity: n % 9 + 1,
            price: "12.50".parse().unwrap(),
        };
        let event =
            OrderEvent { action: OrderAction::Created, order: order.into_order(id, timestamp), timestamp };
        sending.push(producer.send(Outgoing::json(topic::ORDERS, id, &event, timestamp).unwrap()));
        if sending.len() >= IN_FLIGHT {
            sending.next().await.unwrap().unwrap();
        }
    }
    while let Some(sent) = sending.next().await {
        sent.unwrap();
    }
    drop(sending);
    producer
}

/// Records a second that arrive on `audit`, from the first to the last.
pub async fn rate(producer: &Producer) -> f64 {
    let begun = Instant::now();
    let mut first = None;
    loop {
        let arrived = producer.watermarks(topic::AUDIT).await.unwrap()[&0].1;
        let now = Instant::now();
        if arrived > 0 && first.is_none() {
            first = Some((now, arrived));
        }
        if let Some((at, offset)) = first.filter(|_| arrived >= EVENTS) {
            return (arrived - offset) as f64 / now.duration_since(at).as_secs_f64();
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{arrived} of {EVENTS}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
