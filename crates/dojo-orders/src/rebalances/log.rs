//! The newest rebalances, in memory since this service started.

use super::{
    group::{Evidence, ObservedGroup},
    processes::Processes,
    rebalance::Rebalance,
};
use chrono::{DateTime, Utc};
use dojo_contract::InstanceStatus;
use dojo_kafka::Group;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::watch;

/// How many rebalances are kept.
pub(crate) const KEPT: usize = 200;

/// The newest rebalances of the dojo's groups, and what is needed to detect them.
#[derive(Debug)]
pub(crate) struct RebalanceLog {
    state: Mutex<State>,
    /// The number of changes.
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    groups: BTreeMap<String, ObservedGroup>,
    processes: Processes,
    looks: Option<Looks>,
    /// Oldest first, each with the number of its last change.
    kept: VecDeque<(u64, Rebalance)>,
    last_id: u64,
    changes: u64,
}

/// When the groups were looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looks {
    /// The first time.
    pub(crate) first: DateTime<Utc>,
    /// The last time that Kafka answered.
    pub(crate) last: DateTime<Utc>,
}

impl Default for RebalanceLog {
    fn default() -> Self {
        Self { state: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl RebalanceLog {
    /// Begins to observe the groups `names`. `own` is the id and the start of this service's own process, which joins its group before its
    /// first report.
    pub(super) fn observe(&self, names: &[String], own: (&str, DateTime<Utc>)) {
        let mut state = self.state.lock();
        state.processes.expect(own.0, own.1);
        state.groups = names.iter().map(|name| (name.clone(), ObservedGroup::default())).collect();
    }

    /// Takes the report of an instance, which was read at `now`, and the group that it reads in.
    pub(crate) fn report(&self, status: &InstanceStatus, group: Option<&str>, now: DateTime<Utc>) {
        let mut state = self.state.lock();
        let counts = state.processes.report(status, now);
        if let Some(group) = group.and_then(|name| state.groups.get_mut(name)).filter(|_| counts) {
            group.report(status, now);
        }
    }

    /// Takes a look at the group `name` that began at `now`.
    pub(super) fn look(
        &self,
        name: &str,
        group: Option<Group>,
        now: DateTime<Utc>,
        told_to_crash: &dyn Fn(&str) -> Option<DateTime<Utc>>,
    ) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.looks = Some(Looks { last: now, ..state.looks.unwrap_or(Looks { first: now, last: now }) });
        let evidence = Evidence { processes: &state.processes, told_to_crash };
        let last_id = &mut state.last_id;
        let next_id = || {
            *last_id += 1;
            *last_id
        };
        let Some(observed) = state.groups.get_mut(name) else { return };
        let Some(rebalance) = observed.look(name, group, now, &evidence, next_id) else { return };
        if !state.keep(rebalance) {
            return;
        }
        let changes = state.changes;
        drop(guard);
        self.changed.send_replace(changes);
    }

    /// When the groups were looked at; `None` before the first answer.
    pub(crate) fn looks(&self) -> Option<Looks> {
        self.state.lock().looks
    }

    /// The rebalances, newest first.
    pub(crate) fn newest_first(&self) -> Vec<Rebalance> {
        self.state.lock().kept.iter().rev().map(|(_, rebalance)| rebalance.clone()).collect()
    }

    /// The rebalances that have changed since that many changes, in the order of their last change, and the number of changes now.
    pub(crate) fn since(&self, changes: u64) -> (Vec<Rebalance>, u64) {
        let state = self.state.lock();
        let mut new: Vec<_> = state.kept.iter().filter(|(change, _)| *change > changes).cloned().collect();
        new.sort_by_key(|(change, _)| *change);
        (new.into_iter().map(|(_, rebalance)| rebalance).collect(), state.changes)
    }

    /// Shows the number of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

impl State {
    /// Keeps a rebalance; returns whether that is news.
    fn keep(&mut self, rebalance: Rebalance) -> bool {
        let known = self.kept.iter_mut().rev().find(|(_, known)| known.id == rebalance.id);
        match known {
            Some((_, known)) if *known == rebalance => return false,
            Some(known) => *known = (self.changes + 1, rebalance),
            None => self.kept.push_back((self.changes + 1, rebalance)),
        }
        self.changes += 1;
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebalances::tests::at;
    use dojo_kafka::Member;

    fn group(members: &[String]) -> Option<Group> {
        let member = |id: &String| {
            let (client_id, host) = (id.clone(), String::new());
            (id.clone(), Member { client_id, host, partitions: Default::default() })
        };
        Some(Group::new("g", "Stable", members.iter().map(member).collect()))
    }

    #[test]
    fn the_newest_are_kept_and_a_stream_sees_each_change_once() {
        let log = RebalanceLog::default();
        log.observe(&["g".to_owned()], ("order-1", at(0)));
        // The second look at the same members ends a rebalance.
        let look = |member: &str, second| {
            for second in [second, second + 1] {
                log.look("g", group(&[member.to_owned()]), at(second), &|_| None);
            }
        };
        look("m0", 0);
        assert_eq!(log.looks(), Some(Looks { first: at(0), last: at(1) }));
        (1..=KEPT as i64 + 5).for_each(|n| look(&format!("m{n}"), 2 * n));
        let kept = log.newest_first();
        assert_eq!((kept.len(), kept[0].id, kept[KEPT - 1].id), (KEPT, 205, 6));
        let (_, changes) = log.since(0);
        assert_eq!(log.since(changes), (Vec::new(), changes));
        log.look("g", group(&["new".to_owned()]), at(1_000), &|_| None);
        let (new, now) = log.since(changes);
        assert_eq!((new.len(), new[0].id, new[0].settled_at), (1, 206, None));
        assert_eq!(*log.changes().borrow(), now);
        look("new", 1_001);
        let (settled, last) = log.since(now);
        assert_eq!((settled.len(), settled[0].id, settled[0].settled_at), (1, 206, Some(at(1_001))));
        assert_eq!(log.since(last).0, []);
        assert_eq!(log.looks(), Some(Looks { first: at(0), last: at(1_002) }));
    }
}
