//! The dojo's events, as the page gets them.

use dojo_testbed::PATIENCE;
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

/// Everything that `GET /events` gave since it was opened.
pub struct Events {
    seen: Arc<Mutex<Vec<(String, Value)>>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Events {
    /// Opens the stream, and opens it again from where it was whenever it breaks.
    pub async fn open(url: &str) -> Self {
        let client = reqwest::Client::new();
        let url = format!("{url}/events");
        let first = client.get(&url).send().await.unwrap();
        assert!(first.status().is_success(), "{}", first.status());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let reading = tokio::spawn(async move {
            let (mut answer, mut cursor) = (Some(first), String::new());
            loop {
                if let Some(answer) = answer.take() {
                    let mut stream = answer.bytes_stream().eventsource();
                    while let Some(Ok(event)) = stream.next().await {
                        let data = serde_json::from_str(&event.data).expect("an event is JSON");
                        cursor.clone_from(&event.id);
                        keep.lock().unwrap().push((event.event, data));
                    }
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
                let again = client.get(&url).header("last-event-id", &cursor).send().await;
                answer = again.ok().filter(|a| a.status().is_success());
            }
        });
        Self { seen, reading }
    }

    /// Partition and offset of every record of `topic` so far, as they came.
    pub fn places(&self, topic: &str) -> Vec<(i64, i64)> {
        let seen = self.seen.lock().unwrap();
        let records = seen.iter().map(|(_, data)| &data["record"]).filter(|record| record["topic"] == topic);
        let number = |value: &Value| value.as_i64().unwrap();
        records.map(|record| (number(&record["partition"]), number(&record["offset"]))).collect()
    }

    /// The audit events so far.
    pub fn audit(&self) -> Vec<Value> {
        self.of_type("audit")
    }

    /// The events of a type so far.
    pub fn of_type(&self, wanted: &str) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(event, _)| event == wanted).map(|(_, data)| data.clone()).collect()
    }

    /// The orders so far of which `action` was said, and how often of each.
    pub fn orders_with(&self, actions: &[&str]) -> BTreeMap<String, usize> {
        let mut orders = BTreeMap::new();
        for event in self.audit() {
            if actions.iter().any(|action| event["action"] == *action) {
                *orders.entry(event["orderId"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        orders
    }

    /// Waits until `found` gives something of the audit events.
    pub async fn audit_until<T>(&self, what: &str, found: impl Fn(&[Value]) -> Option<T>) -> T {
        let begun = std::time::Instant::now();
        loop {
            let audit = self.audit();
            if let Some(found) = found(&audit) {
                return found;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "waited {PATIENCE:?} for {what} among {} audit events",
                audit.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until one of `actions` was said of every one of `orders`; as long as that takes, if only it goes on.
    pub async fn all_have(&self, orders: &BTreeSet<String>, actions: &[&str]) {
        let (mut least, mut since) = (usize::MAX, std::time::Instant::now());
        loop {
            let have = self.orders_with(actions);
            let missing: Vec<_> = orders.iter().filter(|id| !have.contains_key(*id)).collect();
            if missing.is_empty() {
                return;
            }
            if missing.len() < least {
                (least, since) = (missing.len(), std::time::Instant::now());
            }
            assert!(
                since.elapsed() < PATIENCE,
                "{} of {} orders without {actions:?} for {PATIENCE:?}, such as {:?}",
                missing.len(),
                orders.len(),
                missing[0]
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
