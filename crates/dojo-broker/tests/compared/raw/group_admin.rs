//! Groups from outside: offsets committed and fetched, groups described, listed and deleted.

use super::{Raw, text, topic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, GroupId, ListGroupsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics},
};

const ADMIN_GENERATION: i32 = -1;

fn group(name: &str) -> GroupId {
    GroupId(text(name))
}

fn commit(name: &str, to: &str, partition: i32, offset: i64, metadata: Option<&str>) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(offset)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(metadata.map(text));
    let topic = OffsetCommitRequestTopic::default().with_name(topic(to)).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group(name))
        .with_generation_id_or_member_epoch(ADMIN_GENERATION)
        .with_topics(vec![topic])
}

fn fetch(name: &str, topics: Option<&[(&str, &[i32])]>) -> OffsetFetchRequest {
    let topics = topics.map(|topics| {
        topics
            .iter()
            .map(|(name, indexes)| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic(name))
                    .with_partition_indexes(indexes.to_vec())
            })
            .collect()
    });
    let group = OffsetFetchRequestGroup::default().with_group_id(group(name)).with_topics(topics);
    OffsetFetchRequest::default().with_groups(vec![group.with_member_epoch(-1)])
}

pub async fn play(raw: &mut Raw) {
    raw.make("raw-kept", 2, &[]).await;
    commits(raw).await;
    fetches(raw).await;
    lookings(raw).await;
    deletions(raw).await;
}

async fn commits(raw: &mut Raw) {
    for version in 2..=9 {
        let asked = commit("raw-admin", "raw-kept", 0, i64::from(version), Some("note"));
        raw.ask(&format!("from outside, version {version}"), version, asked).await;
    }
    let large = "x".repeat(4097);
    for (what, request) in [
        ("unknown topic", commit("raw-admin", "raw-nowhere", 0, 1, None)),
        ("unknown partition", commit("raw-admin", "raw-kept", 9, 1, None)),
        ("negative offset", commit("raw-admin", "raw-kept", 1, -5, None)),
        ("offset beyond the end", commit("raw-admin", "raw-kept", 1, 99, None)),
        ("metadata at its bound", commit("raw-admin", "raw-kept", 1, 1, Some(&large[1..]))),
        ("metadata beyond its bound", commit("raw-admin", "raw-kept", 1, 1, Some(&large))),
        ("group without a name", commit("", "raw-kept", 0, 1, None)),
        (
            "a generation of an unknown group",
            commit("raw-nobodys", "raw-kept", 0, 1, None).with_generation_id_or_member_epoch(3),
        ),
        (
            "a member of an unknown group",
            commit("raw-nobodys", "raw-kept", 0, 1, None).with_member_id(text("stranger")),
        ),
        (
            "a generation of an empty group",
            commit("raw-admin", "raw-kept", 0, 1, None)
                .with_generation_id_or_member_epoch(3)
                .with_member_id(text("stranger")),
        ),
        ("nothing", commit("raw-admin", "raw-kept", 0, 1, None).with_topics(vec![])),
        (
            "with an instance",
            commit("raw-admin", "raw-kept", 0, 1, None).with_group_instance_id(Some(text("i"))),
        ),
    ] {
        raw.ask(what, 9, request).await;
    }
    let (id, generation) = raw.enter("raw-living").await;
    let mine = |generation| {
        commit("raw-living", "raw-kept", 0, 3, None)
            .with_member_id(id.clone())
            .with_generation_id_or_member_epoch(generation)
    };
    raw.ask("by a member", 9, mine(generation)).await;
    raw.ask("by a member of an old generation", 9, mine(generation - 1)).await;
    raw.ask("by a member of a generation to come", 9, mine(generation + 1)).await;
    raw.ask("by a stranger", 9, mine(generation).with_member_id(text("stranger"))).await;
    raw.ask("from outside, while there are members", 9, commit("raw-living", "raw-kept", 0, 3, None)).await;
    raw.ask("by a member without a generation", 9, mine(-1)).await;
    raw.ask("by an unknown instance", 9, mine(generation).with_group_instance_id(Some(text("i")))).await;
}

async fn fetches(raw: &mut Raw) {
    let old = |topics: &[(&str, &[i32])]| {
        let topics = topics.iter().map(|(name, indexes)| {
            OffsetFetchRequestTopic::default().with_name(topic(name)).with_partition_indexes(indexes.to_vec())
        });
        OffsetFetchRequest::default().with_group_id(group("raw-admin")).with_topics(Some(topics.collect()))
    };
    for version in 1..=7 {
        raw.ask(&format!("version {version}"), version, old(&[("raw-kept", &[0, 9]), ("raw-nowhere", &[0])]))
            .await;
    }
    let all = OffsetFetchRequest::default().with_group_id(group("raw-admin")).with_topics(None);
    raw.ask("all, version 7", 7, all).await;
    for version in [8, 9] {
        let asked = fetch("raw-admin", Some(&[("raw-kept", &[0, 9]), ("raw-nowhere", &[0])]));
        raw.ask(&format!("version {version}"), version, asked).await;
    }
    raw.ask("all", 8, fetch("raw-living", None)).await;
    raw.ask("none", 8, fetch("raw-living", Some(&[]))).await;
    raw.ask("all of an unknown group", 8, fetch("raw-nobodys", None)).await;
    raw.ask("some of an unknown group", 8, fetch("raw-nobodys", Some(&[("raw-kept", &[0])]))).await;
    raw.ask("group without a name", 8, fetch("", None)).await;
    raw.ask("only what is stable", 8, fetch("raw-living", None).with_require_stable(true)).await;
    let mut by_stranger = fetch("raw-living", None);
    by_stranger.groups[0] =
        by_stranger.groups[0].clone().with_member_id(Some(text("stranger"))).with_member_epoch(3);
    raw.ask("by a stranger", 9, by_stranger).await;
    let mut two = fetch("raw-living", None);
    two.groups.extend(fetch("raw-nobodys", None).groups);
    raw.ask("of two groups", 9, two).await;
    raw.ask("of no group", 8, OffsetFetchRequest::default()).await;
}

async fn lookings(raw: &mut Raw) {
    let describe = |names: &[&str]| {
        DescribeGroupsRequest::default().with_groups(names.iter().map(|name| group(name)).collect())
    };
    for version in 0..=6 {
        raw.ask(&format!("living, version {version}"), version, describe(&["raw-living"])).await;
        raw.ask(&format!("unknown, version {version}"), version, describe(&["raw-nobodys"])).await;
    }
    raw.ask("empty", 5, describe(&["raw-admin"])).await;
    raw.ask("without a name", 5, describe(&[""])).await;
    raw.ask("none", 5, describe(&[])).await;
    let allowed = describe(&["raw-living"]).with_include_authorized_operations(true);
    raw.ask("what one may do", 5, allowed).await;

    for version in 0..=5 {
        let seen = listed(raw, version, &[], &[]).await;
        raw.notes.note(format!("ListGroups: version {version}"), seen);
    }
    for (what, states, kinds) in [
        ("stable ones", &["Stable"][..], &[][..]),
        ("empty ones", &["empty"], &[]),
        ("in a state that does not exist", &["Happy"], &[]),
        ("stable or empty", &["Stable", "Empty"], &[]),
        ("classic ones", &[], &["classic"]),
        ("Classic ones", &[], &["Classic"]),
        ("new ones", &[], &["consumer"]),
        ("of a kind that does not exist", &[], &["happy"]),
        ("stable classic ones", &["Stable"], &["classic"]),
    ] {
        let seen = listed(raw, 5, states, kinds).await;
        raw.notes.note(format!("ListGroups: {what}"), seen);
    }
}

/// Returns the groups of this file, as they are listed.
async fn listed(raw: &mut Raw, version: i16, states: &[&str], kinds: &[&str]) -> String {
    let asked = ListGroupsRequest::default()
        .with_states_filter(states.iter().map(|state| text(state)).collect())
        .with_types_filter(kinds.iter().map(|kind| text(kind)).collect());
    let Some(answer) = raw.call(version, &asked).await else { return "hung up".to_owned() };
    let ours =
        answer.groups.iter().filter(|group| ["raw-admin", "raw-living"].contains(&group.group_id.as_str()));
    let mut seen: Vec<String> = ours.map(|group| super::brief(&format!("{group:?}"))).collect();
    seen.sort();
    format!("error {} {}", answer.error_code, seen.join("; "))
}

async fn deletions(raw: &mut Raw) {
    let offsets = |name: &str, to: &str, partitions: &[i32]| {
        let partitions = partitions
            .iter()
            .map(|index| OffsetDeleteRequestPartition::default().with_partition_index(*index));
        let topic =
            OffsetDeleteRequestTopic::default().with_name(topic(to)).with_partitions(partitions.collect());
        OffsetDeleteRequest::default().with_group_id(group(name)).with_topics(vec![topic])
    };
    raw.ask("of an empty group", 0, offsets("raw-admin", "raw-kept", &[0])).await;
    raw.ask("again", 0, offsets("raw-admin", "raw-kept", &[0])).await;
    raw.ask("unknown partition", 0, offsets("raw-admin", "raw-kept", &[9])).await;
    raw.ask("unknown topic", 0, offsets("raw-admin", "raw-nowhere", &[0])).await;
    raw.ask("of an unknown group", 0, offsets("raw-nobodys", "raw-kept", &[0])).await;
    raw.ask("of a group without a name", 0, offsets("", "raw-kept", &[0])).await;
    raw.ask("of a living group", 0, offsets("raw-living", "raw-kept", &[0])).await;
    raw.ask("no topics", 0, offsets("raw-admin", "raw-kept", &[0]).with_topics(vec![])).await;
    raw.ask("what is left", 8, fetch("raw-admin", None)).await;

    let delete = |names: &[&str]| {
        DeleteGroupsRequest::default().with_groups_names(names.iter().map(|name| group(name)).collect())
    };
    raw.ask("living", 2, delete(&["raw-living"])).await;
    raw.ask("unknown", 2, delete(&["raw-nobodys"])).await;
    raw.ask("without a name", 2, delete(&[""])).await;
    raw.ask("none", 2, delete(&[])).await;
    raw.call(9, &commit("raw-admin", "raw-kept", 0, 1, None)).await;
    raw.ask("one twice", 1, delete(&["raw-admin", "raw-admin"])).await;
    raw.ask("gone", 0, delete(&["raw-admin"])).await;
}
