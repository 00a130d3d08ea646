//! The instances' processes, as their reports show them, and why a process's member is no longer in its group.

use super::rebalance::Reason;
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{InstanceState, InstanceStatus};
use std::collections::BTreeMap;

/// The silence after which the session of a member that is gone counts as expired: a session of six seconds less the two
/// seconds between reports.
pub(super) const SILENT_AFTER: TimeDelta = TimeDelta::seconds(4);
/// A member of another process can stay in its group for this long after the process ended.
const SESSION: TimeDelta = TimeDelta::seconds(10);
/// More instances than any workshop has. The one that reported the longest ago is forgotten first.
const MAX_INSTANCES: usize = 500;

/// The processes of all instances. Bounded: two of each instance.
#[derive(Debug, Default)]
pub(super) struct Processes(BTreeMap<String, Instance>);

#[derive(Debug)]
struct Instance {
    process: Process,
    /// The process that had this name before.
    earlier: Option<Process>,
}

#[derive(Debug, Clone, Copy)]
struct Process {
    started_at: DateTime<Utc>,
    state: InstanceState,
    /// When this service read its last report.
    heard_at: DateTime<Utc>,
}

/// When a member was first seen in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// At this time, after others.
    At(DateTime<Utc>),
    /// In the first look, at this time: it may have been there for long.
    First(DateTime<Utc>),
}

impl Processes {
    /// Takes an instance's report that was read at `now`. Returns whether it says which partitions the instance reads: the
    /// report of a process that another one has replaced doesn't, nor the first one after a silence, which may be older than the
    /// end of the session.
    pub(super) fn report(&mut self, status: &InstanceStatus, now: DateTime<Utc>) -> bool {
        let InstanceStatus { started_at, state, .. } = *status;
        self.heard(&status.instance_id, Process { started_at, state, heard_at: now })
    }

    /// Notes a process that started then, before its first report.
    pub(super) fn expect(&mut self, instance: &str, started_at: DateTime<Utc>) {
        self.heard(instance, Process { started_at, state: InstanceState::Starting, heard_at: started_at });
    }

    fn heard(&mut self, instance: &str, process: Process) -> bool {
        let Some(known) = self.0.get_mut(instance) else {
            self.0.insert(instance.to_owned(), Instance { process, earlier: None });
            self.forget_one();
            return true;
        };
        if process.started_at < known.process.started_at {
            return false;
        }
        let last = std::mem::replace(&mut known.process, process);
        if last.started_at < process.started_at {
            known.earlier = Some(last);
            return true;
        }
        process.heard_at - last.heard_at < SILENT_AFTER
    }

    fn forget_one(&mut self) {
        if self.0.len() > MAX_INSTANCES
            && let Some((id, _)) = self.0.iter().min_by_key(|(_, known)| known.process.heard_at)
        {
            let id = id.clone();
            self.0.remove(&id);
        }
    }

    /// Returns whether `client_id` is an instance of the dojo.
    pub(super) fn knows(&self, client_id: &str) -> bool {
        self.0.contains_key(client_id)
    }

    /// Returns whether the instance has reported lately, and not that it has stopped.
    pub(super) fn is_live(&self, client_id: &str, now: DateTime<Utc>) -> bool {
        self.0.get(client_id).is_some_and(|known| {
            known.process.state != InstanceState::Stopped && now - known.process.heard_at < SILENT_AFTER
        })
    }

    /// Returns why a member isn't in its group at `now`. `told_to_crash` is the start of the instance's process that was last
    /// told to crash.
    pub(super) fn why_gone(
        &self,
        client_id: &str,
        seen: Seen,
        now: DateTime<Utc>,
        told_to_crash: Option<DateTime<Utc>>,
    ) -> Reason {
        let Some(Instance { process, earlier }) = self.0.get(client_id) else { return Reason::Unknown };
        let (Seen::At(seen_at) | Seen::First(seen_at)) = seen;
        if seen_at < process.started_at {
            return match earlier {
                Some(Process { state: InstanceState::Stopped, .. }) => Reason::Left,
                Some(_) => Reason::Crashed,
                None => Reason::Unknown,
            };
        }
        match process {
            Process { state: InstanceState::Stopped, .. } => Reason::Left,
            _ if told_to_crash == Some(process.started_at) => Reason::Crashed,
            _ if now - process.heard_at >= SILENT_AFTER => Reason::SessionExpired,
            // The member may have been that of an earlier process.
            _ if matches!(seen, Seen::First(_)) && seen_at - process.started_at < SESSION => Reason::Unknown,
            _ => Reason::Left,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebalances::tests::{at, status};

    #[test]
    fn the_reports_say_why_a_member_is_gone() {
        let mut processes = Processes::default();
        let mut report = |started, state, second| {
            let status = InstanceStatus { started_at: at(started), state, ..status("n", &[], second) };
            processes.report(&status, at(second));
            let after =
                |seen, second, crash: Option<i64>| processes.why_gone("n", seen, at(second), crash.map(at));
            (
                after(Seen::At(at(5)), second + 1, None),
                after(Seen::At(at(5)), second + 1, Some(0)),
                after(Seen::At(at(5)), second + 6, None),
            )
        };
        let running = InstanceState::Running;
        let (left, crashed, silent) = report(0, running, 10);
        assert_eq!((left, crashed, silent), (Reason::Left, Reason::Crashed, Reason::SessionExpired));
        assert_eq!(report(12, running, 13).0, Reason::Crashed, "another process has its name");
        let gone =
            |processes: &Processes, second| processes.why_gone("n", Seen::At(at(14)), at(second), None);
        assert_eq!(gone(&processes, 15), Reason::Left, "the member is the new process");
        let stopped =
            InstanceStatus { started_at: at(12), state: InstanceState::Stopped, ..status("n", &[], 15) };
        processes.report(&stopped, at(15));
        assert_eq!(gone(&processes, 30), Reason::Left);
        processes.report(&InstanceStatus { started_at: at(31), ..status("n", &[], 32) }, at(32));
        assert_eq!(gone(&processes, 33), Reason::Left, "its last report said that it had stopped");
        assert_eq!(processes.why_gone("kcat", Seen::At(at(5)), at(6), None), Reason::Unknown);
    }

    #[test]
    fn of_a_member_that_was_there_before_this_service_little_is_known() {
        let mut processes = Processes::default();
        processes.report(&status("n", &[], 9), at(9));
        let gone = |seen| processes.why_gone("n", seen, at(10), None);
        assert_eq!(gone(Seen::First(at(5))), Reason::Unknown, "it may be of a process before");
        assert_eq!(gone(Seen::First(at(60))), Reason::Left, "the process is older than a session");
    }

    #[test]
    fn a_report_says_nothing_about_partitions_after_a_silence_or_from_a_replaced_process() {
        let mut processes = Processes::default();
        let of = |started, second| InstanceStatus { started_at: at(started), ..status("n", &[0], second) };
        let reports =
            [(0, 1, true), (0, 3, true), (0, 12, false), (0, 13, true), (14, 15, true), (0, 15, false)];
        for (started, second, counts) in reports {
            assert_eq!(processes.report(&of(started, second), at(second)), counts, "{started} {second}");
        }
    }

    #[test]
    fn the_number_of_instances_is_bounded() {
        let mut processes = Processes::default();
        (0..600).for_each(|n| _ = processes.report(&status(&format!("i{n}"), &[], n), at(n)));
        assert_eq!(processes.0.len(), MAX_INSTANCES);
        assert!(!processes.knows("i0") && processes.knows("i599"));
    }
}
