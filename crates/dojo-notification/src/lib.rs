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
//! log twice; duplicates are for the receiver to notice, by order id and retry count. Within a partition, events are
//! delivered in order, but a retry comes after what arrived meanwhile. Instances share the partitions, up to as many
//! instances as there are partitions.

pub mod read;

pub mod decide;
pub mod outcome;

mod service;
mod tally;

use dojo_contract::{Defaults, Service, topic};
use dojo_kafka::{
    Consume, KafkaConfig, Observed, Producer, Progress, Readiness, Reporter, SettingsFollower, consume,
    notify_on_change,
};
use dojo_rules::{LiveRule, WatchMode};
use rust_decimal::Decimal;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use service::Notification;

/// A record that is not acknowledged by then is sent again.
const SEND_WITHIN: Duration = Duration::from_secs(5);

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
    let instance_id = instance_id.unwrap_or_else(|| format!("notification-{:04x}", rand::random::<u16>()));
    let defaults = Defaults { fail_rate, max_retries };
    let producer = Producer::new(&kafka, &instance_id, SEND_WITHIN)?;
    let follower = SettingsFollower::start(&kafka, &instance_id, &shutdown).await?;
    let rule = LiveRule::open(&rules_dir, rules_watch, shutdown.clone());
    let progress = Progress::default();
    readiness.is_of_member(topic::NOTIFICATION_GROUP, &producer, &progress);

    let changed = Arc::new(Notify::new());
    progress.on_change(Arc::clone(&changed));
    notify_on_change(follower.changes(), Arc::clone(&changed));
    notify_on_change(rule.changes(), Arc::clone(&changed));
    let observe = {
        let (progress, rule, follower) = (progress.clone(), rule.clone(), follower.clone());
        move || Observed {
            partitions: progress.partitions(),
            rebalances: progress.rebalances(),
            rule_version: Some(rule.current().version.clone()),
            rule_error: rule.error(),
            settings_offset: follower.offset(),
        }
    };
    let reporter =
        Reporter::start(producer.clone(), instance_id.clone(), Service::Notification, observe, changed)
            .await?;

    let work = Consume::new(topic::NOTIFICATION_GROUP, &[topic::ORDERS], &instance_id);
    let handler = Notification::new(instance_id, rule, follower, defaults);
    let consumer = consume(&kafka, work, producer, handler, progress, shutdown)?;
    Ok(consumer.join_reporting(reporter).await?)
}
