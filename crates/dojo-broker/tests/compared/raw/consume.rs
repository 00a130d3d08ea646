//! Fetch, ListOffsets, OffsetForLeaderEpoch.

use super::{Raw, batch::Batch, topic};
use kafka_protocol::messages::{
    BrokerId, FetchRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest,
    fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};
use uuid::Uuid;

pub async fn play(raw: &mut Raw) {
    // The records are older than a topic keeps them by default.
    let id = raw.make("raw-read", 2, &[("retention.ms", "-1")]).await;
    for n in 0..5 {
        let batch = Batch { timestamp: 1_600_000_000_000 + n * 1_000, ..Batch::of_all(&["a", "b"]) };
        raw.produce("raw-read", batch.bytes()).await;
    }
    fetches(raw, id).await;
    sessions(raw).await;
    offsets(raw).await;
    epochs(raw).await;
}

fn from(partition: i32, offset: i64) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20)
        .with_current_leader_epoch(-1)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
}

fn fetch(topics: Vec<FetchTopic>) -> FetchRequest {
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_bytes(1 << 20)
        .with_min_bytes(0)
        .with_session_epoch(-1)
        .with_topics(topics)
}

async fn fetches(raw: &mut Raw, id: Uuid) {
    let named = |name: &str, partition| {
        fetch(vec![FetchTopic::default().with_topic(topic(name)).with_partitions(vec![partition])])
    };
    let by_id =
        |id, partition| fetch(vec![FetchTopic::default().with_topic_id(id).with_partitions(vec![partition])]);
    for version in 4..=12 {
        let what = format!("from the middle, version {version}");
        raw.ask(&what, version, named("raw-read", from(0, 5))).await;
    }
    for version in 13..=16 {
        raw.ask(&format!("from the middle, version {version}"), version, by_id(id, from(0, 5))).await;
    }
    for (what, partition) in [
        ("at the end", from(0, 10)),
        ("beyond the end", from(0, 11)),
        ("before the start", from(0, -1)),
        ("an empty partition", from(1, 0)),
        ("beyond the end of an empty partition", from(1, 1)),
        ("an unknown partition", from(9, 0)),
        ("a negative partition", from(-1, 0)),
        ("an epoch to come", from(0, 0).with_current_leader_epoch(7)),
        ("the epoch of now", from(0, 8).with_current_leader_epoch(0)),
        ("a negative epoch", from(0, 8).with_current_leader_epoch(-2)),
        ("last read in an epoch to come", from(0, 8).with_last_fetched_epoch(7)),
        ("last read in the epoch of now", from(0, 8).with_last_fetched_epoch(0)),
        ("no bytes of the partition", from(0, 0).with_partition_max_bytes(0)),
        ("few bytes of the partition", from(0, 0).with_partition_max_bytes(100)),
        ("less than no bytes of the partition", from(0, 0).with_partition_max_bytes(-1)),
    ] {
        raw.ask(what, 12, named("raw-read", partition)).await;
    }
    raw.ask("no bytes", 12, named("raw-read", from(0, 0)).with_max_bytes(0)).await;
    raw.ask("less than no bytes", 12, named("raw-read", from(0, 0)).with_max_bytes(-1)).await;
    raw.ask("few bytes", 12, named("raw-read", from(0, 4)).with_max_bytes(150)).await;
    let both =
        FetchTopic::default().with_topic(topic("raw-read")).with_partitions(vec![from(1, 0), from(0, 8)]);
    raw.ask("two partitions, few bytes", 12, fetch(vec![both]).with_max_bytes(1)).await;
    raw.ask("an unknown topic", 12, named("raw-nowhere", from(0, 0))).await;
    raw.ask("a name with a space", 12, named("a b", from(0, 0))).await;
    raw.ask("an unknown id", 13, by_id(Uuid::from_u128(7), from(0, 0))).await;
    raw.ask("no id", 13, by_id(Uuid::nil(), from(0, 0))).await;
    raw.ask("nothing", 12, fetch(vec![])).await;
    raw.ask("nothing, with a wait", 12, fetch(vec![]).with_max_wait_ms(100).with_min_bytes(1)).await;
    raw.ask(
        "at the end, with a wait",
        12,
        named("raw-read", from(0, 10)).with_max_wait_ms(100).with_min_bytes(1),
    )
    .await;
    raw.ask("a negative wait", 12, named("raw-read", from(0, 10)).with_max_wait_ms(-1).with_min_bytes(1))
        .await;
    raw.ask("only what is committed", 12, named("raw-read", from(0, 8)).with_isolation_level(1)).await;
    raw.ask("an isolation that does not exist", 12, named("raw-read", from(0, 8)).with_isolation_level(7))
        .await;
    raw.ask("as another node", 12, named("raw-read", from(0, 8)).with_replica_id(BrokerId(7))).await;
    raw.ask("as its log says to a debugger", 12, named("raw-read", from(0, 8)).with_replica_id(BrokerId(-2)))
        .await;
}

async fn sessions(raw: &mut Raw) {
    let id = raw.make("raw-session", 2, &[]).await;
    raw.produce("raw-session", Batch::of("a").bytes()).await;
    let topics = |partitions: Vec<FetchPartition>| {
        vec![FetchTopic::default().with_topic_id(id).with_partitions(partitions)]
    };
    raw.ask("an epoch without a session", 16, fetch(vec![]).with_session_epoch(1)).await;
    raw.ask("an unknown session", 16, fetch(vec![]).with_session_id(77).with_session_epoch(1)).await;
    raw.ask("the end of an unknown session", 16, fetch(vec![]).with_session_id(77)).await;
    let opened = fetch(topics(vec![from(0, 1), from(1, 0)])).with_session_epoch(0);
    let Some(session) = raw.call(16, &opened).await.map(|answer| answer.session_id) else { return };
    raw.notes.note("Fetch: a session is given", session != 0);
    if session == 0 {
        return;
    }
    let next = |epoch| fetch(vec![]).with_session_id(session).with_session_epoch(epoch);
    raw.ask("nothing new in a session", 16, next(1)).await;
    raw.ask("a session's epoch again", 16, next(1)).await;
    raw.ask("a session's epoch left out", 16, next(9)).await;
    raw.produce("raw-session", Batch::of("c").bytes()).await;
    raw.ask("something new in a session", 16, next(2)).await;
    let forgotten = ForgottenTopic::default().with_topic_id(id).with_partitions(vec![0]);
    raw.ask("something forgotten", 16, next(3).with_forgotten_topics_data(vec![forgotten])).await;
    raw.ask("the end of a session", 16, next(-1)).await;
}

async fn offsets(raw: &mut Raw) {
    let at = |partition, timestamp| {
        ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp)
    };
    let asked = |name: &str, partitions: Vec<ListOffsetsPartition>| {
        let topic = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(partitions);
        ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
    };
    for version in 1..=10 {
        let answer = asked("raw-read", vec![at(0, 1_600_000_001_500)]);
        raw.ask(&format!("a time, version {version}"), version, answer).await;
    }
    for partition in [0, 1] {
        for (what, timestamp) in [
            ("latest", -1),
            ("earliest", -2),
            ("newest", -3),
            ("earliest here", -4),
            ("latest elsewhere", -5),
            ("not yet elsewhere", -6),
            ("a special time that does not exist", -9),
            ("the beginning of time", 0),
            ("a record's own time", 1_600_000_002_000),
            ("the future", 4_000_000_000_000),
        ] {
            let asked = asked("raw-read", vec![at(partition, timestamp)]);
            raw.ask(&format!("{what}, partition {partition}"), 10, asked).await;
        }
    }
    raw.ask("newest in a version before it", 6, asked("raw-read", vec![at(0, -3)])).await;
    raw.ask("earliest here in a version before it", 7, asked("raw-read", vec![at(0, -4)])).await;
    raw.ask("latest that is committed", 8, asked("raw-read", vec![at(0, -1)]).with_isolation_level(1)).await;
    raw.ask("an unknown topic", 8, asked("raw-nowhere", vec![at(0, -1)])).await;
    raw.ask("an unknown partition", 8, asked("raw-read", vec![at(9, -1)])).await;
    raw.ask("the same partition twice", 8, asked("raw-read", vec![at(0, -1), at(0, -2)])).await;
    raw.ask("an epoch to come", 8, asked("raw-read", vec![at(0, -1).with_current_leader_epoch(7)])).await;
    raw.ask("the epoch of now", 8, asked("raw-read", vec![at(0, -1).with_current_leader_epoch(0)])).await;
    raw.ask("as a debugger", 8, asked("raw-read", vec![at(0, -1)]).with_replica_id(BrokerId(-2))).await;
    raw.ask("nothing", 8, asked("raw-read", vec![])).await;
    raw.produce("raw-read", Batch { timestamp: 1_600_000_020_000, ..Batch::of_all(&["a", "b"]) }.bytes())
        .await;
    raw.ask("newest after more", 8, asked("raw-read", vec![at(0, -3)])).await;
}

async fn epochs(raw: &mut Raw) {
    let at = |partition, current, epoch| {
        OffsetForLeaderPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(current)
            .with_leader_epoch(epoch)
    };
    let asked = |name: &str, partition| {
        let topic = OffsetForLeaderTopic::default().with_topic(topic(name)).with_partitions(vec![partition]);
        OffsetForLeaderEpochRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic])
    };
    for version in 2..=4 {
        let known = asked("raw-read", at(0, -1, 0));
        let known = if version < 3 { known.with_replica_id(BrokerId(-2)) } else { known };
        raw.ask(&format!("the epoch of now, version {version}"), version, known).await;
    }
    for (what, partition) in [
        ("an epoch to come", at(0, -1, 5)),
        ("an epoch before all", at(0, -1, -1)),
        ("of an empty partition", at(1, -1, 0)),
        ("a leader of an epoch to come", at(0, 5, 0)),
        ("the leader of now", at(0, 0, 0)),
        ("an unknown partition", at(9, -1, 0)),
    ] {
        raw.ask(what, 4, asked("raw-read", partition)).await;
    }
    raw.ask("an unknown topic", 4, asked("raw-nowhere", at(0, -1, 0))).await;
}
