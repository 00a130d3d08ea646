//! From sending a POST to the order's event on SSE, with one client of the event stream and with 200 of one order service.

use crate::{
    broker::On,
    latency::{histogram, micros, percentiles},
    start::whole_dojo,
};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const CLIENTS: [usize; 2] = [1, 200];
const PER_SECOND: f64 = 50.0;
const WARM_UP: usize = 50;
const ORDERS: usize = 500;
/// How long after the last order a client may still wait for an event.
const PATIENCE: Duration = Duration::from_secs(30);

/// When a client has seen the event of each order, by the order's id.
type Seen = Arc<Mutex<HashMap<String, Instant>>>;

pub async fn measure(on: On) {
    let dojo = whole_dojo(on).await;
    for clients in CLIENTS {
        with(&dojo.url, clients).await;
    }
}

async fn with(url: &str, clients: usize) {
    let http = reqwest::Client::new();
    let mut all = Vec::new();
    for _ in 0..clients {
        let seen = Seen::default();
        let stream = http.get(format!("{url}/events")).send().await.unwrap().bytes_stream();
        all.push((seen.clone(), tokio::spawn(follow(stream.eventsource(), seen))));
    }
    let mut placed = Vec::new();
    let begun = Instant::now();
    for n in 0..WARM_UP + ORDERS {
        tokio::time::sleep_until((begun + Duration::from_secs_f64(n as f64 / PER_SECOND)).into()).await;
        let order =
            json!({"customerName": format!("Customer {n}"), "item": "Pizza", "quantity": 1, "price": 9.5});
        let sent = Instant::now();
        let answer = http.post(format!("{url}/orders")).json(&order).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let order: Value = answer.json().await.unwrap();
        placed.push((order["id"].as_str().unwrap().to_owned(), sent));
    }
    let ended = Instant::now();
    let has_all = |seen: &Seen| {
        let seen = seen.lock().unwrap();
        placed.iter().all(|(id, _)| seen.contains_key(id))
    };
    while !all.iter().all(|(seen, _)| has_all(seen)) && ended.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let behind = all.iter().filter(|(seen, _)| !has_all(seen)).count();
    let mut latencies = histogram();
    for (seen, _) in &all {
        let seen = seen.lock().unwrap();
        for (id, sent) in placed.iter().skip(WARM_UP) {
            if let Some(at) = seen.get(id) {
                latencies.record(micros(at.saturating_duration_since(*sent))).unwrap();
            }
        }
    }
    all.iter().for_each(|(_, following)| following.abort());
    println!(
        "streams: POST to the order's event on SSE with {clients} clients at {PER_SECOND} orders/s: {}; {behind} clients lack events",
        percentiles(&latencies)
    );
}

async fn follow(
    events: impl futures::Stream<Item = Result<eventsource_stream::Event, impl std::fmt::Debug>>,
    seen: Seen,
) {
    tokio::pin!(events);
    while let Some(Ok(event)) = events.next().await {
        if event.event != "order" {
            continue;
        }
        let now = Instant::now();
        // A cheap look for the id: 200 clients that parse JSON would measure this program.
        let id = event.data.split(r#""id":""#).nth(1).and_then(|rest| rest.split('"').next());
        seen.lock().unwrap().insert(id.expect("an order has an id").to_owned(), now);
    }
}
