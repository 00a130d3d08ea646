//! AsyncAPI's own parser reads `/asyncapi.json`, and what really travels on Kafka and on the event stream is checked against
//! the schemas in it.

use super::{run, skip, works};
use crate::process::{Dojo, Start, workspace};
use dojo_contract::{header::Headers, topic};
use dojo_kafka::{Outgoing, Producer};
use dojo_testbed::{PATIENCE, Read, Reader, eventually};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, time::Duration};
use tokio::{process::Command, time::timeout};

const POISON: &str = "poison";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_travels_is_as_it_is_described() {
    let modules = workspace().join("target/node/node_modules");
    if !works(Command::new("node").args(["-e", "require('@asyncapi/parser')"]).env("NODE_PATH", &modules))
        .await
    {
        return skip("@asyncapi/parser", "`npm install --prefix target/node @asyncapi/parser`");
    }
    let dojo = Start::new().ready().await;
    let topics = [topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ, topic::SETTINGS, topic::STATUS];
    let readers = topics.map(|topic| (topic, Reader::start(&dojo.kafka, topic)));
    everything_happens(&dojo).await;
    let records: Vec<_> = readers
        .iter()
        .flat_map(|(topic, reader)| {
            reader.after(0).into_iter().filter_map(|record| described(topic, &record))
        })
        .collect();
    let events = told_from_the_start(&dojo, records.len()).await;

    for event in ["order", "audit", "dlq", "settings", "status"] {
        assert!(events.iter().any(|told| told["event"] == event), "no {event} was told");
    }
    let input = json!({"document": dojo.get("/asyncapi.json").await, "records": records, "events": events});
    let script = workspace().join("crates/dojo/tests/dojo/descriptions/check_asyncapi.js");
    let mut node = Command::new("node");
    node.arg(script).env("NODE_PATH", modules);
    let output = run(&mut node, input.to_string().as_bytes(), PATIENCE).await;
    let [said, complained] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{said}{complained}");
    println!("{said}");
}

/// Brings about every kind of record.
async fn everything_happens(dojo: &Dojo) {
    dojo.patch_settings(&json!({"failRate": 1, "instances": {"notification-2": {"deliveryMillis": 1}}}))
        .await;
    // More than five within a minute, and one of more than a hundred dollars, are alerts.
    let mut orders = BTreeSet::new();
    for _ in 0..7 {
        orders.insert(dojo.placed("Ada", "119.99").await);
    }
    let seen = dojo.events().await;
    let last = orders.iter().next_back().unwrap();
    let (http, url) = (&dojo.http, format!("{}/orders/{last}", dojo.url));
    let changed = http.put(&url).json(&json!({"status": "delivered"})).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_eq!(http.delete(&url).send().await.unwrap().status(), 204);
    let producer = Producer::new(&dojo.kafka, "test", Duration::from_secs(5)).unwrap();
    let (key, value) = (Some(POISON.into()), Some(b"no JSON".to_vec()));
    producer
        .send(Outgoing { topic: topic::ORDERS, key, value, headers: Headers::new(), timestamp: None })
        .await
        .unwrap();
    eventually("a dead letter of every event, and of the poison", async || {
        let letters = dojo.ask("/dlq").await?;
        let count = letters.as_array().map_or(0, Vec::len);
        if count == orders.len() + 3 { Ok(()) } else { Err(letters.to_string()) }
    })
    .await;

    dojo.patch_settings(
        &json!({"failRate": null, "guarantee": "exactlyOnce", "onExhausted": "drop", "maxRetries": 1}),
    )
    .await;
    dojo.patch_settings(&json!({"failRate": 0, "instances": null})).await;
    let redriven =
        http.post(format!("{}/dlq/redrive", dojo.url)).json(&json!({"all": true})).send().await.unwrap();
    assert_eq!(redriven.status(), 200);
    for path in ["/instances/audit-1/stop", "/instances/audit-1/start"] {
        assert!(http.post(format!("{}{path}", dojo.url)).send().await.unwrap().status().is_success());
    }
    seen.all_have(&orders, &["NOTIFIED"]).await;
}

/// Returns what the stream tells from the start of the logs until it has told `records` records.
async fn told_from_the_start(dojo: &Dojo, records: usize) -> Vec<Value> {
    let stream = dojo.http.get(format!("{}/events?from=earliest", dojo.url)).send().await.unwrap();
    let mut stream = stream.bytes_stream().eventsource();
    let (mut events, mut told) = (Vec::new(), 0);
    let reading = async {
        while told < records {
            let event = stream.next().await.expect("the stream goes on").unwrap();
            let data: Value = serde_json::from_str(&event.data).unwrap();
            told += usize::from(data["record"].is_object());
            events.push(json!({"event": event.event, "data": data}));
        }
    };
    timeout(PATIENCE, reading).await.expect("the stream tells what the topics hold");
    events
}

/// A record as the script checks it; `None` for one that the test sent, or that removes its key.
fn described(topic: &str, record: &Read) -> Option<Value> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let key = record.key.as_deref().map(text);
    let value = record.value.as_deref()?;
    if topic == topic::ORDERS && key.as_deref() == Some(POISON) {
        return None;
    }
    let payload = serde_json::from_slice(value).unwrap_or_else(|_| Value::String(text(value)));
    let headers: Map<_, _> = record
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.as_deref().map(text).into()))
        .collect();
    Some(json!({"channel": topic, "key": key, "headers": headers, "payload": payload}))
}
