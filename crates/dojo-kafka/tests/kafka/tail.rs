//! What a tail sees of transactions, and how it notices that its log is another one.

use super::{admin, order, producer};
use dojo_contract::topic::{self, TOPICS};
use dojo_kafka::{Isolation, KafkaConfig, LogEnds, Outgoing, StartFrom, Tail, Tailed, create_topics, tail};
use dojo_testbed::{Kafka, OwnKafka, PATIENCE, eventually, own_prefix, until};
use rdkafka::{
    ClientConfig,
    admin::AdminOptions,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default, Clone, PartialEq)]
struct Told {
    /// Offset of each record of partition 0, and its key.
    records: Vec<(i64, String)>,
    /// Where partition 0 goes on behind what was read of it, as the last word at its end had it.
    next: Option<i64>,
    gaps: Vec<(i64, i64)>,
}

struct Follower {
    told: Arc<Mutex<Told>>,
    ends: LogEnds,
    _tail: Tail,
}

impl Follower {
    fn start(kafka: &KafkaConfig, isolation: Isolation) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let tell = Arc::clone(&told);
        let (from, end) = (StartFrom::Earliest, CancellationToken::new());
        let tail = tail(kafka, "test", topic::AUDIT, from, isolation, &end, move |event| {
            let mut told = tell.lock().unwrap();
            match event {
                Tailed::Record(record) => {
                    let key = String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned();
                    told.records.push((record.offset, key));
                }
                Tailed::CaughtUp { next, .. } => told.next = Some(next),
                Tailed::Gap { wanted, resumes, .. } => told.gaps.push((wanted, resumes)),
                Tailed::Started { .. } => {}
            }
        });
        let ends = LogEnds::new(kafka, "test", isolation).unwrap();
        Self { told, ends, _tail: tail.unwrap() }
    }

    fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }

    fn offsets(&self) -> Vec<i64> {
        self.told().records.iter().map(|(offset, _)| *offset).collect()
    }

    async fn end(&self) -> i64 {
        self.ends.of(topic::AUDIT).await.unwrap()[&0]
    }

    /// Waits until the last record was read that has this key.
    async fn comes_to(&self, key: &str) -> Told {
        eventually("the last record", async || {
            let told = self.told();
            if told.records.last().is_some_and(|(_, last)| last == key) { Ok(told) } else { Err(told) }
        })
        .await
    }
}

fn audit(n: usize) -> Outgoing {
    Outgoing { topic: topic::AUDIT, key: Some(format!("{n}").into_bytes()), ..order(n) }
}

/// The records of a log, each of a time and a key that another log does not have.
async fn fill(kafka: &KafkaConfig, keys: std::ops::Range<usize>) {
    let producer = producer(kafka);
    for n in keys {
        producer.send(audit(n)).await.unwrap();
    }
}

fn transactional(kafka: &KafkaConfig) -> BaseProducer {
    let id = own_prefix().to_string();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.brokers).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_holds_up_readers_of_committed_records_and_nobody_else() {
    let kafka = Kafka::start().await;
    let committed = Follower::start(&kafka.config, Isolation::ReadCommitted);
    let uncommitted = Follower::start(&kafka.config, Isolation::ReadUncommitted);
    let transaction = transactional(&kafka.config);
    let on_cluster = format!("{}{}", kafka.config.prefix, topic::AUDIT);
    transaction.send(BaseRecord::to(&on_cluster).key("a").payload("x")).unwrap();
    transaction.flush(PATIENCE).unwrap();
    kafka.send(audit(1)).await;
    uncommitted.comes_to("1").await;
    assert_eq!((uncommitted.end().await, committed.end().await), (2, 0));
    assert_eq!(committed.offsets(), [] as [i64; 0]);

    transaction.commit_transaction(PATIENCE).unwrap();
    committed.comes_to("1").await;
    assert_eq!((committed.offsets(), uncommitted.offsets()), (vec![0, 1], vec![0, 1]));
    for follower in [&committed, &uncommitted] {
        until("the marker to be passed", async || follower.told().next == Some(3)).await;
        assert_eq!(follower.end().await, 3);
    }
    kafka.send(audit(2)).await;
    assert_eq!(committed.comes_to("2").await.records.last().unwrap().0, 3);
    assert_eq!(committed.told().gaps, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_notices_another_kafka_at_the_same_address_however_long_its_log_is() {
    for new in [10..13, 10..15, 10..30] {
        let mut kafka = OwnKafka::start().await;
        fill(&kafka.config, 0..5).await;
        let follower = Follower::start(&kafka.config, Isolation::ReadUncommitted);
        follower.comes_to("4").await;
        kafka.kill().await;
        kafka.start_another().await;
        let last = new.end - 1;
        fill(&kafka.config, new.clone()).await;
        let told = follower.comes_to(&last.to_string()).await;
        let keys: Vec<_> = told.records.iter().map(|(_, key)| key.clone()).collect();
        let expected: Vec<_> = (0..5).chain(new).map(|n| n.to_string()).collect();
        assert_eq!((told.gaps, keys), (vec![(5, 0)], expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_interrupted_goes_on_where_it_was() {
    let mut kafka = OwnKafka::start().await;
    fill(&kafka.config, 0..5).await;
    let follower = Follower::start(&kafka.config, Isolation::ReadUncommitted);
    follower.comes_to("4").await;
    kafka.kill().await;
    kafka.start_again().await;
    fill(&kafka.config, 5..9).await;
    let told = follower.comes_to("8").await;
    assert_eq!((told.gaps, follower.offsets()), (vec![], (0..9).collect::<Vec<_>>()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_notices_that_its_topic_was_deleted_and_made_again() {
    let kafka = Kafka::start().await;
    fill(&kafka.config, 0..5).await;
    let follower = Follower::start(&kafka.config, Isolation::ReadUncommitted);
    follower.comes_to("4").await;
    let on_cluster = format!("{}{}", kafka.config.prefix, topic::AUDIT);
    admin(&kafka.config).delete_topics(&[&on_cluster], &AdminOptions::new()).await.unwrap();
    eventually("the topic to be there again", async || {
        create_topics(&kafka.config, TOPICS, 1).await.map_err(|e| e.to_string())?;
        kafka.producer.watermarks(topic::AUDIT).await.map_err(|e| e.to_string()).and_then(|marks| {
            let fresh = BTreeMap::from([(0, (0, 0))]);
            if marks == fresh { Ok(()) } else { Err(format!("{marks:?}")) }
        })
    })
    .await;
    fill(&kafka.config, 10..14).await;
    let told = follower.comes_to("13").await;
    assert_eq!(told.gaps, [(5, 0)]);
    assert_eq!(follower.offsets(), [0, 1, 2, 3, 4, 0, 1, 2, 3]);
}
