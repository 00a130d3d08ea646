//! Whether a dojo is fit.

use super::scenario;
use crate::observe::{Fitness, fit};
use serde_json::{Value, json};

fn instance(id: &str, service: &str, live: bool, state: &str) -> Value {
    json!({"instanceId": id, "service": service, "live": live, "state": state, "desired": "running"})
}

fn status(instances: Vec<Value>, lag: i64) -> Value {
    let partitions = json!([{"topic": "orders", "partition": 0, "position": 5, "lag": lag}]);
    let members = json!([{"instanceId": "notification-1", "partitions": partitions}]);
    json!({"instances": instances, "groups": [{"group": "notification-group", "members": members}], "topics": null})
}

fn fit_instances() -> Vec<Value> {
    vec![
        instance("notification-1", "notification", true, "running"),
        instance("notification-2", "notification", true, "running"),
        instance("notification-3", "notification", false, "stopped"),
        instance("fraud-1", "fraud", true, "running"),
    ]
}

fn rule(version: &str, in_force: &str) -> Value {
    json!({
        "name": "fraud", "version": version, "error": null, "asShipped": {"version": "aa", "source": ""},
        "instances": [{"instanceId": "fraud-1", "version": in_force, "error": null}],
    })
}

fn reasons(before: &str, not_ready: Option<&str>, status: &Value, rules: &[Value]) -> Vec<String> {
    let scenario = scenario(&format!("before: {before}"), &[]);
    let fitness = Fitness { not_ready, status, rules };
    fit(scenario.document.before.as_ref(), &fitness).err().unwrap_or_default()
}

const BEFORE: &str = "{ lag: 0, rules: [fraud], notificationInstances: 2 }";

#[test]
fn a_dojo_at_rest_is_fit() {
    let none: [String; 0] = [];
    assert_eq!(reasons(BEFORE, None, &status(fit_instances(), 0), &[rule("aa", "aa")]), none);
}

#[test]
fn every_reason_is_told_with_what_to_do() {
    let mut instances = vec![
        instance("notification-1", "notification", true, "running"),
        instance("notification-2", "notification", false, "running"),
        instance("fraud-1", "fraud", true, "starting"),
    ];
    instances[0]["limitation"] = json!("it waits for partitions");
    let status = status(instances, 3);
    let reasons = reasons(BEFORE, Some("Kafka is away"), &status, &[rule("bb", "bb")]);
    for (reason, said) in reasons.iter().zip([
        "the order service is not ready: Kafka is away; wait until",
        "notification-1 can't do all of its work: it waits for partitions; wait",
        "notification-2 has not reported for six seconds; look",
        "fraud-1 is still starting; wait",
        "notification-group is 3 records behind, and this lesson needs at most 0; wait",
        "rule fraud is version bb, and this lesson needs the shipped one, aa; put",
        "1 instance of the notification service is running, and this lesson needs 2; add one",
    ]) {
        assert!(reason.starts_with(said), "{reason}");
    }
    assert_eq!(reasons.len(), 7, "{reasons:?}");
}

#[test]
fn an_instance_with_another_version_than_its_file_is_a_reason() {
    let reasons = reasons(BEFORE, None, &status(fit_instances(), -1), &[rule("aa", "bb")]);
    assert!(reasons[0].starts_with("how far notification-group is behind isn't known yet"), "{reasons:?}");
    assert!(reasons[1].starts_with("fraud-1 uses version bb of rule fraud"), "{reasons:?}");
}

#[test]
fn a_dojo_without_fraud_detection_or_with_an_unknown_rule_is_not_fit() {
    let instances = vec![instance("notification-1", "notification", true, "running")];
    let reasons = reasons("{ rules: [notification] }", None, &status(instances, 0), &[]);
    assert!(reasons[0].starts_with("no instance of the fraud service is running; start one"), "{reasons:?}");
    assert!(reasons[1].starts_with("there is no rule `notification`"), "{reasons:?}");
}

#[test]
fn something_else_than_a_dojo_is_not_fit() {
    let reasons = reasons("{ lag: 0 }", None, &json!([1]), &[]);
    assert!(reasons[0].contains("isn't the answer of a dojo"), "{reasons:?}");
}
