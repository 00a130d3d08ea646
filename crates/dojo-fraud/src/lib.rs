//! The fraud detection service: sliding windows in event time, and verdicts.
//!
//! Reads `orders`, finds the orders around each new one, asks the rule in `fraud.rhai`, and reports the verdict on `audit`:
//! `FRAUD_ALERT`, `FRAUD_CHECK_PASSED`, or `RULE_ERROR`. Changes, retries and redrives are skipped, since they order nothing
//! new.
//!
//! Read in this order: how a record is read, how partitions are merged, what a window is, how both work together, and the
//! event that reports a verdict; then where reading begins after a restart, and the service that does it all. Everything
//! but the last two is pure: no clock, no Kafka. The backtest uses both, too.
//!
//! # Guarantees
//!
//! If `N` orders of one customer were placed within a minute, the default rule raises exactly `max(0, N - 5)` VELOCITY
//! alerts, in whatever order they arrive, and a replay of the log raises as many. No pattern of crashes changes a verdict
//! on an order that is at most a minute late: the windows are filled again from the log, the orders that were judged before
//! are counted before the others, and an order that has its verdict on `audit` isn't judged again (`rebuild.rs`). Under the
//! setting `guarantee: exactlyOnce` verdicts and offsets are one transaction.
//!
//! # Windows of any span
//!
//! The windows hold a minute, or the longest span that a rule has asked about since the start, up to an hour. When a rule asks
//! about a longer one, the service reads its partitions again from an earlier offset, as after a restart. It learns of a span at
//! the reload if the rule's source or its trial shows it, and otherwise with the first order on which the rule asks; that
//! verdict has `windowStats.partial`. So has every verdict on an order whose window reaches back to orders that were forgotten,
//! that a restart didn't read again, or that Kafka has deleted.
//!
//! # One instance at a time
//!
//! Orders are keyed by their id, so each customer's orders are in all partitions. An instance that reads only some of the
//! partitions counts only some of the orders. In a Kafka group, two instances share the partitions; each would count too
//! few orders and miss alerts. So the dojo runs one instance, which is fast enough (see `benches/pipeline.rs`), and it
//! judges only while it owns every partition:
//!
//! - It is a static member of its group (KIP-345), so its successor of the same id takes over all partitions at once.
//! - With fewer partitions it judges nothing for a session and a margin, since the group may keep the rest for a member that
//!   is gone. Then it continues with its share, and reports that: on `dojo-status`, in its readiness, and with
//!   `windowStats.partial` in each verdict.
//!
//! There are two ways to share the work. Each instance could read all partitions to fill its windows, and judge only the
//! orders of the partitions that the group gives it; that divides the rule's work but not the reading. Or the orders could
//! go to a second topic keyed by customer, where VELOCITY is counted, and a single reader of the counts finds BURST, which
//! is about all customers.

pub mod read;

pub mod merge;
pub mod window;

pub mod detector;
pub mod verdict;

pub mod backtest;

mod rebuild;
mod service;
mod tally;

use dojo_contract::{Service, topic};
use dojo_kafka::{ConsumerOptions, GroupService, InstanceName, KafkaConfig, Readiness, RuleStatus};
use dojo_rules::{LiveRule, RulesConfig};
use tokio_util::sync::CancellationToken;

pub use service::Fraud;

/// Configuration of the fraud service.
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
    pub rules: RulesConfig,
}

/// Why the service ended before its shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka or its client failed.
    #[error("fraud detection can't continue: {0}")]
    Kafka(#[from] dojo_kafka::Error),
}

/// Judges orders until `shutdown`; then sends what is due, commits, and leaves the group, all within seconds.
///
/// # Errors
/// Kafka refuses for good what the service can't do without. While Kafka is away, the service waits.
pub async fn run(config: Config, readiness: Readiness, shutdown: CancellationToken) -> Result<(), Error> {
    let Config { kafka, instance, rules } = config;
    let group = topic::FRAUD_GROUP;
    let service = GroupService::start(Service::Fraud, group, kafka, instance, &readiness, &shutdown).await?;
    let rule = LiveRule::open(&rules.rules_dir, rules.rules_watch, shutdown.clone());
    service.report_on_change(rule.changes());
    let work = ConsumerOptions {
        is_static: true,
        needs_every_partition: true,
        has_guarantee: true,
        ..service.consume(topic::ORDERS)
    };
    let handler = Fraud::new(service.instance_id(), rule.clone());
    let rule = move || RuleStatus { version: Some(rule.current().version.clone()), error: rule.error() };
    Ok(service.run(work, handler, rule, shutdown).await?)
}
