//! What edited rules cost: from a save to the first verdict, a backtest beside a loop that only reads, and the memory of
//! full windows.

use crate::{
    broker::On,
    fraud::{MINUTES, Orders, filled, rate},
    processes::{Process, shipped_rules},
    restart::{Dojo, wait_for},
};
use chrono::TimeDelta;
use dojo_contract::topic;
use dojo_kafka::{Isolation, KafkaConfig, Producer, RangeReader};
use serde_json::Value;
use std::{
    ops::ControlFlow,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const EDITS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(120);
/// Kept by the embedded broker, so that nothing is deleted of what is measured.
const KEPT: usize = 512 << 20;

/// From a save to the first event that carries the saved version, of an order placed after the save. There are 50 orders a
/// second.
pub async fn edits(on: On) {
    let rules = tempfile::tempdir().unwrap();
    for file in ["fraud.rhai", "notification.rhai"] {
        std::fs::copy(shipped_rules().join(file), rules.path().join(file)).unwrap();
    }
    let (_broker, brokers) = on.broker().await;
    let dojo = Dojo::with_rules(&brokers, rules.path()).await;
    for instance in ["fraud-1", "notification-1", "notification-2"] {
        dojo.at_work(instance).await;
    }
    let (mut fraud, mut first, mut both) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..EDITS {
        let (saved, version) = save(&rules.path().join("fraud.rhai"), n);
        fraud.push(switched(&dojo, saved, &version, "fraud-1").await);
        let (saved, version) = save(&rules.path().join("notification.rhai"), n);
        let one = switched(&dojo, saved, &version, "notification-1").await;
        let other = switched(&dojo, saved, &version, "notification-2").await;
        first.push(one.min(other));
        both.push(one.max(other));
    }
    print("the first verdict of fraud detection", fraud);
    print("the first delivery of an instance", first);
    print("the first delivery of the second instance", both);
}

/// Adds a line to a rule; when that was, and the version.
fn save(path: &Path, n: usize) -> (Instant, String) {
    let source = format!("{}// edit {n}\n", std::fs::read_to_string(path).unwrap());
    let version = dojo_rules::version(&source);
    let saved = Instant::now();
    std::fs::write(path, source).unwrap();
    (saved, version)
}

async fn switched(dojo: &Dojo, saved: Instant, version: &str, instance: &str) -> Duration {
    let is_switched = || {
        dojo.first_event(saved, |event| event["ruleVersion"] == version && event["instanceId"] == instance)
    };
    wait_for("edit", saved, is_switched).await
}

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort();
    let [median, most] = [EDITS / 2, EDITS - 1].map(|n| took[n].as_millis());
    println!("edits: {what} {median} ms after the save, median of {EDITS}; {most} ms at most");
}

/// Orders a second of a backtest that finds no change, beside a loop that only reads the same records.
pub async fn backtest(on: On) {
    let (_broker, brokers) = on.broker_keeping(KEPT).await;
    let producer = filled(&brokers, MINUTES).await;
    let fraud = Process::dojo(&["fraud", "--kafka-brokers", &brokers]);
    rate(&producer, MINUTES).await;
    drop(fraud);
    let before = only_reads(&brokers, &producer).await;
    let output = Command::new(env!("CARGO_BIN_EXE_dojo"))
        .args(["rules", "backtest", "--all", "--json", "--kafka-brokers", &brokers])
        .args(["--rules-dir".as_ref(), shipped_rules().as_os_str()])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["changes"], &report["compared"]), (&0.into(), &MINUTES.count.into()), "{report}");
    let orders = MINUTES.count as f64 / (report["millis"].as_f64().unwrap() / 1_000.0);
    let after = only_reads(&brokers, &producer).await;
    let ratio = orders / f64::midpoint(before, after);
    println!(
        "backtest: {orders:.0} orders/s with their verdicts, a loop that only reads both {before:.0}/s and {after:.0}/s, ratio {ratio:.2}; {} differences",
        report["changes"]
    );
}

/// Orders a second of a loop that reads each order and each verdict, a topic after the other.
async fn only_reads(brokers: &str, producer: &Producer) -> f64 {
    let reader =
        RangeReader::new(KafkaConfig::new(brokers), "only-reads".to_owned(), CancellationToken::new());
    let begun = Instant::now();
    for topic in [topic::ORDERS, topic::AUDIT] {
        let watermarks = producer.watermarks(topic).await.unwrap();
        let ranges = watermarks.into_iter().map(|(partition, (low, high))| (partition, low..high));
        let read = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&read);
        let each = move |_: &dojo_kafka::Record<'_>| {
            count.fetch_add(1, Ordering::Relaxed);
            ControlFlow::Continue(())
        };
        let until = Instant::now() + PATIENCE;
        reader.read(topic, ranges.collect(), Isolation::ReadCommitted, until, each).await.unwrap();
        assert_eq!(read.load(Ordering::Relaxed), MINUTES.count as u64, "{topic}");
    }
    MINUTES.count as f64 / begun.elapsed().as_secs_f64()
}

/// The memory of fraud detection with the most orders that windows hold, each of another customer, beside its memory with
/// windows of a minute over the same orders.
pub async fn windows(on: On) {
    let (minute, hour) = (memory(on, 60).await, memory(on, 3_600).await);
    println!(
        "windows: {hour:.0} MiB with a million orders of an hour, {minute:.0} MiB with those of a minute"
    );
}

/// The most memory of fraud detection, in MiB, while it judges a million orders of an hour by a rule that asks about `span`
/// seconds.
async fn memory(on: On, span: u32) -> f64 {
    let orders = Orders { count: 1_000_000, customers: 1_000_000, apart: TimeDelta::microseconds(3_500) };
    let (_broker, brokers) = on.broker_keeping(KEPT).await;
    let producer = filled(&brokers, orders).await;
    let rules = tempfile::tempdir().unwrap();
    let rule = format!("if everyone.orders({span}) > 2_000_000 {{ throw \"too many\"; }}\n[]\n");
    std::fs::write(rules.path().join("fraud.rhai"), rule).unwrap();
    let fraud = Process::dojo_with_rules(&["fraud", "--kafka-brokers", &brokers], rules.path());
    rate(&producer, orders).await;
    fraud.peak_mib()
}
