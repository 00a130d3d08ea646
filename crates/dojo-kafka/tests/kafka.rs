//! Against a real broker: nothing is lost, nothing is committed too early, and everything ends in time.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use chrono::Utc;
use dojo_broker::{Broker, TopicConfig};
use dojo_contract::{
    InstanceStatus, Service, Setting, SettingName, Settings,
    topic::{self, TOPICS},
};
use dojo_kafka::{
    AssignedPartition, Consume, Error, From, Handler, KafkaConfig, LogLookup, Observed, Outbox, Outgoing,
    Position, Producer, Progress, Record, Reporter, SettingsFollower, StartAt, Tailed, consume,
    create_topics, tail,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

/// A broker of the test's own, with the contract's topics.
fn broker() -> Broker {
    let topics = TOPICS.iter().map(|spec| TopicConfig {
        name: spec.name.to_owned(),
        partitions: spec.partitions,
        config: spec.config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    });
    Broker::new(dojo_broker::Config { topics: topics.collect(), ..Default::default() }).unwrap()
}

/// Such a broker, served until the end of the test.
async fn kafka() -> KafkaConfig {
    let broker = broker();
    let listeners = dojo_broker::bind("127.0.0.1:0").await.unwrap();
    let port = listeners[0].local_addr().unwrap().port();
    tokio::spawn(async move { broker.serve(listeners, CancellationToken::new()).await });
    KafkaConfig::new(format!("127.0.0.1:{port}"))
}

fn producer(kafka: &KafkaConfig) -> Producer {
    Producer::new(kafka, "test", Duration::from_secs(5)).unwrap()
}

fn order(n: usize) -> Outgoing {
    Outgoing::json(topic::ORDERS, format!("order-{n}"), &n, Utc::now()).unwrap()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

type Seen = Arc<Mutex<Vec<(i32, i64)>>>;

/// Copies `orders` to `audit` and notes what it saw.
#[derive(Clone, Default)]
struct Copy {
    seen: Seen,
    /// Where to start, whatever is committed.
    start: Option<i64>,
}

impl Handler for Copy {
    fn assigned(&mut self, assigned: &[AssignedPartition], _: &dyn LogLookup) -> Result<Vec<StartAt>, Error> {
        let starts = assigned.iter().filter_map(|a| {
            self.start.map(|offset| StartAt { topic: a.topic.clone(), partition: a.partition, offset })
        });
        Ok(starts.collect())
    }

    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        self.seen.lock().unwrap().push((record.partition, record.offset));
        let value = record.value.map(<[u8]>::to_vec);
        out.send(
            position,
            Outgoing {
                topic: topic::AUDIT,
                key: None,
                value,
                headers: record.headers.clone(),
                timestamp: None,
            },
        );
        out.done(position);
        Ok(())
    }
}

struct Running {
    copy: Copy,
    progress: Progress,
    stop: CancellationToken,
    ends: dojo_kafka::ConsumerLoop,
}

fn run(kafka: &KafkaConfig, group: &str, copy: Copy) -> Running {
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let consumed = Consume::new(group, &[topic::ORDERS], "test");
    let ends =
        consume(kafka, consumed, producer(kafka), copy.clone(), progress.clone(), stop.clone()).unwrap();
    Running { copy, progress, stop, ends }
}

impl Running {
    fn count(&self) -> usize {
        self.copy.seen.lock().unwrap().len()
    }

    async fn end(self) -> Vec<(i32, i64)> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ends.join()).await.unwrap().unwrap();
        Arc::try_unwrap(self.copy.seen)
            .map_or_else(|seen| seen.lock().unwrap().clone(), |s| s.into_inner().unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_resolves_with_the_place_where_the_record_stands() {
    let kafka = kafka().await;
    let producer = producer(&kafka);
    let first = producer.send(order(1)).await.unwrap();
    let second = producer.send(order(1)).await.unwrap();
    assert_eq!((second.partition, second.offset), (first.partition, first.offset + 1));
    let watermarks = producer.watermarks(topic::ORDERS).await.unwrap();
    assert_eq!(watermarks[&first.partition], (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_to_a_broker_that_is_not_there_ends_within_its_bound() {
    let kafka = KafkaConfig::new("127.0.0.1:1");
    let producer = Producer::new(&kafka, "test", Duration::from_millis(500)).unwrap();
    let error = tokio::time::timeout(PATIENCE, producer.send(order(1))).await.unwrap().unwrap_err();
    assert!(error.is_outcome_unknown(), "{error}");
    eventually("the absence to be known", || producer.is_away()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handled_is_committed_and_not_handled_again() {
    let kafka = kafka().await;
    let producer = producer(&kafka);
    for n in 0..100 {
        producer.send(order(n)).await.unwrap();
    }
    let first = run(&kafka, "g", Copy::default());
    eventually("a hundred records", || first.count() == 100).await;
    let mut seen = first.end().await;
    for partition in 0..3 {
        let offsets: Vec<_> = seen.iter().filter(|(p, _)| *p == partition).map(|(_, o)| *o).collect();
        assert!(offsets.is_sorted(), "partition {partition} keeps its order");
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 100);
    assert_eq!(
        producer.watermarks(topic::AUDIT).await.unwrap()[&0].1,
        100,
        "sends are acknowledged before the end"
    );

    let second = run(&kafka, "g", Copy::default());
    producer.send(order(7)).await.unwrap();
    eventually("the new record", || second.count() > 0).await;
    assert_eq!(second.end().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_start_before_the_committed_offset_and_commits_no_backwards() {
    let kafka = kafka().await;
    let producer = producer(&kafka);
    for n in 0..30 {
        producer.send(order(n)).await.unwrap();
    }
    let first = run(&kafka, "g", Copy::default());
    eventually("thirty records", || first.count() == 30).await;
    first.end().await;
    let again = run(&kafka, "g", Copy { start: Some(0), ..Copy::default() });
    eventually("thirty records again", || again.count() == 30).await;
    let positions: BTreeMap<i32, i64> =
        again.progress.partitions().into_iter().map(|p| (p.partition, p.position)).collect();
    assert_eq!(positions.values().sum::<i64>(), 30, "{positions:?}");
    again.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_a_leaving_one_loses_nothing() {
    let kafka = kafka().await;
    let producer = producer(&kafka);
    let one = run(&kafka, "g", Copy::default());
    eventually("all partitions with one", || one.progress.partitions().len() == 3).await;
    let other = run(&kafka, "g", Copy::default());
    eventually("the partitions to be shared", || {
        let (one, other) = (one.progress.partitions().len(), other.progress.partitions().len());
        one + other == 3 && one > 0 && other > 0
    })
    .await;
    for n in 0..60 {
        producer.send(order(n)).await.unwrap();
    }
    eventually("sixty records", || one.count() + other.count() >= 60).await;
    let mut seen = other.end().await;
    for n in 60..90 {
        producer.send(order(n)).await.unwrap();
    }
    eventually("thirty more with the one that stayed", || one.count() + seen.len() >= 90).await;
    eventually("no lag", || one.progress.partitions().iter().all(|p| p.lag == 0)).await;
    seen.extend(one.end().await);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_assignor_is_refused_with_the_ones_that_work() {
    let kafka = kafka().await;
    let property = ("partition.assignment.strategy".to_owned(), "cooperative-sticky".to_owned());
    let kafka = KafkaConfig { properties: vec![property], ..kafka };
    let consumed = Consume::new("g", &[topic::ORDERS], "test");
    let refused = consume(
        &kafka,
        consumed,
        producer(&kafka),
        Copy::default(),
        Progress::default(),
        CancellationToken::new(),
    );
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("roundrobin"), "{error}");
}

/// Copies as [`Copy`] does, and takes Kafka away at the first record.
struct Unplug {
    copy: Copy,
    plug: CancellationToken,
}

impl Handler for Unplug {
    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        self.plug.cancel();
        self.copy.record(record, position, out)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_going_away_under_a_loop_loses_nothing_that_was_read() {
    let broker = broker();
    let listeners = dojo_broker::bind("127.0.0.1:0").await.unwrap();
    let address = listeners[0].local_addr().unwrap().to_string();
    let plug = CancellationToken::new();
    let serving = tokio::spawn({
        let (broker, plug) = (broker.clone(), plug.clone());
        async move { broker.serve(listeners, plug).await }
    });
    let kafka = KafkaConfig::new(address.clone());
    let outside = producer(&kafka);
    for n in 0..40 {
        outside.send(order(n)).await.unwrap();
    }
    // So short that records are given up while Kafka is away, and have to be sent again.
    let sender = Producer::new(&kafka, "test", Duration::from_millis(300)).unwrap();
    let (copy, stop) = (Copy::default(), CancellationToken::new());
    let seen = Arc::clone(&copy.seen);
    let consumed = Consume::new("g", &[topic::ORDERS], "test");
    let handler = Unplug { copy, plug };
    let ends = consume(&kafka, consumed, sender.clone(), handler, Progress::default(), stop.clone()).unwrap();
    serving.await.unwrap().unwrap();
    eventually("the absence to be known", || sender.is_away()).await;
    assert!(!seen.lock().unwrap().is_empty());

    let listeners = dojo_broker::bind(&address).await.unwrap();
    tokio::spawn(async move { broker.serve(listeners, CancellationToken::new()).await });
    let begun = Instant::now();
    let copied = || async { outside.watermarks(topic::AUDIT).await.map_or(0, |marks| marks[&0].1) };
    while copied().await < 40 {
        assert!(begun.elapsed() < PATIENCE, "{} of 40 records were copied", copied().await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    tokio::time::timeout(PATIENCE, ends.join()).await.unwrap().unwrap();
}

/// Holds everything back until it is told to let go.
#[derive(Clone, Default)]
struct Hold {
    seen: Seen,
    held: Arc<Mutex<BTreeMap<i32, usize>>>,
    let_go: CancellationToken,
}

impl Handler for Hold {
    fn revoked(&mut self) {
        self.held.lock().unwrap().clear();
    }

    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        self.seen.lock().unwrap().push((record.partition, record.offset));
        if self.let_go.is_cancelled() {
            out.done(position);
        } else {
            *self.held.lock().unwrap().entry(record.partition).or_default() += 1;
        }
        Ok(())
    }

    fn buffered(&self, partition: i32) -> usize {
        self.held.lock().unwrap().get(&partition).copied().unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_was_paused_is_read_again_after_a_rebalance() {
    const BOUND: usize = 5;
    let kafka = kafka().await;
    let producer = producer(&kafka);
    for n in 0..150 {
        producer.send(order(n)).await.unwrap();
    }
    let (hold, stop) = (Hold::default(), CancellationToken::new());
    let consumed = Consume { max_buffered: BOUND, ..Consume::new("g", &[topic::ORDERS], "test") };
    let progress = Progress::default();
    let ends =
        consume(&kafka, consumed, producer.clone(), hold.clone(), progress.clone(), stop.clone()).unwrap();
    let full = |held: &BTreeMap<i32, usize>| held.len() == 3 && held.values().all(|n| *n > BOUND);
    eventually("every partition to be paused", || full(&hold.held.lock().unwrap())).await;

    let other = run(&kafka, "g", Copy::default());
    eventually("another member to take a share", || !other.progress.partitions().is_empty()).await;
    hold.let_go.cancel();
    other.end().await;
    eventually("all partitions back", || progress.partitions().len() == 3).await;
    eventually("nothing left to read", || progress.partitions().iter().all(|p| p.lag == 0)).await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, ends.join()).await.unwrap().unwrap();
}

/// What a tail told, until it caught up everywhere.
async fn tailed(kafka: &KafkaConfig, from: From) -> (Vec<(i32, i64)>, Vec<(i32, i64, i64)>) {
    let told = Arc::new(Mutex::new((Vec::new(), Vec::new(), 0)));
    let tell = Arc::clone(&told);
    let end = CancellationToken::new();
    let _tail = tail(kafka, "test", topic::ORDERS, from, &end, move |event| {
        let mut told = tell.lock().unwrap();
        match event {
            Tailed::Record(record) => told.0.push((record.partition, record.offset)),
            Tailed::Gap { partition, wanted, resumes } => told.1.push((partition, wanted, resumes)),
            Tailed::CaughtUp { .. } => told.2 += 1,
            Tailed::Started { starts, .. } => assert_eq!(starts.len(), 3),
        }
    })
    .unwrap();
    eventually("the tail to catch up", || told.lock().unwrap().2 == 3).await;
    let told = told.lock().unwrap();
    (told.0.clone(), told.1.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_begins_where_it_is_told() {
    let kafka = kafka().await;
    let producer = producer(&kafka);
    for n in 0..20 {
        producer.send(order(n)).await.unwrap();
    }
    let later = Utc::now() + chrono::TimeDelta::seconds(10);
    for n in 20..25 {
        producer.send(Outgoing { timestamp: Some(later.timestamp_millis()), ..order(n) }).await.unwrap();
    }
    assert_eq!(tailed(&kafka, From::Earliest).await.0.len(), 25);
    assert_eq!(tailed(&kafka, From::Time(later)).await.0.len(), 5);
    assert_eq!(tailed(&kafka, From::Latest).await.0.len(), 0);
    let ends = producer.watermarks(topic::ORDERS).await.unwrap();
    let (records, gaps) =
        tailed(&kafka, From::Offsets(BTreeMap::from([(0, ends[&0].1 - 1), (1, 1_000)]))).await;
    assert_eq!(records.len() as i64, 1 + ends[&2].1, "partition 2 from its start");
    assert_eq!(gaps, [(1, 1_000, ends[&1].1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_the_topics_again_changes_nothing() {
    let kafka = kafka().await;
    let created = create_topics(&kafka, 1).await.unwrap();
    assert_eq!(created.len(), TOPICS.len());
    assert!(created.iter().all(|topic| topic.existed));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_followed_and_a_bad_record_is_skipped() {
    let kafka = kafka().await;
    let producer = producer(&kafka);
    let name = SettingName::for_all(Setting::FailRate);
    let record = |value: &str| Outgoing {
        topic: topic::SETTINGS,
        key: Some(name.to_string().into_bytes()),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp: None,
    };
    producer.send(record("0.5")).await.unwrap();
    let follower = SettingsFollower::start(&kafka, "test", &CancellationToken::new()).await.unwrap();
    let rate = |settings: &Settings| settings.get(&name).map(|rate| rate.to_string());
    assert_eq!((rate(&follower.settings()).as_deref(), follower.offset()), (Some("0.5"), 1));
    producer.send(record("ninety")).await.unwrap();
    producer.send(record("0.9")).await.unwrap();
    eventually("the change", || follower.offset() == 3).await;
    assert_eq!(rate(&follower.settings()).as_deref(), Some("0.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_says_that_it_starts_runs_and_stops() {
    let kafka = kafka().await;
    let states = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&states);
    let _tail =
        tail(&kafka, "test", topic::STATUS, From::Earliest, &CancellationToken::new(), move |event| {
            if let Tailed::Record(record) = event {
                let status: InstanceStatus = serde_json::from_slice(record.value.unwrap()).unwrap();
                assert_eq!(record.key, Some(status.instance_id.as_bytes()));
                keep.lock().unwrap().push(serde_json::to_value(status.state).unwrap());
            }
        })
        .unwrap();
    let reporter = Reporter::start(
        producer(&kafka),
        "fraud-1".to_owned(),
        Service::Fraud,
        Observed::default,
        Arc::default(),
    );
    let reporter = reporter.await.unwrap();
    reporter.running();
    eventually("it to run", || states.lock().unwrap().last().is_some_and(|state| state == "running")).await;
    reporter.stopped().await;
    eventually("it to stop", || states.lock().unwrap().last().is_some_and(|state| state == "stopped")).await;
    assert_eq!(states.lock().unwrap()[0], "starting");
}
