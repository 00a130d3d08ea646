//! A process that is killed takes its own place again at once: nothing is learned from waiting for it.

use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use std::time::{Duration, Instant};

/// A dead member would be waited for six times as long.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The middle one of so many counts: a machine under load may be slow once.
const TIMES: usize = 3;

fn middle(mut took: [Duration; TIMES]) -> Duration {
    println!("{took:?}");
    took.sort();
    took[TIMES / 2]
}

/// Kills `instance`, and waits until the system has another process for it.
async fn replaced(dojo: &Dojo, instance: &str) {
    let old = dojo.kill(instance).await;
    eventually("another process", async || match dojo.services().get(instance) {
        Some(pid) if u64::from(*pid) != old => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stream_of_a_killed_order_service_shows_new_audit_events_a_second_after_it_is_back() {
    let dojo = Start::new().ready().await;
    let events = dojo.events().await;
    let mut took = [Duration::ZERO; TIMES];
    for took in &mut took {
        replaced(&dojo, "order-1").await;
        // The first order that is taken says that the service is back.
        let order = dojo.placed("Ada", "1").await;
        let back = Instant::now();
        events.all_have(&[order].into(), &["created"]).await;
        *took = back.elapsed();
    }
    let middle = middle(took);
    assert!(middle < AT_ONCE, "its stream shows new audit events {middle:?} after it is back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_audit_service_prints_new_events_a_second_after_it_is_back() {
    let dojo = Start::new().ready().await;
    let mut took = [Duration::ZERO; TIMES];
    for took in &mut took {
        replaced(&dojo, "audit-1").await;
        let back = Instant::now();
        let order = dojo.placed("Ada", "1").await;
        eventually("the order on standard output", async || {
            if dojo.stdout().iter().any(|line| line.contains(&order)) { Ok(()) } else { Err(()) }
        })
        .await;
        *took = back.elapsed();
    }
    let middle = middle(took);
    assert!(middle < AT_ONCE, "it prints new events {middle:?} after it is back");
}
