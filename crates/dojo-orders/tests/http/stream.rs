use crate::fixture::{Orders, record};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dojo_contract::topic;
use dojo_kafka::Outgoing;
use dojo_testbed::{Kafka, PATIENCE, until};
use serde_json::json;
use std::collections::BTreeMap;
use tokio::time::timeout;

/// More than the ring holds.
const FLOOD: usize = 9_000;

/// An audit event, as small as it can be.
fn audit(n: usize) -> String {
    format!(
        r#"{{"source":"fraud-service","action":"FRAUD_CHECK_PASSED","orderId":"00000000-0000-0000-0000-{n:012}","timestamp":"2026-01-01T00:00:00.000Z","n":{n}}}"#
    )
}

fn flooded(value: String) -> Outgoing {
    record(topic::AUDIT, "flood", Some(value.as_bytes()))
}

#[tokio::test]
async fn a_stream_brings_each_event_once_as_it_stands_on_the_topic() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let order = orders.place("Ada event: order data: {}<b>").await;
    // Of two topics, either may be told first.
    let (one, other) =
        (events.next_of_any(&["order", "audit"]).await, events.next_of_any(&["order", "audit"]).await);
    let (event, audit) = if one.event == "order" { (one, other) } else { (other, one) };
    assert_eq!((event.event.as_str(), audit.event.as_str()), ("order", "audit"));
    assert_eq!((&event.data["action"], &event.data["order"]), (&json!("created"), &order));
    assert_eq!(event.data["record"]["headers"], json!({}));
    assert_eq!(event.data["record"]["timestamp"], event.data["timestamp"]);
    assert_eq!((&audit.data["action"], &audit.data["orderId"]), (&json!("created"), &order["id"]));

    // The API takes no name with a line break, but another producer can write a member with one.
    let note = json!("\n\nevent: order\r\ndata: {}\u{2028}");
    let mut noted = event.data.clone();
    (noted["action"], noted["note"]) = (json!("updated"), note.clone());
    noted.as_object_mut().unwrap().remove("record");
    let key = order["id"].as_str().unwrap();
    kafka.send(record(topic::ORDERS, key, Some(noted.to_string().as_bytes()))).await;
    let event = events.next_of("order").await;
    assert_eq!((&event.data["action"], &event.data["note"]), (&json!("updated"), &note));
    orders.stop().await;
    while let Some(event) = events.next().await {
        assert_eq!(event.event, "status", "nothing comes twice, and the stream ends with the service");
    }
}

#[tokio::test]
async fn whatever_happens_after_the_greeting_is_told_even_while_the_service_still_starts() {
    let kafka = Kafka::start().await;
    let orders = Orders::start_cold(&kafka.config).await;
    for begin in ["", "?after=o0.0.0"] {
        let mut events = orders.events(begin).await;
        kafka.send(flooded(audit(1))).await;
        assert_eq!(events.next_of("audit").await.data["n"], 1);
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_stream_resumes_from_memory_without_a_gap_and_without_a_double() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let mut placed = Vec::new();
    for n in 0..6 {
        placed.push(orders.place(&format!("customer {n}")).await["id"].clone());
    }
    let (mut seen, mut last) = (Vec::new(), String::new());
    while seen.len() < 3 {
        let event = events.next_of("order").await;
        seen.push(event.data["order"]["id"].clone());
        last = event.id;
    }
    drop(events);
    placed.push(orders.place("customer 6").await["id"].clone());
    // The header is the newer word.
    let mut events = orders.events_after("?after=o0.0.0-a0-d0-s0-t0", Some(&last)).await;
    while seen.len() < placed.len() {
        seen.push(events.next_of("order").await.data["order"]["id"].clone());
    }
    // Partitions are read side by side, so only the order of each is sure.
    let sorted = |mut ids: Vec<serde_json::Value>| {
        ids.sort_by_key(ToString::to_string);
        ids
    };
    assert_eq!(sorted(seen), sorted(placed));
    orders.stop().await;
}

#[tokio::test]
async fn a_stream_resumes_from_the_log_where_memory_does_not_reach_back() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    orders.place("Ada").await;
    let first = events.next_of("audit").await;
    drop(events);
    kafka.flood((0..FLOOD).map(|n| flooded(audit(n)))).await;
    let mut events = orders.events_after("", Some(&first.id)).await;
    for n in 0..FLOOD {
        let event = events.next_of("audit").await;
        assert_eq!(event.data["n"], n, "in order, each once");
    }
    kafka.send(record(topic::AUDIT, "k", Some(audit(7_777_777).as_bytes()))).await;
    assert_eq!(events.next_of("audit").await.data["n"], 7_777_777, "and then live");
    orders.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_for_a_while_misses_nothing() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    // Larger than all buffers between the two.
    let filler = "x".repeat(3_000);
    let value = |n: usize| audit(n).replace("\"n\":", &format!("\"filler\":\"{filler}\",\"n\":"));
    kafka.flood((0..FLOOD).map(|n| flooded(value(n)))).await;
    for n in 0..FLOOD {
        assert_eq!(events.next_of("audit").await.data["n"], n);
    }
    orders.stop().await;
}

#[tokio::test]
async fn from_the_earliest_everything_is_told_again() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let ids: Vec<_> = [orders.place("Ada").await, orders.place("Bob").await].map(|o| o["id"].clone()).into();
    let mut events = orders.events("?from=earliest").await;
    let mut seen = BTreeMap::new();
    while seen.len() < 4 {
        let event = events.next().await.unwrap();
        if let "order" | "audit" = event.event.as_str() {
            let id = if event.event == "order" { &event.data["order"]["id"] } else { &event.data["orderId"] };
            assert!(ids.contains(id));
            assert!(seen.insert(event.place(), ()).is_none(), "twice: {:?}", event.place());
        }
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_cursor_that_the_log_does_not_know_is_a_gap() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    orders.place("Ada").await;
    let mut events = orders.events("?after=o0.0.0-a500-d0-s0-t0").await;
    let gap = events.next_of("gap").await;
    assert_eq!(gap.data, json!({"topic": "audit", "partition": 0, "wanted": 500, "resumes": 0}));
    assert_eq!(events.next_of("audit").await.place(), ("audit".to_owned(), 0, 0));
    drop(events);
    for (query, last) in [("?after=x", None), ("?from=x", None), ("", Some("o-1"))] {
        let mut request = orders.request(reqwest::Method::GET, &format!("/events{query}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        assert_eq!(request.send().await.unwrap().status(), 422, "{query} {last:?}");
    }
    orders.stop().await;
}

#[tokio::test]
async fn an_unreadable_record_is_shown_as_base64_and_breaks_nothing() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let poison = b"no json\n\nevent: audit\ndata: {}\r\n\xff";
    let headers = vec![("x\ny".to_owned(), Some(b"a\nb\xff".to_vec()))];
    kafka.send(record(topic::ORDERS, "key\n", Some(poison)).with_headers(headers)).await;
    let event = events.next_of("order").await;
    assert_eq!(STANDARD.decode(event.data["value"].as_str().unwrap()).unwrap(), poison);
    assert_eq!(
        (&event.data["key"], &event.data["record"]["headers"]["x\ny"]),
        (&json!("key\n"), &json!("a\nb\u{fffd}"))
    );
    kafka.send(record(topic::ORDERS, "k", None)).await;
    let tombstone = events.next_of("order").await;
    assert!(tombstone.data["value"].is_null() && tombstone.data["unreadable"].is_string());
    let order = orders.place("Ada").await;
    assert_eq!(events.next_of("order").await.data["order"], order);
    orders.stop().await;
}

#[tokio::test]
async fn streams_are_counted_and_a_closed_one_makes_room() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(orders.events("").await);
    }
    let refused = orders.request(reqwest::Method::GET, "/events").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    drop(open.pop());
    until("a place is free", async || {
        let again = orders.request(reqwest::Method::GET, "/events").send().await.unwrap();
        again.status() == 200
    })
    .await;
    timeout(PATIENCE, orders.stop()).await.expect("open streams do not hold up the end");
}
