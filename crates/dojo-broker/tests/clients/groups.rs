//! Consumers that share partitions.

use std::collections::BTreeSet;
use std::time::Instant;

use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiKey, GroupId, JoinGroupRequest, RequestKind, ResponseKind, SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::support::{PATIENCE, Raw, eventually, next, send, start};

fn parts(member: &StreamConsumer) -> BTreeSet<i32> {
    member.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
}

/// Keeps a member's callbacks going and gives the partitions it has.
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
async fn two_members_share_three_partitions_and_who_leaves_gives_its_part_back() {
    let running = start().await;
    for strategy in ["range,roundrobin", "cooperative-sticky"] {
        let settings = [("partition.assignment.strategy", strategy)];
        let group = format!("pair-{strategy}");
        let first = running.member(&group, &settings);
        share(&[&first], &[3]).await;
        let second = running.member(&group, &settings);
        share(&[&first, &second], &[1, 2]).await;
        drop(second);
        share(&[&first], &[3]).await;
    }
}

/// Joins as a consumer does, in both steps, and gets nothing to do from its leader.
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
    // It shares nothing out while it waits for the dead member to join again.
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

/// State and number of members, as an operator's tool shows them.
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
