//! The notification service: deliver, retry, dead-letter.
//!
//! Reads `orders` and plays notifying each customer of what happened to the order: the rule in `notification.rhai` decides
//! whether a delivery fails. A failed event goes back to `orders` with a retry count, up to the configured number of
//! retries. After that the setting `onExhausted` says what happens to it: it goes to `orders-dlq`, it is dropped, or it is
//! retried without end. An unreadable record goes to `orders-dlq` at once. Each outcome is reported on `audit`: `NOTIFIED`,
//! `RETRY`, `DLQ`, `DROPPED`, and `RULE_ERROR` if the rule itself failed.
//!
//! The setting `deliveryMillis` is how long a delivery takes. Then an instance delivers one event after another, and lets its
//! partitions wait: the lag grows, and more instances make it shrink.
//!
//! Read in this order: how a record is read (`read`), the retry policy (`decide`), the events about a decision (`outcome`),
//! the records that carry them (`records`), deliveries that take time (`queue`), outcomes that wait (`held`), and the service
//! that does it all. All but the last are pure: no clock, no chance, no Kafka.
//!
//! # Guarantees
//!
//! Every event ends in `NOTIFIED` or on `orders-dlq`, unless the settings ask for `DROPPED` or for retries without end. It is
//! never lost otherwise: its offset is committed after the records that followed from it are acknowledged. After a crash,
//! events that were in flight are delivered again, and a retry may be on the log twice; a receiver recognizes a repetition by
//! order id, action and retry count. Under the setting `guarantee: exactlyOnce` the records that followed and the offset are
//! one transaction, so that nothing on Kafka comes twice; a message that went out to a customer before the crash would.
//! Within a partition, events are delivered in order, but a retry comes after the events that arrived meanwhile. Instances
//! share the partitions, up to as many instances as there are partitions.

pub mod read;

pub mod decide;
pub mod outcome;

pub mod records;

pub mod held;
pub mod queue;

mod instance_settings;
mod service;
mod tally;

use dojo_contract::{Defaults, Service, topic};
use dojo_kafka::{ConsumerOptions, GroupService, InstanceName, KafkaConfig, Readiness, RuleStatus};
use dojo_rules::{LiveRule, RulesConfig};
use tokio_util::sync::CancellationToken;

pub use service::Notification;

/// How many records of a partition an instance holds while their delivery takes time. So few that it needs little memory, and
/// that the rest waits on the log; and enough for fast deliveries.
const MAX_BUFFERED: usize = 50;

/// Configuration of the notification service.
#[derive(clap::Args, Debug, Clone)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub kafka: KafkaConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub instance: InstanceName,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub defaults: Defaults,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub rules: RulesConfig,
}

/// Why the service ended before its shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka or its client failed.
    #[error("notification can't continue: {0}")]
    Kafka(#[from] dojo_kafka::Error),
}

/// Delivers until `shutdown`; then sends what is due, commits, and leaves the group, all within seconds.
///
/// # Errors
/// Kafka refuses for good what the service can't do without. While Kafka is away, the service waits.
pub async fn run(config: Config, readiness: Readiness, shutdown: CancellationToken) -> Result<(), Error> {
    let Config { kafka, instance, defaults, rules } = config;
    let group = topic::NOTIFICATION_GROUP;
    let service =
        GroupService::start(Service::Notification, group, kafka, instance, &readiness, &shutdown).await?;
    let rule = LiveRule::open(&rules.rules_dir, rules.rules_watch, shutdown.clone());
    service.report_on_change(rule.changes());
    // A dynamic member: the lesson is that the group notices a dead one only after its session.
    let work =
        ConsumerOptions { has_guarantee: true, max_buffered: MAX_BUFFERED, ..service.consume(topic::ORDERS) };
    let handler = Notification::new(service.instance_id(), rule.clone(), &service.settings(), defaults);
    let rule = move || RuleStatus { version: Some(rule.current().version.clone()), error: rule.error() };
    Ok(service.run(work, handler, rule, shutdown).await?)
}
