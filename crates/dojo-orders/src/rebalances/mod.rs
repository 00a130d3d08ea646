//! Rebalances: when a consumer group lost or gained members, why, who read which partition before and after, and how long a
//! partition had no reader.
//!
//! Kafka keeps no record of a rebalance, so this service looks at each group once a second (`DescribeGroups`) and combines
//! what it sees with the instances' reports on `dojo-status`, which also come at once when partitions are assigned or revoked:
//!
//! | question | answered by |
//! |---|---|
//! | who is a member, and is a rebalance under way? | the looks (`group.rs`) |
//! | why is a member gone? | the reports of its process, and the records that tell a process to crash (`processes.rs`) |
//! | how long did a partition have no reader? | the reports about partitions (`readers.rs`) |
//! | how does one say that? | `summary.rs` |
//!
//! A rebalance under way is shown, too, and shown again once it has settled. What happened before this service started isn't
//! known. The newest 200 are kept in memory (`log.rs`).

mod group;
pub(crate) mod log;
mod processes;
mod readers;
pub(crate) mod rebalance;
mod summary;

use chrono::{DateTime, Utc};
use dojo_kafka::{GroupReader, Instance, Producer};
use log::RebalanceLog;
use std::{sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks at the groups `names` once a second until `shutdown`; skips looks while Kafka is away. `own` is this service's instance.
/// `told_to_crash` returns the start of the process that an instance's last crash command names.
pub(crate) async fn watch(
    log: Arc<RebalanceLog>,
    groups: GroupReader,
    names: Vec<String>,
    own: Instance,
    producer: Producer,
    told_to_crash: impl Fn(&str) -> Option<DateTime<Utc>>,
    shutdown: CancellationToken,
) {
    log.observe(&names, (&own.id, own.started_at));
    let look = async {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            ticks.tick().await;
            if producer.is_away() {
                continue;
            }
            for name in &names {
                let now = Utc::now();
                let looked =
                    groups.describe(name).await.map(|group| log.look(name, group, now, &told_to_crash));
                if let Err(error) = &looked
                    && !is_failing
                {
                    tracing::warn!(%error, "rebalances aren't observed at the moment");
                }
                is_failing = looked.is_err();
            }
        }
    };
    shutdown.run_until_cancelled(look).await;
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use dojo_contract::{InstanceState, InstanceStatus, PartitionStatus, Service};

    pub(super) fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    /// The report of a process that started at 0 and reads these partitions of `orders`.
    pub(super) fn status(id: &str, partitions: &[i32], second: i64) -> InstanceStatus {
        let partition =
            |p: &i32| PartitionStatus { topic: "orders".to_owned(), partition: *p, position: 0, lag: 0 };
        InstanceStatus {
            instance_id: id.to_owned(),
            service: Service::Notification,
            version: "0".to_owned(),
            pid: 1,
            started_at: at(0),
            timestamp: at(second),
            state: InstanceState::Running,
            partitions: partitions.iter().map(partition).collect(),
            rule_version: None,
            rule_error: None,
            limitation: None,
            settings_offset: 0,
            rebalances: 0,
        }
    }
}
