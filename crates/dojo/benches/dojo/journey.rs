//! The journey of an order on a log of a million records, beside the look at the same order in the list.

use crate::{
    broker::On,
    latency::{histogram, micros, percentiles},
    processes::{Process, answers, free_port},
};
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{AuditAction, AuditEvent, NewOrder, OrderAction, OrderEvent, Source, topic};
use dojo_kafka::{KafkaConfig, Outgoing, Producer};
use futures::{StreamExt as _, stream::FuturesUnordered};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};
use uuid::{ContextV7, Timestamp, Uuid};

pub const RECORDS: usize = 1_000_000;
/// Of each order: one record of `orders` and three of `audit`.
const OF_EACH: usize = 4;
const ASKED: usize = 100;
/// More than `audit` has; the embedded broker's default is about as much.
pub const KEPT_BYTES: usize = 2 << 30;
const IN_FLIGHT: usize = 2_000;
pub const PATIENCE: Duration = Duration::from_secs(300);

pub async fn measure(on: On) {
    let (_broker, brokers) = on.broker_keeping(KEPT_BYTES).await;
    let ids = fill(&brokers).await;
    let (port, kept) = (free_port().to_string(), ids.len().to_string());
    let service =
        Process::dojo(&["order", "--kafka-brokers", &brokers, "--port", &port, "--orders-kept", &kept]);
    let url = format!("http://localhost:{port}");
    answers(&format!("{url}/readyz"), PATIENCE).await;
    let (client, started_mib) = (reqwest::Client::new(), service.peak_mib());
    let get = async |path: String, status: u16| {
        let asked = Instant::now();
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        let (answered, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(answered, status, "{text}");
        (asked.elapsed(), text)
    };
    let (mut journeys, mut looks, mut timeless) = (histogram(), histogram(), histogram());
    // A step that shares no factor with the number of orders comes to each of them once, in no order.
    for id in (0..ASKED).map(|n| ids[n * 611_953 % ids.len()]) {
        let (took, text) = get(format!("/orders/{id}/journey"), 200).await;
        assert_eq!(text.matches("sincePreviousMillis").count(), OF_EACH, "{text}");
        record(&mut journeys, took);
        record(&mut looks, get(format!("/orders/{id}"), 200).await.0);
    }
    for _ in 0..ASKED / 5 {
        record(&mut timeless, get(format!("/orders/{}/journey", Uuid::new_v4()), 404).await.0);
    }
    let ratio = journeys.value_at_quantile(0.5) as f64 / looks.value_at_quantile(0.5) as f64;
    println!("journey on {RECORDS} records: {} (aim p99 1,000 ms)", percentiles(&journeys));
    println!("journey: GET /orders/{{id}} {}, ratio of p50 {ratio:.0}", percentiles(&looks));
    println!("journey of an id that tells no time: the whole log in {}", percentiles(&timeless));
    println!(
        "journey: at most {:.0} MiB resident in the order service, {started_mib:.0} MiB before the first journey",
        service.peak_mib()
    );
}

fn record(histogram: &mut Histogram<u64>, took: Duration) {
    histogram.record(micros(took)).unwrap();
}

/// Writes the records of as many orders as fit, all of the last hour; returns their ids.
pub async fn fill(brokers: &str) -> Vec<Uuid> {
    let producer = Producer::batching(&KafkaConfig::new(brokers), "filler", PATIENCE).unwrap();
    let orders = RECORDS / OF_EACH;
    let begun = Utc::now() - TimeDelta::hours(1);
    let context = ContextV7::new();
    let mut ids = Vec::with_capacity(orders);
    let mut sending = FuturesUnordered::new();
    for n in 0..orders {
        let at = begun + TimeDelta::hours(1) / i32::try_from(orders).unwrap() * i32::try_from(n).unwrap();
        let seconds = at.timestamp().unsigned_abs();
        let id = Uuid::new_v7(Timestamp::from_unix(&context, seconds, at.timestamp_subsec_nanos()));
        ids.push(id);
        for record in records(id, n, at) {
            sending.push(producer.send(record));
        }
        while sending.len() >= IN_FLIGHT {
            sending.next().await.unwrap().unwrap();
        }
    }
    while let Some(sent) = sending.next().await {
        sent.unwrap();
    }
    ids
}

fn records(id: Uuid, n: usize, at: DateTime<Utc>) -> [Outgoing; OF_EACH] {
    let customer_name = format!("Customer {}", n % 5_000);
    let asked = NewOrder {
        customer_name: customer_name.clone(),
        item: "Pizza Margherita".to_owned(),
        quantity: 2,
        price: 9.into(),
    };
    let event = OrderEvent { action: OrderAction::Created, order: asked.into_order(id, at), timestamp: at };
    let audit = |source, action, instance: &str| {
        let event = AuditEvent {
            instance_id: Some(instance.to_owned()),
            customer_name: Some(customer_name.clone()),
            ..AuditEvent::new(source, action, id, at)
        };
        Outgoing::json(topic::AUDIT, id, &event, at).unwrap()
    };
    [
        audit(Source::OrderService, AuditAction::Created, "order-1"),
        Outgoing::json(topic::ORDERS, id, &event, at).unwrap(),
        audit(Source::FraudService, AuditAction::FraudCheckPassed, "fraud-1"),
        audit(Source::NotificationService, AuditAction::Notified, "notification-1"),
    ]
}
