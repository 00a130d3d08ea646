//! Settings reach every instance before the answer does.

use crate::process::{Dojo, Start};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn patch(dojo: &Dojo, patch: Value) -> Value {
    let answer = dojo.http.patch(format!("{}/settings", dojo.url)).json(&patch).send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 200, "every live instance applies it in time: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Places `n` orders and tells which instances delivered and which failed to.
async fn delivered_and_failed(dojo: &Dojo, n: usize) -> (BTreeSet<String>, BTreeSet<String>) {
    let events = dojo.events().await;
    let mut orders = BTreeSet::new();
    for i in 0..n {
        orders.insert(dojo.placed(&format!("Customer {i}"), "1").await);
    }
    events.all_have(&orders, &["NOTIFIED", "DLQ"]).await;
    let by = |actions: &[&str]| {
        let audit = events.audit();
        let said = audit.iter().filter(|e| actions.iter().any(|a| e["action"] == *a));
        said.map(|e| e["instanceId"].as_str().unwrap().to_owned()).collect()
    };
    (by(&["NOTIFIED"]), by(&["RETRY", "DLQ"]))
}

#[tokio::test]
async fn a_failure_rate_holds_for_all_instances_or_for_one_from_the_next_notification_on() {
    let dojo = Start::new().ready().await;
    patch(&dojo, json!({"failRate": 1})).await;
    let (delivered, failed) = delivered_and_failed(&dojo, 30).await;
    assert!(delivered.is_empty(), "{delivered:?}");
    assert!(!failed.is_empty());

    let settings =
        patch(&dojo, json!({"failRate": null, "instances": {"notification-2": {"failRate": 1}}})).await;
    assert_eq!(settings["failRate"]["source"], "environment", "--fail-rate 0: {settings}");
    let (delivered, failed) = delivered_and_failed(&dojo, 60).await;
    assert_eq!(failed, BTreeSet::from(["notification-2".to_owned()]));
    assert!(delivered.contains("notification-1"), "{delivered:?}");
}
