//! Every service is killed again and again under load, and Kafka once: the accounts add up in both guarantees.

use crate::{
    accounts::Accounts,
    load::{Load, Told},
    process::{Start, kills},
};
use dojo_testbed::OwnKafka;
use serde_json::{Value, json};
use std::time::Instant;

const PER_SECOND: u64 = 60;
const INSTANCES: [&str; 5] = ["order-1", "notification-1", "notification-2", "fraud-1", "audit-1"];
/// Orders taken between two kills, so that the next one hits an instance at work.
const BETWEEN: usize = 60;

/// Kills half of all, with Kafka in the middle, and draws up the accounts.
async fn accounts_with(settings: Value) -> Accounts {
    let mut kafka = OwnKafka::start().await;
    let dojo = Start::at(&kafka.config).arg("--max-retries=2").ready().await;
    dojo.patch_settings(&settings).await;
    let load = Load::of_many(&dojo.url, PER_SECOND);
    load.takes(BETWEEN).await;
    let kills = kills().div_ceil(2);
    for n in 0..kills {
        if n == kills / 2 {
            let gone = Instant::now();
            kafka.kill().await;
            load.until("an order to be refused", gone, |told| *told == Told::Refused).await;
            kafka.start_again().await;
            load.takes(BETWEEN).await;
        }
        dojo.kill_and_wait(INSTANCES[n % INSTANCES.len()]).await;
        load.takes(BETWEEN).await;
    }
    let accounts = Accounts::settle(&kafka.config, &load.end().await).await;
    println!("{settings}: {kills} processes killed, and Kafka once\n{accounts}");
    accounts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_least_once_no_kill_loses_an_order_and_what_is_repeated_is_counted() {
    let accounts = accounts_with(json!({"failRate": 0.3})).await;
    accounts.nothing_is_missing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_once_no_kill_loses_an_order_or_repeats_anything() {
    let accounts = accounts_with(json!({"failRate": 0.3, "guarantee": "exactlyOnce"})).await;
    accounts.nothing_is_missing();
    accounts.nothing_is_repeated();
}
