//! Unreadable records go to the dead letters as they came, once, and block nothing.

use crate::service::{Service, event, now, order};
use chrono::TimeDelta;
use dojo_contract::{AuditAction, AuditEvent, Order, OrderAction, header, topic};
use dojo_kafka::{Outgoing, Producer};
use dojo_testbed::{Kafka, PATIENCE};
use rust_decimal::Decimal;

/// The key of every record, so that all are in one partition, and the readable one is the last.
const KEY: &[u8] = b"poisoned";

fn poison(value: Option<&[u8]>) -> Outgoing {
    Outgoing {
        topic: topic::ORDERS,
        key: Some(KEY.to_vec()),
        value: value.map(<[u8]>::to_vec),
        headers: vec![("theirs".to_owned(), Some(vec![0xff]))],
        // Old, but not so old that retention removes it before it is read.
        timestamp: Some((now() - TimeDelta::hours(1)).timestamp_millis()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_goes_to_the_dead_letters_as_it_came_and_blocks_nothing() {
    let kafka = Kafka::start().await;
    let good = order("Pizza");
    let mut sent: Vec<Outgoing> = [
        Some(&b"not JSON"[..]),
        Some(br#"{"action":"created"}"#),
        None,
        Some(b""),
        Some(b"\xff\xfe\x00"),
        Some(&vec![b'x'; 900_000]),
        Some(format!(r#"{{"action":"{}"}}"#, "x".repeat(1_000_000)).as_bytes()),
    ]
    .into_iter()
    .map(poison)
    .collect();
    let refused_by_the_api = [
        Order { quantity: -5, ..good.clone() },
        Order { customer_name: "x".repeat(500_000), ..good.clone() },
        Order { item: "\u{200b}".to_owned(), ..good.clone() },
    ];
    sent.extend(
        refused_by_the_api.iter().map(|order| poison(event(OrderAction::Created, order).value.as_deref())),
    );
    let mut tried_so_often = event(OrderAction::Created, &good);
    tried_so_often.key = Some(KEY.to_vec());
    header::set(&mut tried_so_often.headers, header::RETRY_COUNT, "often");
    sent.push(tried_so_often);
    for record in &sent {
        kafka.send(record.clone()).await;
    }
    kafka.send(Outgoing { key: Some(KEY.to_vec()), ..event(OrderAction::Created, &good) }).await;

    let service = Service::start(&kafka, "notification-1", Decimal::ZERO);
    let said: AuditEvent = kafka.read(topic::AUDIT).first(1).await[0].json();
    assert_eq!((said.action, said.order_id), (AuditAction::Notified, good.id));
    let letters = kafka.read(topic::ORDERS_DLQ).first(sent.len()).await;
    assert_eq!(letters.len(), sent.len());
    for (offset, (letter, record)) in letters.iter().zip(&sent).enumerate() {
        assert_eq!((&letter.key, &letter.value), (&record.key, &record.value));
        assert_eq!(letter.headers[..record.headers.len()], record.headers[..]);
        let error = letter.header(header::ERROR).unwrap();
        assert!(!error.is_empty() && error.len() < 300, "{error}");
        assert_eq!(letter.header(header::ORIGINAL_TOPIC).as_deref(), Some("orders"));
        assert_eq!(letter.header(header::ORIGINAL_OFFSET), Some(offset.to_string()));
        assert_eq!(letter.header(header::INSTANCE).as_deref(), Some("notification-1"));
        assert_eq!(letter.header(header::RULE_VERSION), None);
    }
    service.stop().await;

    // Another instance takes over, and sends none of them again.
    let service = Service::start(&kafka, "notification-2", Decimal::ZERO);
    kafka.send(event(OrderAction::Updated, &good)).await;
    kafka.read(topic::AUDIT).first(2).await;
    service.stop().await;
    assert_eq!(kafka.read(topic::ORDERS_DLQ).first(sent.len()).await.len(), sent.len());
}

/// `max.message.bytes` limits what is sent: compressed, a record of any size passes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_once_unpacked_goes_to_the_dead_letters_without_its_value() {
    let kafka = Kafka::start().await;
    let mut packing = kafka.config.clone();
    for (name, value) in [("compression.type", "gzip"), ("message.max.bytes", "20000000")] {
        packing.properties.push((name.to_owned(), value.to_owned()));
    }
    let packing = Producer::new(&packing, "packing", PATIENCE).unwrap();
    packing.send(poison(Some(&vec![0; 5_000_000]))).await.unwrap();
    packing
        .send(poison(event(OrderAction::Created, &order(&"x".repeat(5_000_000))).value.as_deref()))
        .await
        .unwrap();
    let good = order("Pizza");
    kafka.send(Outgoing { key: Some(KEY.to_vec()), ..event(OrderAction::Created, &good) }).await;

    let service = Service::start(&kafka, "notification-1", Decimal::ONE);
    let letters = kafka.read(topic::ORDERS_DLQ).first(3).await;
    for (offset, letter) in letters[..2].iter().enumerate() {
        assert_eq!(letter.value, None);
        assert_eq!(letter.header(header::ORIGINAL_OFFSET), Some(offset.to_string()));
        let error = letter.header(header::ERROR).unwrap();
        assert!(error.contains("without its value"), "{error}");
    }
    assert_eq!(letters[2].key, Some(good.id.to_string().into_bytes()));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_retry_count_there_is_ends_at_the_dead_letters() {
    let kafka = Kafka::start().await;
    let mut tried = event(OrderAction::Created, &order("Pizza"));
    header::set(&mut tried.headers, header::RETRY_COUNT, u32::MAX.to_string());
    kafka.send(tried).await;
    let service = Service::start(&kafka, "notification-1", Decimal::ONE);
    let letters = kafka.read(topic::ORDERS_DLQ).first(1).await;
    assert_eq!(letters[0].header(header::RETRY_COUNT), Some(u32::MAX.to_string()));
    service.stop().await;
}
