//! Consumers that share partitions.

use crate::support::{PATIENCE, Raw, eventually, next, send, start};
use kafka_protocol::{
    messages::{
        ApiKey, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
        OffsetCommitRequest, OffsetDeleteRequest, RequestKind, ResponseKind, SyncGroupRequest, TopicName,
        join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity,
        list_groups_response::ListedGroup,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer, StreamConsumer},
};
use std::{collections::BTreeSet, time::Instant};

fn parts(member: &StreamConsumer) -> BTreeSet<i32> {
    member.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
}

/// Keeps a member's callbacks going and returns its partitions.
async fn polled(member: &StreamConsumer) -> BTreeSet<i32> {
    let _ = tokio::time::timeout(std::time::Duration::from_millis(20), member.recv()).await;
    parts(member)
}

async fn share(members: &[&StreamConsumer], sizes: &[usize]) {
    eventually(&format!("a share of {sizes:?}"), async || {
        let mut found = Vec::new();
        for member in members {
            found.push(polled(member).await);
        }
        let all: BTreeSet<i32> = found.iter().flatten().copied().collect();
        let mut lengths: Vec<usize> = found.iter().map(BTreeSet::len).collect();
        lengths.sort_unstable();
        (lengths == sizes && all.len() == sizes.iter().sum::<usize>()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_three_partitions_and_one_that_leaves_gives_its_part_back() {
    let running = start().await;
    for strategy in ["range,roundrobin", "cooperative-sticky"] {
        let settings = [("partition.assignment.strategy", strategy)];
        let group = format!("pair-{strategy}");
        let first = running.member(&group, &settings);
        share(&[&first], &[3]).await;
        let second = running.member(&group, &settings);
        share(&[&first, &second], &[1, 2]).await;
        leave(second).await;
        share(&[&first], &[3]).await;
        leave(first).await;
    }
}

/// Joins as a consumer does, in both steps, and gets no partitions from its leader.
async fn join_and_sync(raw: &mut Raw, group: &str, session_timeout_ms: i32) -> (i32, String) {
    let group = GroupId(StrBytes::from_string(group.to_owned()));
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        // Version 0, no topics, no user data.
        .with_metadata(bytes::Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]));
    let mut join = JoinGroupRequest::default()
        .with_group_id(group.clone())
        .with_session_timeout_ms(session_timeout_ms)
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    let joined = loop {
        match raw.call(ApiKey::JoinGroup, 6, RequestKind::JoinGroup(join.clone())).await {
            ResponseKind::JoinGroup(response) if response.error_code == 79 => {
                join.member_id = response.member_id
            }
            ResponseKind::JoinGroup(response) => break response,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(joined.error_code, 0);
    let assignments = joined
        .members
        .iter()
        .map(|member| SyncGroupRequestAssignment::default().with_member_id(member.member_id.clone()));
    let sync = SyncGroupRequest::default()
        .with_group_id(group)
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(assignments.collect());
    match raw.call(ApiKey::SyncGroup, 3, RequestKind::SyncGroup(sync)).await {
        ResponseKind::SyncGroup(response) => assert_eq!(response.error_code, 0),
        other => panic!("{other:?}"),
    }
    (joined.generation_id, joined.member_id.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_killed_is_gone_at_its_session_timeout_and_not_before() {
    let running = start().await;
    let mut raw = running.raw().await;
    let (generation, _) = join_and_sync(&mut raw, "killed", 2000).await;
    assert_eq!(generation, 1);
    let died = Instant::now();
    drop(raw);
    let heir = running.member("killed", &[]);
    // The group assigns nothing while it waits for the dead member to join again.
    share(&[&heir], &[3]).await;
    let after = died.elapsed();
    assert!(after.as_millis() >= 1900, "taken for dead after {after:?}");
    assert!(after.as_millis() < 8000, "taken for dead after {after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_where_it_committed() {
    let running = start().await;
    let producer = running.producer(&[]);
    for n in 0..10 {
        send(&producer, "orders", 0, &n.to_string()).await;
    }
    let member = running.member("restarted", &[]);
    for n in 0..4 {
        assert_eq!(next(&member).await.offset(), n);
    }
    let mut position = TopicPartitionList::new();
    position.add_partition_offset("orders", 0, Offset::Offset(4)).unwrap();
    member.commit(&position, CommitMode::Sync).unwrap();
    drop(member);
    let member = running.member("restarted", &[]);
    assert_eq!(next(&member).await.offset(), 4);
    let committed = member.committed(PATIENCE).unwrap();
    assert_eq!(committed.find_partition("orders", 0).unwrap().offset(), Offset::Offset(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_that_restarts_gets_its_partitions_back_without_a_rebalance() {
    let running = start().await;
    let fixed = |instance| [("group.instance.id", instance), ("session.timeout.ms", "20000")];
    let first = running.member("static", &fixed("one"));
    let second = running.member("static", &fixed("two"));
    share(&[&first, &second], &[1, 2]).await;
    let (before, of_first) = (parts(&second), parts(&first));
    let generation = describe(&running, "static").await;
    drop(second);
    let second = running.member("static", &fixed("two"));
    eventually("its former partitions", async || (polled(&second).await == before).then_some(())).await;
    assert_eq!(polled(&first).await, of_first);
    assert_eq!(describe(&running, "static").await, generation);
}

/// Returns the state and the number of members, as an operator's tool shows them.
async fn describe(running: &crate::support::Running, group: &str) -> (String, usize) {
    let client: StreamConsumer = running.client(&[("group.id", "operator")]).create().unwrap();
    let list = client.fetch_group_list(Some(group), PATIENCE).unwrap();
    (list.groups()[0].state().to_owned(), list.groups()[0].members().len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_heartbeat_of_a_stranger_is_refused_and_its_group_not_made() {
    let running = start().await;
    let mut raw = running.raw().await;
    let heartbeat = kafka_protocol::messages::HeartbeatRequest::default()
        .with_group_id(GroupId(StrBytes::from_static_str("nobody")))
        .with_member_id(StrBytes::from_static_str("stranger"));
    match raw.call(ApiKey::Heartbeat, 3, RequestKind::Heartbeat(heartbeat)).await {
        ResponseKind::Heartbeat(response) => assert_eq!(response.error_code, 25),
        other => panic!("{other:?}"),
    }
    let client: StreamConsumer = running.client(&[("group.id", "operator")]).create().unwrap();
    assert!(client.fetch_group_list(None, PATIENCE).unwrap().groups().is_empty());
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// Joins as a static member does, in one step. Returns error code, generation and member id.
async fn join_static(raw: &mut Raw, group: &str, instance: &str, member_id: &str) -> (i16, i32, String) {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(StrBytes::from_static_str("range"))
        .with_metadata(bytes::Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]));
    let join = JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_session_timeout_ms(20_000)
        .with_rebalance_timeout_ms(20_000)
        .with_member_id(text(member_id))
        .with_group_instance_id(Some(text(instance)))
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    match raw.call(ApiKey::JoinGroup, 9, RequestKind::JoinGroup(join)).await {
        ResponseKind::JoinGroup(response) => {
            (response.error_code, response.generation_id, response.member_id.to_string())
        }
        other => panic!("{other:?}"),
    }
}

async fn heartbeat(
    raw: &mut Raw,
    group: &str,
    generation: i32,
    member_id: &str,
    instance: Option<&str>,
) -> i16 {
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id(generation)
        .with_member_id(text(member_id))
        .with_group_instance_id(instance.map(text));
    match raw.call(ApiKey::Heartbeat, 4, RequestKind::Heartbeat(heartbeat)).await {
        ResponseKind::Heartbeat(response) => response.error_code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_that_another_has_replaced_is_fenced_and_an_operator_can_remove_it() {
    let running = start().await;
    let (mut raw, mut other) = (running.raw().await, running.raw().await);
    let (code, generation, first) = join_static(&mut raw, "fixed", "one", "").await;
    assert_eq!((code, generation), (0, 1));
    let sync = SyncGroupRequest::default()
        .with_group_id(group_id("fixed"))
        .with_generation_id(1)
        .with_member_id(text(&first))
        .with_group_instance_id(Some(text("one")));
    raw.call(ApiKey::SyncGroup, 3, RequestKind::SyncGroup(sync)).await;
    let (code, generation, second) = join_static(&mut other, "fixed", "one", "").await;
    assert_eq!((code, generation), (0, 1), "nobody has to share out anew");
    assert_ne!(first, second);
    assert_eq!(heartbeat(&mut raw, "fixed", 1, &first, Some("one")).await, 82);
    assert_eq!(join_static(&mut raw, "fixed", "one", &first).await.0, 82);
    assert_eq!(heartbeat(&mut other, "fixed", 1, &second, Some("one")).await, 0);
    let leave = |instance: &str| {
        let member = MemberIdentity::default().with_group_instance_id(Some(text(instance)));
        let request =
            LeaveGroupRequest::default().with_group_id(group_id("fixed")).with_members(vec![member]);
        RequestKind::LeaveGroup(request)
    };
    for (instance, expected) in [("nobody", 25), ("one", 0)] {
        match raw.call(ApiKey::LeaveGroup, 5, leave(instance)).await {
            ResponseKind::LeaveGroup(response) => assert_eq!(response.members[0].error_code, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heartbeat(&mut other, "fixed", 1, &second, Some("one")).await, 25);
}

/// Leaves the group and waits until the partitions are given back. The client itself stays open: closing a
/// client during a rebalance may never return (<https://github.com/confluentinc/librdkafka/issues/4884>).
async fn leave(member: StreamConsumer) {
    member.unsubscribe();
    eventually("the partitions to be given back", async || polled(&member).await.is_empty().then_some(()))
        .await;
    std::mem::forget(member);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_come_and_go_one_by_one_share_cooperatively() {
    let running = start().await;
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let first = running.member("cooperative", &settings);
    share(&[&first], &[3]).await;
    let second = running.member("cooperative", &settings);
    share(&[&first, &second], &[1, 2]).await;
    let third = running.member("cooperative", &settings);
    share(&[&first, &second, &third], &[1, 1, 1]).await;
    let (kept, also_kept) = (parts(&second), parts(&third));
    leave(first).await;
    share(&[&second, &third], &[1, 2]).await;
    assert!(
        parts(&second).is_superset(&kept) && parts(&third).is_superset(&also_kept),
        "nothing moves in vain"
    );
    leave(second).await;
    share(&[&third], &[3]).await;
    leave(third).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_shares_out_in_another_way_is_refused() {
    let running = start().await;
    let first = running.member("mixed", &[("partition.assignment.strategy", "cooperative-sticky")]);
    share(&[&first], &[3]).await;
    let mut raw = running.raw().await;
    assert_eq!(join_static(&mut raw, "mixed", "one", "").await.0, 23);
    share(&[&first], &[3]).await;
}

/// Commits offset 2 of the first partition of `orders`, with a note.
async fn commit(raw: &mut Raw, group: &str, generation: i32, member_id: &str, note: &str) -> i16 {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(2)
        .with_committed_metadata(Some(text(note)));
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(text(member_id))
        .with_topics(vec![topic]);
    match raw.call(ApiKey::OffsetCommit, 8, RequestKind::OffsetCommit(request)).await {
        ResponseKind::OffsetCommit(response) => response.topics[0].partitions[0].error_code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_moves_the_offsets_of_a_group_only_while_it_has_no_members() {
    let running = start().await;
    let producer = running.producer(&[]);
    for n in 0..4 {
        send(&producer, "orders", 0, &n.to_string()).await;
    }
    let mut raw = running.raw().await;
    assert_eq!(commit(&mut raw, "moved", -1, "", "by hand").await, 0);
    let member = running.member("moved", &[]);
    assert_eq!(next(&member).await.offset(), 2);
    assert_eq!(commit(&mut raw, "moved", -1, "", "").await, 25);
    assert_eq!(commit(&mut raw, "moved", 1, "stranger", "").await, 25);
    assert_eq!(commit(&mut raw, "unheard-of", 1, "stranger", "").await, 22);
    assert_eq!(commit(&mut raw, "moved", -1, "", &"x".repeat(4097)).await, 25);
    drop(member);
    eventually("an empty group", async || {
        (commit(&mut raw, "moved", -1, "", &"x".repeat(4096)).await == 0).then_some(())
    })
    .await;
    assert_eq!(commit(&mut raw, "moved", -1, "", &"x".repeat(4097)).await, 12);
}

async fn delete_offset(raw: &mut Raw, group: &str, topic: &str) -> (i16, Option<i16>) {
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
    let topic = OffsetDeleteRequestTopic::default()
        .with_name(TopicName(text(topic)))
        .with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default().with_group_id(group_id(group)).with_topics(vec![topic]);
    match raw.call(ApiKey::OffsetDelete, 0, RequestKind::OffsetDelete(request)).await {
        ResponseKind::OffsetDelete(response) => {
            let partition = response.topics.first().map(|topic| topic.partitions[0].error_code);
            (response.error_code, partition)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_is_deleted_unless_a_member_still_reads_the_topic() {
    let running = start().await;
    let mut raw = running.raw().await;
    assert_eq!(commit(&mut raw, "cleared", -1, "", "").await, 0);
    let member = running.member("cleared", &[]);
    share(&[&member], &[3]).await;
    assert_eq!(delete_offset(&mut raw, "cleared", "orders").await, (0, Some(86)));
    assert_eq!(delete_offset(&mut raw, "cleared", "missing").await, (0, Some(3)));
    assert_eq!(delete_offset(&mut raw, "unheard-of", "orders").await, (69, None));
    assert_eq!(delete_offset(&mut raw, "", "orders").await, (24, None));
    drop(member);
    eventually("the member to be gone", async || {
        (delete_offset(&mut raw, "cleared", "orders").await == (0, Some(0))).then_some(())
    })
    .await;
    let member = running.member("cleared", &[]);
    share(&[&member], &[3]).await;
    let committed = member.committed(PATIENCE).unwrap();
    assert_eq!(committed.find_partition("orders", 0).unwrap().offset(), Offset::Invalid);
}

async fn list(raw: &mut Raw, states: &[&str], types: &[&str]) -> Vec<(String, String, String)> {
    let words = |words: &[&str]| words.iter().map(|word| text(word)).collect();
    let request =
        ListGroupsRequest::default().with_states_filter(words(states)).with_types_filter(words(types));
    match raw.call(ApiKey::ListGroups, 5, RequestKind::ListGroups(request)).await {
        ResponseKind::ListGroups(response) => {
            let groups = response.groups.into_iter();
            let shown = |group: ListedGroup| {
                (group.group_id.to_string(), group.group_state.to_string(), group.group_type.to_string())
            };
            groups.map(shown).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_are_listed_by_state_and_type() {
    let running = start().await;
    let mut raw = running.raw().await;
    assert_eq!(commit(&mut raw, "resting", -1, "", "").await, 0);
    let member = running.member("busy", &[]);
    share(&[&member], &[3]).await;
    let group = |name: &str, state: &str| (name.to_owned(), state.to_owned(), "classic".to_owned());
    let (busy, resting) = (group("busy", "Stable"), group("resting", "Empty"));
    assert_eq!(list(&mut raw, &[], &[]).await, [busy.clone(), resting.clone()]);
    assert_eq!(list(&mut raw, &["stable", "unheard-of"], &["CLASSIC"]).await, [busy]);
    assert_eq!(list(&mut raw, &["Empty"], &[]).await, [resting]);
    assert_eq!(list(&mut raw, &[], &["consumer"]).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_without_a_name_has_offsets_and_no_members() {
    let running = start().await;
    let mut raw = running.raw().await;
    assert_eq!(join_static(&mut raw, "", "one", "").await.0, 24);
    assert_eq!(heartbeat(&mut raw, "", 1, "stranger", None).await, 24);
    assert_eq!(commit(&mut raw, "", -1, "", "").await, 0);
}
