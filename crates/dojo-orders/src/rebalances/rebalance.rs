//! A rebalance as `GET /rebalances` and `event: rebalance` show it.

use chrono::{DateTime, Utc};
use dojo_contract::time;
use dojo_kafka::Member;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most members in a list, and the most partitions of one member.
pub(crate) const MAX_SHOWN: usize = 100;

/// A change in the members of a consumer group, or in who reads which partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rebalance {
    /// Number of the rebalance since this service started, from 1.
    pub(crate) id: u64,
    /// The consumer group.
    pub(crate) group: String,
    /// When this service first saw it. It looks once a second.
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
    /// once a second. Null while the rebalance is under way, and if no partition changed its reader.
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
    /// It left: it was stopped, or its process shut down normally.
    Left,
    /// Its process ended without leaving the group.
    Crashed,
    /// It was silent until Kafka ended its session.
    SessionExpired,
    /// It isn't one of the dojo's instances, or it was a member before this service started.
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
    /// The partitions that it is assigned, at most 100.
    pub(crate) partitions: Vec<PartitionId>,
    /// How many more it is assigned.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub(crate) more_partitions: usize,
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
    sorted.sort_by_key(|(id, member)| (member.partitions.is_empty(), &member.client_id, *id));
    let share = |(id, member): (&String, &Member)| {
        let shown = member.partitions.iter().take(MAX_SHOWN);
        MemberShare {
            member: member.client_id.clone(),
            member_id: id.clone(),
            partitions: shown.map(|(topic, p)| PartitionId { topic: topic.clone(), partition: *p }).collect(),
            more_partitions: member.partitions.len().saturating_sub(MAX_SHOWN),
        }
    };
    sorted.into_iter().take(MAX_SHOWN).map(share).collect()
}

/// Writes a time, or null.
pub(crate) fn time_or_null<S: Serializer>(
    at: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, partitions: std::ops::Range<i32>) -> (String, Member) {
        let partitions = partitions.map(|partition| ("big".to_owned(), partition)).collect();
        (id.to_owned(), Member { client_id: id.to_owned(), host: String::new(), partitions })
    }

    #[test]
    fn a_large_group_shows_the_members_that_have_partitions() {
        let idle = (0..500).map(|n| member(&format!("a{n:03}"), 0..0));
        let shares = shares(&idle.chain([member("z", 0..1)]).collect());
        assert_eq!((shares.len(), shares[0].member.as_str()), (MAX_SHOWN, "z"));
    }

    #[test]
    fn a_member_with_a_thousand_partitions_shows_some_and_counts_the_others() {
        let shares = shares(&Members::from([member("a", 0..1_000)]));
        assert_eq!((shares[0].partitions.len(), shares[0].more_partitions), (MAX_SHOWN, 900));
    }
}
