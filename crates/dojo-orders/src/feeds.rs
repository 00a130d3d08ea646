//! Kafka to model: who reads which topic, and what each record changes.
//!
//! | topic | read as | changes |
//! |---|---|---|
//! | `orders` | tail, from the start, uncommitted | the orders list |
//! | `orders` | tail, the newest part, committed | the hub, once the orders list has come as far |
//! | `audit`, `orders-dlq` | consumer group | verdicts and rows of the page, then the hub |
//! | `dojo-settings` | tail, from now on | the hub |
//! | `dojo-status` | tail, from a moment ago | instances, then the hub |
//!
//! `orders` is read twice. The only records that stand there in transactions are retries, which never change the list; so
//! the list reads uncommitted, and no order waits behind an open transaction. The streams show what was committed.
//!
//! The hub always comes last: whoever has seen an event on a stream finds it in every list, too. An unreadable record is
//! counted, logged, and shown on the streams; it changes nothing else.
//!
//! Every reader goes on exactly where it was. So an offset that comes a second time means that the log begins anew, as
//! that of an in-memory broker does after its restart; what was known of that partition is then forgotten. Where the log
//! no longer holds what comes next, because retention has overtaken a reader, the streams are told of the gap.

use crate::{
    config::Config,
    feed::Feed,
    frame::frame,
    hub::Event,
    model::Model,
    reading::{self, read},
};
use chrono::{TimeDelta, Utc};
use dojo_contract::{AuditEvent, InstanceStatus, OrderEvent, header, topic};
use dojo_kafka::{
    AssignedPartition, Consume, ConsumerLoop, Error, From, Handler, Instance, Isolation, LogLookup, Outbox,
    Position, Producer, Progress, Record, StartAt, Tail, Tailed, consume, tail,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// So many records of a partition are read once more at the start, so that streams can resume from memory and the page
/// has something to show.
const WARM: i64 = 500;
/// The list is rarely behind the streams, and then by milliseconds. A list that is stuck must not hold them up.
const LIST_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(1);
/// Three reports of every live instance.
const STATUS_SINCE: TimeDelta = TimeDelta::seconds(6);

/// What a record changes before it is shown on the streams.
type Apply = Box<dyn FnMut(&Model, &Record<'_>) + Send>;

/// Running readers; dropping them ends the tails, the relay ends with its shutdown.
pub(crate) struct Feeds {
    pub(crate) tails: [Tail; 4],
    pub(crate) relay: ConsumerLoop,
}

/// Starts all readers.
pub(crate) fn follow(
    config: &Config,
    instance: &Instance,
    model: &Arc<Model>,
    producer: Producer,
    progress: Progress,
    shutdown: &CancellationToken,
) -> Result<Feeds, Error> {
    let kafka = &config.kafka;
    let client = |what: &str| format!("{}-{what}", config.instance_id());
    let list = {
        let mut reader = ListReader::new(Arc::clone(model));
        let (from, isolation) = (From::Earliest, Isolation::ReadUncommitted);
        tail(kafka, &client("orders"), topic::ORDERS, from, isolation, shutdown, move |t| reader.tailed(t))?
    };
    let show = |feed: Feed, name, from, mut apply: Apply| {
        let mut reader = Reader::new(Arc::clone(model), feed);
        let isolation = Isolation::ReadCommitted;
        tail(kafka, &client(name), feed.topic(), from, isolation, shutdown, move |t| {
            reader.tailed(t, &mut apply);
        })
    };
    let mut behind = BehindTheList { given_up: false };
    let wait = move |model: &Model, record: &Record<'_>| behind.wait(model, record);
    let orders = show(Feed::Orders, "orders-events", From::Newest(WARM), Box::new(wait))?;
    let settings = show(Feed::Settings, "settings-events", From::Latest, Box::new(|_, _| {}))?;
    let since = From::Time(Utc::now() - STATUS_SINCE);
    let status = show(Feed::Status, "status", since, Box::new(follow_status))?;
    let relay = consume(
        kafka,
        // Streams go on at once after a restart: this member's place waits for it.
        Consume {
            is_static: true,
            ..Consume::new(config.relay_group(), &[topic::AUDIT, topic::ORDERS_DLQ], instance)
        },
        producer,
        Relay { model: Arc::clone(model), last: HashMap::new() },
        progress,
        shutdown.clone(),
    )?;
    Ok(Feeds { tails: [list, orders, settings, status], relay })
}

/// Shows `record` on the streams.
fn publish(model: &Model, feed: Feed, record: &Record<'_>, readable: Result<(), &str>) {
    if let Err(why) = readable {
        // Those of `orders` are counted by the list's reader, which reads all of them.
        if feed != Feed::Orders {
            model.count_unreadable();
        }
        let (topic, partition, offset) = (record.topic, record.partition, record.offset);
        tracing::warn!(topic, partition, offset, why, "unreadable record skipped");
    }
    model.hub.push(Event::of(feed, record, frame(feed, record, readable)));
}

/// The next offset of each partition, which only a new log can take back.
#[derive(Debug, Default)]
struct Expected(HashMap<i32, i64>);

impl Expected {
    fn set(&mut self, partition: i32, next: i64) {
        self.0.insert(partition, next);
    }

    fn begins_anew(&mut self, record: &Record<'_>) -> bool {
        let next = self.0.insert(record.partition, record.offset.saturating_add(1));
        let anew = next.is_some_and(|next| record.offset < next);
        if anew {
            let (topic, partition, offset) = (record.topic, record.partition, record.offset);
            tracing::warn!(topic, partition, offset, "the log begins anew");
        }
        anew
    }
}

/// Reads a topic for the streams, from some place on.
struct Reader {
    model: Arc<Model>,
    feed: Feed,
    expected: Expected,
}

impl Reader {
    fn new(model: Arc<Model>, feed: Feed) -> Self {
        Self { model, feed, expected: Expected::default() }
    }

    fn tailed(&mut self, tailed: Tailed<'_>, apply: &mut dyn FnMut(&Model, &Record<'_>)) {
        match tailed {
            Tailed::Started { starts, .. } => {
                starts.iter().for_each(|(p, start)| self.model.hub.open(self.feed, *p, *start));
            }
            Tailed::Record(record) => {
                if self.expected.begins_anew(record) {
                    self.model.hub.reset(self.feed, record.partition, record.offset);
                }
                apply(&self.model, record);
                let readable = reading::check(self.feed, record);
                publish(&self.model, self.feed, record, readable.as_ref().copied().map_err(String::as_str));
            }
            Tailed::Gap { partition, resumes, .. } => {
                self.expected.set(partition, resumes);
                self.model.hub.reset(self.feed, partition, resumes);
            }
            Tailed::CaughtUp { .. } => {}
        }
    }
}

fn follow_status(model: &Model, record: &Record<'_>) {
    match (record.value, record.key.map(std::str::from_utf8)) {
        (None, Some(Ok(instance_id))) => model.instances.remove(instance_id),
        (value, _) => {
            if let Ok(status) = read::<InstanceStatus>(value) {
                model.instances.apply(status, Utc::now());
            }
        }
    }
}

/// Keeps the streams' reader of `orders` behind the list's.
struct BehindTheList {
    /// The list did not come in time, and is not waited for until it has come.
    given_up: bool,
}

impl BehindTheList {
    fn wait(&mut self, model: &Model, record: &Record<'_>) {
        let begun = Instant::now();
        let passed = || model.orders_read.has_passed(record.partition, record.offset);
        while !passed() {
            if self.given_up {
                return;
            }
            if begun.elapsed() > LIST_WITHIN {
                tracing::warn!("the orders list is behind the streams");
                self.given_up = true;
                return;
            }
            // Not woken by the list for each record: what it reads meanwhile need not be waited for one by one.
            std::thread::sleep(LOOK_AGAIN);
        }
        self.given_up = false;
    }
}

/// Reads `orders` from its start into the orders list.
struct ListReader {
    model: Arc<Model>,
    expected: Expected,
    /// Partitions that have not been read to their end yet.
    unread: BTreeSet<i32>,
}

impl ListReader {
    fn new(model: Arc<Model>) -> Self {
        Self { model, expected: Expected::default(), unread: BTreeSet::new() }
    }

    fn tailed(&mut self, tailed: Tailed<'_>) {
        match tailed {
            Tailed::Started { starts, .. } => {
                for (partition, start) in starts {
                    self.unread.insert(*partition);
                    self.model.orders_read.advance(*partition, *start);
                }
            }
            Tailed::Record(record) => self.record(record),
            Tailed::CaughtUp { partition, next } => {
                self.model.orders_read.advance(partition, next);
                self.unread.remove(&partition);
                if self.unread.is_empty() {
                    self.model.caught_up();
                }
            }
            Tailed::Gap { partition, wanted, resumes } => {
                if resumes < wanted {
                    self.model.orders_mut().forget(partition);
                }
                self.expected.set(partition, resumes);
                self.model.orders_read.advance(partition, resumes);
            }
        }
    }

    fn record(&mut self, record: &Record<'_>) {
        let (partition, offset) = (record.partition, record.offset);
        if self.expected.begins_anew(record) {
            self.model.orders_mut().forget(partition);
        }
        match OrderEvent::read(record.value) {
            Ok(event) if header::is_original(&record.headers) => {
                self.model.orders_mut().apply(partition, event);
            }
            Ok(_) => {}
            Err(_) => self.model.count_unreadable(),
        }
        self.model.orders_read.advance(partition, offset.saturating_add(1));
    }
}

/// Follows `audit` and `orders-dlq` as a member of a consumer group, which commits how far it has come.
struct Relay {
    model: Arc<Model>,
    /// The last record of each partition: its offset and timestamp.
    last: HashMap<(Feed, i32), (i64, Option<i64>)>,
}

impl Relay {
    /// Whether the log still holds the record that was read last, so that reading may go on behind it.
    fn goes_on(&self, feed: Feed, partition: i32, log: &dyn LogLookup) -> bool {
        let Some((offset, timestamp)) = self.last.get(&(feed, partition)) else { return true };
        match log.timestamp_at(feed.topic(), partition, *offset) {
            Ok(found) => found.is_some() && found == *timestamp,
            Err(error) => {
                tracing::debug!(%error, "cannot look whether the log goes on; going on");
                true
            }
        }
    }
}

impl Handler for Relay {
    fn assigned(
        &mut self,
        assigned: &[AssignedPartition],
        log: &dyn LogLookup,
    ) -> Result<Vec<StartAt>, Error> {
        let mut starts = Vec::new();
        for AssignedPartition { topic, partition, committed } in assigned {
            let Some(feed) = Feed::of_topic(topic) else { continue };
            let offset = match self.model.hub.next(feed, *partition) {
                None => {
                    let committed = committed.unwrap_or(0);
                    let warm = match log.offset_at(topic, *partition, 0) {
                        // The ring must not claim to hold what the log has let go.
                        Ok(first) => (committed - WARM).max(first.unwrap_or(committed)),
                        Err(error) => {
                            tracing::debug!(%error, "cannot look where the log begins");
                            committed
                        }
                    };
                    self.model.hub.open(feed, *partition, warm);
                    warm
                }
                Some(next) if self.goes_on(feed, *partition, log) => next,
                Some(_) => {
                    tracing::warn!(topic, partition, "the log begins anew");
                    self.last.remove(&(feed, *partition));
                    self.model.hub.reset(feed, *partition, 0);
                    0
                }
            };
            starts.push(StartAt { topic: topic.clone(), partition: *partition, offset });
        }
        Ok(starts)
    }

    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        out.done(position);
        let Some(feed) = Feed::of_topic(record.topic) else { return Ok(()) };
        let (partition, offset) = (record.partition, record.offset);
        if self.model.hub.next(feed, partition).is_some_and(|next| offset < next) {
            tracing::warn!(topic = record.topic, partition, offset, "the log begins anew");
            self.model.hub.reset(feed, partition, offset);
        }
        self.last.insert((feed, partition), (offset, record.timestamp));
        let readable = if feed == Feed::Audit {
            read::<AuditEvent>(record.value).map(|event| self.model.recent().audit(record, &event))
        } else {
            let event = read(record.value);
            let readable = event.as_ref().map(drop).map_err(Clone::clone);
            self.model.recent().dead_letter(record, event);
            readable
        };
        if feed == Feed::DeadLetters {
            // Unreadable records belong here: they were logged and counted where they failed.
            let frame = frame(feed, record, readable.as_ref().copied().map_err(String::as_str));
            self.model.hub.push(Event::of(feed, record, frame));
        } else {
            publish(&self.model, feed, record, readable.as_ref().copied().map_err(String::as_str));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Capacity;

    /// A log that begins at this offset; `None`: it is empty.
    struct BeginsAt(Option<i64>);

    impl LogLookup for BeginsAt {
        fn partitions(&self, _: &str) -> Result<usize, Error> {
            Ok(1)
        }

        fn read_since(&self, _: &str, _: i64, _: &mut dyn FnMut(&Record<'_>)) -> Result<bool, Error> {
            Ok(true)
        }

        fn timestamp_at(&self, _: &str, _: i32, _: i64) -> Result<Option<i64>, Error> {
            Ok(None)
        }

        fn offset_at(&self, _: &str, _: i32, _: i64) -> Result<Option<i64>, Error> {
            Ok(self.0)
        }
    }

    fn ring_start(committed: Option<i64>, log: BeginsAt) -> (i64, Option<i64>) {
        let model = Arc::new(Model::new(Capacity::default()));
        let mut relay = Relay { model: Arc::clone(&model), last: HashMap::new() };
        let assigned = [AssignedPartition { topic: topic::AUDIT.into(), partition: 0, committed }];
        let starts = relay.assigned(&assigned, &log).unwrap();
        (starts[0].offset, model.hub.next(Feed::Audit, 0))
    }

    #[test]
    fn the_ring_reaches_back_a_little_but_not_before_the_log_itself() {
        assert_eq!(ring_start(Some(2_000), BeginsAt(Some(0))), (1_500, Some(1_500)));
        assert_eq!(ring_start(Some(2_000), BeginsAt(Some(1_900))), (1_900, Some(1_900)));
        assert_eq!(ring_start(None, BeginsAt(Some(700))), (700, Some(700)));
        assert_eq!(ring_start(Some(2_000), BeginsAt(None)), (2_000, Some(2_000)));
        assert_eq!(ring_start(None, BeginsAt(None)), (0, Some(0)));
    }
}
