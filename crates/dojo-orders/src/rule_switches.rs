//! When the instances of a service switched to a new version of their rule: what their reports on `dojo-status` say, and when the
//! file showed the version. In memory: a restarted order service knows only the switches since then.

use chrono::{DateTime, Utc};
use dojo_contract::{InstanceState, InstanceStatus, Service};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// More instances of one service than any workshop has. Further ones aren't waited for.
const MAX_INSTANCES: usize = 500;

/// The latest switch of each service.
#[derive(Debug, Default)]
pub(crate) struct RuleSwitches(Mutex<BTreeMap<Service, Known>>);

/// A switch to another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) version: String,
    /// When the version came: when its file was saved, or an instance reported it.
    pub(crate) first_seen: DateTime<Utc>,
    /// When the last live instance first reported the version; `None` until all have.
    pub(crate) completed: Option<DateTime<Utc>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The version according to the file, and since when.
    version: Option<(String, DateTime<Utc>)>,
    switch: Option<Switch>,
    reports: BTreeMap<String, Report>,
}

/// The version that an instance reports.
#[derive(Debug)]
struct Report {
    version: String,
    since: DateTime<Utc>,
    heard: DateTime<Utc>,
}

impl RuleSwitches {
    /// Notes the version that the file has since `now`. The first one is no switch.
    pub(crate) fn file_shows(&self, service: Service, version: &str, now: DateTime<Utc>) {
        let mut all = self.0.lock();
        let known = all.entry(service).or_default();
        if known.version.as_ref().is_some_and(|(shown, _)| shown == version) {
            return;
        }
        let before = known.version.replace((version.to_owned(), now));
        known.switch = before.map(|(_, shown)| {
            // An instance may see the file before this service does. An older report is of an earlier time with this version.
            let reported = known.reports.values().filter(|report| report.version == version);
            let first_seen = reported.map(|report| report.since).filter(|since| *since > shown).min();
            let first_seen = first_seen.unwrap_or(now).min(now);
            Switch { version: version.to_owned(), first_seen, completed: None }
        });
        known.complete(now);
    }

    /// Notes the report of an instance.
    pub(crate) fn reported(&self, status: &InstanceStatus, now: DateTime<Utc>) {
        let mut all = self.0.lock();
        let known = all.entry(status.service).or_default();
        match &status.rule_version {
            Some(version) if status.state != InstanceState::Stopped => {
                if known.reports.len() < MAX_INSTANCES || known.reports.contains_key(&status.instance_id) {
                    let report = known.reports.entry(status.instance_id.clone());
                    let report =
                        report.or_insert_with(|| Report { version: version.clone(), since: now, heard: now });
                    report.heard = now;
                    if report.version != *version {
                        *report = Report { version: version.clone(), since: now, heard: now };
                    }
                }
            }
            _ => drop(known.reports.remove(&status.instance_id)),
        }
        known.complete(now);
    }

    /// Returns the latest switch of a service to the version that its file shows.
    pub(crate) fn latest(&self, service: Service) -> Option<Switch> {
        self.0.lock().get(&service)?.switch.clone()
    }
}

impl Known {
    /// Completes the switch if every live instance reports its version. An instance that starts later doesn't prolong it.
    fn complete(&mut self, now: DateTime<Utc>) {
        self.reports.retain(|_, report| (now - report.heard).abs() < InstanceStatus::SILENCE);
        let Some(switch) = self.switch.as_mut().filter(|switch| switch.completed.is_none()) else { return };
        if self.reports.values().all(|report| report.version == switch.version) {
            let last = self.reports.values().map(|report| report.since).max();
            switch.completed = last.map(|last| last.max(switch.first_seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis)
    }

    fn report(switches: &RuleSwitches, instance: &str, version: &str, millis: i64) {
        let status = InstanceStatus {
            instance_id: instance.into(),
            service: Service::Notification,
            version: "0".into(),
            pid: 1,
            started_at: DateTime::UNIX_EPOCH,
            timestamp: at(millis),
            state: InstanceState::Running,
            partitions: Vec::new(),
            rule_version: Some(version.into()),
            rule_error: None,
            limitation: None,
            settings_offset: 0,
            rebalances: 0,
        };
        switches.reported(&status, at(millis));
    }

    /// Two instances that run version `a`, and a file that shows `b` at 1,000 ms.
    fn switching() -> RuleSwitches {
        let switches = RuleSwitches::default();
        switches.file_shows(Service::Notification, "a", at(0));
        report(&switches, "n1", "a", 10);
        report(&switches, "n2", "a", 20);
        assert_eq!(switches.latest(Service::Notification), None, "a start is no switch");
        switches.file_shows(Service::Notification, "b", at(1_000));
        switches
    }

    fn times(switches: &RuleSwitches) -> (i64, Option<i64>) {
        let switch = switches.latest(Service::Notification).unwrap();
        (switch.first_seen.timestamp_millis(), switch.completed.map(|at| at.timestamp_millis()))
    }

    #[test]
    fn a_switch_is_complete_when_the_last_instance_has_reported_the_version() {
        let switches = switching();
        report(&switches, "n1", "b", 1_100);
        assert_eq!(times(&switches), (1_000, None));
        report(&switches, "n2", "b", 1_400);
        report(&switches, "n3", "b", 3_000);
        assert_eq!(times(&switches), (1_000, Some(1_400)), "one that starts later doesn't prolong it");
    }

    #[test]
    fn instances_may_see_a_file_before_this_service_does() {
        let switches = RuleSwitches::default();
        switches.file_shows(Service::Notification, "a", at(0));
        report(&switches, "n1", "b", 900);
        report(&switches, "n2", "b", 950);
        switches.file_shows(Service::Notification, "b", at(1_000));
        assert_eq!(times(&switches), (900, Some(950)));
    }

    #[test]
    fn going_back_before_any_instance_has_switched_takes_no_time() {
        let switches = switching();
        switches.file_shows(Service::Notification, "a", at(1_200));
        assert_eq!(times(&switches), (1_200, Some(1_200)));
    }

    #[test]
    fn a_silent_instance_is_not_waited_for() {
        let switches = switching();
        report(&switches, "n1", "b", 1_100);
        report(&switches, "n1", "b", 7_000);
        assert_eq!(times(&switches), (1_000, Some(1_100)));
    }
}
