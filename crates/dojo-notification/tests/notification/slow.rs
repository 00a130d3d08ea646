//! Deliveries that take time, one after another.

use crate::service::{Service, event, lag, latest, order, set};
use dojo_contract::{AuditAction, AuditEvent, Guarantee, OrderAction, Setting, topic};
use dojo_testbed::{Kafka, Read, Reader};
use rust_decimal::Decimal;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use uuid::Uuid;

const FIVE_SECONDS: Duration = Duration::from_secs(5);
/// The session of a member: after so long, a silent one would lose its partitions.
const SESSION: Duration = Duration::from_secs(6);

async fn takes(kafka: &Kafka, time: Duration) {
    set(kafka, Setting::DeliveryMillis, time.as_millis() as u64).await;
}

/// Puts `count` orders on the log.
async fn ordered(kafka: &Kafka, count: usize) {
    kafka.flood((0..count).map(|_| event(OrderAction::Created, &order("Pizza")))).await;
}

fn notified(records: &[Read]) -> BTreeSet<Uuid> {
    let events = records.iter().map(Read::json::<AuditEvent>);
    events.filter(|event| event.action == AuditAction::Notified).map(|event| event.order_id).collect()
}

/// Waits until every order was delivered, and asserts that none was delivered twice.
async fn all_once(audit: &mut Reader, count: usize) {
    let records = audit.until(|records| notified(records).len() == count).await;
    assert_eq!(records.len(), count);
}

fn is_shared(reports: &[Read]) -> bool {
    let owned = ["notification-1", "notification-2"]
        .map(|id| latest(reports, id).map_or(0, |status| status.partitions.len()));
    owned.iter().sum::<usize>() == 3 && !owned.contains(&0)
}

/// An instance with a delivery in progress that takes five seconds, and more of them behind.
async fn busy(kafka: &Kafka, status: &mut Reader, orders: usize) -> Service {
    takes(kafka, FIVE_SECONDS).await;
    ordered(kafka, orders).await;
    let service = Service::start(kafka, "notification-1", Decimal::ZERO);
    status.until(|reports| lag(reports, "notification-1") >= orders as i64 - 1).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_delivers_one_event_after_another_and_its_lag_shows() {
    const ORDERS: usize = 80;
    const TAKES: Duration = Duration::from_millis(50);
    let kafka = Kafka::start().await;
    takes(&kafka, TAKES).await;
    ordered(&kafka, ORDERS).await;
    let (mut status, mut audit) = (kafka.read(topic::STATUS), kafka.read(topic::AUDIT));
    let service = Service::start(&kafka, "notification-1", Decimal::ZERO);
    status.until(|reports| lag(reports, "notification-1") > 0).await;
    let records = audit.until(|records| notified(records).len() == ORDERS).await;
    let times: Vec<_> = records.iter().map(|record| record.json::<AuditEvent>().timestamp).collect();
    for pair in times.windows(2) {
        let between = (pair[1] - pair[0]).to_std().unwrap();
        assert!(between >= TAKES, "{between:?}");
    }
    status.until(|reports| lag(reports, "notification-1") == 0).await;
    service.stop().await;
    assert_eq!(kafka.records(topic::AUDIT).await.len(), ORDERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn faster_deliveries_apply_to_the_one_in_progress_and_to_all_that_wait() {
    const ORDERS: usize = 400;
    let kafka = Kafka::start().await;
    let (mut status, mut audit) = (kafka.read(topic::STATUS), kafka.read(topic::AUDIT));
    let service = busy(&kafka, &mut status, ORDERS).await;
    let begun = Instant::now();
    takes(&kafka, Duration::ZERO).await;
    all_once(&mut audit, ORDERS).await;
    assert!(begun.elapsed() < FIVE_SECONDS, "{:?}", begun.elapsed());
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebalance_does_not_wait_for_a_delivery_and_loses_none() {
    const ORDERS: usize = 30;
    let kafka = Kafka::start().await;
    let (mut status, mut audit) = (kafka.read(topic::STATUS), kafka.read(topic::AUDIT));
    let first = busy(&kafka, &mut status, ORDERS).await;
    let begun = Instant::now();
    let second = Service::start(&kafka, "notification-2", Decimal::ZERO);
    status.until(is_shared).await;
    assert!(begun.elapsed() < SESSION, "{:?}", begun.elapsed());
    takes(&kafka, Duration::ZERO).await;
    audit.until(|records| notified(records).len() == ORDERS).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_for_a_delivery_and_leaves_it_to_the_next_instance() {
    const ORDERS: usize = 10;
    let kafka = Kafka::start().await;
    let (mut status, mut audit) = (kafka.read(topic::STATUS), kafka.read(topic::AUDIT));
    let service = busy(&kafka, &mut status, ORDERS).await;
    let begun = Instant::now();
    service.stop().await;
    assert!(begun.elapsed() < FIVE_SECONDS, "{:?}", begun.elapsed());
    takes(&kafka, Duration::ZERO).await;
    let service = Service::start(&kafka, "notification-2", Decimal::ZERO);
    audit.until(|records| notified(records).len() == ORDERS).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_a_slow_delivery_is_told_once_while_instances_come_and_go() {
    const ORDERS: usize = 150;
    const TAKES: Duration = Duration::from_millis(20);
    let kafka = Kafka::start().await;
    set(&kafka, Setting::Guarantee, Guarantee::ExactlyOnce).await;
    takes(&kafka, TAKES).await;
    ordered(&kafka, ORDERS).await;
    let (mut status, mut audit) = (kafka.read(topic::STATUS), kafka.read(topic::AUDIT));
    let first = Service::start(&kafka, "notification-1", Decimal::ZERO);
    audit.until(|records| notified(records).len() >= 30).await;
    // So that there is something left to share.
    takes(&kafka, FIVE_SECONDS).await;
    let second = Service::start(&kafka, "notification-2", Decimal::ZERO);
    status.until(is_shared).await;
    takes(&kafka, TAKES).await;
    let by_second = |records: &[Read]| {
        let by = records.iter().map(|record| record.json::<AuditEvent>().instance_id);
        by.filter(|instance| instance.as_deref() == Some("notification-2")).count()
    };
    audit.until(|records| by_second(records) >= 5).await;
    first.stop().await;
    all_once(&mut audit, ORDERS).await;
    second.stop().await;
    all_once(&mut kafka.read(topic::AUDIT), ORDERS).await;
}
