//! Settings that change while instances run.

use crate::service::{Service, event, latest, now, order};
use dojo_contract::{
    AuditAction, AuditEvent, InstanceState, InstanceStatus, OrderAction, Setting, SettingName, topic,
};
use dojo_kafka::Outgoing;
use dojo_testbed::{Kafka, Read};
use rust_decimal::Decimal;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_of_one_instance_changes_its_next_delivery_and_no_other() {
    let kafka = Kafka::start().await;
    let mut status = kafka.read(topic::STATUS);
    let mut audit = kafka.read(topic::AUDIT);
    let instances = ["notification-1", "notification-2"];
    let services = instances.map(|id| Service::start(&kafka, id, Decimal::ZERO));
    let share = |records: &[Read]| {
        let owned = instances.map(|id| latest(records, id).map_or(0, |s| s.partitions.len()));
        owned.iter().sum::<usize>() == 3 && owned.iter().all(|n| *n > 0)
    };
    status.until(share).await;

    let name = SettingName::for_instance("notification-2", Setting::FailRate).to_string();
    kafka.send(Outgoing::json(topic::SETTINGS, name, &1, now()).unwrap()).await;
    let applied = |s: InstanceStatus| s.settings_offset == 1 && s.state == InstanceState::Running;
    status.until(|records| instances.iter().all(|id| latest(records, id).is_some_and(applied))).await;

    for _ in 0..30 {
        kafka.send(event(OrderAction::Created, &order("Pizza"))).await;
    }
    let ended = |records: &[Read]| {
        let events = records.iter().map(Read::json::<AuditEvent>);
        let ends = events.filter(|e| matches!(e.action, AuditAction::Notified | AuditAction::Dlq));
        ends.map(|e| e.order_id).collect::<BTreeSet<_>>().len() == 30
    };
    let records = audit.until(ended).await;
    let mut outcomes = BTreeSet::new();
    for event in records.iter().map(Read::json::<AuditEvent>) {
        let instance = event.instance_id.unwrap();
        assert_eq!(event.action == AuditAction::Notified, instance == "notification-1", "{instance}");
        outcomes.insert(instance);
    }
    assert_eq!(outcomes.len(), 2, "both had work");

    for service in services {
        service.stop().await;
    }
    let stopped = |s: InstanceStatus| s.state == InstanceState::Stopped;
    status.until(|records| instances.iter().all(|id| latest(records, id).is_some_and(stopped))).await;
}
