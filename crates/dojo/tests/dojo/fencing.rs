//! Two dojos of the same names on one Kafka: the newer one works, and the older one says why it doesn't.

use crate::process::{Dojo, Start};
use dojo_testbed::eventually;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// The instances that have their place in a group by name. Notification instances share the work with each other.
const STATIC_MEMBERS: [&str; 3] = ["order-1", "fraud-1", "audit-1"];
/// Longer than three reports, after which a fenced instance could take the other one's silence for its end.
const SIDE_BY_SIDE: Duration = Duration::from_secs(10);

/// Places an order; returns when it is delivered, judged, and on the stream and the standard output of this dojo.
async fn works(dojo: &Dojo) {
    let events = dojo.events().await;
    let order = dojo.placed("Ada", "1").await;
    let orders = [order.clone()].into();
    events.all_have(&orders, &["NOTIFIED"]).await;
    events.all_have(&orders, &["FRAUD_CHECK_PASSED", "FRAUD_ALERT"]).await;
    eventually("the order on standard output", async || {
        let lines = dojo.stdout();
        if lines.iter().filter(|line| line.contains(&order)).count() >= 3 { Ok(()) } else { Err(lines.len()) }
    })
    .await;
}

/// Waits until each instance of `older` that holds a place by its name has logged which process has it now.
async fn says_who_has_its_place(older: &Dojo, newer: &BTreeMap<String, u32>) {
    for instance in STATIC_MEMBERS {
        let pid = newer[instance].to_string();
        eventually(&format!("{instance} to log that process {pid} has its place"), async || {
            let log = older.log();
            let mut lines = log.lines().filter(|line| line.starts_with(instance));
            let names = |line: &str| line.contains(&pid) && line.contains("started");
            if lines.any(names) { Ok(()) } else { Err(log.lines().last().map(str::to_owned)) }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_dojos_with_the_same_names_the_newer_works_until_it_ends() {
    let older = Start::new().ready().await;
    works(&older).await;
    let olders = older.services();
    let newer = Start::at(&older.kafka).ready().await;
    let newers = newer.services();
    // The reports of both stand under the same names; the newer ones work once the newest reports are theirs.
    eventually("the newer processes to run", async || {
        let running = newer.running().await?;
        let runs = |instance: &str| {
            let pid = newers.get(instance).copied().map(u64::from);
            running.iter().any(|(id, running)| id == instance && Some(*running) == pid)
        };
        if STATIC_MEMBERS.into_iter().all(runs) { Ok(()) } else { Err(format!("{running:?}")) }
    })
    .await;
    works(&newer).await;
    says_who_has_its_place(&older, &newers).await;
    let pid = newers["order-1"].to_string();
    eventually("the older one not to be ready, and to name the newer", async || {
        let answer = older.http.get(format!("{}/readyz", older.url)).send().await.unwrap();
        let (status, said) = (answer.status(), answer.text().await.unwrap());
        if status == 503 && said.contains(&pid) { Ok(()) } else { Err(format!("{status} {said}")) }
    })
    .await;
    let begun = Instant::now();
    while begun.elapsed() < SIDE_BY_SIDE {
        works(&newer).await;
    }
    assert_eq!(older.services(), olders, "no process of the older one has restarted");
    assert_eq!(newer.services(), newers, "no process of the newer one has restarted");

    newer.end().await;
    eventually("the older one to be ready again", async || older.running().await.map(drop)).await;
    works(&older).await;
    assert_eq!(older.services(), olders, "no process of the older one has restarted");
}
