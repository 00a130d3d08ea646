//! The audit service: one line of JSON on standard output for each record of `audit`.
//!
//! This is the smallest service of the dojo and the one to read first, since the others have the same parts: a [`Config`]
//! whose fields are flags and environment variables; a `Handler`, which gets one record after another; and [`run`], which
//! runs the handler on a consumer loop until shutdown.
//!
//! # Guarantees
//!
//! Every record of `audit` is printed at least once, in the order of its partition. Unreadable records are logged, counted
//! and skipped. Standard output has the lines and nothing else; the service's own messages go to its log.

mod line;
mod service;

use dojo_contract::{Service, topic};
use dojo_kafka::{ConsumerOptions, GroupService, InstanceName, KafkaConfig, Readiness, RuleStatus};
use std::io::Write;
use tokio_util::sync::CancellationToken;

/// Configuration of the audit service.
#[derive(clap::Args, Debug, Clone)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub kafka: KafkaConfig,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub instance: InstanceName,
}

/// Why the service ended before its shutdown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka, its client, or the output failed.
    #[error("audit can't continue: {0}")]
    Kafka(#[from] dojo_kafka::Error),
    /// The reader of the lines has gone.
    #[error("the reader of the audit lines has closed standard output")]
    OutputClosed,
}

/// Prints lines on standard output until `shutdown`.
///
/// # Errors
/// See [`run_with`].
pub async fn run(config: Config, readiness: Readiness, shutdown: CancellationToken) -> Result<(), Error> {
    run_with(config, readiness, std::io::stdout(), shutdown).await
}

/// Writes lines to `lines` until `shutdown`, or until their reader has gone; then commits and closes its consumer, within
/// seconds. A reader that stops reading blocks the loop: nothing is committed, and after librdkafka's `max.poll.interval.ms` the
/// group takes the partition away.
///
/// # Errors
/// [`Error::OutputClosed`] if the reader has gone. Otherwise a line can't be written, or Kafka refuses something that the
/// service can't do without. While Kafka is away, the service waits.
pub async fn run_with(
    config: Config,
    readiness: Readiness,
    lines: impl Write + Send + 'static,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Config { kafka, instance } = config;
    let group = topic::AUDIT_GROUP;
    let service = GroupService::start(Service::Audit, group, kafka, instance, &readiness, &shutdown).await?;
    // The wait for a dead member's session teaches nothing here, so its successor takes over at once.
    let work = ConsumerOptions { is_static: true, ..service.consume(topic::AUDIT) };
    let until = shutdown.child_token();
    let handler = service::Audit::new(lines, until.clone());
    service.run(work, handler, RuleStatus::default, until.clone()).await?;
    if until.is_cancelled() && !shutdown.is_cancelled() {
        return Err(Error::OutputClosed);
    }
    Ok(())
}
