//! From SIGKILL of a process to the first record that is handled again in its place, by service.
//!
//! Asked from outside alone: over HTTP, the stream of events, and standard output.

use crate::{
    broker::On,
    processes::{answers, free_port, shipped_rules},
};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const TIMES: usize = 5;
const PER_SECOND: u64 = 50;
const PATIENCE: Duration = Duration::from_secs(60);
const LIVED: Duration = Duration::from_millis(2_500);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
const INSTANCES: usize = 5;

/// A whole dojo, and everything that was seen of it, each with its moment.
pub struct Dojo {
    process: Child,
    pub url: String,
    pub client: reqwest::Client,
    /// When each order was asked for, by its id.
    orders: Arc<Mutex<BTreeMap<String, Instant>>>,
    events: Arc<Mutex<Vec<(Instant, Value)>>>,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Drop for Dojo {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

impl Dojo {
    pub async fn start(brokers: &str) -> Self {
        Self::with_rules(brokers, &shipped_rules()).await
    }

    pub async fn with_rules(brokers: &str, rules: &Path) -> Self {
        let port = free_port();
        let mut process = Command::new(env!("CARGO_BIN_EXE_dojo"))
            .args(["--supervised", "--log", "error", "--fail-rate", "0", "--port", &port.to_string()])
            .args(["--kafka-brokers", brokers])
            .env("RULES_DIR", rules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stdout, keep) = (process.stdout.take().unwrap(), Arc::clone(&lines));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                keep.lock().unwrap().push((Instant::now(), line));
            }
        });
        let url = format!("http://localhost:{port}");
        answers(&format!("{url}/readyz"), PATIENCE).await;
        let (orders, events) = (Arc::default(), Arc::default());
        tokio::spawn(place(url.clone(), Arc::clone(&orders)));
        tokio::spawn(follow(url.clone(), Arc::clone(&events)));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
        Self { process, url, client, orders, events, lines }
    }

    async fn instances(&self) -> Option<Vec<Value>> {
        let answer = self.client.get(format!("{}/instances", self.url)).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Kills `instance` as soon as every instance runs; when that was, and which partitions of `orders` it had.
    async fn kill(&self, instance: &str) -> (Instant, BTreeSet<i64>) {
        let (pid, partitions) = self.at_work(instance).await;
        assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
        (Instant::now(), partitions)
    }

    /// Waits until every instance runs and `instance` has partitions of `orders`; its process id, and which those are.
    pub async fn at_work(&self, instance: &str) -> (u64, BTreeSet<i64>) {
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "not every instance runs");
            tokio::time::sleep(Duration::from_millis(50)).await;
            let Some(all) = self.instances().await else { continue };
            let running =
                |i: &&Value| i["state"] == "running" && i["live"] == true && i["service"] != "supervisor";
            if all.iter().filter(running).count() < INSTANCES {
                continue;
            }
            let instance = all.iter().find(|i| i["instanceId"] == instance).unwrap();
            let partitions: BTreeSet<_> = instance["partitions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p["partition"].as_i64().unwrap())
                .collect();
            if partitions.is_empty() {
                continue;
            }
            // The supervisor starts one that lived for so long again at once.
            tokio::time::sleep(LIVED).await;
            return (instance["pid"].as_u64().unwrap(), partitions);
        }
    }

    /// The orders that were asked for after a moment.
    fn placed_after(&self, moment: Instant) -> BTreeSet<String> {
        let orders = self.orders.lock().unwrap();
        orders.iter().filter(|(_, asked)| **asked > moment).map(|(id, _)| id.clone()).collect()
    }

    /// The first event that is `wanted` of an order that was placed after a moment.
    pub fn first_event(&self, killed: Instant, wanted: impl Fn(&Value) -> bool) -> Option<Instant> {
        let placed = self.placed_after(killed);
        let events = self.events.lock().unwrap();
        let after = events.iter().filter(|(at, _)| *at > killed);
        let is_wanted =
            |event: &Value| wanted(event) && event["orderId"].as_str().is_some_and(|id| placed.contains(id));
        after.filter(|(_, event)| is_wanted(event)).map(|(at, _)| *at).next()
    }

    fn first_line(&self, killed: Instant) -> Option<Instant> {
        let placed = self.placed_after(killed);
        let lines = self.lines.lock().unwrap();
        let mut after = lines.iter().filter(|(at, _)| *at > killed);
        after.find(|(_, line)| placed.iter().any(|id| line.contains(id))).map(|(at, _)| *at)
    }

    fn first_order(&self, killed: Instant) -> Option<Instant> {
        // When it was asked for: the answer comes milliseconds later.
        self.orders.lock().unwrap().values().copied().filter(|asked| *asked > killed).min()
    }
}

/// Orders at a fixed rate, each of a customer of its own.
async fn place(url: String, orders: Arc<Mutex<BTreeMap<String, Instant>>>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut tick = tokio::time::interval(Duration::from_millis(1_000 / PER_SECOND));
    for n in 0_u64.. {
        tick.tick().await;
        let order =
            json!({"customerName": format!("Customer {n}"), "item": "Pizza", "quantity": 1, "price": 1});
        let (request, orders) = (client.post(format!("{url}/orders")).json(&order), Arc::clone(&orders));
        tokio::spawn(async move {
            let asked = Instant::now();
            let Ok(answer) = request.send().await else { return };
            if answer.status() == 201
                && let Ok(order) = answer.json::<Value>().await
            {
                orders.lock().unwrap().insert(order["id"].as_str().unwrap().to_owned(), asked);
            }
        });
    }
}

/// The stream of events, opened again whenever it breaks.
async fn follow(url: String, events: Arc<Mutex<Vec<(Instant, Value)>>>) {
    let client = reqwest::Client::new();
    loop {
        if let Ok(answer) = client.get(format!("{url}/events")).send().await
            && answer.status().is_success()
        {
            let mut stream = answer.bytes_stream().eventsource();
            while let Some(Ok(event)) = stream.next().await {
                if event.event == "audit" {
                    let data = serde_json::from_str(&event.data).unwrap();
                    events.lock().unwrap().push((Instant::now(), data));
                }
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits until something is `seen`; how long after `killed` that was.
pub async fn wait_for(what: &str, killed: Instant, seen: impl Fn() -> Option<Instant>) -> Duration {
    loop {
        if let Some(at) = seen() {
            return at - killed;
        }
        assert!(killed.elapsed() < PATIENCE, "{what}: nothing for {PATIENCE:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let seconds = |n: usize| took[n].as_secs_f32();
    println!(
        "restart: {what} {:.2} s after SIGKILL, median of {TIMES}; {:.2} to {:.2} s",
        seconds(TIMES / 2),
        seconds(0),
        seconds(TIMES - 1)
    );
}

pub async fn measure(on: On) {
    let (_broker, brokers) = on.broker().await;
    let dojo = Dojo::start(&brokers).await;
    let (mut first_order, mut on_stream) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let (killed, _) = dojo.kill("order-1").await;
        first_order.push(wait_for("order", killed, || dojo.first_order(killed)).await);
        on_stream.push(wait_for("stream", killed, || dojo.first_event(killed, |_| true)).await);
    }
    print("order service: an order is taken", first_order);
    print("order service: an audit event is on the stream", on_stream);
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let (killed, had) = dojo.kill("notification-1").await;
        let is_notified = |event: &Value| {
            event["action"] == "NOTIFIED" && event["partition"].as_i64().is_some_and(|p| had.contains(&p))
        };
        took.push(wait_for("notification", killed, || dojo.first_event(killed, is_notified)).await);
    }
    print("notification: a record of its partitions is delivered", took);
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let (killed, _) = dojo.kill("fraud-1").await;
        let is_verdict = |event: &Value| event["source"] == "fraud-service";
        took.push(wait_for("fraud", killed, || dojo.first_event(killed, is_verdict)).await);
    }
    print("fraud: an order is judged", took);
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let (killed, _) = dojo.kill("audit-1").await;
        took.push(wait_for("audit", killed, || dojo.first_line(killed)).await);
    }
    print("audit: an event is printed", took);
}
