//! A service that is a member of a consumer group, from its start to its end: what audit, notification and fraud have in
//! common.
//!
//! It follows the settings, reports on `dojo-status` what it does, says whether it is ready, and hands the records of its
//! topic to its handler.

use crate::{
    Consume, Error, Handler, Instance, KafkaConfig, Observed, Producer, Progress, Readiness, Reporter,
    SettingsFollower, consume, notify_on_change,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// A record that is not acknowledged by then is sent again, and a status given up: the next one follows soon.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// What a service reports of its rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleStatus {
    /// Version of the rule in force.
    pub version: Option<String>,
    /// Why the rule file as it stands is not in force.
    pub error: Option<String>,
}

/// A service on its way into its group.
pub struct GroupService {
    kafka: KafkaConfig,
    instance: Instance,
    settings: SettingsFollower,
    producer: Producer,
    progress: Progress,
    changed: Arc<Notify>,
}

impl GroupService {
    /// Reads the settings, and says from now on with `readiness` what keeps the service from its work in `group`.
    ///
    /// # Errors
    /// A wrong Kafka property. Kafka being away is waited out, in part here.
    pub async fn start(
        kafka: KafkaConfig,
        instance: Instance,
        group: &'static str,
        readiness: &Readiness,
        shutdown: &CancellationToken,
    ) -> Result<Self, Error> {
        let producer = Producer::new(&kafka, &instance.id, SEND_WITHIN)?;
        let settings = SettingsFollower::start(&kafka, &instance.id, shutdown).await?;
        let (progress, changed) = (Progress::default(), Arc::new(Notify::new()));
        readiness.is_of_member(group, &producer, &progress);
        progress.on_change(Arc::clone(&changed));
        notify_on_change(settings.changes(), Arc::clone(&changed));
        Ok(Self { kafka, instance, settings, producer, progress, changed })
    }

    /// The settings, kept up to date.
    pub fn settings(&self) -> &SettingsFollower {
        &self.settings
    }

    /// Reports at once whenever what `changes` watches has changed.
    pub fn report_on_change<T: Send + Sync + 'static>(&self, changes: watch::Receiver<T>) {
        notify_on_change(changes, Arc::clone(&self.changed));
    }

    /// Works until `shutdown`; then completes what is under way, commits, and says goodbye, all within seconds.
    ///
    /// # Errors
    /// Kafka refuses for good what the service can't do without, or the handler failed.
    pub async fn run(
        self,
        work: Consume,
        handler: impl Handler,
        rule: impl Fn() -> RuleStatus + Send + Sync + 'static,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let Self { kafka, instance, settings, producer, progress, changed } = self;
        let observe = {
            let (progress, id) = (progress.clone(), instance.id.clone());
            let has_guarantee = work.settings.is_some();
            move || {
                let RuleStatus { version, error } = rule();
                let now = settings.snapshot();
                Observed {
                    partitions: progress.partitions(),
                    rebalances: progress.rebalances(),
                    rule_version: version,
                    rule_error: error,
                    limitation: progress.limitation(),
                    is_fenced: progress.is_fenced(),
                    settings_offset: if has_guarantee {
                        progress.applied(now.settings.guarantee(&id), now.offset)
                    } else {
                        now.offset
                    },
                }
            }
        };
        let reporter = Reporter::start(producer.clone(), instance, observe, changed).await?;
        let consumer = consume(&kafka, work, producer, handler, progress, shutdown)?;
        consumer.join_reporting(reporter).await
    }
}
