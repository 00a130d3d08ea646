//! A rule that asks about a longer span than the windows hold gets it from the log, and an edit or a restart loses no order.

use crate::service::{Service, ago, created, has_alert, kafka, order, verdicts};
use chrono::{TimeDelta, Utc};
use dojo_contract::{Guarantee, InstanceStatus, Setting, topic};
use dojo_kafka::Outgoing;
use dojo_testbed::eventually;
use std::path::Path;

const A_MINUTE: &str = r#"if customer.orders(60) > 100 { [alert("MANY", "LOW", "")] } else { [] }"#;
/// Says in the type of its alert how many orders of the last half hour it has seen.
const HALF_AN_HOUR: &str = r#"[alert(`SEEN_${customer.orders(1800)}`, "LOW", "")]"#;

fn save(rules: &Path, source: &str) {
    std::fs::write(rules.join("fraud.rhai"), source).unwrap();
}

async fn a_longer_span_is_read_from_the_log(guarantee: Guarantee) {
    let (kafka, rules) = (kafka().await, tempfile::tempdir().unwrap());
    let key = Setting::Guarantee.name().to_owned();
    kafka.send(Outgoing::json(topic::SETTINGS, key, &guarantee, Utc::now()).unwrap()).await;
    let mut audit = kafka.read(topic::AUDIT);
    save(rules.path(), A_MINUTE);
    let service = Service::start_with_rules(&kafka, rules.path());
    // Windows of a minute have forgotten Mallory's orders by the time of Ada's.
    for n in 0..4 {
        kafka.send(created(&order("Mallory", ago(TimeDelta::minutes(20) - TimeDelta::seconds(n))))).await;
    }
    for n in 0..3 {
        kafka.send(created(&order("Ada", ago(TimeDelta::seconds(9 - n))))).await;
    }
    verdicts(&mut audit, 7).await;

    save(rules.path(), HALF_AN_HOUR);
    let mut placed = 0;
    let said = eventually("a verdict on the whole half hour", async || {
        kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
        placed += 1;
        let said = verdicts(&mut audit, 7 + placed).await;
        let is_complete = said.iter().any(|verdict| {
            let seen_all = (4..=4 + placed).any(|n| n > 4 && has_alert(verdict, &format!("SEEN_{n}")));
            seen_all && !verdict.window_stats.unwrap().partial
        });
        if is_complete { Ok(said) } else { Err(format!("{:?}", said.last())) }
    })
    .await;
    service.stop().await;
    // Whatever the windows lacked was said to be partial.
    for verdict in said.iter().filter(|verdict| !verdict.window_stats.unwrap().partial) {
        let seen = verdict.alerts.iter().flatten().find_map(|alert| alert.kind.strip_prefix("SEEN_"));
        assert!(seen.is_none_or(|seen| seen.parse::<usize>().unwrap() > 4), "{verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_span_is_read_from_the_log_at_least_once() {
    a_longer_span_is_read_from_the_log(Guarantee::AtLeastOnce).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_span_is_read_from_the_log_exactly_once() {
    a_longer_span_is_read_from_the_log(Guarantee::ExactlyOnce).await;
}

/// Asks about half an hour on Mallory's orders only, and computes the span, so that nobody knows it before she orders.
const HALF_AN_HOUR_OF_MALLORY: &str = r#"
    let seen = if order.customerName == "Mallory" { customer.orders(1800 * order.quantity) } else { 0 };
    [alert(`SEEN_${seen}`, "LOW", "")]"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_a_rule_asks_about_on_some_orders_only_is_read_from_the_log() {
    let (kafka, rules) = (kafka().await, tempfile::tempdir().unwrap());
    save(rules.path(), HALF_AN_HOUR_OF_MALLORY);
    let mut audit = kafka.read(topic::AUDIT);
    let service = Service::start_with_rules(&kafka, rules.path());
    kafka.send(created(&order("Mallory", ago(TimeDelta::minutes(20))))).await;
    let first = verdicts(&mut audit, 1).await;
    assert!(has_alert(&first[0], "SEEN_1") && first[0].window_stats.unwrap().partial, "{first:?}");
    for n in 0..3 {
        kafka.send(created(&order("Ada", ago(TimeDelta::seconds(9 - n))))).await;
    }
    kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    let said = verdicts(&mut audit, 5).await;
    service.stop().await;
    let last = said.iter().find(|verdict| has_alert(verdict, "SEEN_2")).unwrap();
    assert!(!last.window_stats.unwrap().partial, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_fills_the_windows_of_a_longer_span() {
    let (kafka, rules) = (kafka().await, tempfile::tempdir().unwrap());
    save(rules.path(), HALF_AN_HOUR);
    let mut audit = kafka.read(topic::AUDIT);
    let service = Service::start_with_rules(&kafka, rules.path());
    for n in 0..4 {
        kafka.send(created(&order("Mallory", ago(TimeDelta::minutes(20) - TimeDelta::seconds(n))))).await;
    }
    verdicts(&mut audit, 4).await;
    service.stop().await;

    let service = Service::start_with_rules(&kafka, rules.path());
    kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    let said = verdicts(&mut audit, 5).await;
    service.stop().await;
    let last = said.iter().find(|verdict| has_alert(verdict, "SEEN_5")).unwrap();
    assert!(!last.window_stats.unwrap().partial, "{last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_survive_an_edit() {
    let (kafka, rules) = (kafka().await, tempfile::tempdir().unwrap());
    save(rules.path(), A_MINUTE);
    let mut audit = kafka.read(topic::AUDIT);
    let service = Service::start_with_rules(&kafka, rules.path());
    for _ in 0..4 {
        kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    }
    let before = verdicts(&mut audit, 4).await[0].rule_version.clone();

    save(rules.path(), r#"[alert(`SEEN_${customer.orders(60)}`, "LOW", "")]"#);
    let mut status = kafka.read(topic::STATUS);
    let is_edited = |report: InstanceStatus| report.rule_version.is_some() && report.rule_version != before;
    status.until(|reports| reports.last().is_some_and(|report| is_edited(report.json()))).await;
    kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    let said = verdicts(&mut audit, 5).await;
    service.stop().await;
    assert!(said.iter().any(|verdict| has_alert(verdict, "SEEN_5")), "{said:?}");
    assert!(said.iter().all(|verdict| !verdict.window_stats.unwrap().partial));
}
