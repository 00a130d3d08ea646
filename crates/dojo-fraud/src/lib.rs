//! The fraud detection service: sliding windows in event time, and verdicts.
//!
//! Reads `orders`, counts each new order among those of the minute around it, asks the rule in `fraud.rhai`, and says
//! on `audit` what came of it: `FRAUD_ALERT`, `FRAUD_CHECK_PASSED`, or `RULE_ERROR`. Changes, retries and redrives are
//! skipped: they say nothing new about how much is ordered.
//!
//! Read in this order: what a record is to this service, how partitions are merged, what a window is, how both work
//! together, what is said in the end; then where reading begins after a restart, and the service that does it all.
//! Everything but the last two is pure: no clock, no Kafka.
//!
//! # What may be relied on
//!
//! In whatever order `N` orders of one customer arrive that were placed within a minute, the default rule raises
//! exactly `max(0, N - 5)` VELOCITY alerts, and a replay of the log raises as many. No pattern of crashes changes a
//! verdict: the windows are filled again from the log, the orders that were judged before are counted before those that
//! were not, and an order that has its verdict on `audit` isn't judged again (`rebuild.rs`). Under the setting
//! `guarantee: exactlyOnce` verdicts and offsets are one transaction.
//!
//! # One instance at a time
//!
//! Orders are keyed by their id, so a customer's orders lie in all partitions, and so do everybody's. An instance that
//! reads only some of the partitions counts only some of the orders. Kafka's group makes two instances share the
//! partitions; each would then see its part, count too little, and miss alerts. So the dojo runs one, which is plenty
//! (see `benches/pipeline.rs`), and it judges only while it owns every partition:
//!
//! - It is a static member of its group (KIP-345), so its successor of the same id takes over all partitions at once.
//! - With less than all of them it judges nothing for a session and a margin, since the rest may be held for a member
//!   that is gone. Then it goes on with what it has, and says so: on `dojo-status`, in its readiness, and with
//!   `windowStats.partial` in each verdict.
//!
//! To share the work, either let each instance read all partitions to fill its windows and judge only those the group gives
//! it, which divides the rule's work and not the reading; or send orders on to a topic keyed by customer and count
//! VELOCITY there, with BURST, which is about everybody, left to a single reader of the counts.

pub mod read;

pub mod merge;
pub mod window;

pub mod detector;
pub mod verdict;

mod rebuild;
mod service;
mod tally;

use dojo_contract::{Service, topic};
use dojo_kafka::{Consume, GroupService, Instance, KafkaConfig, Readiness, RuleStatus};
use dojo_rules::{LiveRule, WatchMode};
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

pub use service::Fraud;

/// What the fraud service needs to know.
#[derive(clap::Args, Debug, Clone)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub kafka: KafkaConfig,

    /// What this instance is called in events and in /status; by default fraud- and four random digits
    #[arg(long, env = "INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<String>,

    /// Folder with fraud.rhai; where it is missing, a built-in copy decides
    #[arg(long, env = "RULES_DIR", value_name = "FOLDER", default_value = "rules")]
    pub rules_dir: PathBuf,

    /// How edits of the rule are noticed: auto, native (the file system tells) or poll
    #[arg(long, env = "RULES_WATCH", value_name = "MODE", default_value = "auto")]
    pub rules_watch: WatchMode,

    /// Where the service says whether it can do its work
    #[arg(skip)]
    pub readiness: Readiness,
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka, or the client of it.
    #[error("fraud detection cannot go on: {0}")]
    Kafka(#[from] dojo_kafka::Error),
}

/// Judges orders until `shutdown`; then sends what is due, commits, and leaves the group, all within seconds.
///
/// # Errors
/// Kafka refuses for good what the service cannot do without. Kafka being away is waited out.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    let Config { kafka, instance_id, rules_dir, rules_watch, readiness } = config;
    let instance = Instance::start(Service::Fraud, instance_id);
    let group = topic::FRAUD_GROUP;
    let service = GroupService::start(kafka, instance.clone(), group, &readiness, &shutdown).await?;
    let rule = LiveRule::open(&rules_dir, rules_watch, shutdown.clone());
    service.report_on_change(rule.changes());
    let work = Consume {
        is_static: true,
        needs_every_partition: true,
        settings: Some(service.settings().clone()),
        ..Consume::new(group, &[topic::ORDERS], &instance)
    };
    let handler = Fraud::new(instance.id, rule.clone());
    let rule = move || RuleStatus { version: Some(rule.current().version.clone()), error: rule.error() };
    Ok(service.run(work, handler, rule, shutdown).await?)
}
