//! Which orders get which verdict.

use crate::service::{Service, ago, created, event, has_alert, kafka, order, verdicts};
use chrono::TimeDelta;
use dojo_contract::{
    AuditAction, InstanceState, InstanceStatus, Order, OrderAction, Severity, Source, WindowStats, header,
    topic,
};
use dojo_kafka::Outgoing;
use rust_decimal::Decimal;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn of_n_orders_of_one_customer_all_but_five_carry_velocity() {
    let kafka = kafka().await;
    let service = Service::start(&kafka);
    for n in 0..12 {
        kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
        if n % 3 == 0 {
            kafka.send(created(&order(&format!("customer {n}"), ago(TimeDelta::zero())))).await;
        }
    }
    let said = verdicts(&mut kafka.read(topic::AUDIT), 16).await;
    assert_eq!(said.iter().filter(|event| has_alert(event, "VELOCITY")).count(), 7);
    assert!(
        said.iter()
            .filter(|e| has_alert(e, "VELOCITY"))
            .all(|e| e.customer_name.as_deref() == Some("Mallory"))
    );
    assert_eq!(said.iter().map(|e| e.partition).collect::<BTreeSet<_>>().len(), 3, "all partitions had some");
    for event in &said {
        assert_eq!((event.source, event.instance_id.as_deref()), (Source::FraudService, Some("fraud-1")));
        assert!(event.rule_version.is_some() && event.offset.is_some() && event.window_stats.is_some());
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_pattern_is_found_and_an_ordinary_order_passes() {
    let kafka = kafka().await;
    let service = Service::start(&kafka);
    let mut audit = kafka.read(topic::AUDIT);
    kafka.send(created(&order("Ada", ago(TimeDelta::seconds(10))))).await;
    let passed = verdicts(&mut audit, 1).await;
    assert_eq!(passed[0].action, AuditAction::FraudCheckPassed);
    let alone = WindowStats { customer_orders_in_window: 1, global_orders_in_window: 1, partial: false };
    assert_eq!((passed[0].window_stats, &passed[0].alerts), (Some(alone), &None));

    let dear = Order { price: Decimal::new(10_001, 2), ..order("Bob", ago(TimeDelta::seconds(9))) };
    kafka.send(created(&dear)).await;
    let amount = verdicts(&mut audit, 2).await;
    assert!(has_alert(&amount[1], "AMOUNT"));
    assert_eq!(amount[1].alerts.as_ref().unwrap()[0].severity, Severity::Low);

    for n in 2..25 {
        kafka.send(created(&order(&format!("customer {n}"), ago(TimeDelta::zero())))).await;
    }
    let said = verdicts(&mut audit, 25).await;
    assert_eq!(said.iter().filter(|event| has_alert(event, "BURST")).count(), 5);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_not_a_new_order_is_skipped_and_blocks_nothing() {
    let kafka = kafka().await;
    let one = order("Ada", ago(TimeDelta::zero()));
    for action in [OrderAction::Updated, OrderAction::Deleted] {
        kafka.send(event(action, &one)).await;
    }
    for name in [header::RETRY_COUNT, header::REDRIVE_COUNT] {
        kafka.send(created(&one).with_headers(vec![(name.to_owned(), Some(b"1".to_vec()))])).await;
    }
    let refused_by_the_api = [
        Order { quantity: -5, ..one.clone() },
        Order { customer_name: "x".repeat(500_000), ..one.clone() },
        Order { customer_name: "\u{200b}".to_owned(), ..one.clone() },
    ];
    let refused_by_the_api = refused_by_the_api.map(|order| created(&order).value.unwrap());
    let unreadable = [None, Some(&b"not JSON"[..]), Some(b"{}"), Some(&vec![b'x'; 900_000])];
    for value in unreadable.into_iter().chain(refused_by_the_api.iter().map(|value| Some(&value[..]))) {
        for _ in 0..5 {
            // Without a key, so that every partition has some.
            kafka.send(Outgoing { key: None, value: value.map(<[u8]>::to_vec), ..created(&one) }).await;
        }
    }
    kafka.send(created(&one)).await;
    // The same order again: counted once, judged again alike.
    kafka.send(created(&one)).await;

    let service = Service::start(&kafka);
    let said = verdicts(&mut kafka.read(topic::AUDIT), 2).await;
    let alone = WindowStats { customer_orders_in_window: 1, global_orders_in_window: 1, partial: false };
    for event in said {
        assert_eq!((event.order_id, event.action), (one.id, AuditAction::FraudCheckPassed));
        assert_eq!(event.window_stats, Some(alone));
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_whose_name_is_written_in_two_ways_is_one_customer() {
    let kafka = kafka().await;
    let service = Service::start(&kafka);
    for n in 0..8 {
        let name = if n % 2 == 0 { "Jos\u{e9}" } else { " Jose\u{301}" };
        kafka.send(created(&order(name, ago(TimeDelta::zero())))).await;
    }
    let said = verdicts(&mut kafka.read(topic::AUDIT), 8).await;
    assert_eq!(said.iter().filter(|event| has_alert(event, "VELOCITY")).count(), 3);
    assert!(said.iter().all(|event| event.customer_name.as_deref() == Some("Jos\u{e9}")));
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_dated_2099_neither_stall_the_merge_nor_empty_a_window() {
    let kafka = kafka().await;
    let service = Service::start(&kafka);
    let mut audit = kafka.read(topic::AUDIT);
    for _ in 0..5 {
        kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    }
    let in_2099 = "2099-06-01T00:00:00Z".parse().unwrap();
    for _ in 0..9 {
        kafka.send(created(&order("Mallory", in_2099))).await;
    }
    kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    let said = verdicts(&mut audit, 15).await;
    assert_eq!(said.iter().filter(|event| has_alert(event, "VELOCITY")).count(), 1);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_fails_gives_a_rule_error_in_place_of_a_verdict_until_it_is_mended() {
    let rules = tempfile::tempdir().unwrap();
    let file = rules.path().join("fraud.rhai");
    std::fs::write(&file, r#"if order.customerName == "Mallory" { [][5] } else { [] }"#).unwrap();
    let kafka = kafka().await;
    let service = Service::start_with_rules(&kafka, rules.path());
    let (mut audit, mut status) = (kafka.read(topic::AUDIT), kafka.read(topic::STATUS));
    kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    let said = verdicts(&mut audit, 1).await;
    assert_eq!(said[0].action, AuditAction::RuleError);
    assert!(said[0].reason.as_deref().unwrap().contains("fraud.rhai:1:"), "{:?}", said[0].reason);
    kafka.send(created(&order("Ada", ago(TimeDelta::zero())))).await;
    assert_eq!(verdicts(&mut audit, 2).await[1].action, AuditAction::FraudCheckPassed);

    std::fs::write(&file, "[]").unwrap();
    let failing = said[0].rule_version.clone();
    let mended = |s: InstanceStatus| s.state == InstanceState::Running && s.rule_version != failing;
    let reports = status.until(|reports| reports.last().is_some_and(|r| mended(r.json()))).await;
    let report: InstanceStatus = reports.last().unwrap().json();
    assert_eq!((report.partitions.len(), report.rule_error), (3, None));
    kafka.send(created(&order("Mallory", ago(TimeDelta::zero())))).await;
    assert_eq!(verdicts(&mut audit, 3).await[2].action, AuditAction::FraudCheckPassed);
    service.stop().await;
}
