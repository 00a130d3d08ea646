//! Events of which the last retry failed, when they don't go to the dead letters.

use crate::service::{Service, event, order, set};
use dojo_contract::{AuditAction, AuditEvent, Guarantee, Order, OrderAction, Setting, header, topic};
use dojo_kafka::Outgoing;
use dojo_notification::decide::ENDLESS_RETRY_PAUSE;
use dojo_testbed::{Kafka, Read};
use rust_decimal::Decimal;
use std::{collections::BTreeMap, time::Duration};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
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

fn times_notified(records: &[Read]) -> BTreeMap<Uuid, usize> {
    let mut times = BTreeMap::new();
    for event in records.iter().map(Read::json::<AuditEvent>) {
        if event.action == AuditAction::Notified {
            *times.entry(event.order_id).or_insert(0) += 1;
        }
    }
    times
}

fn in_one_partition(order: &Order) -> Outgoing {
    Outgoing { key: Some(b"one partition".to_vec()), ..event(OrderAction::Created, order) }
}

/// A stop falls into the pause of a bomb, behind which others have been delivered.
#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_nothing_is_told_twice_though_an_instance_leaves_amid_retries_without_end() {
    const PIZZA_EVERY: Duration = Duration::from_millis(5);
    const MORE: usize = 50;
    let (kafka, rules) = (Kafka::start().await, no_bombs());
    set(&kafka, Setting::OnExhausted, "retry").await;
    set(&kafka, Setting::Guarantee, Guarantee::ExactlyOnce).await;
    let bombs: Vec<_> = (0..5).map(|_| order("Bomb")).collect();
    kafka.flood(bombs.iter().map(in_one_partition)).await;
    let mut audit = kafka.read(topic::AUDIT);
    let mut service = Service::start_with_rules(&kafka, "notification-1", Decimal::ZERO, rules.path());
    let is_beyond = |event: AuditEvent| event.retry_count > Some(4);
    audit.until(|records| records.iter().map(Read::json).any(is_beyond)).await;

    let (enough, producer) = (CancellationToken::new(), kafka.producer.clone());
    let ordered = enough.clone();
    let ordering = tokio::spawn(async move {
        let mut pizzas = 0;
        while !ordered.is_cancelled() {
            producer.send(in_one_partition(&order("Pizza"))).await.unwrap();
            pizzas += 1;
            tokio::time::sleep(PIZZA_EVERY).await;
        }
        pizzas
    });
    for next in ["notification-2", "notification-3", "notification-4"] {
        let before = times_notified(&audit.after(0)).len();
        audit.until(|records| times_notified(records).len() > before + MORE).await;
        service.stop().await;
        service = Service::start_with_rules(&kafka, next, Decimal::ZERO, rules.path());
    }
    enough.cancel();
    let pizzas: usize = ordering.await.unwrap();
    set(&kafka, Setting::OnExhausted, "dlq").await;
    let is_over = |records: &[Read]| {
        let is_dead = |bomb: &Order| has(records, bomb.id, AuditAction::Dlq);
        times_notified(records).len() == pizzas && bombs.iter().all(is_dead)
    };
    let records = audit.until(is_over).await;
    service.stop().await;
    let twice: Vec<_> = times_notified(&records).into_iter().filter(|(_, times)| *times > 1).collect();
    assert_eq!(twice, []);
    for bomb in &bombs {
        let counts: Vec<_> = events_of(&records, bomb.id).iter().map(|event| event.retry_count).collect();
        let retries = counts.len() as u32 - 1;
        assert_eq!(counts, (1..=retries).chain([retries]).map(Some).collect::<Vec<_>>());
    }
    let letters = kafka.read(topic::ORDERS_DLQ).first(bombs.len()).await;
    assert_eq!(letters.len(), bombs.len());
}
