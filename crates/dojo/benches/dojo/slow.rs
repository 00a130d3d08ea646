//! The lag of slow deliveries over time: with the two notification instances of a dojo, and from then on with a third.

use crate::{
    broker::On,
    processes::{PATIENCE, Process, answers, free_port},
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, interval, sleep_until};

const DELIVERY_MILLIS: u64 = 20;
const PER_SECOND: u64 = 100;
const EACH: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_secs(5);

pub async fn measure(on: On) {
    let (_broker, brokers) = on.broker().await;
    let port = free_port();
    let _dojo = Process::dojo(&["--port", &port.to_string(), "--kafka-brokers", &brokers]);
    let url = format!("http://localhost:{port}");
    answers(&format!("{url}/readyz"), PATIENCE).await;
    have_partitions(&url, 2).await;
    let client = reqwest::Client::new();
    let slow = client.patch(format!("{url}/settings")).json(&json!({"deliveryMillis": DELIVERY_MILLIS}));
    assert_eq!(slow.send().await.unwrap().status(), 200);
    let orders = tokio::spawn(place(url.clone()));

    println!("slow: {DELIVERY_MILLIS} ms a delivery, {PER_SECOND} orders/s");
    follow(&url, "two instances").await;
    let _third =
        Process::dojo(&["notification", "--kafka-brokers", &brokers, "--instance-id", "notification-3"]);
    follow(&url, "a third one").await;
    have_partitions(&url, 3).await;
    orders.abort();
}

/// Places orders at a fixed rate, however long each takes.
async fn place(url: String) {
    let client = reqwest::Client::new();
    let mut tick = interval(Duration::from_millis(1_000 / PER_SECOND));
    for n in 0_u64.. {
        tick.tick().await;
        let order =
            json!({"customerName": format!("Customer {n}"), "item": "Pizza", "quantity": 1, "price": 1});
        let request = client.post(format!("{url}/orders")).json(&order);
        tokio::spawn(async move { assert_eq!(request.send().await.unwrap().status(), 201) });
    }
}

/// Prints the lag from now on.
async fn follow(url: &str, what: &str) {
    let begun = Instant::now();
    let mut next = begun;
    while next < begun + EACH {
        next += EVERY;
        sleep_until(next).await;
        let lags: Vec<_> = instances(url).await.iter().map(lag).collect();
        let seconds = (next - begun).as_secs();
        println!("slow: {what}, {seconds} s: lag {} ({lags:?} an instance)", lags.iter().sum::<i64>());
    }
}

/// Returns the notification instances.
async fn instances(url: &str) -> Vec<Value> {
    let all: Vec<Value> = reqwest::get(format!("{url}/instances")).await.unwrap().json().await.unwrap();
    all.into_iter().filter(|instance| instance["service"] == "notification").collect()
}

fn partitions(instance: &Value) -> &[Value] {
    instance["partitions"].as_array().map_or(&[], Vec::as_slice)
}

fn lag(instance: &Value) -> i64 {
    partitions(instance).iter().filter_map(|partition| partition["lag"].as_i64()).map(|lag| lag.max(0)).sum()
}

/// Waits until so many notification instances have partitions.
async fn have_partitions(url: &str, count: usize) {
    let begun = Instant::now();
    while instances(url).await.iter().filter(|instance| !partitions(instance).is_empty()).count() < count {
        assert!(begun.elapsed() < PATIENCE, "not {count} instances with partitions");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
