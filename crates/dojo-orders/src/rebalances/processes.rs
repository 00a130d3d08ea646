//! What the instances report of their processes, and why a process's member is no longer in its group.

use super::rebalance::Reason;
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{InstanceState, InstanceStatus};
use std::collections::BTreeMap;

/// A member whose instance has been silent for this long has lost its session, which lasts six seconds. Two reports are missing
/// by then; the last one may have come two seconds before the silence.
const SILENT_AFTER: TimeDelta = TimeDelta::seconds(4);
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
    reported_at: DateTime<Utc>,
}

impl Processes {
    /// Takes an instance's report.
    pub(super) fn report(&mut self, status: &InstanceStatus) {
        let InstanceStatus { started_at, state, timestamp: reported_at, .. } = *status;
        let process = Process { started_at, state, reported_at };
        match self.0.get_mut(&status.instance_id) {
            None => {
                self.0.insert(status.instance_id.clone(), Instance { process, earlier: None });
            }
            Some(known) if known.process.started_at < started_at => {
                known.earlier = Some(std::mem::replace(&mut known.process, process));
            }
            Some(known) if known.process.started_at == started_at => known.process = process,
            // Another process has taken this one's name.
            Some(_) => {}
        }
        if self.0.len() > MAX_INSTANCES
            && let Some(id) =
                self.0.iter().min_by_key(|(_, known)| known.process.reported_at).map(|(id, _)| id.clone())
        {
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
            known.process.state != InstanceState::Stopped && now - known.process.reported_at < SILENT_AFTER
        })
    }

    /// Returns why a member that was first seen at `seen` isn't in its group at `now`. `told_to_crash` is the start of the process that
    /// was last told to crash.
    pub(super) fn why_gone(
        &self,
        client_id: &str,
        seen: DateTime<Utc>,
        now: DateTime<Utc>,
        told_to_crash: Option<DateTime<Utc>>,
    ) -> Reason {
        let Some(Instance { process, earlier }) = self.0.get(client_id) else { return Reason::Unknown };
        if seen < process.started_at {
            return match earlier {
                Some(Process { state: InstanceState::Stopped, .. }) => Reason::Left,
                Some(_) => Reason::Crashed,
                None => Reason::Unknown,
            };
        }
        match process {
            Process { state: InstanceState::Stopped, .. } => Reason::Left,
            _ if told_to_crash == Some(process.started_at) => Reason::Crashed,
            _ if now - process.reported_at >= SILENT_AFTER => Reason::SessionExpired,
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
        let report = |started, state, second| InstanceStatus {
            started_at: at(started),
            state,
            ..status("n", &[], second)
        };
        let running = InstanceState::Running;
        assert_eq!(processes.why_gone("n", at(5), at(10), None), Reason::Unknown);
        processes.report(&report(0, running, 10));
        assert_eq!(processes.why_gone("n", at(5), at(11), None), Reason::Left, "it still reports");
        assert_eq!(processes.why_gone("n", at(5), at(11), Some(at(0))), Reason::Crashed, "it was told to");
        assert_eq!(processes.why_gone("n", at(5), at(16), None), Reason::SessionExpired);
        processes.report(&report(12, running, 13));
        assert_eq!(
            processes.why_gone("n", at(5), at(16), None),
            Reason::Crashed,
            "another process has its name"
        );
        assert_eq!(
            processes.why_gone("n", at(14), at(14), None),
            Reason::Left,
            "the member is the new process"
        );
        processes.report(&report(12, InstanceState::Stopped, 15));
        assert_eq!(processes.why_gone("n", at(14), at(30), None), Reason::Left);
        processes.report(&report(31, running, 32));
        assert_eq!(processes.why_gone("n", at(14), at(33), None), Reason::Left, "it had said goodbye");
        processes.report(&report(0, running, 33));
        assert_eq!(
            processes.why_gone("n", at(32), at(33), None),
            Reason::Left,
            "an older process changes nothing"
        );
    }

    #[test]
    fn the_number_of_instances_is_bounded() {
        let mut processes = Processes::default();
        (0..600).for_each(|n| processes.report(&status(&format!("i{n}"), &[], n)));
        assert_eq!(processes.0.len(), MAX_INSTANCES);
        assert!(!processes.knows("i0") && processes.knows("i599"));
    }
}
