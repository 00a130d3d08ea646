//! A backtest of the orders that a running service judged.

use crate::service::{Service, ago, created, has_alert, kafka, order, verdicts};
use chrono::TimeDelta;
use dojo_contract::topic;
use dojo_fraud::backtest::{Backtest, BacktestError, Limits, Progress};
use dojo_rules::{BacktestReport, FraudRule, Rule as _, version};
use dojo_testbed::{Kafka, PATIENCE};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const LIMITS: Limits = Limits { within: PATIENCE, held_orders: 1_000, records: 1_000 };

/// Judges every order on the log again.
async fn backtest(kafka: &Kafka, source: &str, limits: Limits) -> Result<BacktestReport, BacktestError> {
    let backtest = Backtest {
        kafka: kafka.config.clone(),
        client_id: "backtest".to_owned(),
        file: "fraud.rhai".to_owned(),
        rule: Arc::new(FraudRule::compile("fraud.rhai", source).unwrap()),
        version: version(source),
        since: None,
        limits,
    };
    backtest.run(&Arc::new(Progress::default()), CancellationToken::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_orders_that_overtook_one_another_finds_no_change() {
    let first = r#"if customer.orders(60) == 1 { [alert("FIRST", "LOW", "")] } else { [] }"#;
    let (kafka, rules) = (kafka().await, tempfile::tempdir().unwrap());
    std::fs::write(rules.path().join("fraud.rhai"), first).unwrap();
    let mut audit = kafka.read(topic::AUDIT);
    let service = Service::start_with_rules(&kafka, rules.path());
    // Each order was placed before the one that was judged last.
    for n in 0..6 {
        kafka.send(created(&order("Ada", ago(TimeDelta::seconds(10 + n))))).await;
        verdicts(&mut audit, n as usize + 1).await;
    }
    service.stop().await;
    assert!(has_alert(&verdicts(&mut audit, 6).await[0], "FIRST"));
    let report = backtest(&kafka, first, LIMITS).await.unwrap();
    assert_eq!((report.is_replay, report.compared, report.changes), (true, 6, 0), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_that_a_rule_asks_about_on_some_orders_only_is_judged_with_longer_windows() {
    // Nobody knows of the half hour before Mallory orders.
    let source = r#"
        let seen = if order.customerName == "Mallory" { customer.orders(1800 * order.quantity) } else { 0 };
        if seen > 1 { [alert(`SEEN_${seen}`, "LOW", "")] } else { [] }"#;
    let kafka = kafka().await;
    let mut audit = kafka.read(topic::AUDIT);
    let service = Service::start(&kafka);
    for (customer, minutes) in [("Mallory", 20), ("Ada", 1), ("Mallory", 0)] {
        kafka.send(created(&order(customer, ago(TimeDelta::minutes(minutes))))).await;
    }
    verdicts(&mut audit, 3).await;
    service.stop().await;
    let report = backtest(&kafka, source, LIMITS).await.unwrap();
    assert_eq!((report.is_replay, report.compared, report.partial), (false, 3, 0), "{report:?}");
    assert_eq!((report.alerts.len(), report.alerts[0].kind.as_str()), (1, "SEEN_2"), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_with_too_many_records_is_refused() {
    let kafka = kafka().await;
    for _ in 0..3 {
        kafka.send(created(&order("Ada", ago(TimeDelta::zero())))).await;
    }
    let error = backtest(&kafka, "[]", Limits { records: 2, ..LIMITS }).await.unwrap_err().to_string();
    assert!(error.contains("more than 2 records of `orders`") && error.contains("shorter span"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_verdicts_has_nothing_to_compare() {
    let kafka = kafka().await;
    let nothing = backtest(&kafka, "[]", LIMITS).await.unwrap();
    assert_eq!(nothing.nothing_compared().unwrap(), "no order was compared: the span has none");
    kafka.send(created(&order("Ada", ago(TimeDelta::zero())))).await;
    let why = backtest(&kafka, "[]", LIMITS).await.unwrap().nothing_compared().unwrap();
    assert!(why.contains("orders: 1; without a verdict yet: 1;"), "{why}");
}
