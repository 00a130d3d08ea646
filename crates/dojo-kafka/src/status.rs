//! Reports of this instance on `dojo-status`: every two seconds, and at once after a change.

use crate::{Error, Instance, Outgoing, Producer};
use chrono::Utc;
use dojo_contract::{InstanceState, InstanceStatus, PartitionStatus, topic};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const GOODBYE_WITHIN: Duration = Duration::from_secs(2);
/// A burst of changes, such as a rebalance, becomes one report.
const SETTLE: Duration = Duration::from_millis(20);

/// The parts of a report that change while an instance runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The phase of its life.
    pub state: InstanceState,
    /// The partitions that the instance owns.
    pub partitions: Vec<PartitionStatus>,
    /// How often partitions were assigned or revoked.
    pub rebalances: u64,
    /// Version of the rule in force.
    pub rule_version: Option<String>,
    /// Why the rule file as it stands is not in force.
    pub rule_error: Option<String>,
    /// Why the instance can't do all of its work.
    pub limitation: Option<String>,
    /// Whether another process has taken the instance's name. Then it doesn't report.
    pub is_fenced: bool,
    /// Offset up to which, exclusively, settings were applied.
    pub settings_offset: i64,
}

/// Reports an instance's status until it is stopped.
#[derive(Debug)]
pub struct Reporter {
    end: CancellationToken,
    reporting: JoinHandle<()>,
}

/// Notifies `changed` after every change that `changes` shows.
pub fn notify_on_change<T: Send + Sync + 'static>(mut changes: watch::Receiver<T>, changed: Arc<Notify>) {
    tokio::spawn(async move {
        while changes.changed().await.is_ok() {
            changed.notify_one();
        }
    });
}

fn record(instance: &Instance, observed: Observed) -> Result<Outgoing, Error> {
    let timestamp = Utc::now();
    let status = InstanceStatus {
        instance_id: instance.id.clone(),
        service: instance.service,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started_at: instance.started_at,
        timestamp,
        state: observed.state,
        partitions: observed.partitions,
        rule_version: observed.rule_version,
        rule_error: observed.rule_error,
        limitation: observed.limitation,
        settings_offset: observed.settings_offset,
        rebalances: observed.rebalances,
    };
    Outgoing::json(topic::STATUS, instance.id.as_str(), &status, timestamp)
}

impl Reporter {
    /// Reports what `observe` returns and waits for the acknowledgement, which also opens the producer's connection, so that
    /// the first order doesn't wait for it. Then reports every two seconds and after each notification of `changed`. While
    /// Kafka is away, reports are lost, and that isn't an error.
    pub async fn start(
        producer: Producer,
        instance: Instance,
        observe: impl Fn() -> Observed + Send + Sync + 'static,
        changed: Arc<Notify>,
    ) -> Result<Self, Error> {
        let first = record(&instance, observe())?;
        if let Err(error) = producer.send(first).await {
            tracing::warn!(%error, "status not reported");
        }
        let end = CancellationToken::new();
        let ends = end.clone();
        let every = InstanceStatus::EVERY.to_std().unwrap_or(Duration::from_secs(2));
        let reporting = tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = ends.cancelled() => {}
                    () = changed.notified() => tokio::time::sleep(SETTLE).await,
                    () = tokio::time::sleep(every) => {}
                }
                let is_end = ends.is_cancelled();
                let mut observed = observe();
                // Of a fenced process, the report's key belongs to another one. While Kafka is away, the last report wouldn't
                // arrive in time, and the instance's silence says the same.
                let is_silent = observed.is_fenced || is_end && producer.is_away();
                if is_end {
                    observed.state = InstanceState::Stopped;
                }
                if !is_silent {
                    let sent = match record(&instance, observed) {
                        Ok(record) => producer.send(record).await.map(drop),
                        Err(error) => Err(error),
                    };
                    if let Err(error) = sent {
                        tracing::debug!(%error, "status not reported");
                    }
                }
                if is_end {
                    return;
                }
            }
        });
        Ok(Self { end, reporting })
    }

    /// Reports `stopped`, waits up to two seconds for the acknowledgement, and stops reporting. Doesn't report while Kafka is
    /// known to be away.
    pub async fn stopped(mut self) {
        self.end.cancel();
        if timeout(GOODBYE_WITHIN, &mut self.reporting).await.is_err() {
            self.reporting.abort();
        }
    }
}
