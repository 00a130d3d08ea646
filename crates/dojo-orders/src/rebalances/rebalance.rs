//! A rebalance as `GET /rebalances` and `event: rebalance` show it, and the sentences that tell it to a person.

use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::time;
use dojo_kafka::Member;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// More members than a lesson needs; a list in an answer has no more.
pub(crate) const MAX_MEMBERS: usize = 100;

/// A change in the members of a consumer group, or in who reads which partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rebalance {
    /// Number of the rebalance since this service started, from 1.
    pub(crate) id: u64,
    /// The consumer group.
    pub(crate) group: String,
    /// When this service saw it first. It looks once a second.
    #[serde(with = "time")]
    pub(crate) at: DateTime<Utc>,
    /// When the group was stable again and its instances were reading; null while the rebalance is under way.
    #[serde(serialize_with = "time_or_null")]
    #[schema(required)]
    pub(crate) settled_at: Option<DateTime<Utc>>,
    /// Members that are no longer there, at most 100.
    pub(crate) left: Vec<LeftMember>,
    /// Members that are new, at most 100. An instance that restarted has left and joined.
    pub(crate) joined: Vec<JoinedMember>,
    /// The members before, at most 100, those with partitions first.
    pub(crate) before: Vec<MemberShare>,
    /// The members afterwards, at most 100, those with partitions first; null while the rebalance is under way.
    #[schema(required)]
    pub(crate) after: Option<Vec<MemberShare>>,
    /// The longest time in milliseconds for which a partition had no reader: from its last reader's last report to its next
    /// reader's first one. An instance that crashed reported for the last time up to two seconds before, and a foreign member is seen
    /// once a second. Null if the partitions had no reader before.
    #[schema(required)]
    pub(crate) pause_millis: Option<i64>,
    /// What happened, in sentences.
    pub(crate) summary: String,
}

/// A member that is no longer in the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeftMember {
    /// Its client id, which is the instance id of the dojo's instances.
    pub(crate) member: String,
    /// Whether it isn't one of the dojo's instances.
    pub(crate) foreign: bool,
    /// Why it isn't there any more.
    pub(crate) reason: Reason,
}

/// Why a member is no longer in its group, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reason {
    /// It left: it was stopped, or its process ended in peace.
    Left,
    /// Its process ended without leaving the group.
    Crashed,
    /// It was silent until Kafka ended its session.
    SessionExpired,
    /// It isn't one of the dojo's instances, so nothing is known but its absence.
    Unknown,
}

/// A member that is new in the group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinedMember {
    /// Its client id, which is the instance id of the dojo's instances.
    pub(crate) member: String,
    /// Whether it isn't one of the dojo's instances.
    pub(crate) foreign: bool,
}

/// A member and its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberShare {
    /// Its client id, which is the instance id of the dojo's instances.
    pub(crate) member: String,
    /// The id that Kafka gave it when it joined.
    pub(crate) member_id: String,
    /// The partitions that it is assigned.
    pub(crate) partitions: Vec<PartitionId>,
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionId {
    /// The topic.
    pub(crate) topic: String,
    /// The partition's number.
    pub(crate) partition: i32,
}

/// The members of a group, by member id.
pub(super) type Members = BTreeMap<String, Member>;

/// Returns the members as an answer shows them.
pub(super) fn shares(members: &Members) -> Vec<MemberShare> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted
        .sort_by_key(|(id, member)| (member.partitions.is_empty(), member.client_id.clone(), (*id).clone()));
    let share = |(id, member): (&String, &Member)| MemberShare {
        member: member.client_id.clone(),
        member_id: id.clone(),
        partitions: member
            .partitions
            .iter()
            .map(|(t, p)| PartitionId { topic: t.clone(), partition: *p })
            .collect(),
    };
    sorted.into_iter().take(MAX_MEMBERS).map(share).collect()
}

fn time_or_null<S: serde::Serializer>(at: &Option<DateTime<Utc>>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Tells a rebalance: who left and joined, who reads what now, and for how long nothing was read. `after` is `None` while the
/// rebalance is under way.
pub(super) fn summary(
    left: &[LeftMember],
    joined: &[JoinedMember],
    before: &Members,
    after: Option<&Members>,
    pause: Option<TimeDelta>,
) -> String {
    let mut sentences = who(left, joined);
    match after {
        None => sentences.push("The group is distributing its partitions.".to_owned()),
        Some(after) => sentences.extend(what(before, after)),
    }
    match pause.map(|pause| pause.num_milliseconds()) {
        None => {}
        Some(..100) => sentences.push("Nothing was read for less than 0.1 s.".to_owned()),
        Some(millis) => {
            sentences.push(format!("Nothing was read for {}.{} s.", millis / 1_000, millis % 1_000 / 100));
        }
    }
    sentences.join(" ")
}

fn who(left: &[LeftMember], joined: &[JoinedMember]) -> Vec<String> {
    let returned = |name: &str| joined.iter().any(|new| new.member == name);
    let gone = left.iter().map(|old| {
        let LeftMember { member, .. } = old;
        let did = match old.reason {
            Reason::Left => "left",
            Reason::Crashed => "crashed",
            Reason::SessionExpired => "was silent until its session expired",
            Reason::Unknown => "is gone",
        };
        let back = if returned(member) { " and joined again" } else { "" };
        format!("{member} {did}{back}.")
    });
    let new = joined.iter().filter(|new| left.iter().all(|old| old.member != new.member));
    let new = new.map(|JoinedMember { member, foreign }| {
        format!("{member} joined{}.", if *foreign { ", which isn't an instance of this dojo" } else { "" })
    });
    gone.chain(new).collect()
}

/// Which partitions have another reader than before, by reader.
fn what(before: &Members, after: &Members) -> Vec<String> {
    let (old, new) = (readers(before), readers(after));
    let mut moved: BTreeMap<Option<&str>, BTreeSet<&(String, i32)>> = BTreeMap::new();
    for partition in old.keys().chain(new.keys()) {
        let reader = new.get(partition).copied();
        if reader != old.get(partition).copied() {
            moved.entry(reader).or_default().insert(partition);
        }
    }
    if moved.is_empty() {
        return vec!["No partition has another reader.".to_owned()];
    }
    let sentence = |(reader, partitions): (Option<&str>, BTreeSet<&(String, i32)>)| {
        let names = names(&partitions);
        match reader {
            Some(reader) => format!("{reader} now reads {names}."),
            None => format!("Nobody reads {names}."),
        }
    };
    moved.into_iter().map(sentence).collect()
}

fn readers(members: &Members) -> BTreeMap<&(String, i32), &str> {
    members.values().flat_map(|m| m.partitions.iter().map(|p| (p, m.client_id.as_str()))).collect()
}

/// The partitions, by topic: `audit 0, orders 1, 2`.
fn names(partitions: &BTreeSet<&(String, i32)>) -> String {
    let mut names = Vec::new();
    let mut last = None;
    for (topic, partition) in partitions {
        names.push(if last == Some(topic) { partition.to_string() } else { format!("{topic} {partition}") });
        last = Some(topic);
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(of: &[(&str, &[i32])]) -> Members {
        let member = |(name, partitions): &(&str, &[i32])| {
            let partitions = partitions.iter().map(|p| ("orders".to_owned(), *p)).collect();
            let (client_id, host) = ((*name).to_owned(), String::new());
            (format!("{name}-id"), Member { client_id, host, partitions })
        };
        of.iter().map(member).collect()
    }

    fn left(member: &str, reason: Reason) -> LeftMember {
        LeftMember { member: member.to_owned(), foreign: reason == Reason::Unknown, reason }
    }

    fn joined(member: &str, foreign: bool) -> JoinedMember {
        JoinedMember { member: member.to_owned(), foreign }
    }

    #[test]
    fn a_rebalance_is_told_in_sentences() {
        let two = members(&[("n-1", &[0]), ("n-2", &[1, 2])]);
        let one = members(&[("n-1", &[0, 1, 2])]);
        let crashed = [left("n-2", Reason::Crashed)];
        let pause = Some(TimeDelta::milliseconds(6_190));
        assert_eq!(
            summary(&crashed, &[], &two, Some(&one), pause),
            "n-2 crashed. n-1 now reads orders 1, 2. Nothing was read for 6.1 s."
        );
        assert_eq!(
            summary(&crashed, &[joined("n-2", false)], &two, Some(&two), None),
            "n-2 crashed and joined again. No partition has another reader."
        );
        let foreign = summary(&[], &[joined("kcat", true)], &two, None, None);
        let expected =
            "kcat joined, which isn't an instance of this dojo. The group is distributing its partitions.";
        assert_eq!(foreign, expected);
        let nobody = summary(&[left("n-1", Reason::Left)], &[], &one, Some(&Members::new()), None);
        assert_eq!(nobody, "n-1 left. Nobody reads orders 0, 1, 2.");
    }

    #[test]
    fn a_large_group_shows_the_members_that_have_partitions() {
        let mut group: Members = (0..500).flat_map(|n| members(&[(&format!("a{n:03}"), &[])])).collect();
        group.extend(members(&[("z", &[0])]));
        let shares = shares(&group);
        assert_eq!((shares.len(), shares[0].member.as_str()), (MAX_MEMBERS, "z"));
    }
}
