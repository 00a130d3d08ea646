//! What arrives on a topic, and when.

use dojo_kafka::{Isolation, KafkaConfig, StartFrom, Tail, Tailed, tail};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

/// A record of an order.
#[derive(Debug, Clone)]
pub struct Arrival {
    pub order: String,
    pub at: Instant,
    place: (i64, i64),
    item: String,
    customer: String,
    is_original: bool,
}

/// Reads a topic until it is dropped.
pub struct Arrivals {
    seen: Arc<Mutex<Vec<Arrival>>>,
    _tail: Tail,
}

impl Arrivals {
    pub fn on(kafka: &KafkaConfig, topic: &'static str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&seen);
        let note = move |tailed: Tailed<'_>| {
            let Tailed::Record(record) = tailed else { return };
            let event: Value = serde_json::from_slice(record.value.unwrap_or_default()).unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            keep.lock().unwrap().push(Arrival {
                order: String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned(),
                at: Instant::now(),
                place: (i64::from(record.partition), record.offset),
                item: text(&event["order"]["item"]),
                customer: text(&event["order"]["customerName"]),
                is_original: record.headers.is_empty(),
            });
        };
        let tail = tail(
            kafka,
            "arrivals",
            topic,
            StartFrom::Earliest,
            Isolation::ReadCommitted,
            &CancellationToken::new(),
            note,
        )
        .unwrap();
        Self { seen, _tail: tail }
    }

    /// Partition and offset of every record.
    pub fn places(&self) -> BTreeSet<(i64, i64)> {
        self.seen.lock().unwrap().iter().map(|arrival| arrival.place).collect()
    }

    /// The original records by what was ordered.
    pub fn items(&self) -> BTreeMap<String, Vec<Arrival>> {
        let mut items: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for arrival in self.seen.lock().unwrap().iter().filter(|arrival| arrival.is_original) {
            items.entry(arrival.item.clone()).or_default().push(arrival.clone());
        }
        items
    }

    /// How many orders each customer has.
    pub fn by_customer(&self) -> BTreeMap<String, usize> {
        let mut customers = BTreeMap::new();
        for arrival in self.seen.lock().unwrap().iter().filter(|arrival| arrival.is_original) {
            *customers.entry(arrival.customer.clone()).or_default() += 1;
        }
        customers
    }
}
