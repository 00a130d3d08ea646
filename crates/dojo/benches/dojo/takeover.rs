//! From `stop` and from `crash` of a notification instance until each of its partitions is handled again: by the other
//! instance, or, after a crash, also by its own successor. At least once, with 50 orders a second.

use crate::{
    broker::On,
    restart::{Dojo, wait_for},
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const TIMES: usize = 10;
const LEAVES: &str = "notification-1";

pub async fn measure(on: On) {
    let (_broker, brokers) = on.broker().await;
    let dojo = Dojo::start(&brokers).await;
    for act in ["stop", "crash"] {
        let mut took = Vec::new();
        for _ in 0..TIMES {
            took.push(taken_over(&dojo, act).await);
            if act == "stop" {
                ask(&dojo, "start").await;
            }
        }
        took.sort();
        let median = (took[TIMES / 2 - 1] + took[TIMES / 2]) / 2;
        let (least, most) = (took[0].as_secs_f32(), took[TIMES - 1].as_secs_f32());
        println!(
            "takeover: all partitions are handled again {:.2} s after {act}, median of {TIMES}; {least:.2} to {most:.2} s",
            median.as_secs_f32(),
        );
    }
}

async fn ask(dojo: &Dojo, act: &str) {
    let answer = dojo.client.post(format!("{}/instances/{LEAVES}/{act}", dojo.url)).send().await.unwrap();
    assert!(answer.status().is_success(), "{act}: {}", answer.text().await.unwrap());
}

/// Asks for `act`; how long after that the last of the instance's partitions had a record handled that was placed once the
/// instance was gone.
async fn taken_over(dojo: &Dojo, act: &str) -> Duration {
    let (pid, had) = dojo.at_work(LEAVES).await;
    let asked = Instant::now();
    ask(dojo, act).await;
    // The answer to a stop says that it has left its group.
    while act == "crash" && Path::new(&format!("/proc/{pid}")).exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let gone = Instant::now();
    let mut last = Duration::ZERO;
    for partition in had {
        let handled = || {
            dojo.first_event(gone, |event| event["action"] == "NOTIFIED" && event["partition"] == partition)
        };
        last = last.max(gone - asked + wait_for("takeover", gone, handled).await);
    }
    last
}
