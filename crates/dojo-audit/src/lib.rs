//! The audit service: one line of JSON on standard output for each record of `audit`.
//!
//! The smallest service of the dojo, to be read first: all others are made like it. A [`Config`] whose fields are
//! flags and environment variables; a `Handler`, which is given one record after another; and [`run`], which puts it
//! on a consumer loop until it is told to stop.
//!
//! # What may be relied on
//!
//! Every record of `audit` is printed at least once, in its partition's order. Unreadable ones are logged, counted and
//! skipped. Standard output has the lines and nothing else; what the service says of itself goes to its log.

mod line;
mod service;

use dojo_contract::{Service, topic};
use dojo_kafka::{Consume, GroupService, Instance, KafkaConfig, Readiness, RuleStatus};
use std::io::Write;
use tokio_util::sync::CancellationToken;

/// What the audit service needs to know.
#[derive(clap::Args, Debug, Clone)]
pub struct Config {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help of its own")]
    pub kafka: KafkaConfig,

    /// What this instance is called in /status; by default audit- and four random digits
    #[arg(long, env = "INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<String>,

    /// Where the service says whether it can do its work
    #[arg(skip)]
    pub readiness: Readiness,
}

/// Why the service ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kafka, the client of it, or the output.
    #[error("audit cannot go on: {0}")]
    Kafka(#[from] dojo_kafka::Error),
    /// The reader of the lines has gone.
    #[error("nobody reads the audit lines any more")]
    OutputClosed,
}

/// Prints lines on standard output until `shutdown`.
///
/// # Errors
/// See [`run_with`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), Error> {
    run_with(config, std::io::stdout(), shutdown).await
}

/// Writes lines to `lines` until `shutdown`, or until their reader has gone; then commits and closes its consumer, within
/// seconds. A reader that is slow delays the lines, and nothing else.
///
/// # Errors
/// [`Error::OutputClosed`] if the reader has gone. Otherwise a line can't be written, or Kafka refuses something that the
/// service can't do without. While Kafka is away, the service waits.
pub async fn run_with(
    config: Config,
    lines: impl Write + Send + 'static,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let Config { kafka, instance_id, readiness } = config;
    let instance = Instance::start(Service::Audit, instance_id);
    let service =
        GroupService::start(kafka, instance.clone(), topic::AUDIT_GROUP, &readiness, &shutdown).await?;
    // Nothing is to be learned from the wait for a dead member's session, so its successor takes over at once.
    let work = Consume { is_static: true, ..Consume::new(topic::AUDIT_GROUP, &[topic::AUDIT], &instance) };
    let until = shutdown.child_token();
    let handler = service::Audit::new(lines, until.clone());
    service.run(work, handler, RuleStatus::default, until.clone()).await?;
    if until.is_cancelled() && !shutdown.is_cancelled() {
        return Err(Error::OutputClosed);
    }
    Ok(())
}
