//! Events a second through fraud detection, beside a loop that only consumes and produces the same records.

use crate::{broker::On, processes::Process};
use chrono::TimeDelta;
use dojo_contract::{NewOrder, OrderAction, OrderEvent, topic};
use dojo_kafka::{KafkaConfig, Outgoing, Producer};
use futures::{StreamExt as _, stream::FuturesUnordered};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Orders of the last minutes.
pub const MINUTES: Orders = Orders { count: 300_000, customers: 1_000, apart: TimeDelta::milliseconds(1) };
const IN_FLIGHT: usize = 2_000;

/// Orders up to now.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    pub count: i64,
    pub customers: i64,
    /// The time between two of them.
    pub apart: TimeDelta,
}

pub async fn measure(on: On) {
    let before = bare(on).await;
    let fraud = fraud(on).await;
    let after = bare(on).await;
    let ratio = fraud / f64::midpoint(before, after);
    println!(
        "fraud: {fraud:.0} events/s, bare loop {before:.0}/s and {after:.0}/s, ratio {ratio:.2} (aim 0.25)"
    );
}

async fn bare(on: On) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = filled(&brokers, MINUTES).await;
    let _bare = Process::role(&["as-bare-loop", &brokers]);
    rate(&producer, MINUTES).await
}

async fn fraud(on: On) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = filled(&brokers, MINUTES).await;
    let _fraud = Process::dojo(&["fraud", "--kafka-brokers", &brokers]);
    rate(&producer, MINUTES).await
}

/// Fills `orders`.
pub async fn filled(brokers: &str, orders: Orders) -> Producer {
    let producer = Producer::new(&KafkaConfig::new(brokers), "filler", Duration::from_secs(30)).unwrap();
    let Orders { count, customers, apart } = orders;
    let apart = apart.num_microseconds().unwrap();
    let first = chrono::Utc::now() - TimeDelta::microseconds(count * apart);
    let mut sending = FuturesUnordered::new();
    for n in 0..count {
        let (id, timestamp) = (Uuid::new_v4(), first + TimeDelta::microseconds(n * apart));
        let order = NewOrder {
            customer_name: format!("Customer {}", n % customers),
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
pub async fn rate(producer: &Producer, orders: Orders) -> f64 {
    let begun = Instant::now();
    let mut first = None;
    loop {
        let arrived = producer.watermarks(topic::AUDIT).await.unwrap()[&0].1;
        let now = Instant::now();
        if arrived > 0 && first.is_none() {
            first = Some((now, arrived));
        }
        if let Some((at, offset)) = first.filter(|_| arrived >= orders.count) {
            return (arrived - offset) as f64 / now.duration_since(at).as_secs_f64();
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{arrived} of {}", orders.count);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
