//! Against a real broker: nothing is lost, nothing is committed too early, and everything ends in time.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

mod groups;
mod guarantees;
mod later;
mod members;
mod stops;
mod tail;

use chrono::Utc;
use dojo_contract::{
    InstanceState, InstanceStatus, Service, Setting, SettingName, Settings,
    topic::{self, TOPICS},
};
use dojo_kafka::{
    AssignedPartition, ConsumerOptions, Error, Handler, Instance, Isolation, KafkaConfig, LogLookup,
    Observed, Outbox, Outgoing, Position, Producer, Progress, Record, Reporter, SettingsFollower, StartAt,
    StartFrom, Tailed, consume, create_topics, tail,
};
use dojo_testbed::{Kafka, OwnKafka, PATIENCE, eventually, own_prefix, until};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use rdkafka::{admin::AdminClient, client::DefaultClientContext};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;

fn producer(kafka: &KafkaConfig) -> Producer {
    Producer::new(kafka, "test", Duration::from_secs(5)).unwrap()
}

/// An instance that nobody gave a name.
fn somebody() -> Instance {
    Instance::start(Service::Audit, None)
}

fn order(n: usize) -> Outgoing {
    Outgoing::json(topic::ORDERS, format!("order-{n}"), &n, Utc::now()).unwrap()
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
    let consumed = ConsumerOptions::new(group, &[topic::ORDERS], &somebody());
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
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
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
    until("the absence to be known", async || producer.is_away()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handled_is_committed_and_not_handled_again() {
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    for n in 0..100 {
        producer.send(order(n)).await.unwrap();
    }
    let first = run(&kafka.config, "g", Copy::default());
    until("a hundred records", async || first.count() == 100).await;
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

    let second = run(&kafka.config, "g", Copy::default());
    producer.send(order(7)).await.unwrap();
    until("the new record", async || second.count() > 0).await;
    assert_eq!(second.end().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_start_before_the_committed_offset_and_commits_no_backwards() {
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    for n in 0..30 {
        producer.send(order(n)).await.unwrap();
    }
    let first = run(&kafka.config, "g", Copy::default());
    until("thirty records", async || first.count() == 30).await;
    first.end().await;
    let again = run(&kafka.config, "g", Copy { start: Some(0), ..Copy::default() });
    until("thirty records again", async || again.count() == 30).await;
    let positions: BTreeMap<i32, i64> =
        again.progress.partitions().into_iter().map(|p| (p.partition, p.position)).collect();
    assert_eq!(positions.values().sum::<i64>(), 30, "{positions:?}");
    again.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_a_leaving_one_loses_nothing() {
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    let one = run(&kafka.config, "g", Copy::default());
    until("all partitions with one", async || one.progress.partitions().len() == 3).await;
    let other = run(&kafka.config, "g", Copy::default());
    until("the partitions to be shared", async || {
        let (one, other) = (one.progress.partitions().len(), other.progress.partitions().len());
        one + other == 3 && one > 0 && other > 0
    })
    .await;
    for n in 0..60 {
        producer.send(order(n)).await.unwrap();
    }
    until("sixty records", async || one.count() + other.count() >= 60).await;
    let mut seen = other.end().await;
    for n in 60..90 {
        producer.send(order(n)).await.unwrap();
    }
    until("thirty more with the one that stayed", async || one.count() + seen.len() >= 90).await;
    until("no lag", async || one.progress.partitions().iter().all(|p| p.lag == 0)).await;
    seen.extend(one.end().await);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incremental_assignor_is_refused_with_the_ones_that_work() {
    let kafka = Kafka::start().await;
    let property = ("partition.assignment.strategy".to_owned(), "cooperative-sticky".to_owned());
    let config = KafkaConfig { properties: vec![property], ..kafka.config.clone() };
    let consumed = ConsumerOptions::new("g", &[topic::ORDERS], &somebody());
    let refused = consume(
        &config,
        consumed,
        producer(&kafka.config),
        Copy::default(),
        Progress::default(),
        CancellationToken::new(),
    );
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("roundrobin"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dojos_with_prefixes_of_their_own_share_a_kafka_and_nothing_else() {
    let kafka = Kafka::start().await;
    let other = KafkaConfig { prefix: own_prefix(), ..kafka.config.clone() };
    let created = create_topics(&other, TOPICS, 1).await.unwrap();
    assert!(created.iter().all(|topic| !topic.existed), "{created:?}");
    for n in 0..30 {
        kafka.send(order(n)).await;
    }
    producer(&other).send(order(0)).await.unwrap();

    // The same group by name, and so each alone in it.
    let (one, two) = (run(&kafka.config, "g", Copy::default()), run(&other, "g", Copy::default()));
    until("both to read their own", async || one.count() == 30 && two.count() == 1).await;
    for running in [&one, &two] {
        until("all partitions without a lag", async || {
            let partitions = running.progress.partitions();
            assert!(partitions.iter().all(|p| p.topic == topic::ORDERS), "{partitions:?}");
            partitions.len() == 3 && partitions.iter().all(|p| p.lag == 0)
        })
        .await;
    }
    assert_eq!((one.end().await.len(), two.end().await.len()), (30, 1));
    assert_eq!(producer(&other).watermarks(topic::AUDIT).await.unwrap()[&0].1, 1);
    assert_eq!(kafka.records(topic::AUDIT).await.len(), 30);
}

/// Copies as [`Copy`] does, and asks for Kafka to be taken away at the first record.
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
    let mut kafka = OwnKafka::start().await;
    let outside = producer(&kafka.config);
    for n in 0..40 {
        outside.send(order(n)).await.unwrap();
    }
    // So short that records are given up while Kafka is away, and have to be sent again.
    let sender = Producer::new(&kafka.config, "test", Duration::from_millis(300)).unwrap();
    let (copy, stop) = (Copy::default(), CancellationToken::new());
    let seen = Arc::clone(&copy.seen);
    let consumed = ConsumerOptions::new("g", &[topic::ORDERS], &somebody());
    let plug = CancellationToken::new();
    let handler = Unplug { copy, plug: plug.clone() };
    let ends =
        consume(&kafka.config, consumed, sender.clone(), handler, Progress::default(), stop.clone()).unwrap();
    tokio::time::timeout(PATIENCE, plug.cancelled()).await.unwrap();
    kafka.stop().await;
    until("the absence to be known", async || sender.is_away()).await;
    assert!(!seen.lock().unwrap().is_empty());

    kafka.start_again().await;
    let copied = async || outside.watermarks(topic::AUDIT).await.map_or(0, |marks| marks[&0].1);
    until("all to be copied", async || copied().await >= 40).await;
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
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    for n in 0..150 {
        producer.send(order(n)).await.unwrap();
    }
    let (hold, stop) = (Hold::default(), CancellationToken::new());
    let consumed =
        ConsumerOptions { max_buffered: BOUND, ..ConsumerOptions::new("g", &[topic::ORDERS], &somebody()) };
    let progress = Progress::default();
    let ends =
        consume(&kafka.config, consumed, producer.clone(), hold.clone(), progress.clone(), stop.clone())
            .unwrap();
    let full = |held: &BTreeMap<i32, usize>| held.len() == 3 && held.values().all(|n| *n > BOUND);
    until("every partition to be paused", async || full(&hold.held.lock().unwrap())).await;

    let other = run(&kafka.config, "g", Copy::default());
    until("another member to take a share", async || !other.progress.partitions().is_empty()).await;
    hold.let_go.cancel();
    other.end().await;
    until("all partitions back", async || progress.partitions().len() == 3).await;
    until("nothing left to read", async || progress.partitions().iter().all(|p| p.lag == 0)).await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, ends.join()).await.unwrap().unwrap();
}

/// Holds every record back until there is no more to read, and takes its time then.
struct AtTheEnd(Vec<Position>);

impl AtTheEnd {
    const TAKES: Duration = Duration::from_millis(20);
}

impl Handler for AtTheEnd {
    fn record(&mut self, _: &Record<'_>, position: Position, _: &mut Outbox) -> Result<(), Error> {
        self.0.push(position);
        Ok(())
    }

    fn end_of_partition(&mut self, _: i32, out: &mut Outbox) -> Result<(), Error> {
        if !self.0.is_empty() {
            std::thread::sleep(Self::TAKES);
        }
        self.0.drain(..).for_each(|position| out.done(position));
        Ok(())
    }
}

/// Keeps what the loop counts and measures.
#[derive(Clone, Default)]
struct Kept {
    counted: Arc<AtomicU64>,
    measured: Arc<Measured>,
}

#[derive(Default)]
struct Measured(Mutex<Vec<f64>>);

impl metrics::HistogramFn for Measured {
    fn record(&self, seconds: f64) {
        self.0.lock().unwrap().push(seconds);
    }
}

impl metrics::Recorder for Kept {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(&self.counted))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::clone(&self.measured))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_handler_does_at_the_end_of_a_partition_is_measured_and_each_record_once() {
    let kafka = Kafka::start().await;
    kafka.flood((0..30).map(order)).await;
    let (kept, stop) = (Kept::default(), CancellationToken::new());
    let running = metrics::with_local_recorder(&kept, || {
        let consumed = ConsumerOptions::new("g", &[topic::ORDERS], &somebody());
        let producer = producer(&kafka.config);
        consume(&kafka.config, consumed, producer, AtTheEnd(Vec::new()), Progress::default(), stop.clone())
    });
    until("thirty records", async || kept.counted.load(Ordering::Relaxed) == 30).await;
    let measured = kept.measured.0.lock().unwrap().clone();
    assert_eq!(measured.len(), 30);
    let seconds: f64 = measured.iter().sum();
    assert!(seconds >= AtTheEnd::TAKES.as_secs_f64(), "{measured:?}");
    stop.cancel();
    tokio::time::timeout(PATIENCE, running.unwrap().join()).await.unwrap().unwrap();
}

/// What a tail told, until it caught up everywhere.
async fn tailed(kafka: &KafkaConfig, from: StartFrom) -> (Vec<(i32, i64)>, Vec<(i32, i64, i64)>) {
    let told = Arc::new(Mutex::new((Vec::new(), Vec::new(), 0)));
    let tell = Arc::clone(&told);
    let end = CancellationToken::new();
    let _tail = tail(kafka, "test", topic::ORDERS, from, Isolation::ReadCommitted, &end, move |event| {
        let mut told = tell.lock().unwrap();
        match event {
            Tailed::Record(record) => told.0.push((record.partition, record.offset)),
            Tailed::Gap { partition, wanted, resumes } => told.1.push((partition, wanted, resumes)),
            Tailed::CaughtUp { .. } => told.2 += 1,
            Tailed::Started { starts, .. } => assert_eq!(starts.len(), 3),
        }
    })
    .unwrap();
    until("the tail to catch up", async || told.lock().unwrap().2 == 3).await;
    let told = told.lock().unwrap();
    (told.0.clone(), told.1.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_begins_where_it_is_told() {
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    for n in 0..20 {
        producer.send(order(n)).await.unwrap();
    }
    let later = Utc::now() + chrono::TimeDelta::seconds(10);
    for n in 20..25 {
        producer.send(Outgoing { timestamp: Some(later.timestamp_millis()), ..order(n) }).await.unwrap();
    }
    assert_eq!(tailed(&kafka.config, StartFrom::Earliest).await.0.len(), 25);
    assert_eq!(tailed(&kafka.config, StartFrom::Time(later)).await.0.len(), 5);
    assert_eq!(tailed(&kafka.config, StartFrom::Latest).await.0.len(), 0);
    let ends = producer.watermarks(topic::ORDERS).await.unwrap();
    let (records, gaps) =
        tailed(&kafka.config, StartFrom::Offsets(BTreeMap::from([(0, ends[&0].1 - 1), (1, 1_000)]))).await;
    assert_eq!(records.len() as i64, 1 + ends[&2].1, "partition 2 from its start");
    assert_eq!(gaps, [(1, 1_000, ends[&1].1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_the_topics_again_changes_nothing() {
    let kafka = Kafka::start().await;
    let created = create_topics(&kafka.config, TOPICS, 1).await.unwrap();
    assert_eq!(created.len(), TOPICS.len());
    assert!(created.iter().all(|topic| topic.existed));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_followed_and_a_bad_record_is_skipped() {
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    let name = SettingName::for_all(Setting::FailRate);
    let record = |value: &str| Outgoing {
        topic: topic::SETTINGS,
        key: Some(name.to_string().into_bytes()),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp: None,
    };
    producer.send(record("0.5")).await.unwrap();
    let follower = SettingsFollower::start(&kafka.config, "test", &CancellationToken::new()).await.unwrap();
    let rate = |settings: &Settings| settings.get(&name).map(|rate| rate.to_json().to_string());
    assert_eq!((rate(&follower.settings()).as_deref(), follower.offset()), (Some("0.5"), 1));
    producer.send(record("ninety")).await.unwrap();
    producer.send(record("0.9")).await.unwrap();
    until("the change", async || follower.offset() == 3).await;
    assert_eq!(rate(&follower.settings()).as_deref(), Some("0.9"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_topic_that_was_deleted_hold_no_more() {
    let kafka = Kafka::start().await;
    let producer = producer(&kafka.config);
    let name = SettingName::for_all(Setting::FailRate);
    let record = Outgoing {
        topic: topic::SETTINGS,
        key: Some(name.to_string().into_bytes()),
        value: Some(b"0.5".to_vec()),
        headers: Vec::new(),
        timestamp: None,
    };
    producer.send(record).await.unwrap();
    let follower = SettingsFollower::start(&kafka.config, "test", &CancellationToken::new()).await.unwrap();
    assert!(follower.settings().get(&name).is_some());
    let on_cluster = format!("{}{}", kafka.config.prefix, topic::SETTINGS);
    admin(&kafka.config).delete_topics(&[&on_cluster], &Default::default()).await.unwrap()[0]
        .as_ref()
        .unwrap();
    eventually("the topic to be there again", async || match create_topics(&kafka.config, TOPICS, 1).await {
        Ok(created) if created.iter().any(|topic| !topic.existed) => Ok(()),
        other => Err(other),
    })
    .await;
    until("the setting to be forgotten", async || follower.settings().get(&name).is_none()).await;
    assert_eq!(follower.offset(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_says_that_it_starts_runs_once_it_has_its_partitions_and_stops() {
    let kafka = Kafka::start().await;
    let said = Arc::new(Mutex::new(Vec::<InstanceStatus>::new()));
    let keep = Arc::clone(&said);
    let _tail = tail(
        &kafka.config,
        "test",
        topic::STATUS,
        StartFrom::Earliest,
        Isolation::ReadCommitted,
        &CancellationToken::new(),
        move |event| {
            if let Tailed::Record(record) = event {
                let status: InstanceStatus = serde_json::from_slice(record.value.unwrap()).unwrap();
                assert_eq!(record.key, Some(status.instance_id.as_bytes()));
                keep.lock().unwrap().push(status);
            }
        },
    )
    .unwrap();
    // Who comes second is given its share only when the first has given something up, which takes a heartbeat.
    let first = run(&kafka.config, "g", Copy::default());
    until("the first to have everything", async || first.progress.partitions().len() == 3).await;
    let (progress, changed) = (Progress::default(), Arc::default());
    progress.on_change(Arc::clone(&changed));
    let observe = {
        let progress = progress.clone();
        move || Observed { state: progress.phase(), partitions: progress.partitions(), ..Observed::default() }
    };
    let (producer, shutdown) = (producer(&kafka.config), CancellationToken::new());
    let reporter = Reporter::start(producer.clone(), somebody(), observe, changed);
    let reporter = reporter.await.unwrap();
    let work = ConsumerOptions::new("g", &[topic::ORDERS], &somebody());
    let second = consume(&kafka.config, work, producer, Copy::default(), progress, shutdown.clone()).unwrap();
    let last = || said.lock().unwrap().last().map(|status| status.state);
    until("it to run", async || last() == Some(InstanceState::Running)).await;
    shutdown.cancel();
    second.join().await.unwrap();
    reporter.stopped().await;
    until("it to stop", async || last() == Some(InstanceState::Stopped)).await;
    first.end().await;

    let said = said.lock().unwrap();
    assert_eq!(said[0].state, InstanceState::Starting);
    let owned = said.iter().find(|status| status.state == InstanceState::Running).map(|s| s.partitions.len());
    assert!(owned.is_some_and(|owned| owned > 0), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_retention_overtakes_says_what_it_missed() {
    const RECORDS: i64 = 200;
    const DELETED: i64 = 150;
    let kafka = Kafka::start().await;
    for n in 0..RECORDS {
        kafka
            .send(Outgoing { value: Some(vec![b'x'; 1_000]), topic: topic::AUDIT, ..order(n as usize) })
            .await;
    }
    // So little is read ahead that what is deleted has not been read.
    let properties = [("queued.max.messages.kbytes", "1"), ("fetch.message.max.bytes", "2000")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let slow = KafkaConfig { properties: properties.into(), ..kafka.config.clone() };
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let told = Arc::new(Mutex::new((Vec::new(), Vec::new())));
    let tell = Arc::clone(&told);
    let end = CancellationToken::new();
    let _tail = tail(
        &slow,
        "test",
        topic::AUDIT,
        StartFrom::Earliest,
        Isolation::ReadCommitted,
        &end,
        move |event| {
            match event {
                Tailed::Record(record) => {
                    tell.lock().unwrap().0.push(record.offset);
                    // Ends at once, and for good, when the other end is dropped.
                    let _ = wait.recv();
                }
                Tailed::Gap { wanted, resumes, .. } => tell.lock().unwrap().1.push((wanted, resumes)),
                Tailed::Started { .. } | Tailed::CaughtUp { .. } => {}
            }
        },
    )
    .unwrap();
    until("the first record", async || !told.lock().unwrap().0.is_empty()).await;
    delete_records(&kafka.config, topic::AUDIT, DELETED).await;
    drop(go_on);
    until("the last record", async || told.lock().unwrap().0.last() == Some(&(RECORDS - 1))).await;
    let (offsets, gaps) = std::mem::take(&mut *told.lock().unwrap());
    let [(wanted, DELETED)] = gaps[..] else { panic!("{gaps:?}") };
    let expected: Vec<_> = (0..wanted).chain(DELETED..RECORDS).collect();
    assert!(wanted < DELETED, "{wanted}");
    assert_eq!(offsets, expected);
}

fn admin(kafka: &KafkaConfig) -> AdminClient<DefaultClientContext> {
    rdkafka::ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap()
}

/// Deletes what stands before `offset` in partition 0.
async fn delete_records(kafka: &KafkaConfig, topic: &str, offset: i64) {
    let mut list = rdkafka::TopicPartitionList::new();
    let topic = format!("{}{topic}", kafka.prefix);
    list.add_partition_offset(&topic, 0, rdkafka::Offset::Offset(offset)).unwrap();
    let deleted = admin(kafka).delete_records(&list, &Default::default()).await.unwrap();
    deleted.elements()[0].error().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_knows_each_time_that_kafka_goes_and_comes_back() {
    let mut kafka = OwnKafka::start().await;
    let producer = Producer::batching(&kafka.config, "test", Duration::from_secs(4)).unwrap();
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let sender = producer.clone();
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        for n in 0.. {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(order(n)).await });
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }));
    for _ in 0..3 {
        until("a record to be acknowledged", async || producer.send(order(0)).await.is_ok()).await;
        kafka.stop().await;
        until("Kafka to be away", async || producer.is_away()).await;
        kafka.start_again().await;
        until("Kafka to be back", async || !producer.is_away()).await;
    }
}
