//! Follows topics into the read models: who reads which topic, and what each record changes.
//!
//! | topic | read as | changes |
//! |---|---|---|
//! | `orders` | tail, from the start, uncommitted | the orders list, redrives |
//! | `orders` | tail, the newest part, committed | the hub, once the orders list has come as far |
//! | `audit`, `orders-dlq` | consumer group | outcomes of redrives, verdicts and rows of the page, then the hub |
//! | `audit` | scan, once, from the first open redrive to the end | outcomes of redrives from before the start |
//! | `dojo-settings` | tail, from now on | the hub |
//! | `dojo-status` | tail, from a moment ago | instances, rebalances, then the hub |
//! | `dojo-runs` | tail, from the start | runs, then the hub |
//!
//! `orders` is read twice. The only records that stand there in transactions are retries, which never change the list; so
//! the list reads uncommitted, and no order waits behind an open transaction. The streams show what was committed.
//!
//! The hub always comes last: a client that has seen an event on a stream finds it in every list, too. An unreadable record
//! is counted, logged, and shown on the streams; it changes nothing else.
//!
//! Every reader goes on exactly where it was. So an offset that comes a second time means that the log starts over, as
//! that of an in-memory broker does after its restart; what was known of that partition is then forgotten. Where the log
//! no longer holds what comes next, because retention has overtaken a reader, the streams report the gap.

use crate::{
    config::{Config, group_of},
    event_stream::{cursor::cluster_name, frame::frame, hub::Event},
    log::{
        decode::{decode, why_unreadable},
        scan::{CLOCKS_APART, LogScanner, ScanError},
        stream_topic::StreamTopic,
    },
    read_models::ReadModels,
};
use chrono::{TimeDelta, Utc};
use dojo_contract::{AuditEvent, InstanceStatus, OrderEvent, header, topic};
use dojo_kafka::{
    AssignedPartition, ConsumerOptions, Error, Handler, Instance, Isolation, LogLookup, Outbox, Position,
    Record, StartAt, StartFrom, Tail, Tailed, tail,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Records of a partition that are read once more at the start, so that streams can resume from memory and the page has
/// something to show.
const WARM: i64 = 500;
/// The list is rarely behind the streams, and then by milliseconds. A list that is stuck must not hold them up.
const LIST_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// How often the cluster's id is looked at, and while it isn't known yet.
const CLUSTER_EVERY: Duration = Duration::from_secs(1);
const CLUSTER_AGAIN: Duration = Duration::from_millis(50);
/// How often a start looks whether the orders list is complete.
const CAUGHT_UP_AGAIN: Duration = Duration::from_millis(50);
/// After this time a scan of `audit` goes on with another one.
const SCAN_WITHIN: Duration = Duration::from_secs(60);
/// Three reports of every live instance.
const STATUS_SINCE: TimeDelta = TimeDelta::seconds(6);

/// What an event of a tail changes before the streams show it.
type Apply = Box<dyn FnMut(&ReadModels, &Tailed<'_>) + Send>;

/// Starts the tails. They end with `shutdown`, or when they are dropped.
pub(crate) fn start_tails(
    config: &Config,
    models: &Arc<ReadModels>,
    shutdown: &CancellationToken,
) -> Result<[Tail; 5], Error> {
    let kafka = &config.kafka;
    let client = |what: &str| format!("{}-{what}", config.instance_id());
    let list = {
        let mut reader = ListReader::new(Arc::clone(models));
        let (from, isolation) = (StartFrom::Earliest, Isolation::ReadUncommitted);
        tail(kafka, &client("orders"), topic::ORDERS, from, isolation, shutdown, move |t| reader.tailed(t))?
    };
    let show = |topic: StreamTopic, name, from, mut apply: Apply| {
        let mut reader = StreamReader::new(Arc::clone(models), topic);
        let isolation = Isolation::ReadCommitted;
        tail(kafka, &client(name), topic.name(), from, isolation, shutdown, move |t| {
            reader.tailed(t, &mut apply);
        })
    };
    let mut behind = BehindTheList { has_given_up: false };
    let wait = of_records(move |models: &ReadModels, record: &Record<'_>| behind.wait(models, record));
    let orders = show(StreamTopic::Orders, "orders-events", StartFrom::Newest(WARM), wait)?;
    let settings = show(StreamTopic::Settings, "settings-events", StartFrom::Latest, Box::new(|_, _| {}))?;
    let since = StartFrom::Time(Utc::now() - STATUS_SINCE);
    let status = show(StreamTopic::Status, "status", since, of_records(follow_status))?;
    let follow_runs = Box::new(|models: &ReadModels, tailed: &Tailed<'_>| models.runs.follow(tailed));
    let runs = show(StreamTopic::Runs, "runs", StartFrom::Earliest, follow_runs)?;
    Ok([list, orders, settings, status, runs])
}

fn of_records(mut apply: impl FnMut(&ReadModels, &Record<'_>) + Send + 'static) -> Apply {
    Box::new(move |models, tailed| {
        if let Tailed::Record(record) = tailed {
            apply(models, record);
        }
    })
}

/// The group that follows `audit` and the dead letters, and what it does with their records.
pub(crate) fn relay(
    config: &Config,
    instance: &Instance,
    models: &Arc<ReadModels>,
) -> (ConsumerOptions, impl Handler + use<>) {
    let work = ConsumerOptions {
        // Streams go on at once after a restart: this member's place waits for its successor.
        is_static: true,
        ..ConsumerOptions::new(config.relay_group(), &[topic::AUDIT, topic::ORDERS_DLQ], instance)
    };
    (work, Relay { models: Arc::clone(models), last: HashMap::new(), anchors: HashMap::new() })
}

/// Tells the hub until `shutdown` which cluster its events come from: `cluster` knows its id once Kafka has answered.
pub(crate) async fn follow_cluster(
    models: Arc<ReadModels>,
    cluster: impl Fn() -> Option<String>,
    shutdown: CancellationToken,
) {
    let follow = async {
        loop {
            let known = cluster();
            if let Some(id) = &known {
                models.hub.set_cluster(cluster_name(id));
            }
            tokio::time::sleep(if known.is_some() { CLUSTER_EVERY } else { CLUSTER_AGAIN }).await;
        }
    };
    tokio::select! {
        () = follow => {}
        () = shutdown.cancelled() => {}
    }
}

/// Reads the outcomes of redrives that were told before this service started: the relay starts near the end of `audit`.
/// Waits until the orders list knows the redrives; without one that is open, nothing is read.
pub(crate) async fn catch_up_on_outcomes(
    config: Config,
    models: Arc<ReadModels>,
    shutdown: CancellationToken,
) {
    let scanner = {
        let client = format!("{}-outcomes", config.instance_id());
        LogScanner::new(config.kafka, client, shutdown.clone())
    };
    let read = async {
        while !models.is_caught_up() {
            tokio::time::sleep(CAUGHT_UP_AGAIN).await;
        }
        let Some(first) = models.redrives().first_open() else { return };
        let mut from = StartFrom::Time(first - CLOCKS_APART);
        loop {
            let (of, until) = (Arc::clone(&models), tokio::time::Instant::now() + SCAN_WITHIN);
            let on = move |record: &Record<'_>| tell_outcome(&of, record);
            match scanner.scan(topic::AUDIT, from.clone(), until, on).await {
                Ok(scanned) if !scanned.is_complete => from = StartFrom::Offsets(scanned.next),
                Ok(_) | Err(ScanError::ShuttingDown) => return,
                Err(ScanError::NotInTime(_)) => {}
                Err(ScanError::Kafka(error)) => {
                    tracing::warn!(%error, "earlier outcomes of redrives are not known");
                    return;
                }
            }
        }
    };
    shutdown.run_until_cancelled(read).await;
}

fn tell_outcome(models: &ReadModels, record: &Record<'_>) {
    if let Ok(event) = decode::<AuditEvent>(record.value) {
        models.outcome(record.offset, &event);
    }
}

/// Shows `record` on the streams.
fn publish(models: &ReadModels, topic: StreamTopic, record: &Record<'_>, unreadable: Option<&str>) {
    if let Some(why) = unreadable {
        // The list's reader counts those of `orders`, because it reads all of them.
        if topic != StreamTopic::Orders {
            models.count_unreadable();
        }
        let (topic, partition, offset) = (record.topic, record.partition, record.offset);
        tracing::warn!(topic, partition, offset, why, "unreadable record skipped");
    }
    models.rates.lock().record(topic, record, Utc::now().timestamp_millis());
    models.hub.push(Event::of(topic, record, frame(topic, record, unreadable)));
}

/// The next offset of each partition, which only a new log can take back. One number a partition.
#[derive(Debug, Default)]
struct Expected(HashMap<i32, i64>);

impl Expected {
    fn set(&mut self, partition: i32, next: i64) {
        self.0.insert(partition, next);
    }

    fn starts_over(&mut self, record: &Record<'_>) -> bool {
        let next = self.0.insert(record.partition, record.offset.saturating_add(1));
        let starts_over = next.is_some_and(|next| record.offset < next);
        if starts_over {
            let (topic, partition, offset) = (record.topic, record.partition, record.offset);
            tracing::warn!(topic, partition, offset, "the log starts over");
        }
        starts_over
    }
}

/// Reads a topic for the streams.
struct StreamReader {
    models: Arc<ReadModels>,
    topic: StreamTopic,
    expected: Expected,
}

impl StreamReader {
    fn new(models: Arc<ReadModels>, topic: StreamTopic) -> Self {
        Self { models, topic, expected: Expected::default() }
    }

    fn tailed(&mut self, tailed: Tailed<'_>, apply: &mut dyn FnMut(&ReadModels, &Tailed<'_>)) {
        if let Tailed::Record(record) = &tailed
            && self.expected.starts_over(record)
        {
            self.models.hub.reset(self.topic, record.partition, record.offset);
        }
        apply(&self.models, &tailed);
        match tailed {
            Tailed::Started { starts, .. } => {
                starts.iter().for_each(|(p, start)| self.models.hub.open(self.topic, *p, *start));
            }
            Tailed::Record(record) => {
                publish(&self.models, self.topic, record, why_unreadable(self.topic, record).as_deref());
            }
            Tailed::Gap { partition, resumes, .. } => {
                self.expected.set(partition, resumes);
                self.models.hub.reset(self.topic, partition, resumes);
            }
            Tailed::CaughtUp { .. } => {}
        }
    }
}

fn follow_status(models: &ReadModels, record: &Record<'_>) {
    match (record.value, record.key.map(std::str::from_utf8)) {
        (None, Some(Ok(instance_id))) => models.instances.remove(instance_id),
        (value, _) => {
            if let Ok(status) = decode::<InstanceStatus>(value) {
                let now = Utc::now();
                models.rebalances.report(&status, group_of(&status).as_deref(), now);
                models.rule_switches.reported(&status, now);
                models.instances.apply(status, now);
            }
        }
    }
}

/// Keeps the streams' reader of `orders` behind the list's reader.
struct BehindTheList {
    /// The list did not come in time. Nothing waits for it until it has come.
    has_given_up: bool,
}

impl BehindTheList {
    fn wait(&mut self, models: &ReadModels, record: &Record<'_>) {
        let begun = Instant::now();
        let passed = || models.applied_orders.has_passed(record.partition, record.offset);
        while !passed() {
            if self.has_given_up {
                return;
            }
            if begun.elapsed() > LIST_WITHIN {
                tracing::warn!("the orders list is behind the streams");
                self.has_given_up = true;
                return;
            }
            // Not woken for each record: what the list reads meanwhile need not be waited for one by one.
            std::thread::sleep(LOOK_AGAIN);
        }
        self.has_given_up = false;
    }
}

/// Reads `orders` from its start into the orders list.
struct ListReader {
    models: Arc<ReadModels>,
    expected: Expected,
    /// Partitions that have not been read to their end yet.
    unread: BTreeSet<i32>,
}

impl ListReader {
    fn new(models: Arc<ReadModels>) -> Self {
        Self { models, expected: Expected::default(), unread: BTreeSet::new() }
    }

    fn tailed(&mut self, tailed: Tailed<'_>) {
        match tailed {
            Tailed::Started { starts, .. } => {
                for (partition, start) in starts {
                    self.unread.insert(*partition);
                    self.models.applied_orders.advance(*partition, *start);
                }
            }
            Tailed::Record(record) => self.record(record),
            Tailed::CaughtUp { partition, next } => {
                self.models.applied_orders.advance(partition, next);
                self.unread.remove(&partition);
                if self.unread.is_empty() {
                    self.models.caught_up();
                }
            }
            Tailed::Gap { partition, wanted, resumes } => {
                if resumes < wanted {
                    self.forget(partition);
                }
                self.expected.set(partition, resumes);
                self.models.applied_orders.advance(partition, resumes);
            }
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        let (partition, offset) = (record.partition, record.offset);
        if self.expected.starts_over(record) {
            self.forget(partition);
        }
        self.models.redrives.lock().record((partition, offset), record.timestamp, &record.headers);
        match OrderEvent::read(record.value) {
            Ok(event) if header::is_original(&record.headers) => {
                let id = event.order.id;
                let mut orders = self.models.orders.write();
                orders.apply(partition, event);
                orders.stands_at(id, partition, offset);
            }
            Ok(_) => {}
            Err(_) => self.models.count_unreadable(),
        }
        self.models.applied_orders.advance(partition, offset.saturating_add(1));
    }

    fn forget(&self, partition: i32) {
        self.models.orders.write().forget(partition);
        self.models.redrives.lock().forget(partition);
    }
}

/// Follows `audit` and `orders-dlq` as a member of a consumer group, which commits how far it has come.
struct Relay {
    models: Arc<ReadModels>,
    /// The last record of each partition.
    last: HashMap<(StreamTopic, i32), Seen>,
    /// What `last` was when partitions were last assigned, or the first record since. What was read after it may come from
    /// another log at the same address: that is noticed only when its Kafka assigns the partitions anew.
    anchors: HashMap<(StreamTopic, i32), Seen>,
}

/// A record that was read: its offset and its timestamp.
type Seen = (i64, Option<i64>);

impl Relay {
    /// Whether the log still holds what was read of it, so that reading may go on behind it.
    fn goes_on(&self, topic: StreamTopic, partition: i32, log: &dyn LogLookup) -> Result<bool, Error> {
        let key = (topic, partition);
        for (offset, timestamp) in self.anchors.get(&key).into_iter().chain(self.last.get(&key)) {
            let found = log.timestamp_at(topic.name(), partition, *offset)?;
            if found.is_none() || found != *timestamp {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Handler for Relay {
    fn assigned(
        &mut self,
        assigned: &[AssignedPartition],
        log: &dyn LogLookup,
    ) -> Result<Vec<StartAt>, Error> {
        let mut starts = Vec::new();
        for AssignedPartition { topic: name, partition, committed } in assigned {
            let Some(topic) = StreamTopic::of_name(name) else { continue };
            let offset = match self.models.hub.next(topic, *partition) {
                None => {
                    let committed = committed.unwrap_or(0);
                    let warm = match log.offset_at(name, *partition, 0) {
                        // The ring must not claim to hold records that the log no longer has.
                        Ok(first) => (committed - WARM).max(first.unwrap_or(committed)),
                        Err(error) => {
                            tracing::debug!(%error, "cannot look where the log begins");
                            committed
                        }
                    };
                    self.models.hub.open(topic, *partition, warm);
                    warm
                }
                Some(next) if self.goes_on(topic, *partition, log)? => next,
                Some(_) => {
                    tracing::warn!(topic = name, partition, "the log starts over");
                    self.last.remove(&(topic, *partition));
                    self.models.hub.reset(topic, *partition, 0);
                    0
                }
            };
            starts.push(StartAt { topic: name.clone(), partition: *partition, offset });
        }
        self.anchors.clone_from(&self.last);
        Ok(starts)
    }

    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        out.done(position);
        let Some(topic) = StreamTopic::of_name(record.topic) else { return Ok(()) };
        let (partition, offset) = (record.partition, record.offset);
        if self.models.hub.next(topic, partition).is_some_and(|next| offset < next) {
            tracing::warn!(topic = record.topic, partition, offset, "the log starts over");
            self.models.hub.reset(topic, partition, offset);
        }
        let seen = (offset, record.timestamp);
        self.last.insert((topic, partition), seen);
        self.anchors.entry((topic, partition)).or_insert(seen);
        let unreadable = if topic == StreamTopic::Audit {
            let event = decode::<AuditEvent>(record.value);
            let apply = |event| {
                self.models.outcome(offset, &event);
                self.models.page_rows.lock().audit(record, &event);
            };
            event.map(apply).err()
        } else {
            let event = decode(record.value);
            let unreadable = event.as_ref().err().cloned();
            self.models.page_rows.lock().dead_letter(record, event);
            unreadable
        };
        if topic == StreamTopic::DeadLetters {
            // Unreadable records belong here: they were logged and counted where they failed.
            let frame = frame(topic, record, unreadable.as_deref());
            self.models.hub.push(Event::of(topic, record, frame));
        } else {
            publish(&self.models, topic, record, unreadable.as_deref());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that begins at this offset (`None`: it is empty), and what its timestamps begin at.
    struct Log(Option<i64>, i64);

    impl LogLookup for Log {
        fn partitions(&self, _: &str) -> Result<usize, Error> {
            Ok(1)
        }

        fn read_since(&self, _: &str, _: i64, _: &mut dyn FnMut(&Record<'_>)) -> Result<bool, Error> {
            Ok(true)
        }

        fn timestamp_at(&self, _: &str, _: i32, offset: i64) -> Result<Option<i64>, Error> {
            Ok(Some(self.1 + offset))
        }

        fn offset_at(&self, _: &str, _: i32, _: i64) -> Result<Option<i64>, Error> {
            Ok(self.0)
        }
    }

    fn relay() -> Relay {
        Relay { models: Arc::default(), last: HashMap::new(), anchors: HashMap::new() }
    }

    fn start(relay: &mut Relay, committed: Option<i64>, log: &Log) -> i64 {
        let assigned = [AssignedPartition { topic: topic::AUDIT.into(), partition: 0, committed }];
        let starts = relay.assigned(&assigned, log).unwrap();
        starts[0].offset
    }

    #[test]
    fn the_ring_reaches_back_a_little_but_not_before_the_log_itself() {
        let first = |committed, begins| {
            let mut relay = relay();
            let start = start(&mut relay, committed, &Log(begins, 0));
            assert_eq!(relay.models.hub.next(StreamTopic::Audit, 0), Some(start));
            start
        };
        assert_eq!(first(Some(2_000), Some(0)), 1_500);
        assert_eq!(first(Some(2_000), Some(1_900)), 1_900);
        assert_eq!(first(None, Some(700)), 700);
        assert_eq!(first(Some(2_000), None), 2_000);
        assert_eq!(first(None, None), 0);
    }

    fn read(relay: &mut Relay, offset: i64, log: &Log) {
        let timestamp = log.timestamp_at(topic::AUDIT, 0, offset).unwrap();
        let record = Record {
            topic: topic::AUDIT,
            partition: 0,
            offset,
            timestamp,
            key: None,
            value: None,
            headers: Vec::new(),
        };
        relay.record(&record, Position::at(0, offset), &mut Outbox::default()).unwrap();
    }

    #[test]
    fn after_a_rebalance_the_relay_goes_on_unless_it_has_read_of_another_log() {
        let (old, new) = (Log(Some(0), 1_000), Log(Some(0), 2_000));
        let mut relay = relay();
        assert_eq!(start(&mut relay, None, &old), 0);
        read(&mut relay, 0, &old);
        read(&mut relay, 1, &old);
        assert_eq!(start(&mut relay, Some(1), &old), 2);
        read(&mut relay, 2, &new);
        assert_eq!(start(&mut relay, Some(1), &new), 0);
        assert_eq!(relay.models.hub.next(StreamTopic::Audit, 0), Some(0));
        read(&mut relay, 0, &new);
        assert_eq!(start(&mut relay, None, &new), 1);
    }
}
