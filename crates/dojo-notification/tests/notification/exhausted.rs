//! Events of which the last retry failed, when they don't go to the dead letters.

use crate::service::{Service, event, order, set};
use dojo_contract::{AuditAction, AuditEvent, Guarantee, Order, OrderAction, Setting, header, topic};
use dojo_kafka::Outgoing;
use dojo_notification::decide::ENDLESS_RETRY_PAUSE;
use dojo_testbed::{Kafka, Read};
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use tempfile::TempDir;
use uuid::Uuid;

/// A rule that never delivers a bomb, and always anything else.
fn no_bombs() -> TempDir {
    let rules = tempfile::tempdir().unwrap();
    let source = r#"if order.item == "Bomb" { throw "it ticks" }"#;
    std::fs::write(rules.path().join("notification.rhai"), source).unwrap();
    rules
}

fn events_of(records: &[Read], id: Uuid) -> Vec<AuditEvent> {
    records.iter().map(Read::json::<AuditEvent>).filter(|event| event.order_id == id).collect()
}

fn has(records: &[Read], id: Uuid, action: AuditAction) -> bool {
    events_of(records, id).iter().any(|event| event.action == action)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_event_is_told_on_audit_and_goes_nowhere_else() {
    let kafka = Kafka::start().await;
    set(&kafka, Setting::OnExhausted, "drop").await;
    let service = Service::start(&kafka, "notification-1", Decimal::ONE);
    let order = order("Pizza");
    kafka.send(event(OrderAction::Created, &order)).await;
    let mut audit = kafka.read(topic::AUDIT);
    let records = audit.until(|records| has(records, order.id, AuditAction::Dropped)).await;
    let story: Vec<_> =
        events_of(&records, order.id).into_iter().map(|event| (event.action, event.retry_count)).collect();
    let retry = |n| (AuditAction::Retry, Some(n));
    assert_eq!(story, [retry(1), retry(2), (AuditAction::Dropped, Some(2))]);
    assert!(events_of(&records, order.id).iter().all(|event| event.reason.is_some()));
    service.stop().await;
    assert_eq!(kafka.records(topic::ORDERS).await.len(), 3);
    assert_eq!(kafka.records(topic::ORDERS_DLQ).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_without_end_pause_while_others_go_on_and_end_with_the_setting() {
    let (kafka, rules) = (Kafka::start().await, no_bombs());
    set(&kafka, Setting::OnExhausted, "retry").await;
    let service = Service::start_with_rules(&kafka, "notification-1", Decimal::ZERO, rules.path());
    let (bomb, pizza) = (order("Bomb"), order("Pizza"));
    kafka.send(event(OrderAction::Created, &bomb)).await;
    let mut audit = kafka.read(topic::AUDIT);
    let is_tried = |records: &[Read], times| events_of(records, bomb.id).len() >= times;
    audit.until(|records| is_tried(records, 8)).await;
    // In the same partition, so behind a retry that waits.
    let key = Some(bomb.id.to_string().into_bytes());
    kafka.send(Outgoing { key, ..event(OrderAction::Created, &pizza) }).await;
    audit.until(|records| has(records, pizza.id, AuditAction::Notified)).await;
    set(&kafka, Setting::OnExhausted, "dlq").await;
    let records = audit.until(|records| has(records, bomb.id, AuditAction::Dlq)).await;

    let attempts = events_of(&records, bomb.id);
    let (last, retries) = attempts.split_last().unwrap();
    let counts: Vec<_> = retries.iter().map(|event| (event.action, event.retry_count)).collect();
    assert_eq!(counts, (1..).take(counts.len()).map(|n| (AuditAction::Retry, Some(n))).collect::<Vec<_>>());
    assert_eq!((last.action, last.retry_count), (AuditAction::Dlq, retries.last().unwrap().retry_count));
    let beyond = attempts.windows(2).filter(|pair| pair[0].retry_count > Some(2));
    for pair in beyond {
        let between = pair[1].timestamp - pair[0].timestamp;
        assert!(between.to_std().unwrap() >= ENDLESS_RETRY_PAUSE, "{between} before {:?}", pair[1]);
    }
    service.stop().await;
    let letters = kafka.records(topic::ORDERS_DLQ).await;
    let last_count = last.retry_count.map(|count| count.to_string());
    assert_eq!(
        letters.iter().map(|letter| letter.header(header::RETRY_COUNT)).collect::<Vec<_>>(),
        [last_count]
    );
}

/// The bombs' pauses hold records of the same partition back that are finished before them.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_nothing_is_told_twice_though_an_instance_leaves_amid_retries_without_end() {
    const PIZZAS: usize = 300;
    let (kafka, rules) = (Kafka::start().await, no_bombs());
    set(&kafka, Setting::OnExhausted, "retry").await;
    set(&kafka, Setting::Guarantee, Guarantee::ExactlyOnce).await;
    let bombs: Vec<_> = (0..5).map(|_| order("Bomb")).collect();
    let pizzas: Vec<_> = (0..PIZZAS).map(|_| order("Pizza")).collect();
    let in_one_partition = |order: &Order| Outgoing {
        key: Some(b"one partition".to_vec()),
        ..event(OrderAction::Created, order)
    };
    kafka.flood(bombs.iter().map(in_one_partition)).await;
    let mut audit = kafka.read(topic::AUDIT);
    let notified = |records: &[Read]| {
        let mut times = BTreeMap::new();
        for event in records.iter().map(Read::json::<AuditEvent>) {
            if event.action == AuditAction::Notified {
                *times.entry(event.order_id).or_insert(0) += 1;
            }
        }
        times
    };

    let mut service = Service::start_with_rules(&kafka, "notification-1", Decimal::ZERO, rules.path());
    let is_beyond = |event: AuditEvent| event.retry_count > Some(4);
    audit.until(|records| records.iter().map(Read::json).any(is_beyond)).await;
    for (n, some) in (2..).zip(pizzas.chunks(PIZZAS / 3)) {
        let before = notified(&audit.after(0)).len();
        kafka.flood(some.iter().map(in_one_partition)).await;
        audit.until(|records| notified(records).len() > before).await;
        service.stop().await;
        let next = format!("notification-{n}");
        service = Service::start_with_rules(&kafka, &next, Decimal::ZERO, rules.path());
    }
    audit.until(|records| notified(records).len() == PIZZAS).await;
    set(&kafka, Setting::OnExhausted, "dlq").await;
    let is_over = |records: &[Read]| bombs.iter().all(|bomb| has(records, bomb.id, AuditAction::Dlq));
    let records = audit.until(is_over).await;
    service.stop().await;
    assert!(notified(&records).values().all(|times| *times == 1), "{:?}", notified(&records));
    for bomb in &bombs {
        let attempts = events_of(&records, bomb.id).len() as u32;
        let counts: Vec<_> = events_of(&records, bomb.id).iter().map(|event| event.retry_count).collect();
        assert_eq!(counts, (1..attempts).chain([attempts - 1]).map(Some).collect::<Vec<_>>());
    }
    assert_eq!(kafka.read(topic::ORDERS_DLQ).first(bombs.len()).await.len(), bombs.len());
}
