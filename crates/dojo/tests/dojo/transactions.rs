//! An instance that stops in the middle of a transaction: readers of committed records wait for its end, and nobody
//! else does.

use crate::{
    accounts::Accounts,
    alone::Alone,
    events::Events,
    load::{Answer, Load, Told},
    process::client,
};
use chrono::{DateTime, Utc};
use dojo_testbed::{Kafka, eventually};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// Orders a second: enough that a transaction is open most of the time.
const PER_SECOND: u64 = 150;
/// An open transaction shows on `/status` by then, where there is one.
const SHOWN_WITHIN: Duration = Duration::from_secs(3);
/// Tries to stop an instance in the middle of a transaction.
const TRIES: usize = 10;
/// The transaction times out after 10 s, and Kafka looks every second. This is far more, for a busy machine, and still less
/// than the minute that Kafka gives a transaction by default.
const FLOWS_ON_WITHIN: Duration = Duration::from_secs(45);
/// Answers take milliseconds; a machine under load may be slow, but doesn't wait for a transaction.
const QUICK: Duration = Duration::from_secs(2);

/// Every service in its own process, without a supervisor: what ends stays ended.
struct Services {
    kafka: Kafka,
    order: Alone,
    victim: Alone,
    _others: [Alone; 3],
    url: String,
}

fn notification(instance: &str, kafka: &Kafka) -> Alone {
    Alone::start_with("notification", &kafka.config, |command| {
        command.args(["--instance-id", instance]).env("FAIL_RATE", "0.3")
    })
}

impl Services {
    async fn exactly_once() -> Self {
        let kafka = Kafka::start().await;
        let order = Alone::instance("order", "order-1", &kafka.config);
        let victim = notification("notification-1", &kafka);
        let others = [
            notification("notification-2", &kafka),
            Alone::instance("fraud", "fraud-1", &kafka.config),
            Alone::instance("audit", "audit-1", &kafka.config),
        ];
        for service in [&order, &victim].into_iter().chain(&others) {
            service.is_ready().await;
        }
        let url = order.api().await;
        let patch = client().patch(format!("{url}/settings")).json(&json!({"guarantee": "exactlyOnce"}));
        let answer = patch.send().await.unwrap();
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {said}");
        Self { kafka, order, victim, _others: others, url }
    }

    /// The partitions whose last stable offset stands before their end, as `/status` has them.
    async fn open(&self) -> Result<Vec<Value>, String> {
        let answer = client().get(format!("{}/status", self.url)).send().await.map_err(|e| e.to_string())?;
        let status: Value = answer.json().await.map_err(|e| e.to_string())?;
        let topics = status["topics"].as_array().ok_or("no topics")?.iter();
        let partitions = topics.flat_map(|topic| topic["partitions"].as_array().into_iter().flatten());
        let is_open = |p: &&Value| {
            let stable = p["lastStableOffset"].as_i64();
            stable.is_some_and(|stable| stable < p["endOffset"].as_i64().unwrap_or_default())
        };
        Ok(partitions.filter(is_open).cloned().collect())
    }

    /// Waits until a transaction stays open; false where none does.
    async fn stays_open(&self, since: Instant) -> bool {
        let open = eventually("a transaction to stay open", async || {
            let open = self.open().await?;
            // Open ones that are at work end at once; since when one stands still says more.
            let still = open.iter().filter(|partition| stands_still_since(partition).is_some_and(is_a_while));
            if still.count() > 0 { Ok(()) } else { Err(format!("{open:?}")) }
        });
        timeout(SHOWN_WITHIN.saturating_sub(since.elapsed()), open).await.is_ok()
    }
}

/// Since when the partition's last stable offset stands still.
fn stands_still_since(partition: &Value) -> Option<DateTime<Utc>> {
    let text = partition["stableSince"].as_str()?;
    Some(text.parse().unwrap_or_else(|e| panic!("{text}: {e}")))
}

fn is_a_while(since: DateTime<Utc>) -> bool {
    (Utc::now() - since).num_milliseconds() > 1_000
}

/// Orders that were asked for between two moments, and taken.
fn taken_between(answers: &[Answer], from: Instant, until: Instant) -> BTreeSet<String> {
    let asked = answers.iter().filter(|answer| answer.asked > from && answer.asked < until);
    let taken = asked.filter_map(|answer| match &answer.told {
        Told::Created(id) => Some(id.clone()),
        _ => None,
    });
    taken.collect()
}

/// Waits until the orders placed in the first second after `stopped` are delivered and judged, on a stream of committed
/// records; how long that took since.
async fn flows_on(load: &Load, events: &Events, stopped: Instant) -> Duration {
    load.takes(2 * PER_SECOND as usize).await;
    let orders = taken_between(&load.answers(), stopped, stopped + Duration::from_secs(1));
    assert!(!orders.is_empty());
    events.all_have(&orders, &["NOTIFIED", "DLQ"]).await;
    events.all_have(&orders, &["FRAUD_CHECK_PASSED", "FRAUD_ALERT"]).await;
    stopped.elapsed()
}

/// No order was answered late, or refused, between two moments.
fn all_were_quick(answers: &[Answer], from: Instant, until: Instant) {
    let meanwhile: Vec<_> = answers.iter().filter(|a| a.asked > from && a.asked < until).collect();
    let slow: Vec<_> = meanwhile
        .iter()
        .filter(|a| a.took() > QUICK || !matches!(a.told, Told::Created(_)))
        .take(3)
        .collect();
    assert!(slow.is_empty(), "among {} answers: {slow:?}", meanwhile.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_flows_on_after_an_instance_is_killed_in_the_middle_of_a_transaction() {
    let mut services = Services::exactly_once().await;
    let events = Events::open(&services.url).await;
    let load = Load::of_many(&services.url, PER_SECOND);
    let mut tries = 0;
    let killed = loop {
        load.takes(PER_SECOND as usize).await;
        services.victim.kill();
        let killed = Instant::now();
        if services.stays_open(killed).await {
            break killed;
        }
        tries += 1;
        assert!(tries < TRIES, "no kill left an open transaction that /status shows");
        services.victim = notification("notification-1", &services.kafka);
        services.victim.is_ready().await;
    };
    let took = flows_on(&load, &events, killed).await;
    println!("everything flows on {took:?} after the kill, in try {}", tries + 1);
    assert!(took < FLOWS_ON_WITHIN, "the transaction holds readers up for {took:?}");
    let answers = load.end().await;
    all_were_quick(&answers, killed, killed + took);
    let accounts = Accounts::settle(&services.kafka.config, &answers).await;
    println!("{accounts}");
    accounts.nothing_is_missing();
    accounts.nothing_is_repeated();
    eventually("no transaction to be open", async || {
        let open = services.open().await?;
        if open.is_empty() { Ok(()) } else { Err(format!("{open:?}")) }
    })
    .await;
    services.order.is_ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_freezes_in_the_middle_of_a_transaction_repeats_nothing_when_it_goes_on() {
    let services = Services::exactly_once().await;
    let events = Events::open(&services.url).await;
    let load = Load::of_many(&services.url, PER_SECOND);
    let mut tries = 0;
    let stopped = loop {
        load.takes(PER_SECOND as usize).await;
        services.victim.signal("-STOP");
        let stopped = Instant::now();
        if services.stays_open(stopped).await {
            break stopped;
        }
        services.victim.signal("-CONT");
        tries += 1;
        assert!(tries < TRIES, "no freeze left an open transaction that /status shows");
    };
    let took = flows_on(&load, &events, stopped).await;
    println!("everything flows on {took:?} after the freeze, in try {}", tries + 1);
    services.victim.signal("-CONT");
    load.takes(PER_SECOND as usize).await;
    services.victim.is_ready().await;
    load.takes(PER_SECOND as usize).await;
    let accounts = Accounts::settle(&services.kafka.config, &load.end().await).await;
    println!("{accounts}");
    accounts.nothing_is_missing();
    accounts.nothing_is_repeated();
}
