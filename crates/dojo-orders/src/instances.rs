//! Who is there: a projection of `dojo-status`, where every instance reports every two seconds and on change.

use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::InstanceStatus;
use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};
use tokio::sync::watch;

/// An instance that has been silent for so long is forgotten: its id will not come back.
const FORGET_AFTER: TimeDelta = TimeDelta::minutes(10);
/// More instances than any workshop has; the ones longest silent go first.
const MOST: usize = 500;

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
    /// Takes in what an instance says of itself.
    pub(crate) fn apply(&self, status: InstanceStatus) {
        {
            let mut last = self.last.write().unwrap_or_else(PoisonError::into_inner);
            let newest = last.values().map(|s| s.timestamp).max().unwrap_or(status.timestamp);
            last.insert(status.instance_id.clone(), status);
            last.retain(|_, s| newest - s.timestamp < FORGET_AFTER);
            if last.len() > MOST
                && let Some(id) = last.values().min_by_key(|s| s.timestamp).map(|s| s.instance_id.clone())
            {
                last.remove(&id);
            }
        }
        self.wake();
    }

    /// Its record was removed from the topic.
    pub(crate) fn remove(&self, instance_id: &str) {
        self.last.write().unwrap_or_else(PoisonError::into_inner).remove(instance_id);
        self.wake();
    }

    /// Everybody, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<InstanceStatus> {
        self.last.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The live instances that have not applied what stands before `offset` of `dojo-settings`.
    pub(crate) fn behind(&self, offset: i64, now: DateTime<Utc>) -> Vec<String> {
        let last = self.last.read().unwrap_or_else(PoisonError::into_inner);
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

    fn status(id: &str, service: Service, second: i64, settings_offset: i64) -> InstanceStatus {
        InstanceStatus {
            instance_id: id.into(),
            service,
            version: "0".into(),
            pid: 1,
            started_at: DateTime::UNIX_EPOCH,
            timestamp: DateTime::UNIX_EPOCH + TimeDelta::seconds(second),
            state: InstanceState::Running,
            partitions: Vec::new(),
            rule_version: None,
            rule_error: None,
            settings_offset,
            rebalances: 0,
        }
    }

    #[test]
    fn only_live_instances_are_waited_for() {
        let instances = Instances::default();
        instances.apply(status("silent", Service::Notification, 0, 1));
        instances.apply(status("done", Service::Notification, 100, 5));
        instances.apply(status("late", Service::Notification, 100, 4));
        let now = DateTime::UNIX_EPOCH + TimeDelta::seconds(101);
        assert_eq!(instances.behind(5, now), ["late"]);
    }

    #[test]
    fn the_long_silent_are_forgotten_and_the_number_is_bounded() {
        let instances = Instances::default();
        instances.apply(status("old", Service::Audit, 0, 0));
        (0..MOST as i64 + 5)
            .for_each(|n| instances.apply(status(&format!("i{n}"), Service::Audit, 600 + n / 10, 0)));
        let all = instances.all();
        assert_eq!(all.len(), MOST);
        assert!(all.iter().all(|s| s.instance_id != "old"));
    }
}
