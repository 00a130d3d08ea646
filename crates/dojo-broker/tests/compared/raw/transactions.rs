//! Transactions, step by step, and the steps that are refused.

use super::{Raw, batch::Batch, produce::to, text, topic};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, BrokerId, DescribeProducersRequest,
    DescribeTransactionsRequest, EndTxnRequest, FetchRequest, GroupId, InitProducerIdRequest,
    ListOffsetsRequest, ListTransactionsRequest, ProducerId, TransactionalId, TxnOffsetCommitRequest,
    add_partitions_to_txn_request::AddPartitionsToTxnTopic,
    describe_producers_request::TopicRequest,
    fetch_request::{FetchPartition, FetchTopic},
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
};
use std::time::{Duration, Instant};

/// A producer of transactions: its name, id and epoch.
#[derive(Clone, Copy)]
struct Who(&'static str, i64, i16);

fn init(name: &str) -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(name))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

fn add(who: Who, name: &str, partitions: &[i32]) -> AddPartitionsToTxnRequest {
    let topic =
        AddPartitionsToTxnTopic::default().with_name(topic(name)).with_partitions(partitions.to_vec());
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(text(who.0)))
        .with_v3_and_below_producer_id(ProducerId(who.1))
        .with_v3_and_below_producer_epoch(who.2)
        .with_v3_and_below_topics(vec![topic])
}

fn end(who: Who, committed: bool) -> EndTxnRequest {
    EndTxnRequest::default()
        .with_transactional_id(TransactionalId(text(who.0)))
        .with_producer_id(ProducerId(who.1))
        .with_producer_epoch(who.2)
        .with_committed(committed)
}

fn offsets(who: Who, group: &str) -> AddOffsetsToTxnRequest {
    AddOffsetsToTxnRequest::default()
        .with_transactional_id(TransactionalId(text(who.0)))
        .with_producer_id(ProducerId(who.1))
        .with_producer_epoch(who.2)
        .with_group_id(GroupId(text(group)))
}

fn commit(who: Who, group: &str, to: &str, partition: i32) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition::default()
        .with_partition_index(partition)
        .with_committed_offset(5)
        .with_committed_leader_epoch(-1);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(topic(to)).with_partitions(vec![partition]);
    TxnOffsetCommitRequest::default()
        .with_transactional_id(TransactionalId(text(who.0)))
        .with_producer_id(ProducerId(who.1))
        .with_producer_epoch(who.2)
        .with_group_id(GroupId(text(group)))
        .with_generation_id(-1)
        .with_topics(vec![topic])
}

impl Raw {
    /// Becomes a producer of transactions without noting it.
    async fn become_producer(&mut self, name: &'static str) -> Who {
        let made = self.until_done(4, &init(name), |answer| answer.error_code).await;
        assert_eq!(made.error_code, 0, "{made:?}");
        Who(name, made.producer_id.0, made.producer_epoch)
    }

    /// Repeats the request until the transaction before has ended.
    async fn until_done<R: kafka_protocol::protocol::Request>(
        &mut self,
        version: i16,
        request: &R,
        code: impl Fn(&R::Response) -> i16,
    ) -> R::Response {
        const CONCURRENT_TRANSACTIONS: i16 = 51;
        let ask = async {
            loop {
                let answer = self.call(version, request).await.unwrap();
                if code(&answer) != CONCURRENT_TRANSACTIONS {
                    return answer;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, ask).await.expect("the end of the transaction before")
    }

    /// Ends a transaction and waits until it has ended. Meanwhile the broker tells clients to try again.
    async fn finish(&mut self, what: &str, version: i16, who: Who, committed: bool) {
        self.ask(what, version, end(who, committed)).await;
        let describe =
            DescribeTransactionsRequest::default().with_transactional_ids(vec![TransactionalId(text(who.0))]);
        let until = Instant::now() + super::PATIENCE;
        loop {
            let answer = self.call(0, &describe).await.unwrap();
            if !answer.transaction_states[0].transaction_state.starts_with("Prepare") {
                return;
            }
            assert!(Instant::now() < until, "the end of {}'s transaction has no end", who.0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn send(&mut self, what: &str, who: Who, sequence: i32, version: i16) {
        let batch = Batch { producer: (who.1, who.2, sequence), attributes: 0x10, ..Batch::of("x") };
        let records = to("raw-steps", 0, Some(batch.bytes()));
        self.ask(what, version, records.with_transactional_id(Some(TransactionalId(text(who.0))))).await;
    }

    /// Notes what a reader of committed records, and a reader of all records, can read, once the log ends
    /// where expected.
    async fn readable(&mut self, what: &str, stable: i64) {
        let asked = |isolation| {
            let partition = ListOffsetsPartition::default().with_timestamp(-1).with_current_leader_epoch(-1);
            let topic =
                ListOffsetsTopic::default().with_name(topic("raw-steps")).with_partitions(vec![partition]);
            ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_isolation_level(isolation)
                .with_topics(vec![topic])
        };
        let until = Instant::now() + Duration::from_secs(5);
        let seen = loop {
            let answer = self.call(8, &asked(1)).await.unwrap();
            let seen = answer.topics[0].partitions[0].offset;
            if seen == stable || Instant::now() > until {
                break seen;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let all = self.call(8, &asked(0)).await.unwrap().topics[0].partitions[0].offset;
        self.notes.note(format!("{what}: stable, end"), format!("{seen} {all}"));
        let partition = FetchPartition::default()
            .with_partition_max_bytes(1 << 20)
            .with_current_leader_epoch(-1)
            .with_last_fetched_epoch(-1)
            .with_log_start_offset(-1);
        let fetch = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_bytes(1 << 20)
            .with_isolation_level(1)
            .with_session_epoch(-1)
            .with_topics(vec![
                FetchTopic::default().with_topic(topic("raw-steps")).with_partitions(vec![partition]),
            ]);
        let Some(answer) = self.call(12, &fetch).await else { return };
        let read = &answer.responses[0].partitions[0];
        let aborted: Vec<i64> =
            read.aborted_transactions.iter().flatten().map(|one| one.first_offset).collect();
        self.notes.note(
            format!("{what}: read by one who wants what is committed"),
            format!(
                "{} bytes, end {}, stable {}, aborted from {aborted:?}",
                read.records.as_ref().map_or(0, bytes::Bytes::len),
                read.high_watermark,
                read.last_stable_offset
            ),
        );
    }
}

pub async fn play(raw: &mut Raw) {
    raw.make("raw-steps", 2, &[]).await;
    beginnings(raw).await;
    old_way(raw).await;
    new_way(raw).await;
    wrong_ways(raw).await;
    lookings(raw).await;
}

async fn beginnings(raw: &mut Raw) {
    for version in 0..=5 {
        raw.ask(&format!("of transactions, version {version}"), version, init("raw-init")).await;
    }
    raw.ask("of transactions, without a name", 4, init("")).await;
    for timeout in [0, -1, 900_000, 900_001] {
        let asked = init("raw-timeout").with_transaction_timeout_ms(timeout);
        raw.ask(&format!("of transactions that may take {timeout} ms"), 4, asked).await;
    }
    raw.ask("of transactions, with an id and no epoch", 4, init("raw-init").with_producer_id(ProducerId(5)))
        .await;
    raw.ask(
        "of transactions, with another's id",
        4,
        init("raw-init").with_producer_id(ProducerId(987_654)).with_producer_epoch(0),
    )
    .await;
    raw.ask(
        "of new transactions, with another's id",
        4,
        init("raw-init-new").with_producer_id(ProducerId(987_654)).with_producer_epoch(0),
    )
    .await;
    let who = raw.become_producer("raw-init").await;
    let again = |epoch| init("raw-init").with_producer_id(ProducerId(who.1)).with_producer_epoch(epoch);
    raw.ask("of transactions, with its own id", 4, again(who.2)).await;
    raw.ask("of transactions, with its own old epoch", 4, again(who.2 - 2)).await;
    raw.ask("of transactions, with an epoch to come", 4, again(who.2 + 5)).await;
}

/// Clients that don't know KIP-890 announce partitions and keep their epoch.
async fn old_way(raw: &mut Raw) {
    let who = raw.become_producer("raw-old").await;
    raw.send("in a transaction, unannounced", who, 0, 11).await;
    raw.ask("announced", 3, add(who, "raw-steps", &[0, 1])).await;
    raw.send("in a transaction", who, 0, 11).await;
    raw.readable("open transaction", 0).await;
    raw.ask("announced", 3, offsets(who, "raw-txn-group")).await;
    raw.ask("in a transaction", 3, commit(who, "raw-txn-group", "raw-steps", 0)).await;
    raw.finish("commit", 3, who, true).await;
    raw.readable("committed transaction", 2).await;
    raw.finish("commit again", 3, who, true).await;
    raw.finish("abort what is committed", 3, who, false).await;
    raw.until_done(3, &add(who, "raw-steps", &[0]), |answer| {
        answer.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code
    })
    .await;
    raw.send("in another transaction", who, 1, 11).await;
    raw.finish("abort", 3, who, false).await;
    raw.readable("aborted transaction", 4).await;
    raw.finish("abort again", 3, who, false).await;
    raw.finish("commit what is aborted", 3, who, true).await;
    let newer = raw.become_producer("raw-old").await;
    raw.notes.note(
        "a second producer of the name: epoch, same id",
        format!("{} {}", newer.2 - who.2, newer.1 == who.1),
    );
    raw.ask("by the one fenced off", 3, add(who, "raw-steps", &[0])).await;
    raw.finish("by the one fenced off", 3, who, true).await;
    raw.ask("by the one fenced off", 3, offsets(who, "raw-txn-group")).await;
    raw.ask("by the one fenced off, version 1", 1, add(who, "raw-steps", &[0])).await;
    raw.finish("by the one fenced off, version 1", 1, who, true).await;
    raw.send("by the one fenced off", who, 2, 11).await;
}

/// Clients that know KIP-890 announce no partitions and get a new epoch with each end.
async fn new_way(raw: &mut Raw) {
    let who = raw.become_producer("raw-new").await;
    raw.send("in a transaction of the new kind", who, 0, 12).await;
    raw.ask("in a transaction of the new kind", 5, commit(who, "raw-txn-new", "raw-steps", 1)).await;
    raw.finish("commit of the new kind", 5, who, true).await;
    raw.readable("committed transaction of the new kind", 6).await;
    raw.finish("commit of the new kind again", 5, who, true).await;
    raw.finish("commit of the new kind, of an epoch to come", 5, Who(who.0, who.1, who.2 + 7), true).await;
    let next = Who(who.0, who.1, who.2 + 1);
    raw.send("with the epoch before", who, 1, 12).await;
    raw.send("with the new epoch", next, 0, 12).await;
    raw.finish("abort of the new kind", 5, next, false).await;
    raw.readable("aborted transaction of the new kind", 8).await;
    let third = Who(who.0, who.1, who.2 + 2);
    raw.finish("abort of the new kind of nothing", 5, third, false).await;
    let fourth = Who(who.0, who.1, who.2 + 3);
    raw.finish("commit of the new kind of nothing", 5, fourth, true).await;
}

async fn wrong_ways(raw: &mut Raw) {
    let nobody = Who("raw-nobody", 5, 0);
    raw.ask("by nobody", 3, add(nobody, "raw-steps", &[0])).await;
    raw.ask("by nobody", 3, offsets(nobody, "raw-txn-group")).await;
    raw.finish("by nobody", 3, nobody, true).await;
    raw.ask("by nobody", 3, commit(nobody, "raw-txn-group", "raw-steps", 0)).await;
    raw.finish("by nobody, version 5", 5, nobody, true).await;
    raw.send("by nobody", nobody, 0, 11).await;
    let who = raw.become_producer("raw-wrong").await;
    let other = Who("raw-wrong", who.1 + 999, 0);
    raw.ask("with another's id", 3, add(other, "raw-steps", &[0])).await;
    raw.finish("with another's id", 3, other, true).await;
    raw.finish("of nothing", 3, who, true).await;
    raw.ask("of an unknown topic", 3, add(who, "raw-nowhere", &[0])).await;
    raw.ask("of an unknown partition", 3, add(who, "raw-steps", &[0, 9])).await;
    raw.ask("of no partition", 3, add(who, "raw-steps", &[])).await;
    raw.ask("without a name", 3, add(Who("", who.1, who.2), "raw-steps", &[0])).await;
    raw.ask("without a group", 3, offsets(who, "")).await;
    raw.ask("without a group", 3, commit(who, "", "raw-steps", 0)).await;
    raw.ask("unannounced", 3, commit(who, "raw-unannounced", "raw-steps", 0)).await;
    raw.ask("announced for wrong offsets", 3, offsets(who, "raw-txn-wrong")).await;
    raw.ask("of an unknown topic", 3, commit(who, "raw-txn-wrong", "raw-nowhere", 0)).await;
    raw.ask(
        "of an unknown member",
        3,
        commit(who, "raw-txn-wrong", "raw-steps", 0).with_generation_id(4).with_member_id(text("stranger")),
    )
    .await;
    raw.finish("the end of it", 3, who, false).await;
    // A transactional batch in a request without a transaction, and the other way round.
    let batch = Batch { producer: (who.1, who.2, 0), attributes: 0x10, ..Batch::of("x") };
    raw.ask("of a transaction without its name", 11, to("raw-steps", 0, Some(batch.bytes()))).await;
    let plain = Batch { producer: (who.1, who.2, 0), ..Batch::of("x") };
    raw.ask(
        "with a transaction's name, but plain",
        11,
        to("raw-steps", 0, Some(plain.bytes()))
            .with_transactional_id(Some(TransactionalId(text("raw-wrong")))),
    )
    .await;
}

async fn lookings(raw: &mut Raw) {
    let who = raw.become_producer("raw-looked-at").await;
    raw.call(3, &add(who, "raw-steps", &[1])).await;
    let describe = |names: &[&str]| {
        let names = names.iter().map(|name| TransactionalId(text(name))).collect();
        DescribeTransactionsRequest::default().with_transactional_ids(names)
    };
    raw.ask("an open one", 0, describe(&["raw-looked-at"])).await;
    raw.ask("one that is over", 0, describe(&["raw-new"])).await;
    raw.ask("an unknown one, and one without a name", 0, describe(&["raw-nobody", ""])).await;
    raw.ask("none", 0, describe(&[])).await;
    for (what, version, asked) in [
        ("all, version 0", 0, ListTransactionsRequest::default()),
        ("all, version 1", 1, ListTransactionsRequest::default()),
        ("all", 2, ListTransactionsRequest::default()),
        ("open ones", 2, ListTransactionsRequest::default().with_state_filters(vec![text("Ongoing")])),
        (
            "in a state that does not exist",
            2,
            ListTransactionsRequest::default().with_state_filters(vec![text("Happy")]),
        ),
        (
            "of a producer",
            2,
            ListTransactionsRequest::default().with_producer_id_filters(vec![ProducerId(who.1)]),
        ),
        ("longer than an hour", 1, ListTransactionsRequest::default().with_duration_filter(3_600_000)),
        (
            "by pattern",
            2,
            ListTransactionsRequest::default().with_transactional_id_pattern(Some(text("raw-lo.*"))),
        ),
        (
            "by a pattern that is none",
            2,
            ListTransactionsRequest::default().with_transactional_id_pattern(Some(text("("))),
        ),
    ] {
        let answer = raw.call(version, &asked).await;
        let seen = answer.map_or_else(
            || "hung up".to_owned(),
            |answer| {
                let mut states: Vec<String> = answer
                    .transaction_states
                    .iter()
                    .filter(|state| state.transactional_id.as_str().starts_with("raw-"))
                    .map(|state| {
                        format!("{} {}", state.transactional_id.as_str(), state.transaction_state.as_str())
                    })
                    .collect();
                states.sort();
                format!(
                    "error {}, unknown {:?}, {}",
                    answer.error_code,
                    answer.unknown_state_filters,
                    states.join(", ")
                )
            },
        );
        raw.notes.note(format!("ListTransactions: {what}"), seen);
    }
    raw.make("raw-producers", 1, &[]).await;
    let once = Batch { producer: (77, 3, 4), ..Batch::of("x") };
    raw.produce("raw-producers", once.bytes()).await;
    let producers = |name: &str, partitions: &[i32]| {
        let topic =
            TopicRequest::default().with_name(topic(name)).with_partition_indexes(partitions.to_vec());
        DescribeProducersRequest::default().with_topics(vec![topic])
    };
    raw.ask("of a partition", 0, producers("raw-producers", &[0])).await;
    raw.ask("of an unknown partition", 0, producers("raw-producers", &[9])).await;
    raw.ask("of an unknown topic", 0, producers("raw-nowhere", &[0])).await;
    raw.call(3, &end(who, false)).await;
}
