//! Detects the rebalances of one consumer group, from looks at the group and from its instances' reports. Pure: it is given what was
//! seen and when.

use super::{
    processes::{Processes, Seen},
    readers::Readers,
    rebalance::{JoinedMember, LeftMember, MAX_SHOWN, Members, Reason, Rebalance, shares},
    summary::Change,
};
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::InstanceStatus;
use dojo_kafka::{Group, Member};
use std::collections::BTreeMap;

/// How long a stable group waits for its instances' reports that they read their partitions. Fraud detection waits for a
/// session before it works without some of them.
const REPORTS_WITHIN: TimeDelta = TimeDelta::seconds(10);
/// A group that had members may be missing from an answer because a broker didn't answer. So many answers in a row mean that
/// Kafka has forgotten it.
const MISSING: u32 = 3;

/// A consumer group under observation. Bounded by the number of its members.
#[derive(Debug, Default)]
pub(super) struct ObservedGroup {
    /// The members when no rebalance was under way. `None` before the first stable look.
    settled: Option<Members>,
    /// When each member was first seen, by member id.
    seen: BTreeMap<String, Seen>,
    readers: Readers,
    /// How many answers in a row lacked the group.
    missing: u32,
    open: Option<Open>,
}

/// A rebalance under way.
#[derive(Debug)]
struct Open {
    id: u64,
    at: DateTime<Utc>,
    /// The members at the last look.
    members: Members,
    /// Since when the group has been stable with these members; `None` while it isn't.
    stable_since: Option<DateTime<Utc>>,
    /// Why members left, by member id.
    reasons: BTreeMap<String, Reason>,
}

/// What is known beside the group itself.
pub(super) struct Evidence<'a> {
    /// The instances' processes.
    pub(super) processes: &'a Processes,
    /// The start of an instance's process that was last told to crash.
    pub(super) told_to_crash: &'a dyn Fn(&str) -> Option<DateTime<Utc>>,
}

impl ObservedGroup {
    /// Takes the report of an instance of this group, which was read at `now`.
    pub(super) fn report(&mut self, status: &InstanceStatus, now: DateTime<Utc>) {
        self.readers.report(status, now);
    }

    /// Takes a look at the group that began at `now`; `None` if Kafka doesn't know the group. Returns the rebalance that is under
    /// way, or that this look has ended. `next_id` numbers a new one.
    pub(super) fn look(
        &mut self,
        name: &str,
        group: Option<Group>,
        now: DateTime<Utc>,
        evidence: &Evidence<'_>,
        next_id: impl FnOnce() -> u64,
    ) -> Option<Rebalance> {
        let (is_stable, members) = self.believed(group)?;
        self.remember(&members, now);
        if is_stable {
            for (id, member) in members.iter().filter(|(_, m)| !evidence.processes.knows(&m.client_id)) {
                self.readers.foreign(id, &member.partitions, now);
            }
        }
        let Some(before) = &self.settled else {
            self.settled = is_stable.then_some(members);
            return None;
        };
        // A group that distributes its partitions as before, between two looks, shows only in its instances' reports.
        let has_paused = || self.readers.pause().is_some_and(|pause| pause.noticed_at < now);
        if self.open.is_none() && is_stable && *before == members && !has_paused() {
            return None;
        }
        let open = self.open.get_or_insert_with(|| Open::new(next_id(), now));
        open.look(members, now, is_stable);
        let is_over = open.is_over(&self.readers, evidence.processes, now);
        let left = open.left(before, &self.seen, now, evidence);
        let joined = open.joined(before, evidence.processes);
        let pause = if is_over { self.readers.take_pause() } else { None };
        let after = is_over.then_some(&open.members);
        let is_instance = |client_id: &str| evidence.processes.knows(client_id);
        let change = Change {
            left: &left,
            joined: &joined,
            before,
            after,
            pause: pause.as_ref(),
            is_instance: &is_instance,
        };
        let rebalance = Rebalance {
            id: open.id,
            group: name.to_owned(),
            at: open.at,
            settled_at: is_over.then_some(now),
            before: shares(before),
            after: after.map(shares),
            pause_millis: pause.as_ref().map(|pause| pause.longest.num_milliseconds()),
            summary: change.summary(),
            left: left.into_iter().take(MAX_SHOWN).collect(),
            joined: joined.into_iter().take(MAX_SHOWN).collect(),
        };
        if is_over {
            self.settled = self.open.take().map(|open| open.members);
        }
        Some(rebalance)
    }

    /// Returns whether the group is stable, and its members; `None` if the answer says neither.
    fn believed(&mut self, group: Option<Group>) -> Option<(bool, Members)> {
        let Some(group) = group else {
            self.missing = self.missing.saturating_add(1);
            let had_members = self.settled.as_ref().is_some_and(|members| !members.is_empty());
            return (!had_members || self.missing >= MISSING).then(|| (true, Members::new()));
        };
        self.missing = 0;
        Some((group.is_settled()?, group.members))
    }

    /// Notes when members were first seen, and forgets those that neither are there nor have to be explained.
    fn remember(&mut self, members: &Members, now: DateTime<Utc>) {
        let seen = match self.settled {
            None => Seen::First(now),
            Some(_) => Seen::At(now),
        };
        members.keys().for_each(|id| _ = self.seen.entry(id.clone()).or_insert(seen));
        let is_before = |id: &String| self.settled.as_ref().is_some_and(|before| before.contains_key(id));
        self.seen.retain(|id, _| members.contains_key(id) || is_before(id));
    }
}

impl Open {
    fn new(id: u64, at: DateTime<Utc>) -> Self {
        Self { id, at, members: Members::new(), stable_since: None, reasons: BTreeMap::new() }
    }

    fn look(&mut self, members: Members, now: DateTime<Utc>, is_stable: bool) {
        if !is_stable {
            self.stable_since = None;
        } else if self.stable_since.is_none() || self.members != members {
            self.stable_since = Some(now);
        }
        self.members = members;
    }

    /// Whether two looks have found the same stable group, and its instances read their partitions. The reports of who reads what
    /// come a moment after the group is stable.
    fn is_over(&self, readers: &Readers, processes: &Processes, now: DateTime<Utc>) -> bool {
        let is_read =
            |member: &Member| member.partitions.iter().all(|p| readers.is_read_by(p, &member.client_id));
        let mut instances = self.members.values().filter(|member| processes.is_live(&member.client_id, now));
        self.stable_since
            .is_some_and(|since| since < now && (now - since >= REPORTS_WITHIN || instances.all(is_read)))
    }

    fn left(
        &mut self,
        before: &Members,
        seen: &BTreeMap<String, Seen>,
        now: DateTime<Utc>,
        Evidence { processes, told_to_crash }: &Evidence<'_>,
    ) -> Vec<LeftMember> {
        let gone = before.iter().filter(|(id, _)| !self.members.contains_key(*id));
        gone.map(|(id, member)| {
            let client_id = &member.client_id;
            let seen = seen.get(id).copied().unwrap_or(Seen::First(now));
            let reason = processes.why_gone(client_id, seen, now, told_to_crash(client_id));
            let known = self.reasons.entry(id.clone()).or_insert(reason);
            // Evidence of a crash may come late. Whatever else an instance does later isn't about this member.
            if reason == Reason::Crashed {
                *known = reason;
            }
            LeftMember { member: client_id.clone(), foreign: !processes.knows(client_id), reason: *known }
        })
        .collect()
    }

    fn joined(&self, before: &Members, processes: &Processes) -> Vec<JoinedMember> {
        let new = self.members.iter().filter(|(id, _)| !before.contains_key(*id));
        new.map(|(_, Member { client_id, .. })| JoinedMember {
            member: client_id.clone(),
            foreign: !processes.knows(client_id),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebalances::tests::{at, status};
    use dojo_contract::InstanceState;

    struct Observed {
        group: ObservedGroup,
        processes: Processes,
        crash: Option<DateTime<Utc>>,
        ids: u64,
    }

    const PREPARING: &str = "PreparingRebalance";
    const BOTH: &[(&str, &[i32])] = &[("a/1", &[0]), ("b/1", &[1, 2])];
    const ONLY_A: &[(&str, &[i32])] = &[("a/1", &[0, 1, 2])];

    impl Observed {
        fn new() -> Self {
            Self { group: ObservedGroup::default(), processes: Processes::default(), crash: None, ids: 0 }
        }

        fn take(&mut self, status: &InstanceStatus) {
            let now = status.timestamp;
            if self.processes.report(status, now) {
                self.group.report(status, now);
            }
        }

        fn report(&mut self, id: &str, partitions: &[i32], second: i64) {
            self.take(&status(id, partitions, second));
        }

        fn look(&mut self, state: &str, members: &[(&str, &[i32])], second: i64) -> Option<Rebalance> {
            let member = |(id, partitions): &(&str, &[i32])| {
                let partitions = partitions.iter().map(|p| ("orders".to_owned(), *p)).collect();
                let (client_id, _) = id.split_once('/').unwrap();
                (
                    (*id).to_owned(),
                    Member { client_id: client_id.to_owned(), host: String::new(), partitions },
                )
            };
            self.answer(Some(Group::new("g", state, members.iter().map(member).collect())), second)
        }

        fn answer(&mut self, group: Option<Group>, second: i64) -> Option<Rebalance> {
            let crash = self.crash;
            let evidence = Evidence { processes: &self.processes, told_to_crash: &|_| crash };
            let ids = &mut self.ids;
            self.group.look("g", group, at(second), &evidence, || {
                *ids += 1;
                *ids
            })
        }

        /// Two members that share the partitions, after 30 seconds.
        fn of_two() -> Self {
            let mut observed = Self::new();
            observed.report("a", &[0], 29);
            observed.report("b", &[1, 2], 29);
            assert_eq!(observed.look("Stable", BOTH, 30), None);
            observed
        }
    }

    #[test]
    fn a_group_at_rest_has_no_rebalance() {
        let mut observed = Observed::of_two();
        observed.report("a", &[0], 31);
        assert_eq!(observed.look("Stable", BOTH, 32), None);
    }

    #[test]
    fn what_a_group_does_before_its_first_stable_look_is_not_known() {
        let mut observed = Observed::new();
        assert_eq!(observed.look(PREPARING, &[("a/1", &[])], 1), None);
        assert_eq!(observed.look("Stable", BOTH, 2), None);
        assert_eq!(observed.look("Stable", BOTH, 3), None);
    }

    #[test]
    fn a_crash_is_shown_when_it_begins_and_once_the_others_read() {
        let mut observed = Observed::of_two();
        observed.crash = Some(at(0));
        observed.report("b", &[1, 2], 31);
        [32, 34].into_iter().for_each(|second| observed.report("a", &[0], second));
        let begun = observed.look(PREPARING, &[("a/1", &[])], 36).unwrap();
        assert_eq!((begun.id, begun.at, begun.settled_at, begun.after), (1, at(36), None, None));
        assert_eq!(begun.left[0].reason, Reason::Crashed);
        observed.report("a", &[], 36);
        assert_eq!(observed.look("Stable", ONLY_A, 37).unwrap().settled_at, None);
        assert_eq!(observed.look("Stable", ONLY_A, 38).unwrap().settled_at, None, "a has not reported yet");
        observed.report("a", &[0, 1, 2], 38);
        let shown = observed.look("Stable", ONLY_A, 39).unwrap();
        assert_eq!((shown.id, shown.at, shown.settled_at), (1, at(36), Some(at(39))));
        assert_eq!(shown.pause_millis, Some(7_000));
        assert_eq!(shown.after.unwrap()[0].partitions.len(), 3);
        assert_eq!(shown.summary, "b crashed. a now reads orders 1, 2. orders 1 had no reader for 7.0 s.");
        assert_eq!(observed.look("Stable", ONLY_A, 40), None);
    }

    #[test]
    fn an_answer_that_says_nothing_is_not_a_departure() {
        let mut observed = Observed::of_two();
        observed.report("a", &[0], 31);
        assert_eq!(observed.look("", &[], 31), None, "its coordinator didn't answer");
        assert_eq!(observed.answer(None, 32), None);
        assert_eq!(observed.answer(None, 33), None);
        assert_eq!(observed.look("Stable", BOTH, 34), None);
        for second in [35, 36] {
            assert_eq!(observed.answer(None, second), None);
        }
        assert_eq!(observed.answer(None, 37).unwrap().left.len(), 2, "Kafka has forgotten the group");
        assert_eq!(observed.answer(None, 38).unwrap().after, Some(Vec::new()));
    }

    #[test]
    fn a_reason_stays_when_the_instance_comes_back_before_the_rebalance_is_over() {
        let mut observed = Observed::of_two();
        observed.report("b", &[1, 2], 38);
        let begun = observed.look(PREPARING, &[("b/1", &[])], 38).unwrap();
        assert_eq!(begun.left[0].reason, Reason::SessionExpired);
        // Its first report is older than the end of its session.
        observed.report("a", &[0], 39);
        let all: &[(&str, &[i32])] = &[("b/1", &[1, 2]), ("a/2", &[0])];
        observed.report("a", &[], 40);
        observed.report("a", &[0], 41);
        observed.look("Stable", all, 41);
        observed.report("b", &[1, 2], 41);
        let shown = observed.look("Stable", all, 42).unwrap();
        assert_eq!((shown.left[0].reason, shown.settled_at), (Reason::SessionExpired, Some(at(42))));
        assert_eq!(shown.pause_millis, Some(12_000), "since its last report before the silence");
    }

    #[test]
    fn a_second_process_of_one_name_changes_nothing() {
        let mut observed = Observed::of_two();
        let newer = |second| InstanceStatus { started_at: at(20), ..status("a", &[0], second) };
        observed.take(&newer(31));
        assert_eq!(observed.look("Stable", BOTH, 32).map(|shown| shown.left), Some(Vec::new()));
        observed.look("Stable", BOTH, 33);
        for second in 34..60 {
            observed.take(&newer(second));
            observed.report("a", &[], second);
            assert_eq!(observed.look("Stable", BOTH, second), None, "{second}");
        }
    }

    #[test]
    fn a_foreign_member_is_called_so_and_is_not_waited_for() {
        let mut observed = Observed::of_two();
        observed.report("b", &[1], 31);
        let with_kcat: &[(&str, &[i32])] = &[("a/1", &[0]), ("b/1", &[1]), ("kcat/7", &[2])];
        assert!(observed.look("Stable", with_kcat, 32).unwrap().joined[0].foreign);
        observed.report("a", &[0], 32);
        observed.report("b", &[1], 33);
        assert_eq!(observed.look("Stable", with_kcat, 33).unwrap().settled_at, Some(at(33)));
        observed.report("a", &[0], 35);
        observed.report("b", &[1, 2], 35);
        let gone = observed.look("Stable", BOTH, 35).unwrap();
        assert_eq!((gone.id, gone.left[0].reason), (2, Reason::Unknown));
        let gone = observed.look("Stable", BOTH, 36).unwrap();
        assert_eq!(gone.pause_millis, Some(2_000), "since kcat was last seen to have the partition");
    }

    #[test]
    fn a_rebalance_between_two_looks_that_changes_nothing_shows_in_the_reports() {
        let mut observed = Observed::of_two();
        observed.report("a", &[], 31);
        observed.report("a", &[0], 32);
        observed.report("b", &[1, 2], 32);
        observed.look("Stable", BOTH, 33);
        let shown = observed.look("Stable", BOTH, 34).unwrap();
        assert!(shown.left.is_empty() && shown.joined.is_empty());
        assert_eq!((shown.settled_at, shown.pause_millis), (Some(at(34)), Some(1_000)));
    }

    #[test]
    fn an_instance_that_never_reports_its_partitions_is_waited_for_in_bounds() {
        let mut observed = Observed::of_two();
        for second in 31..41 {
            observed.report("a", &[0], second);
            assert_eq!(observed.look("Stable", ONLY_A, second).unwrap().settled_at, None);
        }
        observed.report("a", &[0], 41);
        assert_eq!(observed.look("Stable", ONLY_A, 41).unwrap().settled_at, Some(at(41)));
    }

    #[test]
    fn members_that_come_and_go_during_a_rebalance_are_forgotten() {
        let mut observed = Observed::of_two();
        for n in 0..1_000 {
            observed.look(PREPARING, &[("a/1", &[]), (&format!("k/{n}"), &[])], 31 + n);
        }
        assert_eq!(observed.group.seen.len(), 3, "a, b and the last one");
    }

    #[test]
    fn an_instance_that_stopped_has_left() {
        let mut observed = Observed::of_two();
        observed.take(&InstanceStatus { state: InstanceState::Stopped, ..status("b", &[1, 2], 31) });
        observed.report("a", &[0, 1, 2], 32);
        observed.look("Stable", ONLY_A, 33);
        let shown = observed.look("Stable", ONLY_A, 34).unwrap();
        assert_eq!((shown.left[0].reason, shown.pause_millis), (Reason::Left, Some(1_000)));
    }
}
