//! The notification service: deliver, retry, dead-letter.
//!
//! Reads `orders` and tells each customer what happened to the order, or rather plays doing so: the rule in
//! `notification.rhai` decides whether a delivery fails. What failed goes back to `orders` with a retry count, at most
//! as often as is set, and then to `orders-dlq`; what cannot be read goes there at once. Each outcome is said on
//! `audit`: `NOTIFIED`, `RETRY`, `DLQ`, and `RULE_ERROR` where the rule itself failed.
//!
//! Read in this order: what a record is to this service, what becomes of it, what is sent then; then the service that
//! does it all. The first three are pure: no clock, no chance, no Kafka.
//!
//! # What may be relied on
//!
//! Every event ends in `NOTIFIED` or on `orders-dlq`, and is never lost: its offset is committed when what followed
//! from it is acknowledged. After a crash, events that were in flight are delivered again, and a retry may be on the
//! log twice; a receiver recognizes a repetition by order id, action and retry count. Under the setting `guarantee:
//! exactlyOnce` what followed and the offset are one transaction, so that nothing on Kafka comes twice; a message that
//! went out to a customer before the crash would. Within a partition, events are
//! delivered in order, but a retry comes after what arrived meanwhile. Instances share the partitions, up to as many
//! instances as there are partitions.

pub mod read;

pub mod decide;
pub mod outcome;

mod service;
mod tally;

use dojo_contract::{Defaults, Service, topic};
use dojo_kafka::{Consume, GroupService, Instance, KafkaConfig, Readiness, RuleStatus};
use dojo_rules::{LiveRule, WatchMode};
use rust_decimal::Decimal;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

pub use service::Notification;

/// What the notification service needs to know.
#[derive(clap::Args, Debug, Clone)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub kafka: KafkaConfig,

    /// What this instance is called in events, settings and /status; by default notification- and four random digits
    #[arg(long, env = "INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<String>,

    /// Share of deliveries that fail, 0 to 1, where the settings do not say; 0.3 where nothing does
    #[arg(long, env = "FAIL_RATE", value_name = "SHARE", value_parser = parse_share)]
    pub fail_rate: Option<Decimal>,

    /// How often a failed delivery is retried, where the settings do not say; 2 where nothing does
    #[arg(long, env = "MAX_RETRIES", value_name = "TIMES", value_parser = clap::value_parser!(u32).range(0..=10))]
    pub max_retries: Option<u32>,

    /// Folder with notification.rhai; where it is missing, a built-in copy decides
    #[arg(long, env = "RULES_DIR", value_name = "FOLDER", default_value = "rules")]
    pub rules_dir: PathBuf,

    /// How edits of the rule are noticed: auto, native (the file system tells) or poll
    #[arg(long, env = "RULES_WATCH", value_name = "MODE", default_value = "auto")]
    pub rules_watch: WatchMode,

    /// Where the service says whether it can do its work
    #[arg(skip)]
    pub readiness: Readiness,
}

fn parse_share(text: &str) -> Result<Decimal, String> {
    text.parse()
        .ok()
        .filter(|share| (Decimal::ZERO..=Decimal::ONE).contains(share))
        .ok_or_else(|| format!("`{text}` is no share: give a number from 0 to 1, such as 0.3"))
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka, or the client of it.
    #[error("notification cannot go on: {0}")]
    Kafka(#[from] dojo_kafka::Error),
}

/// Delivers until `shutdown`; then sends what is due, commits, and leaves the group, all within seconds.
///
/// # Errors
/// Kafka refuses for good what the service cannot do without. Kafka being away is waited out.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let Config { kafka, instance_id, fail_rate, max_retries, rules_dir, rules_watch, readiness } = config;
    let instance = Instance::start(Service::Notification, instance_id);
    let group = topic::NOTIFICATION_GROUP;
    let service = GroupService::start(kafka, instance.clone(), group, &readiness, &shutdown).await?;
    let rule = LiveRule::open(&rules_dir, rules_watch, shutdown.clone());
    service.report_on_change(rule.changes());
    // A dynamic member: that the group notices a dead one only after its session is the lesson.
    let settings = service.settings().clone();
    let work =
        Consume { settings: Some(settings.clone()), ..Consume::new(group, &[topic::ORDERS], &instance) };
    let defaults = Defaults { fail_rate, max_retries };
    let handler = Notification::new(instance.id, rule.clone(), settings, defaults);
    let rule = move || RuleStatus { version: Some(rule.current().version.clone()), error: rule.error() };
    Ok(service.run(work, handler, rule, shutdown).await?)
}
