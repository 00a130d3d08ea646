//! One consumer group under observation: what the looks at it and the reports of its instances make of a rebalance. Pure: it
//! is given what was seen and when.

use super::{
    processes::Processes,
    readers::Readers,
    rebalance::{JoinedMember, LeftMember, MAX_MEMBERS, Members, Rebalance, shares, summary},
};
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::InstanceStatus;
use dojo_kafka::{Group, Member};
use std::collections::BTreeMap;

/// How long a stable group waits for its instances' reports that they read their partitions. Fraud detection waits for a
/// session before it works without some of them.
const REPORTS_WITHIN: TimeDelta = TimeDelta::seconds(10);

/// A consumer group under observation.
#[derive(Debug, Default)]
pub(super) struct ObservedGroup {
    /// The members when no rebalance was under way. `None` before the first look.
    settled: Option<Members>,
    /// When each member was seen first, by member id.
    seen: BTreeMap<String, DateTime<Utc>>,
    readers: Readers,
    open: Option<Open>,
}

/// A rebalance under way.
#[derive(Debug)]
struct Open {
    id: u64,
    at: DateTime<Utc>,
    /// The last look at the group. Since when it has been stable with these members; `None`: it isn't.
    members: Members,
    stable_since: Option<DateTime<Utc>>,
}

/// What a look knows beside the group itself.
pub(super) struct Evidence<'a> {
    /// The instances' processes.
    pub(super) processes: &'a Processes,
    /// The start of the process of an instance that was last told to crash.
    pub(super) told_to_crash: &'a dyn Fn(&str) -> Option<DateTime<Utc>>,
}

impl ObservedGroup {
    /// Takes the report of an instance of this group.
    pub(super) fn report(&mut self, status: &InstanceStatus) {
        self.readers.report(status);
    }

    /// Takes a look at the group that began at `now`; `None`: Kafka doesn't know the group. Returns the rebalance that is under way, or that
    /// this look has ended. `next_id` numbers a new one.
    pub(super) fn look(
        &mut self,
        name: &str,
        group: Option<Group>,
        now: DateTime<Utc>,
        evidence: &Evidence<'_>,
        next_id: impl FnOnce() -> u64,
    ) -> Option<Rebalance> {
        let is_stable = group.as_ref().is_none_or(Group::is_settled);
        let members = group.map(|group| group.members).unwrap_or_default();
        members.keys().for_each(|id| _ = self.seen.entry(id.clone()).or_insert(now));
        if is_stable {
            for member in members.values().filter(|member| !evidence.processes.knows(&member.client_id)) {
                let Member { client_id, partitions, .. } = member;
                partitions.iter().for_each(|p| self.readers.reads(client_id, p.clone(), now));
            }
        }
        let Some(before) = &self.settled else {
            // Members that join during the first look have joined.
            self.settled = Some(if is_stable { members } else { Members::new() });
            return None;
        };
        // A group that distributes its partitions as before, between two looks, shows only in its instances' reports.
        let paused = || self.readers.pause().is_some_and(|pause| pause.ended_at < now);
        if self.open.is_none() && is_stable && *before == members && !paused() {
            return None;
        }
        let open = self.open.get_or_insert_with(|| Open {
            id: next_id(),
            at: now,
            members: Members::new(),
            stable_since: None,
        });
        if !is_stable {
            open.stable_since = None;
        } else if open.stable_since.is_none() || open.members != members {
            open.stable_since = Some(now);
        }
        open.members = members;
        let is_over = open.stable_since.is_some_and(|since| {
            now - since >= REPORTS_WITHIN
                || all_are_read(&open.members, &self.readers, evidence.processes, now)
        });
        let (left, joined) = difference(before, &open.members, &self.seen, now, evidence);
        let pause = if is_over { self.readers.take_pause() } else { None }.map(|pause| pause.longest);
        let after = is_over.then_some(&open.members);
        let rebalance = Rebalance {
            id: open.id,
            group: name.to_owned(),
            at: open.at,
            settled_at: is_over.then_some(now),
            before: shares(before),
            after: after.map(shares),
            pause_millis: pause.map(|pause| pause.num_milliseconds()),
            summary: summary(&left, &joined, before, after, pause),
            left,
            joined,
        };
        if is_over {
            self.settled = self.open.take().map(|open| open.members);
            let settled = self.settled.as_ref();
            self.seen.retain(|id, _| settled.is_some_and(|members| members.contains_key(id)));
        }
        Some(rebalance)
    }
}

/// Whether each instance reports that it reads the partitions that it is assigned.
fn all_are_read(members: &Members, readers: &Readers, processes: &Processes, now: DateTime<Utc>) -> bool {
    let of_the_dojo = members.values().filter(|member| processes.is_live(&member.client_id, now));
    of_the_dojo
        .flat_map(|m| m.partitions.iter().map(|p| (p, &m.client_id)))
        .all(|(p, id)| readers.is_read_by(p, id))
}

fn difference(
    before: &Members,
    now_there: &Members,
    seen: &BTreeMap<String, DateTime<Utc>>,
    now: DateTime<Utc>,
    Evidence { processes, told_to_crash }: &Evidence<'_>,
) -> (Vec<LeftMember>, Vec<JoinedMember>) {
    let gone = before.iter().filter(|(id, _)| !now_there.contains_key(*id));
    let left = gone.map(|(id, member)| {
        let client_id = &member.client_id;
        let seen = seen.get(id).copied().unwrap_or(now);
        let reason = processes.why_gone(client_id, seen, now, told_to_crash(client_id));
        LeftMember { member: client_id.clone(), foreign: !processes.knows(client_id), reason }
    });
    let new = now_there.iter().filter(|(id, _)| !before.contains_key(*id));
    let joined = new.map(|(_, member)| JoinedMember {
        member: member.client_id.clone(),
        foreign: !processes.knows(&member.client_id),
    });
    (left.take(MAX_MEMBERS).collect(), joined.take(MAX_MEMBERS).collect())
}

#[cfg(test)]
mod tests {
    use super::{super::rebalance::Reason, *};
    use crate::rebalances::tests::{at, status};

    struct Observed {
        group: ObservedGroup,
        processes: Processes,
        crash: Option<DateTime<Utc>>,
        ids: u64,
    }

    impl Observed {
        fn new() -> Self {
            Self { group: ObservedGroup::default(), processes: Processes::default(), crash: None, ids: 0 }
        }

        fn report(&mut self, id: &str, partitions: &[i32], second: i64) {
            let status = status(id, partitions, second);
            self.processes.report(&status);
            self.group.report(&status);
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
            let group = Group::new("g", state, members.iter().map(member).collect());
            let crash = self.crash;
            let evidence = Evidence { processes: &self.processes, told_to_crash: &|_| crash };
            let ids = &mut self.ids;
            self.group.look("g", Some(group), at(second), &evidence, || {
                *ids += 1;
                *ids
            })
        }

        /// Two members that share the partitions, after five seconds.
        fn of_two() -> Self {
            let mut observed = Self::new();
            observed.report("a", &[0], 4);
            observed.report("b", &[1, 2], 4);
            assert_eq!(observed.look("Stable", &[("a/1", &[0]), ("b/1", &[1, 2])], 5), None);
            observed
        }
    }

    const PREPARING: &str = "PreparingRebalance";

    #[test]
    fn a_group_at_rest_tells_nothing() {
        let mut observed = Observed::of_two();
        observed.report("a", &[0], 6);
        assert_eq!(observed.look("Stable", &[("a/1", &[0]), ("b/1", &[1, 2])], 7), None);
    }

    #[test]
    fn a_crash_is_told_when_it_begins_and_once_the_others_read() {
        let mut observed = Observed::of_two();
        observed.crash = Some(at(0));
        let begun = observed.look(PREPARING, &[("a/1", &[])], 11).unwrap();
        assert_eq!((begun.id, begun.at, begun.settled_at, begun.after), (1, at(11), None, None));
        assert_eq!(begun.left[0].reason, Reason::Crashed);
        observed.report("a", &[], 11);
        let all: &[(&str, &[i32])] = &[("a/1", &[0, 1, 2])];
        let waits = observed.look("Stable", all, 12).unwrap();
        assert_eq!(waits.settled_at, None, "a has not reported that it reads them");
        observed.report("a", &[0, 1, 2], 12);
        let told = observed.look("Stable", all, 13).unwrap();
        assert_eq!(
            (told.id, told.at, told.settled_at, told.pause_millis),
            (1, at(11), Some(at(13)), Some(8_000))
        );
        assert_eq!(told.after.unwrap()[0].partitions.len(), 3);
        assert_eq!(told.summary, "b crashed. a now reads orders 1, 2. Nothing was read for 8.0 s.");
        assert_eq!(observed.look("Stable", all, 14), None);
    }

    #[test]
    fn a_foreign_member_is_called_so_and_is_not_waited_for() {
        let mut observed = Observed::of_two();
        observed.report("a", &[0], 6);
        observed.report("b", &[1], 6);
        let told = observed.look("Stable", &[("a/1", &[0]), ("b/1", &[1]), ("kcat/7", &[2])], 7).unwrap();
        assert_eq!(told.settled_at, Some(at(7)));
        assert!(told.joined[0].foreign);
        observed.report("b", &[1, 2], 9);
        let gone = observed.look("Stable", &[("a/1", &[0]), ("b/1", &[1, 2])], 10).unwrap();
        assert_eq!((gone.id, gone.left[0].reason), (2, Reason::Unknown));
        assert_eq!(gone.pause_millis, Some(2_000), "since kcat was last seen to have the partition");
    }

    #[test]
    fn a_rebalance_between_two_looks_that_changes_nothing_is_told_by_the_reports() {
        let mut observed = Observed::of_two();
        observed.report("a", &[], 6);
        observed.report("a", &[0], 7);
        let told = observed.look("Stable", &[("a/1", &[0]), ("b/1", &[1, 2])], 8).unwrap();
        assert!(told.left.is_empty() && told.joined.is_empty());
        assert_eq!((told.settled_at, told.pause_millis), (Some(at(8)), Some(1_000)));
    }

    #[test]
    fn an_instance_that_never_reports_its_partitions_is_waited_for_in_bounds() {
        let mut observed = Observed::of_two();
        let one: &[(&str, &[i32])] = &[("a/1", &[0, 1, 2])];
        for second in 6..16 {
            observed.report("a", &[0], second);
            assert_eq!(observed.look("Stable", one, second).unwrap().settled_at, None);
        }
        observed.report("a", &[0], 16);
        assert_eq!(observed.look("Stable", one, 16).unwrap().settled_at, Some(at(16)));
    }

    #[test]
    fn a_group_that_kafka_has_forgotten_has_no_members() {
        let mut observed = Observed::of_two();
        let evidence = Evidence { processes: &observed.processes, told_to_crash: &|_| None };
        let told = observed.group.look("g", None, at(20), &evidence, || 1).unwrap();
        assert_eq!((told.left.len(), told.after), (2, Some(Vec::new())));
    }
}
