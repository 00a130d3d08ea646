//! The instances of all services: a projection of `dojo-status`, where each reports every two seconds and on change.

use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::InstanceStatus;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use tokio::sync::watch;

/// An instance that has been silent for this long is forgotten: its id will not come back. A report that is dated further
/// ahead is ignored.
const FORGET_AFTER: TimeDelta = TimeDelta::minutes(10);
/// More instances than any workshop has. The one that has been silent the longest is forgotten first.
const MAX_INSTANCES: usize = 500;

#[derive(Debug)]
pub(crate) struct Instances {
    last: RwLock<BTreeMap<String, InstanceStatus>>,
    changed: watch::Sender<u64>,
}

impl Default for Instances {
    fn default() -> Self {
        Self { last: RwLock::default(), changed: watch::Sender::new(0) }
    }
}

impl Instances {
    /// Applies an instance's report. The age of a report is judged by this service's clock alone, so that one wrong date
    /// makes no other report look old.
    pub(super) fn apply(&self, status: InstanceStatus, now: DateTime<Utc>) {
        let age = |status: &InstanceStatus| (now - status.timestamp).abs();
        if age(&status) >= FORGET_AFTER {
            let (instance, dated) = (&status.instance_id, &status.timestamp);
            tracing::debug!(instance, %dated, "a report that says nothing about now is ignored");
            return;
        }
        {
            let mut last = self.last.write();
            last.insert(status.instance_id.clone(), status);
            last.retain(|_, s| age(s) < FORGET_AFTER);
            if last.len() > MAX_INSTANCES
                && let Some(id) = last.values().max_by_key(|s| age(s)).map(|s| s.instance_id.clone())
            {
                last.remove(&id);
            }
        }
        self.wake();
    }

    /// Removes an instance whose record was removed from the topic.
    pub(super) fn remove(&self, instance_id: &str) {
        self.last.write().remove(instance_id);
        self.wake();
    }

    /// All instances, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<InstanceStatus> {
        self.last.read().values().cloned().collect()
    }

    /// The last report of an instance.
    pub(crate) fn get(&self, instance_id: &str) -> Option<InstanceStatus> {
        self.last.read().get(instance_id).cloned()
    }

    /// The live instances that have not applied what stands before `offset` of `dojo-settings`.
    pub(crate) fn behind(&self, offset: i64, now: DateTime<Utc>) -> Vec<String> {
        let last = self.last.read();
        let behind = last.values().filter(|s| s.is_live(now) && s.settings_offset < offset);
        behind.map(|s| s.instance_id.clone()).collect()
    }

    /// Wakes after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn wake(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::{InstanceState, Service};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn status(id: &str, service: Service, second: i64, settings_offset: i64) -> InstanceStatus {
        InstanceStatus {
            instance_id: id.into(),
            service,
            version: "0".into(),
            pid: 1,
            started_at: DateTime::UNIX_EPOCH,
            timestamp: at(second),
            state: InstanceState::Running,
            partitions: Vec::new(),
            rule_version: None,
            rule_error: None,
            limitation: None,
            settings_offset,
            rebalances: 0,
        }
    }

    #[test]
    fn only_live_instances_are_waited_for() {
        let instances = Instances::default();
        let now = at(101);
        instances.apply(status("silent", Service::Notification, 0, 1), now);
        instances.apply(status("done", Service::Notification, 100, 5), now);
        instances.apply(status("late", Service::Notification, 100, 4), now);
        assert_eq!(instances.behind(5, now), ["late"]);
    }

    #[test]
    fn a_date_far_ahead_neither_counts_nor_makes_anybody_old() {
        let instances = Instances::default();
        let now = at(100);
        instances.apply(status("here", Service::Notification, 99, 1), now);
        let in_2099 = (DateTime::parse_from_rfc3339("2099-01-01T00:00:00Z").unwrap()).timestamp();
        instances.apply(status("future", Service::Notification, in_2099, 1), now);
        instances.apply(status("here", Service::Notification, in_2099, 1), now);
        instances.apply(status("ahead", Service::Notification, 110, 1), now);
        instances.apply(status("there", Service::Notification, 100, 1), now);
        let ids: Vec<_> = instances.all().into_iter().map(|s| s.instance_id).collect();
        assert_eq!(ids, ["ahead", "here", "there"]);
        assert_eq!(instances.behind(5, now), ["here", "there"]);
    }

    #[test]
    fn the_long_silent_are_forgotten_and_the_number_is_bounded() {
        let instances = Instances::default();
        instances.apply(status("old", Service::Audit, 0, 0), at(0));
        (0..MAX_INSTANCES as i64 + 5).for_each(|n| {
            let second = 600 + n / 10;
            instances.apply(status(&format!("i{n}"), Service::Audit, second, 0), at(second));
        });
        let all = instances.all();
        assert_eq!(all.len(), MAX_INSTANCES);
        assert!(all.iter().all(|s| s.instance_id != "old"));
    }
}
