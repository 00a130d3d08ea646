//! How many orders a second one thread judges, without Kafka: read, merge, count, ask the rule, write the verdict.
//!
//! `cargo bench -p dojo-fraud --bench pipeline` prints the rate, the ratio to what cannot be saved (reading each event and
//! writing one of its size), the time that each step takes, and what orders that overtake one another cost in a full window.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench")]

use chrono::Utc;
use dojo_contract::{
    AuditAction, AuditEvent, Order, OrderAction, OrderEvent, OrderStatus, Source, WindowStats,
    header::Headers, time, topic,
};
use dojo_fraud::{
    Fraud, verdict,
    window::{Placed, Windows},
};
use dojo_kafka::{AssignedPartition, Error, Handler, LogLookup, Outbox, Position, Record};
use dojo_rules::{FraudRule, LiveRule, Rule as _, WatchMode};
use rust_decimal::Decimal;
use std::{
    hint::black_box,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const ORDERS: usize = 200_000;
const PARTITIONS: usize = 3;
const CUSTOMERS: usize = 5_000;
/// One order every 10 ms: 6,000 in a window, so that nearly every order raises an alert, and the rule has to word it.
const APART: i64 = 10;

fn main() {
    let values = values();
    let least = fastest(|| reading_and_writing(&values));
    let whole = fastest(|| judging(&values));
    let rate = |took: Duration| ORDERS as f64 / took.as_secs_f64();
    println!("reading and writing alone: {:>9.0} events/s, {:.2?} each", rate(least), least / ORDERS as u32);
    println!("the whole pipeline:        {:>9.0} events/s, {:.2?} each", rate(whole), whole / ORDERS as u32);
    println!("ratio:                     {:>9.2}", rate(whole) / rate(least));
    steps(&values);
    full_window(&values);
}

/// Prints what counting costs where each order makes another one of 60,000 leave, if they come in the order of their times, and if
/// they don't quite, as with several partitions.
fn full_window(values: &[Vec<u8>]) {
    const LATE: usize = 30;
    const HELD: usize = 60_000;
    const MINUTE: i64 = 60_000;
    let orders: Vec<_> = values.iter().map(|value| OrderEvent::read(Some(value)).unwrap().order).collect();
    let counting = |place: fn(usize) -> usize| {
        let (start, windows, begun) = (start(), Windows::bounded(MINUTE, HELD), Instant::now());
        for (n, order) in orders.iter().enumerate() {
            black_box(windows.count(Placed::of(order, start + place(n) as i64), i64::MAX).stats());
        }
        begun.elapsed()
    };
    let in_order = fastest(|| counting(|n| n));
    let mixed = fastest(|| counting(|n| n / LATE * LATE + (LATE - 1 - n % LATE)));
    let each = |took: Duration| took / ORDERS as u32;
    println!(
        "a full window: {:.2?} an order in order, {:.2?} if up to {LATE} overtake it; ratio {:.2}",
        each(in_order),
        each(mixed),
        mixed.as_secs_f64() / in_order.as_secs_f64()
    );
}

/// Prints what each step takes when it runs alone, over all orders.
fn steps(values: &[Vec<u8>]) {
    let (start, rule) = (start(), FraudRule::built_in());
    let time = |n: usize| start + n as i64 * APART;

    let begun = Instant::now();
    let orders: Vec<_> = values.iter().map(|value| OrderEvent::read(Some(value)).unwrap().order).collect();
    let read = begun.elapsed();

    let windows = Windows::default();
    let (mut counted, mut judged, mut written) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for (n, order) in orders.iter().enumerate() {
        let begun = Instant::now();
        let window = Arc::new(windows.count(Placed::of(order, time(n)), i64::MAX));
        let stats = window.stats();
        let at_rule = Instant::now();
        let answer = rule.judge(verdict::facts(order, time(n), stats, window));
        let at_event = Instant::now();
        let event = verdict::event(order, stats, answer, order.created_at);
        black_box(serde_json::to_vec(&event).unwrap());
        let end = Instant::now();
        counted += at_rule - begun;
        judged += at_event - at_rule;
        written += end - at_event;
    }
    for (step, took) in [("read", read), ("windows", counted), ("rule", judged), ("write", written)] {
        println!("  {step:<8} {:>9.2?} each", took / ORDERS as u32);
    }
}

fn fastest(mut run: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| run()).min().unwrap()
}

fn start() -> i64 {
    Utc::now().timestamp_millis() - ORDERS as i64 * APART
}

fn values() -> Vec<Vec<u8>> {
    let start = start();
    let event = |n: usize| {
        let timestamp = time::from_kafka(start + n as i64 * APART).unwrap();
        let order = Order {
            id: Uuid::new_v4(),
            customer_name: format!("Customer {}", n % CUSTOMERS),
            item: "Pizza Quattro Stagioni".to_owned(),
            quantity: 1 + (n % 9) as i64,
            price: Decimal::new(999 + (n % 1_000) as i64, 2),
            status: OrderStatus::Created,
            created_at: timestamp,
        };
        OrderEvent { action: OrderAction::Created, order, timestamp }
    };
    (0..ORDERS).map(|n| serde_json::to_vec(&event(n)).unwrap()).collect()
}

fn reading_and_writing(values: &[Vec<u8>]) -> Duration {
    let begun = Instant::now();
    for value in values {
        let OrderEvent { order, timestamp, .. } = serde_json::from_slice(value).unwrap();
        let mut event =
            AuditEvent::new(Source::FraudService, AuditAction::FraudCheckPassed, order.id, timestamp);
        event.customer_name = Some(order.customer_name);
        event.window_stats = Some(WindowStats {
            customer_orders_in_window: 2,
            global_orders_in_window: 6_000,
            partial: false,
        });
        event.instance_id = Some("fraud-1".to_owned());
        event.rule_version = Some("0a1b2c3d".to_owned());
        event.partition = Some(1);
        event.offset = Some(100_000);
        black_box(serde_json::to_vec(&event).unwrap());
    }
    begun.elapsed()
}

fn judging(values: &[Vec<u8>]) -> Duration {
    let rule = LiveRule::open(Path::new("no such folder"), WatchMode::Poll, CancellationToken::new());
    let mut fraud = Fraud::new("fraud-1".to_owned(), rule);
    let assigned: Vec<_> = (0..PARTITIONS)
        .map(|p| AssignedPartition { topic: topic::ORDERS.to_owned(), partition: p as i32, committed: None })
        .collect();
    fraud.assigned(&assigned, &ColdGroup).unwrap();
    let start = start();
    let mut out = Outbox::new();
    let mut verdicts = 0;
    let begun = Instant::now();
    for (n, value) in values.iter().enumerate() {
        let (partition, offset) = ((n % PARTITIONS) as i32, (n / PARTITIONS) as i64);
        let record = Record {
            topic: topic::ORDERS,
            partition,
            offset,
            timestamp: Some(start + n as i64 * APART),
            key: None,
            value: Some(value),
            headers: Headers::new(),
        };
        fraud.record(&record, Position::at(partition, offset), &mut out).unwrap();
        verdicts += black_box(out.take()).0.len();
    }
    for partition in 0..PARTITIONS as i32 {
        fraud.end_of_partition(partition, &mut out).unwrap();
    }
    verdicts += out.take().0.len();
    let took = begun.elapsed();
    assert_eq!(verdicts, values.len());
    took
}

/// A group that has committed nothing asks nothing.
struct ColdGroup;

impl LogLookup for ColdGroup {
    fn partitions(&self, _: &str) -> Result<usize, Error> {
        Ok(PARTITIONS)
    }

    fn read_since(&self, _: &str, _: i64, _: &mut dyn FnMut(&Record<'_>)) -> Result<bool, Error> {
        Ok(true)
    }

    fn timestamp_at(&self, _: &str, _: i32, _: i64) -> Result<Option<i64>, Error> {
        Ok(None)
    }

    fn offset_at(&self, _: &str, _: i32, _: i64) -> Result<Option<i64>, Error> {
        Ok(None)
    }
}
