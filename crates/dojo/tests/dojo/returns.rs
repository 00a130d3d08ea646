//! Kafka restarts again and again, on a machine with too much to do: every reader has its partitions again, every time.

use crate::{
    load::Load,
    process::{Dojo, Start},
};
use chrono::{DateTime, Utc};
use dojo_testbed::{OwnKafka, PATIENCE, eventually};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::time::sleep;

const PER_SECOND: u64 = 60;
/// From when Kafka answers again.
const BACK_WITHIN: Duration = Duration::from_secs(30);
/// How long Kafka is away: no longer than its restart takes, long enough to be noticed, longer than a session, and longer
/// than a transaction may last.
const AWAY: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(12)];
/// What each service reads as a member of its group.
const READ: [(&str, &[&str]); 4] = [
    ("order", &["audit/0", "orders-dlq/0"]),
    ("notification", &["orders/0", "orders/1", "orders/2"]),
    ("fraud", &["orders/0", "orders/1", "orders/2"]),
    ("audit", &["audit/0"]),
];

/// How often Kafka restarts; `DOJO_RESTARTS` says otherwise.
fn restarts() -> usize {
    std::env::var("DOJO_RESTARTS").map_or(50, |times| times.parse().expect("DOJO_RESTARTS is a number"))
}

/// Threads that keep every core busy until this is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            let ends = Arc::clone(&ends);
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        Self(ends)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What each service's instances own together, as those say that have reported since.
fn owned(instances: &Value, since: DateTime<Utc>) -> BTreeMap<&str, BTreeSet<String>> {
    let mut owned: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for instance in instances.as_array().into_iter().flatten() {
        let reported: DateTime<Utc> = instance["timestamp"].as_str().unwrap().parse().unwrap();
        for partition in instance["partitions"].as_array().into_iter().flatten().filter(|_| reported > since)
        {
            let name = format!("{}/{}", partition["topic"].as_str().unwrap(), partition["partition"]);
            owned.entry(instance["service"].as_str().unwrap()).or_default().insert(name);
        }
    }
    owned
}

/// Waits until every service reads all that it should; how long each took.
async fn all_read(dojo: &Dojo) -> BTreeMap<&'static str, Duration> {
    let (back, since) = (Instant::now(), Utc::now());
    let mut took = BTreeMap::new();
    loop {
        let instances = dojo.ask("/instances").await.unwrap_or_default();
        let owned = owned(&instances, since);
        for (service, read) in READ {
            let has = owned.get(service).is_some_and(|has| has.iter().eq(read));
            if has {
                took.entry(service).or_insert_with(|| back.elapsed());
            }
        }
        if took.len() == READ.len() {
            return took;
        }
        assert!(back.elapsed() < BACK_WITHIN, "Kafka is back for {BACK_WITHIN:?}; owned: {owned:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until an order that is placed now is delivered, judged, on the stream, and on standard output; how long that took.
async fn order_arrives_everywhere(dojo: &Dojo, events: &crate::events::Events) -> Duration {
    let back = Instant::now();
    let order = dojo.placed("Ada", "1").await;
    let orders = [order.clone()].into();
    events.all_have(&orders, &["NOTIFIED"]).await;
    events.all_have(&orders, &["FRAUD_CHECK_PASSED", "FRAUD_ALERT"]).await;
    eventually("the order on standard output", async || {
        if dojo.stdout().iter().any(|line| line.contains(&order)) { Ok(()) } else { Err(()) }
    })
    .await;
    assert!(back.elapsed() < BACK_WITHIN, "an order took {:?} to arrive everywhere", back.elapsed());
    back.elapsed()
}

fn seconds(took: Duration) -> String {
    format!("{:>6.1}", took.as_secs_f32())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour; cargo xtask soak runs it"]
async fn every_reader_has_its_partitions_again_after_each_of_many_restarts_of_kafka() {
    let mut kafka = OwnKafka::start().await;
    let dojo = Start::at(&kafka.config).ready().await;
    // At least once: under exactly once, a single node that stops can forget the end of a transaction (see the README).
    let events = dojo.events().await;
    let load = Load::of_many(&dojo.url, PER_SECOND);
    let _busy = Busy::start();
    println!(
        "restart  how    away  {}  everywhere",
        READ.map(|(service, _)| format!("{service:>12}")).join(" ")
    );
    for n in 0..restarts() {
        let (killed, away) = (n % 2 == 0, AWAY[n / 2 % AWAY.len()]);
        if killed {
            kafka.kill().await
        } else {
            kafka.stop().await
        }
        sleep(away).await;
        kafka.start_again().await;
        let (all, everywhere) = tokio::join!(all_read(&dojo), order_arrives_everywhere(&dojo, &events));
        println!(
            "{n:>7}  {}  {}  {}  {:>10}",
            if killed { "kill" } else { "stop" },
            seconds(away),
            READ.map(|(service, _)| format!("{:>12}", seconds(all[service]))).join(" "),
            seconds(everywhere),
        );
    }
    let answers = tokio::time::timeout(PATIENCE, load.end()).await.expect("every order is answered");
    println!("{:?}", crate::load::tally(&answers));
}
