//! What a look at the four consumer groups costs, beside a look at the ends of the three topics that the order service takes as often; and
//! how soon after SIGKILL of a notification instance the stream shows the rebalance.

use crate::{broker::On, processes::PATIENCE, restart::Dojo};
use dojo_contract::topic;
use dojo_kafka::{GroupReader, Isolation, KafkaConfig, LogEnds};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use hdrhistogram::Histogram;
use serde_json::Value;
use std::{
    process::Command,
    time::{Duration, Instant},
};
use tokio::time::timeout;

const LOOKS: u32 = 1_000;
const KILLS: usize = 10;
const KILLED: &str = "notification-2";

pub async fn measure(on: On) {
    let (_broker, brokers) = on.broker().await;
    let dojo = Dojo::start(&brokers).await;
    // Both instances are members by then.
    dojo.at_work(KILLED).await;
    let kafka = KafkaConfig::new(brokers);
    let groups = GroupReader::new(&kafka, "bench-groups").unwrap();
    let names = [topic::NOTIFICATION_GROUP, topic::FRAUD_GROUP, topic::AUDIT_GROUP, topic::SSE_RELAY_GROUP];
    let look = async || {
        for name in names {
            groups.describe(name).await.unwrap();
        }
    };
    let ends = LogEnds::new(&kafka, "bench-ends", Isolation::ReadUncommitted).unwrap();
    let ask = async || {
        for name in [topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ] {
            ends.of(name).await.unwrap();
        }
    };
    let beside = cost(&ask).await;
    let cost = cost(&look).await;
    let share = |took: Duration| took.as_secs_f64() * 100.0;
    println!(
        "rebalances: a look at four groups takes {:?} (p99 {:?}) and {:?} of this process's time: {:.3} % of a core once a second; beside a look at \
         the ends of three topics ({:?}, {:?} of the process's time) ratio {:.2}",
        cost.median,
        cost.p99,
        cost.cpu,
        share(cost.cpu),
        beside.median,
        beside.cpu,
        cost.cpu.as_secs_f64() / beside.cpu.as_secs_f64().max(1e-9),
    );
    let (mut begun, mut settled) = (Vec::new(), Vec::new());
    for _ in 0..KILLS {
        let shown = timeout(PATIENCE, shown_after_kill(&dojo)).await.expect("the rebalance is shown in time");
        begun.push(shown.0);
        settled.push(shown.1);
    }
    for (what, mut took) in [("begins", begun), ("has settled", settled)] {
        took.sort();
        println!(
            "rebalances: the stream shows that a rebalance {what} {:.2} s after SIGKILL, median of {KILLS}; {:.2} to {:.2} s",
            took[KILLS / 2].as_secs_f32(),
            took[0].as_secs_f32(),
            took[KILLS - 1].as_secs_f32()
        );
    }
}

struct Cost {
    median: Duration,
    p99: Duration,
    /// CPU time of this process, each time.
    cpu: Duration,
}

async fn cost(ask: &impl AsyncFn()) -> Cost {
    ask().await;
    let mut took = Histogram::<u64>::new(3).unwrap();
    let before = cpu_time();
    for _ in 0..LOOKS {
        let begun = Instant::now();
        ask().await;
        took.record(begun.elapsed().as_micros() as u64).unwrap();
    }
    let cpu = (cpu_time() - before) / LOOKS;
    let at = |quantile| Duration::from_micros(took.value_at_quantile(quantile));
    Cost { median: at(0.5), p99: at(0.99), cpu }
}

/// CPU time of this process (proc_pid_stat(5); a tick is 10 ms on Linux).
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(") ").next().unwrap().split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

/// Kills the instance; how long after that the stream showed that a rebalance of its group began, and that it has settled.
async fn shown_after_kill(dojo: &Dojo) -> (Duration, Duration) {
    let (pid, _) = dojo.at_work(KILLED).await;
    let answer = reqwest::get(format!("{}/events", dojo.url)).await.unwrap();
    let mut stream = answer.bytes_stream().eventsource();
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
    let (killed, mut begun) = (Instant::now(), None);
    while let Some(Ok(event)) = stream.next().await {
        if event.event != "rebalance" {
            continue;
        }
        let shown: Value = serde_json::from_str(&event.data).unwrap();
        if shown["group"] == topic::NOTIFICATION_GROUP {
            begun = begun.or(Some(killed.elapsed()));
            if !shown["settledAt"].is_null() {
                return (begun.unwrap(), killed.elapsed());
            }
        }
    }
    panic!("the stream has ended");
}
