//! Whatever is killed comes back, and nothing that was acknowledged is lost.

use crate::process::Start;
use dojo_contract::{header::Headers, topic};
use dojo_kafka::{Outgoing, Producer};
use dojo_testbed::eventually;
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_fraud_detection_in_the_middle_of_a_flood_changes_no_verdict() {
    const ORDERS: usize = 120;
    let dojo = Start::new().ready().await;
    let events = dojo.events().await;
    let mut orders = BTreeSet::new();
    for n in 0..ORDERS {
        if n == ORDERS / 2 {
            dojo.kill("fraud-1").await;
        }
        orders.insert(dojo.placed("Mallory", "1").await);
    }
    events.all_have(&orders, &["FRAUD_ALERT", "FRAUD_CHECK_PASSED"]).await;
    let velocity: BTreeSet<_> = events
        .audit()
        .iter()
        .filter(|e| {
            e["alerts"].as_array().is_some_and(|alerts| alerts.iter().any(|a| a["type"] == "VELOCITY"))
        })
        .map(|e| e["orderId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(velocity.len(), ORDERS - 5, "exactly the first five are not suspicious");
}

#[tokio::test]
async fn a_killed_order_service_has_its_orders_again() {
    let dojo = Start::new().ready().await;
    for n in 0..20 {
        dojo.placed(&format!("Customer {n}"), "12.30").await;
    }
    let before = dojo.get("/orders").await;
    assert_eq!(before.as_array().unwrap().len(), 20);
    dojo.kill_and_wait("order-1").await;
    assert_eq!(dojo.get("/orders").await, before);
}

#[tokio::test]
async fn poison_on_orders_reaches_the_dead_letters_once_and_blocks_nobody() {
    let dojo = Start::new().ready().await;
    let events = dojo.events().await;
    let producer = Producer::new(&dojo.kafka, "poisoner", Duration::from_secs(5)).unwrap();
    let big = vec![b'x'; 900_000];
    let poison: [Option<&[u8]>; 5] =
        [Some(b"not json"), Some(b"{\"action\":\"created\"}"), None, Some(&[0xff, 0xfe]), Some(&big)];
    for (n, value) in poison.iter().enumerate() {
        // The same keys as orders would have, so that they stand before them in every partition.
        for partition in 0..3 {
            let record = Outgoing {
                topic: topic::ORDERS,
                key: Some(format!("poison-{n}-{partition}").into_bytes()),
                value: value.map(<[u8]>::to_vec),
                headers: Headers::new(),
                timestamp: None,
            };
            producer.send(record).await.unwrap();
        }
    }
    let mut orders = BTreeSet::new();
    for n in 0..12 {
        orders.insert(dojo.placed(&format!("Customer {n}"), "1").await);
    }
    events.all_have(&orders, &["NOTIFIED"]).await;
    events.all_have(&orders, &["FRAUD_ALERT", "FRAUD_CHECK_PASSED"]).await;
    assert_eq!(dojo.get("/orders").await.as_array().unwrap().len(), orders.len());
    let dead = eventually("every poison among the dead letters", async || {
        let watermarks = producer.watermarks(topic::ORDERS_DLQ).await.map_err(|e| e.to_string())?;
        let dead = watermarks[&0].1;
        if dead >= 15 { Ok(dead) } else { Err(dead.to_string()) }
    })
    .await;
    assert_eq!(dead, 15, "each of them once");
}

#[tokio::test]
async fn the_audit_stream_on_standard_output_is_one_json_object_a_line() {
    let dojo = Start::new().ready().await;
    let id = dojo.placed("Ada", "1").await;
    let lines = eventually("the order on standard output", async || {
        let lines = dojo.stdout();
        let actions = lines.iter().filter(|line| line.contains(&id)).count();
        if actions >= 3 { Ok(lines) } else { Err(lines) }
    })
    .await;
    for line in lines {
        let event: Value = serde_json::from_str(&line).unwrap();
        assert!(
            event["source"].is_string() && event["action"].is_string() && event["orderId"].is_string(),
            "{line}"
        );
    }
}
