//! A restart changes no verdict.

use crate::service::{Service, ago, created, has_alert, kafka, order, verdicts};
use chrono::TimeDelta;
use dojo_contract::{AuditAction, AuditEvent, Source, topic};
use dojo_kafka::Outgoing;
use std::collections::{BTreeMap, BTreeSet};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_of_a_flood_changes_no_verdict() {
    const ORDERS: usize = 60;
    let kafka = kafka().await;
    let mut audit = kafka.read(topic::AUDIT);
    // Half a minute of orders. The first two restarts come before and just after the threshold.
    let start = ago(TimeDelta::seconds(30));
    let mut service = Service::start(&kafka);
    for n in 0..ORDERS {
        kafka.send(created(&order("Mallory", start + TimeDelta::milliseconds(500 * n as i64)))).await;
        if [3, 7, 30].contains(&n) {
            verdicts(&mut audit, n + 1).await;
            service.stop().await;
            service = Service::start(&kafka);
        }
    }
    let said = verdicts(&mut audit, ORDERS).await;
    service.stop().await;

    assert_eq!(said.iter().filter(|event| has_alert(event, "VELOCITY")).count(), ORDERS - 5);
    assert_eq!(said.iter().filter(|event| has_alert(event, "BURST")).count(), ORDERS - 20);
    let mut counts: Vec<_> = said.iter().map(|e| e.window_stats.unwrap().customer_orders_in_window).collect();
    counts.sort();
    assert_eq!(counts, (1..=ORDERS as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_while_the_service_is_away_is_judged_as_if_it_had_been_there() {
    let kafka = kafka().await;
    let mut audit = kafka.read(topic::AUDIT);
    // Ten minutes ago, longer than a window is remembered.
    let start = ago(TimeDelta::minutes(10));
    let at = |seconds: i64| start + TimeDelta::seconds(seconds);
    let service = Service::start(&kafka);
    for n in 0..4 {
        kafka.send(created(&order("Mallory", at(n)))).await;
    }
    verdicts(&mut audit, 4).await;
    service.stop().await;

    for n in 0..4 {
        kafka.send(created(&order("Mallory", at(10 + n)))).await;
    }
    // Whoever reads one partition to its end first has forgotten Mallory when the next one tells of her.
    for n in 0..20 {
        kafka.send(created(&order("Ada", at(590) + TimeDelta::milliseconds(n)))).await;
    }
    let service = Service::start(&kafka);
    let said = verdicts(&mut audit, 28).await;
    service.stop().await;

    let mut counts = BTreeMap::<_, Vec<_>>::new();
    for event in said {
        counts
            .entry(event.customer_name.unwrap())
            .or_default()
            .push(event.window_stats.unwrap().customer_orders_in_window);
    }
    counts.values_mut().for_each(|counts| counts.sort());
    assert_eq!(counts["Mallory"], (1..=8).collect::<Vec<_>>());
    assert_eq!(counts["Ada"], (1..=20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_has_its_verdict_is_counted_and_not_judged_again_though_its_offset_was_not_committed() {
    let kafka = kafka().await;
    let mut audit = kafka.read(topic::AUDIT);
    for n in 0..8 {
        let order = order("Mallory", ago(TimeDelta::seconds(8 - n)));
        let place = kafka.send(created(&order)).await;
        // What a service said of the first three before it crashed.
        if n < 3 {
            let now = ago(TimeDelta::zero());
            let verdict = AuditEvent {
                partition: Some(place.partition),
                offset: Some(place.offset),
                ..AuditEvent::new(Source::FraudService, AuditAction::FraudCheckPassed, order.id, now)
            };
            kafka.send(Outgoing::json(topic::AUDIT, order.id.to_string(), &verdict, now).unwrap()).await;
        }
    }
    let service = Service::start(&kafka);
    let said = verdicts(&mut audit, 8).await;
    service.stop().await;
    let counts = said.iter().filter_map(|event| event.window_stats);
    let counts: BTreeSet<_> = counts.map(|window| window.customer_orders_in_window).collect();
    assert_eq!(counts, (4..=8).collect());
}
