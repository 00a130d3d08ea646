//! Tests of the observer, on events as the stream sends them.

mod before;
mod orders;
mod promises;
mod properties;
mod state;
mod verdicts;

use super::{Judgement, Observer};
use crate::{Scenario, Sources};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io,
    path::Path,
    time::{Duration, Instant},
};
use uuid::Uuid;

const RUN: &str = "r1";

/// A scenario with these lines after its name, and these expectations.
fn scenario(head: &str, expectations: &[&str]) -> Scenario {
    let expectations: String = expectations.iter().map(|e| format!("  - expect: {e}\n")).collect();
    let orders = "  - name: burst\n    order: { customerName: Ada, item: Pizza, quantity: 1, price: 1, as: ada }\n  \
                  - update: { order: ada, quantity: 2 }\n";
    let yaml = format!("name: Test\n{head}\nsteps:\n{orders}{expectations}");
    let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let sources = Sources { read: &read, variables: &BTreeMap::new() };
    Scenario::parse("test.yaml", yaml.as_bytes(), &sources).unwrap_or_else(|error| panic!("{error}"))
}

/// An observer whose expectations are numbered from 0, and a stream with its offsets.
struct Run {
    observer: Observer,
    start: Instant,
    now: Instant,
    next: i64,
}

impl Run {
    fn new(expectations: &[&str]) -> Self {
        Self::with("", expectations)
    }

    fn with(head: &str, expectations: &[&str]) -> Self {
        let scenario = scenario(head, expectations);
        let plan = scenario.plan();
        let expected = plan.iter().filter_map(|planned| planned.expectation());
        let expected = expected.enumerate().map(|(number, expectation)| (number, expectation, 1));
        let observer = Observer::new(RUN, expected, scenario.document.always.as_ref());
        let now = Instant::now();
        Self { observer, start: now, now, next: 0 }
    }

    fn claim(&mut self, orders: impl IntoIterator<Item = u128>) -> &mut Self {
        for order in orders {
            self.observer.claim(id(order), "Ada", self.now);
        }
        self
    }

    /// An event of `audit` in a new record.
    fn audit(&mut self, order: u128, action: &str, more: Value) -> &mut Self {
        let data = audit(order, action, self.next, more);
        self.next += 1;
        self.observer.event("audit", &data.to_string(), self.now);
        self
    }

    /// Events of one order in new records, without more.
    fn say(&mut self, order: u128, actions: &[&str]) -> &mut Self {
        for action in actions {
            self.audit(order, action, json!({}));
        }
        self
    }

    /// An event of `dlq` or `order` in a new record.
    fn record(&mut self, name: &str, data: Value, headers: Value) -> &mut Self {
        let data = with_record(data, name, self.next, headers);
        self.next += 1;
        self.observer.event(name, &data.to_string(), self.now);
        self
    }

    fn after(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self.observer.tick(self.now);
        self
    }

    fn met(&self, number: usize) -> Option<bool> {
        self.observer.judge(number, false).met
    }

    fn met_at_the_end(&self, number: usize) -> Option<bool> {
        self.observer.judge(number, true).met
    }

    fn judge(&self, number: usize) -> Judgement {
        self.observer.judge(number, true)
    }

    fn breaches(&mut self) -> Vec<String> {
        self.observer.take_breaches().iter().map(ToString::to_string).collect()
    }
}

fn id(order: u128) -> Uuid {
    Uuid::from_u128(order)
}

/// The data of an event of `audit`, which is about the record of `orders` that has the order's number as its offset.
fn audit(order: u128, action: &str, offset: i64, more: Value) -> Value {
    let source = match action {
        "created" | "updated" | "deleted" | "REDRIVEN" => "order-service",
        "FRAUD_ALERT" | "FRAUD_CHECK_PASSED" => "fraud-service",
        _ => "notification-service",
    };
    let mut data = json!({
        "source": source, "action": action, "orderId": id(order), "timestamp": "2026-01-31T09:30:00.000Z",
    });
    if source != "order-service" {
        data["partition"] = json!(1);
        data["offset"] = json!(order as i64);
    }
    merge(&mut data, more);
    with_record(data, "audit", offset, json!({}))
}

/// An order event, as on `orders` and `orders-dlq`.
fn order_event(order: u128, action: &str) -> Value {
    let order = json!({"id": id(order), "customerName": "Ada", "item": "Pizza", "quantity": 1, "price": 9.5});
    json!({"action": action, "order": order, "timestamp": "2026-01-31T09:30:00.000Z"})
}

fn unreadable() -> Value {
    json!({"key": "poison", "value": "bm8=", "unreadable": "it isn't a JSON object"})
}

fn with_record(mut data: Value, topic: &str, offset: i64, headers: Value) -> Value {
    let timestamp = "2026-01-31T09:30:00.000Z";
    data["record"] =
        json!({"topic": topic, "partition": 0, "offset": offset, "timestamp": timestamp, "headers": headers});
    data
}

fn merge(data: &mut Value, more: Value) {
    if let (Value::Object(data), Value::Object(more)) = (data, more) {
        data.extend(more);
    }
}
