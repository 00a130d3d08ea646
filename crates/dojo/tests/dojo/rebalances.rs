//! Rebalances as `GET /rebalances` and the stream show them: who left or joined, why, who reads what, and the pause.

use crate::{
    events::Events,
    process::{Dojo, Start, send_signal},
};
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{Service, topic};
use dojo_kafka::{
    ConsumerLoop, ConsumerOptions, Error, Handler, Instance, Outbox, Position, Producer, Progress, Record,
    consume,
};
use dojo_testbed::{PATIENCE, eventually};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const GROUP: &str = topic::NOTIFICATION_GROUP;

/// A dojo whose first rebalances are over.
async fn at_rest() -> (Dojo, Events) {
    let dojo = Start::new().ready().await;
    until_at_rest(&dojo).await;
    let events = dojo.events().await;
    (dojo, events)
}

/// Waits until both notification instances read, and the order service has seen their group at rest.
pub async fn until_at_rest(dojo: &Dojo) {
    eventually("both notification instances to read", async || {
        let instances = dojo.ask("/instances").await?;
        let reads = |i: &&Value| {
            i["service"] == "notification" && i["partitions"].as_array().is_some_and(|p| !p.is_empty())
        };
        let readers = instances.as_array().unwrap().iter().filter(reads).count();
        if readers == 2 { Ok(()) } else { Err(instances.to_string()) }
    })
    .await;
    // The groups are looked at one after another, once a second.
    let since = Utc::now() + TimeDelta::seconds(1);
    eventually("a look that found the group at rest", async || {
        let shown = dojo.ask("/rebalances").await?;
        let looked_at = shown["lookedAt"].as_str().and_then(|at| at.parse::<DateTime<Utc>>().ok());
        let is_at_rest = newest(&shown, GROUP, |entry| entry["settledAt"].is_null()).is_none();
        if is_at_rest && looked_at.is_some_and(|at| at > since) { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
}

/// The newest rebalance of the group, if it is as wanted.
fn newest<'a>(list: &'a Value, group: &str, wanted: impl Fn(&Value) -> bool) -> Option<&'a Value> {
    let mut all = list["rebalances"].as_array()?.iter();
    all.find(|entry| entry["group"] == group).filter(|entry| wanted(entry))
}

/// Waits for the newest rebalance of the group to have settled as wanted, and returns it.
async fn settled(dojo: &Dojo, group: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(what, async || {
        let shown = dojo.ask("/rebalances").await?;
        let settled = newest(&shown, group, |entry| !entry["settledAt"].is_null() && wanted(entry));
        settled.cloned().ok_or_else(|| shown.to_string())
    })
    .await
}

/// The member and the reason of each that left.
fn left(entry: &Value) -> Vec<(&str, &str)> {
    let left = entry["left"].as_array().unwrap().iter();
    left.map(|old| (old["member"].as_str().unwrap(), old["reason"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_is_shown_as_a_crash_when_it_begins_and_when_it_has_settled() {
    let (dojo, events) = at_rest().await;
    dojo.kill("notification-2").await;
    let shown =
        settled(&dojo, GROUP, "the crash", |entry| left(entry) == [("notification-2", "crashed")]).await;
    assert_eq!(shown["joined"], json!([{"member": "notification-2", "foreign": false}]), "{shown}");
    assert!(shown["pauseMillis"].as_i64().unwrap() > 0, "{shown}");
    assert_eq!(shown["after"].as_array().unwrap().len(), 2, "{shown}");
    assert!(
        shown["summary"].as_str().unwrap().starts_with("notification-2 crashed and joined again."),
        "{shown}"
    );
    eventually("the stream to show it, too", async || {
        let streamed = events.of_type("rebalance");
        if streamed.last() == Some(&shown) { Ok(()) } else { Err(streamed) }
    })
    .await;
    let streamed = events.of_type("rebalance");
    assert!(
        streamed.iter().any(|entry| entry["id"] == shown["id"] && entry["after"].is_null()),
        "{streamed:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_instance_loses_its_session_and_comes_back() {
    let (dojo, _) = at_rest().await;
    let pid = dojo.services()["notification-1"];
    send_signal("-STOP", pid);
    let expired = |entry: &Value| left(entry) == [("notification-1", "sessionExpired")];
    let shown = settled(&dojo, GROUP, "the end of the session", expired).await;
    send_signal("-CONT", pid);
    assert!(shown["pauseMillis"].as_i64().unwrap() >= 4_000, "{shown}");
    let back = |entry: &Value| entry["joined"][0]["member"] == "notification-1" && left(entry).is_empty();
    settled(&dojo, GROUP, "its return", back).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_stopped_has_left() {
    let (dojo, _) = at_rest().await;
    let stop = dojo.http.request(Method::POST, format!("{}/instances/notification-2/stop", dojo.url));
    assert!(stop.send().await.unwrap().status().is_success());
    let has_left = |entry: &Value| left(entry) == [("notification-2", "left")];
    let shown = settled(&dojo, GROUP, "the stop", has_left).await;
    let [only] = &shown["after"].as_array().unwrap()[..] else { panic!("one is left: {shown}") };
    assert_eq!(
        (&only["member"], only["partitions"].as_array().unwrap().len()),
        (&json!("notification-1"), 3)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_that_is_killed_comes_back_to_its_partitions() {
    let (dojo, _) = at_rest().await;
    dojo.kill("fraud-1").await;
    let group = topic::FRAUD_GROUP;
    let shown = settled(&dojo, group, "the crash", |entry| left(entry) == [("fraud-1", "crashed")]).await;
    let partitions = |of: &str| shown[of][0]["partitions"].clone();
    assert_eq!(partitions("before"), partitions("after"), "{shown}");
    assert!(shown["pauseMillis"].as_i64().is_some(), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_participants_own_consumer_is_a_foreign_member() {
    let (dojo, _) = at_rest().await;
    let guest = Guest::join(&dojo);
    let joined = |entry: &Value| entry["joined"] == json!([{"member": "guest", "foreign": true}]);
    let shown = settled(&dojo, GROUP, "the guest", joined).await;
    assert_eq!(shown["after"].as_array().unwrap().len(), 3, "{shown}");
    guest.leave().await;
    settled(&dojo, GROUP, "its end", |entry| left(entry) == [("guest", "unknown")]).await;
}

/// A member of the notification group that isn't the dojo's, and reads without doing anything.
struct Guest {
    stop: CancellationToken,
    member: ConsumerLoop,
}

struct Ignore;

impl Handler for Ignore {
    fn record(&mut self, _: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        out.done(position);
        Ok(())
    }
}

impl Guest {
    fn join(dojo: &Dojo) -> Self {
        let stop = CancellationToken::new();
        let instance = Instance::start(Service::Audit, Some("guest".to_owned()));
        let options = ConsumerOptions::new(GROUP, &[topic::ORDERS], &instance);
        let producer = Producer::new(&dojo.kafka, "guest", PATIENCE).unwrap();
        let member =
            consume(&dojo.kafka, options, producer, Ignore, Progress::default(), stop.clone()).unwrap();
        Self { stop, member }
    }

    async fn leave(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.member.join()).await.unwrap().unwrap();
    }
}
