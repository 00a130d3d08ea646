//! A running instance, orders for it, and what it says of them.

use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{
    AuditAction, AuditEvent, NewOrder, Order, OrderAction, OrderEvent, time,
    topic::{self, TOPICS, TopicSpec},
};
use dojo_fraud::{Config, run};
use dojo_kafka::{InstanceName, Outgoing, Readiness};
use dojo_rules::{RulesConfig, WatchMode};
use dojo_testbed::{Kafka, PATIENCE, Read, Reader};
use rust_decimal::Decimal;
use std::path::Path;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// `orders` without its bound on how far ahead a record may be dated.
const ORDERS_OF_ANY_DATE: &[(&str, &str)] =
    &[("cleanup.policy", "delete"), ("message.timestamp.after.max.ms", "9223372036854775807")];

/// A Kafka that, unlike the dojo's own, takes records of any date, as one does on which somebody else created the topics.
pub async fn kafka() -> Kafka {
    let specs = TOPICS.iter().map(|spec| match spec.name {
        topic::ORDERS => TopicSpec { config: ORDERS_OF_ANY_DATE, ..*spec },
        _ => *spec,
    });
    Kafka::with_topics(&specs.collect::<Vec<_>>()).await
}

pub struct Service {
    stop: CancellationToken,
    ended: JoinHandle<Result<(), dojo_fraud::Error>>,
}

impl Service {
    /// An instance with the built-in rule.
    pub fn start(kafka: &Kafka) -> Self {
        Self::start_with_rules(kafka, Path::new("no such folder"))
    }

    pub fn start_with_rules(kafka: &Kafka, rules_dir: &Path) -> Self {
        let stop = CancellationToken::new();
        let config = Config {
            kafka: kafka.config.clone(),
            instance: InstanceName { instance_id: Some("fraud-1".to_owned()) },
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

pub fn ago(time: TimeDelta) -> DateTime<Utc> {
    time::to_millis(Utc::now() - time)
}

/// A cheap order of `customer`, with an id of its own, so that a customer's orders lie in all partitions.
pub fn order(customer: &str, placed: DateTime<Utc>) -> Order {
    let asked =
        NewOrder { customer_name: customer.into(), item: "Pizza".into(), quantity: 1, price: Decimal::ONE };
    asked.into_order(Uuid::new_v4(), placed)
}

pub fn event(action: OrderAction, order: &Order) -> Outgoing {
    let event = OrderEvent { action, order: order.clone(), timestamp: order.created_at };
    Outgoing::json(topic::ORDERS, order.id.to_string(), &event, event.timestamp).unwrap()
}

pub fn created(order: &Order) -> Outgoing {
    event(OrderAction::Created, order)
}

/// All verdicts, as soon as there are `count`.
pub async fn verdicts(audit: &mut Reader, count: usize) -> Vec<AuditEvent> {
    let records = audit.first(count).await;
    assert_eq!(records.len(), count, "more verdicts than orders");
    records.iter().map(Read::json).collect()
}

pub fn has_alert(event: &AuditEvent, kind: &str) -> bool {
    let has = event.alerts.iter().flatten().any(|alert| alert.kind == kind);
    assert!(!has || event.action == AuditAction::FraudAlert);
    has
}
