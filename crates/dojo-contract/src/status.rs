//! The report of an instance on `dojo-status`, every two seconds and on change.

use crate::time;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The services of the dojo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Service {
    Order,
    Notification,
    Fraud,
    Audit,
    /// What runs the services' processes: `dojo up`. It reports so that others know that it is there.
    Supervisor,
}

impl Service {
    /// The services that work as members of a consumer group, and can have any number of instances.
    pub const MEMBERS: [Self; 3] = [Self::Notification, Self::Fraud, Self::Audit];
    /// How many instances of one service a supervisor runs at most.
    pub const MAX_INSTANCES: usize = 20;

    /// The name on the wire, which is also the subcommand that starts it, except for the supervisor's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Notification => "notification",
            Self::Fraud => "fraud",
            Self::Audit => "audit",
            Self::Supervisor => "supervisor",
        }
    }

    /// Returns the service of [`Self::MEMBERS`] that has this name.
    pub fn member(name: &str) -> Option<Self> {
        Self::MEMBERS.into_iter().find(|service| service.name() == name)
    }
}

/// The phases of an instance's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// Not yet ready for work.
    #[default]
    Starting,
    /// At work.
    Running,
    /// Doesn't work: it was asked to leave its group, or its process ends.
    Stopped,
}

/// An instance's progress in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionStatus {
    /// Topic of the partition.
    pub topic: String,
    /// Number of the partition.
    pub partition: i32,
    /// Offset up to which, exclusively, everything is done and acknowledged; -1 before anything is known.
    pub position: i64,
    /// Records from there to the partition's end; -1 before it is known.
    pub lag: i64,
}

/// A record of the topic `dojo-status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// Id of the instance, also the record's key.
    pub instance_id: String,
    /// The instance's service.
    pub service: Service,
    /// Version of the program.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started; changes with every restart.
    #[serde(with = "time")]
    pub started_at: DateTime<Utc>,
    /// When it reported this.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
    /// Its phase.
    pub state: InstanceState,
    /// The partitions that it owns.
    pub partitions: Vec<PartitionStatus>,
    /// Version of the rule in force, where the service has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_version: Option<String>,
    /// Why the rule file as it stands is not in force: file, line, column and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_error: Option<String>,
    /// Why this instance can't do all of its work, for a person: it waits for partitions, or works without some of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limitation: Option<String>,
    /// Offset on `dojo-settings` up to which, exclusively, this instance has applied what is there.
    pub settings_offset: i64,
    /// How often partitions were assigned to it or revoked.
    pub rebalances: u64,
}

impl InstanceStatus {
    /// The longest time between two reports of an instance.
    pub const EVERY: TimeDelta = TimeDelta::seconds(2);
    /// The silence after which an instance counts as gone: three missed reports.
    pub const SILENCE: TimeDelta = TimeDelta::seconds(6);

    /// Returns whether the instance is at work at `now`: it reports, and not that it has stopped.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.state != InstanceState::Stopped && self.is_recent(now)
    }

    /// Returns whether this report says something about `now`: it isn't older than [`Self::SILENCE`], nor dated that far ahead.
    pub fn is_recent(&self, now: DateTime<Utc>) -> bool {
        (now - self.timestamp).abs() < Self::SILENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_that_is_silent_or_from_the_future_is_not_live() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(365);
        let live_when_dated = |ahead: TimeDelta| {
            let status = InstanceStatus {
                instance_id: "notification-1".into(),
                service: Service::Notification,
                version: "0".into(),
                pid: 1,
                started_at: DateTime::UNIX_EPOCH,
                timestamp: now + ahead,
                state: InstanceState::Running,
                partitions: Vec::new(),
                rule_version: None,
                rule_error: None,
                limitation: None,
                settings_offset: 0,
                rebalances: 0,
            };
            status.is_live(now)
        };
        assert!([-5, 0, 5].into_iter().all(|s| live_when_dated(TimeDelta::seconds(s))));
        assert!([-6, 6].into_iter().all(|s| !live_when_dated(TimeDelta::seconds(s))));
        assert!(!live_when_dated(TimeDelta::days(365 * 129)));
    }
}
