//! A running instance, and orders for it.

use chrono::{DateTime, Utc};
use dojo_contract::{
    Defaults, InstanceStatus, NewOrder, Order, OrderAction, OrderEvent, Setting, SettingName, time, topic,
};
use dojo_kafka::{InstanceName, Outgoing, Readiness};
use dojo_notification::{Config, run};
use dojo_rules::{RulesConfig, WatchMode};
use dojo_testbed::{Kafka, PATIENCE, Read};
use rust_decimal::Decimal;
use serde::Serialize;
use std::path::Path;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub struct Service {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), dojo_notification::Error>>,
}

impl Service {
    /// An instance with the built-in rule that fails `fail_rate` of its deliveries.
    pub fn start(kafka: &Kafka, instance_id: &str, fail_rate: Decimal) -> Self {
        Self::start_with_rules(kafka, instance_id, fail_rate, Path::new("no such folder"))
    }

    pub fn start_with_rules(kafka: &Kafka, instance_id: &str, fail_rate: Decimal, rules_dir: &Path) -> Self {
        let stop = CancellationToken::new();
        let config = Config {
            kafka: kafka.config.clone(),
            instance: InstanceName { instance_id: Some(instance_id.to_owned()) },
            defaults: Defaults { fail_rate: Some(fail_rate), max_retries: None },
            rules: RulesConfig { rules_dir: rules_dir.to_owned(), rules_watch: WatchMode::Poll },
        };
        let ended = tokio::spawn(run(config, Readiness::default(), stop.clone()));
        Self { stop, ended }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        timeout(PATIENCE, self.ended).await.expect("an end in time").unwrap().unwrap();
    }
}

/// Gives a setting a value for all instances.
pub async fn set(kafka: &Kafka, setting: Setting, value: impl Serialize) {
    let name = SettingName::for_all(setting).to_string();
    kafka.send(Outgoing::json(topic::SETTINGS, name, &value, now()).unwrap()).await;
}

/// The last report of an instance.
pub fn latest(reports: &[Read], instance_id: &str) -> Option<InstanceStatus> {
    reports.iter().rev().map(Read::json::<InstanceStatus>).find(|status| status.instance_id == instance_id)
}

/// How many records of its partitions an instance hasn't finished, as its last report knows it.
pub fn lag(reports: &[Read], instance_id: &str) -> i64 {
    latest(reports, instance_id).map_or(0, |status| status.partitions.iter().map(|p| p.lag.max(0)).sum())
}

pub fn now() -> DateTime<Utc> {
    time::to_millis(Utc::now())
}

pub fn order(item: &str) -> Order {
    let asked =
        NewOrder { customer_name: "Ada".into(), item: item.into(), quantity: 2, price: Decimal::new(950, 2) };
    asked.into_order(Uuid::new_v4(), now())
}

pub fn event(action: OrderAction, order: &Order) -> Outgoing {
    let event = OrderEvent { action, order: order.clone(), timestamp: now() };
    Outgoing::json(topic::ORDERS, order.id.to_string(), &event, event.timestamp).unwrap()
}
