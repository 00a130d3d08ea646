//! Failed deliveries: how often they are tried, what a retry looks like, and where it ends.

use crate::service::{Service, event, order};
use dojo_contract::{AuditAction, AuditEvent, DlqEvent, Order, OrderAction, header, topic};
use dojo_testbed::{Kafka, Read, Reader};
use rust_decimal::Decimal;
use uuid::Uuid;

fn said_of(records: &[Read], id: Uuid) -> Vec<AuditEvent> {
    records.iter().map(Read::json::<AuditEvent>).filter(|event| event.order_id == id).collect()
}

/// Reads the events about an order up to its end.
async fn until_end_of(audit: &mut Reader, id: Uuid) -> Vec<AuditEvent> {
    let is_end = |event: &AuditEvent| matches!(event.action, AuditAction::Notified | AuditAction::Dlq);
    let records = audit.until(|records| said_of(records, id).iter().any(is_end)).await;
    said_of(&records, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn third_failure_goes_to_the_dead_letter_topic() {
    let kafka = Kafka::start().await;
    let service = Service::start(&kafka, "notification-1", Decimal::ONE);
    let order = order("Pizza");
    let theirs = vec![
        ("traceparent".to_owned(), Some(b"00-4bf9".to_vec())),
        ("bytes".to_owned(), Some(vec![0xff, 0xfe, 0x00])),
        ("null".to_owned(), None),
    ];
    let sent = event(OrderAction::Created, &order).with_headers(theirs.clone());
    kafka.send(sent.clone()).await;

    let said = until_end_of(&mut kafka.read(topic::AUDIT), order.id).await;
    let story: Vec<_> = said.iter().map(|e| (e.action, e.retry_count)).collect();
    let retry = |n| (AuditAction::Retry, Some(n));
    assert_eq!(story, [retry(1), retry(2), (AuditAction::Dlq, Some(2))]);
    for event in &said {
        assert_eq!(event.instance_id.as_deref(), Some("notification-1"));
        assert_eq!(event.customer_name.as_deref(), Some("Ada"));
        assert!(event.reason.is_some() && event.rule_version.is_some() && event.offset.is_some());
    }

    let tries = kafka.read(topic::ORDERS).first(3).await;
    for (n, record) in tries.iter().enumerate() {
        assert_eq!((&record.key, &record.value, record.timestamp), (&sent.key, &sent.value, sent.timestamp));
        assert_eq!(record.headers[..3], theirs[..]);
        assert_eq!(record.header(header::RETRY_COUNT), (n > 0).then(|| n.to_string()));
        assert_eq!(record.headers.len(), if n > 0 { 4 } else { 3 });
    }

    let [letter] = &kafka.read(topic::ORDERS_DLQ).first(1).await[..] else { panic!("more than one") };
    assert_eq!(letter.json::<DlqEvent>().order, order);
    assert_eq!(letter.key, sent.key);
    assert_eq!(letter.headers[..3], theirs[..]);
    let last_offset = said[2].offset.map(|offset| offset.to_string());
    assert_eq!(letter.header(header::ORIGINAL_OFFSET), last_offset);
    assert_eq!(letter.header(header::ORIGINAL_TIMESTAMP), sent.timestamp.map(|t| t.to_string()));
    assert_eq!(letter.header(header::RETRY_COUNT).as_deref(), Some("2"));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_event_is_told_once_when_nothing_fails() {
    let kafka = Kafka::start().await;
    let service = Service::start(&kafka, "notification-1", Decimal::ZERO);
    let order = order("Pizza");
    for action in [OrderAction::Created, OrderAction::Updated, OrderAction::Deleted] {
        kafka.send(event(action, &order)).await;
    }
    let records = kafka.read(topic::AUDIT).first(3).await;
    assert!(
        said_of(&records, order.id)
            .iter()
            .all(|e| e.action == AuditAction::Notified && e.retry_count == Some(0))
    );
    service.stop().await;
    assert_eq!(kafka.read(topic::ORDERS).first(3).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fails_is_said_and_counts_as_not_delivered() {
    let rules = tempfile::tempdir().unwrap();
    let source = r#"if order.item == "Bomb" { let none = []; none[5] }"#;
    std::fs::write(rules.path().join("notification.rhai"), source).unwrap();
    let kafka = Kafka::start().await;
    let service = Service::start_with_rules(&kafka, "notification-1", Decimal::ZERO, rules.path());
    let (bomb, pizza) = (order("Bomb"), order("Pizza"));
    kafka.send(event(OrderAction::Created, &bomb)).await;
    kafka.send(event(OrderAction::Created, &pizza)).await;

    let mut audit = kafka.read(topic::AUDIT);
    let story: Vec<_> = until_end_of(&mut audit, bomb.id).await.into_iter().map(|e| e.action).collect();
    let failed = [AuditAction::RuleError, AuditAction::Retry];
    assert_eq!(story, [&failed[..], &failed, &[AuditAction::RuleError, AuditAction::Dlq]].concat());
    let reason = said_of(&audit.first(1).await, bomb.id)[0].reason.clone().unwrap();
    assert!(reason.contains("notification.rhai:1:"), "{reason}");
    assert_eq!(until_end_of(&mut audit, pizza.id).await[0].action, AuditAction::Notified);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_room_for_a_retry_count_is_given_up_at_once() {
    let kafka = Kafka::start().await;
    let service = Service::start(&kafka, "notification-1", Decimal::ONE);
    let (fits, full) = (order("Pizza"), order("Pizza"));
    let with_header = |order: &Order, length: usize| {
        let headers = vec![("theirs".to_owned(), Some(vec![b'x'; length]))];
        event(OrderAction::Created, order).with_headers(headers)
    };
    let room = topic::ORDERS_MAX_MESSAGE_BYTES - with_header(&full, 0).size_on_log();
    kafka.send(with_header(&full, room)).await;
    kafka.send(with_header(&fits, 900_000)).await;

    let mut audit = kafka.read(topic::AUDIT);
    let said = until_end_of(&mut audit, full.id).await;
    assert_eq!(said.iter().map(|e| e.action).collect::<Vec<_>>(), [AuditAction::Dlq]);
    assert!(said[0].reason.as_deref().unwrap().contains("not retried"));
    let said = until_end_of(&mut audit, fits.id).await;
    assert_eq!(said.last().map(|e| (e.action, e.retry_count)), Some((AuditAction::Dlq, Some(2))));
    assert_eq!(kafka.read(topic::ORDERS_DLQ).first(2).await.len(), 2);
    service.stop().await;
}
