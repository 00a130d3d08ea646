//! A member service from start to end: everything that audit, notification and fraud have in common.
//!
//! It follows the settings, reports on `dojo-status`, sets its readiness, and gives the records of its topic to its handler.

use crate::{
    ConsumerOptions, Error, Handler, Instance, InstanceName, KafkaConfig, Observed, Producer, Progress,
    Readiness, Reporter, SettingsFollower, consume, crash::crash_when_asked, notify_on_change,
};
use dojo_contract::Service;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// A record that isn't acknowledged by then is sent again. A status is given up then, since the next one follows soon.
const SEND_WITHIN: Duration = Duration::from_secs(5);

/// The part of a service's report that is about its rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuleStatus {
    /// Version of the rule in force.
    pub version: Option<String>,
    /// Why the rule file as it stands is not in force.
    pub error: Option<String>,
}

/// A service that is about to join its group.
pub struct GroupService {
    kafka: KafkaConfig,
    instance: Instance,
    group: &'static str,
    settings: SettingsFollower,
    producer: Producer,
    progress: Progress,
    changed: Arc<Notify>,
}

impl GroupService {
    /// Starts an instance of `service`: reads the settings and sets `readiness`, as a member of `group` to be.
    ///
    /// # Errors
    /// A Kafka property is wrong. While Kafka is away, `start` waits up to five seconds for the settings; `run` waits until
    /// Kafka is back.
    pub async fn start(
        service: Service,
        group: &'static str,
        kafka: KafkaConfig,
        name: InstanceName,
        readiness: &Readiness,
        shutdown: &CancellationToken,
    ) -> Result<Self, Error> {
        let instance = Instance::start(service, name.instance_id);
        let producer = Producer::batching(&kafka, &instance.id, SEND_WITHIN)?;
        let settings = SettingsFollower::start(&kafka, &instance.id, shutdown).await?;
        let (progress, changed) = (Progress::default(), Arc::new(Notify::new()));
        readiness.is_of_member(group, &producer, &progress);
        progress.on_change(Arc::clone(&changed));
        notify_on_change(settings.changes(), Arc::clone(&changed));
        crash_when_asked(&instance, settings.changes());
        Ok(Self { kafka, instance, group, settings, producer, progress, changed })
    }

    /// Returns the id of the instance.
    pub fn instance_id(&self) -> String {
        self.instance.id.clone()
    }

    /// Returns the settings, which stay up to date.
    pub fn settings(&self) -> SettingsFollower {
        self.settings.clone()
    }

    /// Returns the options of a consumer of `topic` in the service's group, for the service to adapt. It stops and starts as
    /// the settings ask.
    pub fn consume(&self, topic: &'static str) -> ConsumerOptions {
        let settings = Some(self.settings.clone());
        ConsumerOptions { settings, ..ConsumerOptions::new(self.group, &[topic], &self.instance) }
    }

    /// Reports at once after every change that `changes` shows.
    pub fn report_on_change<T: Send + Sync + 'static>(&self, changes: watch::Receiver<T>) {
        notify_on_change(changes, Arc::clone(&self.changed));
    }

    /// Works until `shutdown`; then completes the work under way, commits, and reports its end, all within seconds.
    ///
    /// # Errors
    /// Kafka refuses for good what the service can't do without, or the handler failed.
    pub async fn run(
        self,
        work: ConsumerOptions,
        handler: impl Handler,
        rule: impl Fn() -> RuleStatus + Send + Sync + 'static,
        shutdown: CancellationToken,
    ) -> Result<(), Error> {
        let Self { kafka, instance, settings, producer, progress, changed, .. } = self;
        let observe = {
            let (progress, id) = (progress.clone(), instance.id.clone());
            let has_guarantee = work.has_guarantee;
            move || {
                let RuleStatus { version, error } = rule();
                let now = settings.snapshot();
                Observed {
                    state: progress.phase(),
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
        let ended = consumer.join().await;
        reporter.stopped().await;
        ended
    }
}
