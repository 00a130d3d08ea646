//! Instances are stopped, started, crashed, added and removed by requests, and every effect comes through Kafka.

use crate::{
    accounts::Accounts,
    load::Load,
    process::{Dojo, Start},
};
use dojo_contract::topic;
use dojo_kafka::Outgoing;
use dojo_testbed::{Kafka, OwnKafka, eventually, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PER_SECOND: u64 = 50;
const STOPS: usize = 100;

async fn send(dojo: &Dojo, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut request = dojo.http.request(method, format!("{}{path}", dojo.url));
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect(&text) })
}

async fn act(dojo: &Dojo, id: &str, act: &str) -> (u16, Value) {
    send(dojo, Method::POST, &format!("/instances/{id}/{act}"), None).await
}

async fn add(dojo: &Dojo, service: &str) -> (u16, Value) {
    send(dojo, Method::POST, "/instances", Some(json!({"service": service}))).await
}

async fn remove(dojo: &Dojo, id: &str) -> u16 {
    send(dojo, Method::DELETE, &format!("/instances/{id}"), None).await.0
}

/// Waits until the instance's report is as wanted, and returns it.
async fn reports(dojo: &Dojo, id: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{id}: {what}"), async || {
        let entry = dojo.ask(&format!("/instances/{id}")).await?;
        if wanted(&entry) { Ok(entry) } else { Err(entry.to_string()) }
    })
    .await
}

/// Stops an instance, and returns its report that it has stopped. On a busy machine the report comes after the answer.
async fn stop(dojo: &Dojo, id: &str) -> Value {
    let (status, entry) = act(dojo, id, "stop").await;
    assert!(matches!(status, 200 | 202), "{status} {entry}");
    reports(dojo, id, "that it has stopped", |entry| {
        entry["state"] == "stopped" && entry["desired"] == "stopped"
    })
    .await
}

async fn start(dojo: &Dojo, id: &str) {
    let (status, entry) = act(dojo, id, "start").await;
    assert!(matches!(status, 200 | 202), "{status} {entry}");
    assert_eq!(entry["desired"], "running");
}

fn partitions(entry: &Value) -> usize {
    entry["partitions"].as_array().map_or(0, Vec::len)
}

async fn owns(dojo: &Dojo, id: &str, wanted: impl Fn(usize) -> bool) {
    reports(dojo, id, "its share of the partitions", |entry| {
        entry["state"] == "running" && wanted(partitions(entry))
    })
    .await;
}

/// Waits until the instance runs in another process than the one that started then, and returns its new report.
async fn replaced(dojo: &Dojo, id: &str, started_at: &Value, state: &str) -> Value {
    reports(dojo, id, "another process", |entry| {
        entry["startedAt"] != *started_at && entry["state"] == state && entry["pid"].is_number()
    })
    .await
}

async fn is_delivered(dojo: &Dojo) {
    let events = dojo.events().await;
    let order = dojo.placed("Ada", "1").await;
    events.all_have(&[order].into(), &["NOTIFIED"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_instance_leaves_its_partitions_to_the_other_one_until_it_is_started() {
    let dojo = Start::new().ready().await;
    owns(&dojo, "notification-2", |n| n < 3).await;
    let before = owned_by_first(&dojo).await;
    let entry = stop(&dojo, "notification-1").await;
    assert_eq!((&entry["pid"], partitions(&entry)), (&before["pid"], 0), "its process stays: {entry}");
    owns(&dojo, "notification-2", |n| n == 3).await;
    is_delivered(&dojo).await;

    start(&dojo, "notification-1").await;
    let after = owned_by_first(&dojo).await;
    assert_eq!(after["pid"], before["pid"]);
    owns(&dojo, "notification-2", |n| n < 3).await;
}

async fn owned_by_first(dojo: &Dojo) -> Value {
    reports(dojo, "notification-1", "a share", |entry| entry["state"] == "running" && partitions(entry) > 0)
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_instance_that_crashes_comes_back_stopped() {
    let dojo = Start::new().ready().await;
    let entry = stop(&dojo, "notification-1").await;
    assert_eq!(act(&dojo, "notification-1", "crash").await.0, 202);
    let back = replaced(&dojo, "notification-1", &entry["startedAt"], "stopped").await;
    assert_eq!((&back["desired"], &back["rebalances"]), (&json!("stopped"), &json!(0)), "{back}");
    owns(&dojo, "notification-2", |n| n == 3).await;
    start(&dojo, "notification-1").await;
    owned_by_first(&dojo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_ends_one_process_with_137_and_not_its_successor() {
    let dojo = Start::new().ready().await;
    for instance in ["notification-1", "fraud-1"] {
        let (status, entry) = act(&dojo, instance, "crash").await;
        assert_eq!(status, 202, "{entry}");
        let successor = replaced(&dojo, instance, &entry["startedAt"], "running").await;
        // The successor has read the command when it has applied a later change.
        dojo.patch_settings(&json!({"maxRetries": 3})).await;
        let (_, now) = send(&dojo, Method::GET, &format!("/instances/{instance}"), None).await;
        assert_eq!(now["startedAt"], successor["startedAt"], "{now}");
        let log = dojo.log();
        let crashed = |line: &&str| line.contains("ended; restarting it") && line.contains(instance);
        let ends: Vec<_> = log.lines().filter(crashed).collect();
        assert!(matches!(ends[..], [end] if end.contains("exit status: 137")), "{ends:?}");
    }
    is_delivered(&dojo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_notification_instance_gets_a_partition_and_disappears_when_it_is_removed() {
    let dojo = Start::new().ready().await;
    let (status, entry) = add(&dojo, "notification").await;
    assert!(matches!(status, 201 | 202), "{status} {entry}");
    assert_eq!(entry["instanceId"], "notification-3");
    for n in 1..=3 {
        owns(&dojo, &format!("notification-{n}"), |n| n == 1).await;
    }
    is_delivered(&dojo).await;

    assert!(matches!(remove(&dojo, "notification-3").await, 202 | 204));
    let path = "/instances/notification-3";
    until("it to be gone", async || send(&dojo, Method::GET, path, None).await.0 == 404).await;
    assert!(!dojo.services().contains_key("notification-3"), "its process has ended");
    assert_eq!(remove(&dojo, "notification-3").await, 404);
    // One of the command line can be removed and comes back in the same way.
    assert!(matches!(remove(&dojo, "notification-1").await, 202 | 204));
    owns(&dojo, "notification-2", |n| n == 3).await;
    until("it to be gone", async || {
        send(&dojo, Method::GET, "/instances/notification-1", None).await.0 == 404
    })
    .await;
    assert_eq!(add(&dojo, "notification").await.1["instanceId"], "notification-1");
    owned_by_first(&dojo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_serves_and_what_supervises_cannot_be_stopped_and_an_unknown_instance_is_404() {
    let dojo = Start::new().ready().await;
    reports(&dojo, "supervisor-1", "that it is live", |entry| entry["live"] == true).await;
    for id in ["order-1", "supervisor-1"] {
        for (status, problem) in [act(&dojo, id, "stop").await, act(&dojo, id, "crash").await] {
            assert_eq!(status, 409, "{problem}");
            assert!(problem["detail"].as_str().unwrap().starts_with(id), "{problem}");
        }
        assert_eq!(remove(&dojo, id).await, 409);
    }
    assert_eq!(act(&dojo, "notification-9", "stop").await.0, 404);
    // Every live instance applies a change, the supervisor too.
    dojo.patch_settings(&json!({"failRate": 0})).await;
    let groups = dojo.get("/status").await["groups"].to_string();
    assert!(!groups.contains("supervisor"), "{groups}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settings_record_that_is_nonsense_is_skipped_and_changes_nothing() {
    let dojo = Start::new().ready().await;
    let services = dojo.services();
    let kafka = Kafka::at(dojo.kafka.clone(), &[]).await;
    for (key, value) in [
        ("instances.notification-1.state", "stopped"),
        ("instances.notification-1.state", "\"asleep\""),
        ("instances.notification-1.crash", "\"now\""),
        ("instances.notification-3.process", "\"pizza\""),
        ("instances.order-1.process", "\"none\""),
        ("instances", "{}"),
    ] {
        let (key, value) = (Some(key.into()), Some(value.into()));
        kafka
            .send(Outgoing { topic: topic::SETTINGS, key, value, headers: Vec::new(), timestamp: None })
            .await;
    }
    // Applied by every instance and by the supervisor, after the nonsense.
    dojo.patch_settings(&json!({"maxRetries": 1})).await;
    until("it to be logged", async || dojo.log().contains("a record of dojo-settings is skipped")).await;
    is_delivered(&dojo).await;
    let (_, entry) = send(&dojo, Method::GET, "/instances/notification-1", None).await;
    assert_eq!((&entry["state"], &entry["desired"]), (&json!("running"), &json!("running")));
    assert_eq!(dojo.services(), services);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_instance_of_a_service_can_be_stopped_and_its_work_waits() {
    let dojo = Start::new().ready().await;
    let events = dojo.events().await;
    for id in ["notification-1", "notification-2", "fraud-1"] {
        stop(&dojo, id).await;
    }
    let mut orders = BTreeSet::new();
    for n in 0..10 {
        orders.insert(dojo.placed(&format!("Customer {n}"), "1").await);
    }
    assert_eq!(events.orders_with(&["NOTIFIED", "FRAUD_CHECK_PASSED"]).len(), 0);
    for id in ["notification-2", "fraud-1"] {
        start(&dojo, id).await;
    }
    events.all_have(&orders, &["NOTIFIED"]).await;
    events.all_have(&orders, &["FRAUD_CHECK_PASSED"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dojo_that_is_started_again_runs_the_instances_that_the_settings_ask_for() {
    let kafka = OwnKafka::start().await;
    let dojo = Start::at(&kafka.config).ready().await;
    for n in 3..=4 {
        assert_eq!(add(&dojo, "notification").await.1["instanceId"], format!("notification-{n}"));
        owns(&dojo, &format!("notification-{n}"), |_| true).await;
    }
    stop(&dojo, "notification-1").await;
    assert!(matches!(remove(&dojo, "notification-2").await, 202 | 204));
    dojo.end().await;

    let dojo = Start::at(&kafka.config).ready().await;
    let expected = ["audit-1", "fraud-1", "notification-1", "notification-3", "notification-4", "order-1"];
    eventually("the same instances", async || {
        let services: Vec<_> = dojo.services().into_keys().collect();
        if services == expected { Ok(()) } else { Err(services) }
    })
    .await;
    let stopped = |entry: &Value| entry["state"] == "stopped" && entry["desired"] == "stopped";
    reports(&dojo, "notification-1", "that it is stopped", stopped).await;
    until("the announcement", async || dojo.log().contains("the dojo is ready")).await;
    assert!(!dojo.log().contains("some instances are not running"), "{}", dojo.log());
    is_delivered(&dojo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_are_stopped_and_started_a_hundred_times_under_load_lose_nothing() {
    let dojo = Start::new().arg("--max-retries=2").ready().await;
    dojo.patch_settings(&json!({"failRate": 0.3})).await;
    let load = Load::of_many(&dojo.url, PER_SECOND);
    for n in 0..STOPS {
        let id = ["notification-1", "notification-2"][n % 2];
        for wish in ["stop", "start"] {
            let (status, said) = act(&dojo, id, wish).await;
            assert!(matches!(status, 200 | 202), "{wish} {id}: {status} {said}");
        }
    }
    for id in ["notification-1", "notification-2"] {
        owns(&dojo, id, |n| n > 0).await;
    }
    let accounts = Accounts::settle(&dojo.kafka, &load.end().await).await;
    println!("{STOPS} stops and starts\n{accounts}");
    accounts.nothing_is_missing();
}
