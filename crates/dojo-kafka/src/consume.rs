//! The consumer loop: every record at least once, each partition in its order, as fast as Kafka acknowledges.
//!
//! Records go to the [`Handler`] one after another; what follows from them is sent without waiting, with a bound on
//! what is in flight. An offset is committed only when everything up to it is done and acknowledged, so a crash
//! repeats a little and loses nothing. On a rebalance, and at the end, the loop waits for what is in flight, within
//! a bound, and commits, so that the next owner repeats as little as possible.
//!
//! The loop has a thread of its own, because librdkafka hands out assignments inside its poll, and what must happen
//! then (wait, commit) must not hold up anybody else.

use crate::{
    AssignedPartition, Error, Handler, KafkaConfig, Outbox, Outgoing, Position, Prefix, Producer, Progress,
    Record, Reporter, StartAt, config::create, ledger::Ledger, lookup::Lookup, producer::log,
};
use dojo_contract::PartitionStatus;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use rdkafka::{
    ClientContext, Message, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::{RDKafkaErrorCode, RDKafkaRespErr},
};
use serde::Deserialize;
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// The longest the loop sleeps: so soon it sees a shutdown, and so late a commit can be.
const POLL: Duration = Duration::from_millis(50);
/// Different errors of which each is warned of once.
const WARNINGS: usize = 100;
const RESEND_AFTER: Duration = Duration::from_millis(500);
const COMMITTED_WITHIN: Duration = Duration::from_secs(2);

/// What to consume, and within which bounds.
#[derive(Debug, Clone)]
pub struct Consume {
    /// Consumer group.
    pub group: String,
    /// Topics to subscribe to.
    pub topics: Vec<&'static str>,
    /// What the broker calls this member in its logs and in the group's description.
    pub client_id: String,
    /// Sends that may be unacknowledged at a time.
    pub max_in_flight: usize,
    /// Records of one partition that the handler may hold back before the partition is paused.
    pub max_buffered: usize,
    /// How long to wait for acknowledgements before partitions are given up.
    pub drain: Duration,
    /// How often offsets are committed.
    pub commit_every: Duration,
}

impl Consume {
    /// With bounds that suit this dojo.
    pub fn new(group: impl Into<String>, topics: &[&'static str], client_id: impl Into<String>) -> Self {
        Self {
            group: group.into(),
            topics: topics.to_vec(),
            client_id: client_id.into(),
            max_in_flight: 10_000,
            max_buffered: 20_000,
            drain: Duration::from_secs(3),
            commit_every: Duration::from_millis(100),
        }
    }
}

/// A running loop.
#[derive(Debug)]
pub struct ConsumerLoop {
    group: String,
    progress: Progress,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl ConsumerLoop {
    /// Waits for the loop to end: after its shutdown, once it has drained, committed and left the group; or with
    /// the error that it cannot go on with.
    pub async fn join(self) -> Result<(), Error> {
        self.ended.await.unwrap_or(Err(Error::Died(self.group)))
    }

    /// As [`ConsumerLoop::join`]; meanwhile says with `reporter` that the instance runs, once the group has given
    /// it its share of the partitions for the first time, and at the end that it has stopped. A share may be empty:
    /// an instance more than there are partitions waits for its turn.
    pub async fn join_reporting(self, reporter: Reporter) -> Result<(), Error> {
        let progress = self.progress.clone();
        let mut ended = std::pin::pin!(self.join());
        let ended = tokio::select! {
            ended = &mut ended => ended,
            () = progress.assigned() => {
                reporter.running();
                ended.await
            }
        };
        reporter.stopped().await;
        ended
    }
}

/// Starts a loop that hands the records of `consume` to `handler` and sends what follows with `producer`, until
/// `shutdown`.
pub fn consume<H: Handler>(
    kafka: &KafkaConfig,
    consume: Consume,
    producer: Producer,
    handler: H,
    progress: Progress,
    shutdown: CancellationToken,
) -> Result<ConsumerLoop, Error> {
    let config = kafka.group_consumer(&consume.client_id, &consume.group);
    if config.get("partition.assignment.strategy").is_some_and(|s| s.contains("cooperative")) {
        // The loop gives up everything on a rebalance and takes it up again; incremental rebalances differ.
        return Err(Error::Consumer {
            group: consume.group,
            source: Box::new(KafkaError::ClientConfig(
                rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
                "use range, roundrobin or sticky: this consumer does not rebalance incrementally".to_owned(),
                "partition.assignment.strategy".to_owned(),
                config.get("partition.assignment.strategy").unwrap_or_default().to_owned(),
            )),
        });
    }
    let context = Context {
        group: consume.group.clone(),
        rebalances: Mutex::default(),
        closing: AtomicBool::new(false),
        commit_failed: AtomicBool::new(false),
        prefix: kafka.prefix.clone(),
        progress: progress.clone(),
    };
    let consumer: BaseConsumer<Context> = create("consumer", &config, config.create_with_context(context))?;
    let topics: Vec<_> = consume.topics.iter().map(|topic| kafka.prefix.on_cluster(topic)).collect();
    let topics: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
    consumer.subscribe(&topics).map_err(|source| Error::Group {
        group: consume.group.clone(),
        attempt: "subscribe",
        source: Box::new(source),
    })?;
    let (lookup, prefix) = (Lookup::new(kafka, &consume.client_id, shutdown.clone()), kafka.prefix.clone());
    let (end, ended) = oneshot::channel();
    let group = consume.group.clone();
    let name = consume.group.clone();
    let joined = progress.clone();
    let handled = counter!("dojo_records_handled_total", "group" => group.clone());
    let handling = histogram!("dojo_record_handling_seconds", "group" => group.clone());
    let work = move || {
        let mut work = Loop {
            consume,
            consumer,
            producer,
            handler,
            prefix,
            progress,
            lookup,
            shared: Arc::default(),
            outbox: Outbox::new(),
            paused: BTreeSet::new(),
            last_commit: Instant::now(),
            resend_at: None,
            warned: BTreeSet::new(),
            handled,
            handling,
            spent: Duration::ZERO,
        };
        let result = work.run(&shutdown);
        work.close();
        drop(work);
        let _ = end.send(result);
    };
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .map_err(|e| Error::Thread { what: format!("group {group}"), message: e.to_string() })?;
    Ok(ConsumerLoop { group, progress: joined, ended })
}

/// What librdkafka tells: assignments are kept for the loop, which alone may act on them.
struct Context {
    group: String,
    rebalances: Mutex<VecDeque<Rebalance>>,
    closing: AtomicBool,
    commit_failed: AtomicBool,
    prefix: Prefix,
    progress: Progress,
}

enum Rebalance {
    Assign(TopicPartitionList),
    Revoke,
}

/// The part of librdkafka's statistics that is of use here.
/// <https://github.com/confluentinc/librdkafka/blob/master/STATISTICS.md>
#[derive(Deserialize)]
struct Statistics<'a> {
    #[serde(borrow)]
    topics: HashMap<&'a str, TopicStatistics>,
}

#[derive(Deserialize)]
struct TopicStatistics {
    partitions: HashMap<i32, PartitionStatistics>,
}

#[derive(Deserialize)]
struct PartitionStatistics {
    hi_offset: i64,
}

impl Context {
    fn says_lag(&self, topic: &str, partition: i32, records: i64) {
        let Some(records) = known_lag(records) else { return };
        let labels = [
            ("group", self.group.clone()),
            ("topic", topic.to_owned()),
            ("partition", partition.to_string()),
        ];
        gauge!("dojo_consumer_lag_records", &labels).set(records);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka consumer");
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let Ok(statistics) = serde_json::from_slice::<Statistics<'_>>(statistics) else { return };
        for (topic, of) in statistics.topics {
            let known = of.partitions.into_iter().filter(|(p, s)| *p >= 0 && s.hi_offset >= 0);
            self.progress.ends(self.prefix.in_contract(topic), known.map(|(p, s)| (p, s.hi_offset)));
        }
        for PartitionStatus { topic, partition, lag, .. } in self.progress.partitions() {
            self.says_lag(&topic, partition, lag);
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        if self.closing.load(Ordering::Relaxed) {
            // Nobody is left who could act on it, and the consumer waits for this to close.
            let _ = consumer.unassign();
            return;
        }
        let event = match event {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Rebalance::Assign(partitions.clone()),
            _ => Rebalance::Revoke,
        };
        self.rebalances.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push_back(event);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        match result {
            Err(error) if error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset) => {
                tracing::debug!(%error, "offsets not committed; they will be again");
                self.commit_failed.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}

/// What acknowledgements change, from librdkafka's thread.
#[derive(Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    acknowledged: Condvar,
    undelivered: Mutex<Vec<(Position, Outgoing)>>,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn undelivered(&self) -> MutexGuard<'_, Vec<(Position, Outgoing)>> {
        self.undelivered.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Keeps a record for another try; or, where Kafka will never take it, gives it up, so that it blocks nobody.
    fn failed(&self, cause: Position, record: Outgoing, error: &KafkaError) {
        if is_permanent(error) {
            let Position { partition, offset, .. } = cause;
            let topic = record.topic;
            tracing::error!(topic, partition, offset, %error, "what followed from this record is given up");
            self.ledger().acknowledged(cause);
            self.acknowledged.notify_one();
        } else {
            tracing::debug!(topic = record.topic, %error, "not acknowledged");
            self.undelivered().push((cause, record));
        }
    }

    /// Waits until fewer than `below` sends are in flight, but not longer than `within`; says whether that is so.
    fn wait(&self, below: usize, within: Duration) -> bool {
        let full = |ledger: &mut Ledger| ledger.in_flight() >= below;
        let waited = self.acknowledged.wait_timeout_while(self.ledger(), within, full);
        let (ledger, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        ledger.in_flight() < below
    }
}

struct Loop<H> {
    consume: Consume,
    consumer: BaseConsumer<Context>,
    producer: Producer,
    handler: H,
    prefix: Prefix,
    progress: Progress,
    lookup: Lookup,
    shared: Arc<Shared>,
    outbox: Outbox,
    paused: BTreeSet<i32>,
    last_commit: Instant,
    resend_at: Option<Instant>,
    /// Errors that were already told; they repeat as long as they last.
    warned: BTreeSet<String>,
    handled: Counter,
    handling: Histogram,
    /// The handler's time since it was done with a record.
    spent: Duration,
}

impl<H: Handler> Loop<H> {
    fn run(&mut self, shutdown: &CancellationToken) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            self.rebalance()?;
            self.commit_if_due();
            self.resend_if_due();
            if !self.shared.wait(self.consume.max_in_flight, POLL) {
                continue;
            }
            self.poll()?;
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<(), Error> {
        match self.consumer.poll(POLL) {
            None => {}
            Some(Ok(message)) => {
                let record = Record::of(&message, &self.prefix);
                let Some(topic) = self.consume.topics.iter().position(|t| *t == record.topic) else {
                    return Ok(());
                };
                let position = self.shared.ledger().received(topic, record.partition, record.offset);
                let Some(position) = position else { return Ok(()) };
                let begun = Instant::now();
                self.handler.record(&record, position, &mut self.outbox)?;
                let (took, partition) = (begun.elapsed(), message.partition());
                drop(message);
                self.count(took);
                self.post()?;
                self.pause_or_resume(Some(partition));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) if self.consume.topics.len() == 1 => {
                let begun = Instant::now();
                self.handler.end_of_partition(partition, &mut self.outbox)?;
                self.count(begun.elapsed());
                self.post()?;
                self.pause_or_resume(None);
            }
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(source @ KafkaError::MessageConsumptionFatal(_))) => {
                return Err(Error::Consumer { group: self.consume.group.clone(), source: Box::new(source) });
            }
            Some(Err(error)) => self.warn_once("cannot read", &error),
        }
        Ok(())
    }

    /// Counts the records that the handler is done with after a call that `took` so long. It may hold records back and do
    /// several in a later call, also at the end of a partition; so the time of every call is shared out among the records
    /// that are done next, and each record is measured once.
    fn count(&mut self, took: Duration) {
        self.spent += took;
        let done = self.outbox.finished().len();
        let Some(each) = self.spent.checked_div(u32::try_from(done).unwrap_or(u32::MAX)) else { return };
        self.spent = Duration::ZERO;
        self.handling.record_many(each, done);
        self.handled.increment(done as u64);
    }

    /// Sends and settles what the handler put into the outbox.
    fn post(&mut self) -> Result<(), Error> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        let mut outbox = std::mem::take(&mut self.outbox);
        {
            let (mut sends, done) = outbox.drain();
            // Entered before they are sent: an acknowledgement may come before this thread goes on.
            let mut ledger = self.shared.ledger();
            sends.as_slice().iter().for_each(|(cause, _)| ledger.sent(*cause));
            done.for_each(|cause| ledger.done(cause));
            drop(ledger);
            for (cause, record) in sends.by_ref() {
                self.send(cause, record);
            }
        }
        self.outbox = outbox;
        Ok(())
    }

    fn send(&self, cause: Position, record: Outgoing) {
        let shared = Arc::clone(&self.shared);
        let sent = self.producer.enqueue(
            &record,
            Box::new(move |result| match result {
                Ok(_) => {
                    shared.ledger().acknowledged(cause);
                    shared.acknowledged.notify_one();
                }
                Err((error, undelivered)) => shared.failed(cause, undelivered.0, &error),
            }),
        );
        if let Err(Error::Send { source, .. }) = sent {
            self.shared.failed(cause, record, &source);
        }
    }

    fn warn_once(&mut self, what: &str, error: &impl std::fmt::Display) {
        let said = format!("group {} {what}: {error}", self.consume.group);
        if self.warned.len() < WARNINGS && !self.warned.contains(&said) {
            tracing::warn!("{said}");
            self.warned.insert(said);
        } else {
            tracing::debug!("{said}");
        }
    }

    fn resend_if_due(&mut self) {
        // While Kafka is away what is sent would only come back.
        if self.producer.is_away() || self.resend_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let undelivered = std::mem::take(&mut *self.shared.undelivered());
        self.resend_at = None;
        if undelivered.is_empty() {
            return;
        }
        self.resend_at = Some(Instant::now() + RESEND_AFTER);
        tracing::warn!(
            group = self.consume.group,
            records = undelivered.len(),
            "not acknowledged by Kafka; sending again"
        );
        for (cause, record) in undelivered {
            if self.shared.ledger().is_current(cause) {
                self.send(cause, record);
            }
        }
    }

    /// A partition of which the handler holds back too much is paused until it holds back half as much.
    fn pause_or_resume(&mut self, received: Option<i32>) {
        let [topic] = self.consume.topics[..] else { return };
        let topic = self.prefix.on_cluster(topic);
        let list = |partition| {
            let mut list = TopicPartitionList::with_capacity(1);
            list.add_partition(&topic, partition);
            list
        };
        if let Some(partition) = received
            && !self.paused.contains(&partition)
            && self.handler.buffered(partition) > self.consume.max_buffered
            && self.consumer.pause(&list(partition)).is_ok()
        {
            self.paused.insert(partition);
        }
        let (handler, half) = (&self.handler, self.consume.max_buffered / 2);
        let consumer = &self.consumer;
        self.paused.retain(|p| handler.buffered(*p) > half || consumer.resume(&list(*p)).is_err());
    }

    fn rebalance(&mut self) -> Result<(), Error> {
        loop {
            let next = {
                let mut rebalances = self
                    .consumer
                    .context()
                    .rebalances
                    .lock()
                    .unwrap_or_else(|poisoned| poisoned.into_inner());
                rebalances.pop_front()
            };
            match next {
                None => return Ok(()),
                Some(Rebalance::Revoke) => self.revoke()?,
                Some(Rebalance::Assign(partitions)) => match self.assign(&partitions) {
                    // Kafka may only be away: tried again at the next turn, unless something newer has come by then.
                    Err(error) if error.may_pass() => {
                        self.warn_once("cannot take up its partitions yet", &error);
                        return self.assign_later(partitions);
                    }
                    result => result?,
                },
            }
        }
    }

    fn revoke(&mut self) -> Result<(), Error> {
        self.drain();
        self.shared.ledger().assign([]);
        self.resume_all();
        self.handler.revoked();
        // What another instance reads now, this one is not behind with.
        for PartitionStatus { topic, partition, .. } in self.progress.partitions() {
            self.consumer.context().says_lag(&topic, partition, 0);
        }
        self.progress.taken();
        self.consumer.unassign().map_err(|source| self.group_error("give up its partitions", source))
    }

    fn assign_later(&self, partitions: TopicPartitionList) -> Result<(), Error> {
        let mut rebalances =
            self.consumer.context().rebalances.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if rebalances.is_empty() {
            rebalances.push_back(Rebalance::Assign(partitions));
        }
        Ok(())
    }

    /// A pause outlasts an assignment; what was paused in the last one would never be read in the next.
    fn resume_all(&mut self) {
        let [topic] = self.consume.topics[..] else { return };
        let topic = self.prefix.on_cluster(topic);
        let mut list = TopicPartitionList::with_capacity(self.paused.len());
        for partition in std::mem::take(&mut self.paused) {
            list.add_partition(&topic, partition);
        }
        if list.count() > 0
            && let Err(error) = self.consumer.resume(&list)
        {
            tracing::warn!(group = self.consume.group, %error, "a paused partition was not resumed");
        }
    }

    fn assign(&mut self, partitions: &TopicPartitionList) -> Result<(), Error> {
        let committed = self.committed(partitions)?;
        let starts = self.handler.assigned(&committed, &self.lookup)?;
        let mut list = TopicPartitionList::with_capacity(committed.len());
        for AssignedPartition { topic, partition, committed } in &committed {
            let asked = starts.iter().find(|s: &&StartAt| s.topic == *topic && s.partition == *partition);
            let start = asked.map(|s| s.offset).or(*committed).map_or(Offset::Beginning, Offset::Offset);
            list.add_partition_offset(&self.prefix.on_cluster(topic), *partition, start)
                .map_err(|source| self.group_error("start at an offset", source))?;
        }
        let topics = &self.consume.topics;
        self.shared.ledger().assign(
            committed.iter().filter_map(|c| {
                Some(((topics.iter().position(|t| *t == c.topic)?, c.partition), c.committed))
            }),
        );
        self.resume_all();
        self.consumer.assign(&list).map_err(|source| self.group_error("take up its partitions", source))?;
        let owned: Vec<_> = committed.iter().map(|c| format!("{}/{}", c.topic, c.partition)).collect();
        tracing::info!(group = self.consume.group, partitions = owned.join(" "), "assigned");
        self.progress.given(committed.into_iter().map(|c| ((c.topic, c.partition), c.committed)).collect());
        Ok(())
    }

    fn committed(&self, partitions: &TopicPartitionList) -> Result<Vec<AssignedPartition>, Error> {
        let list = self
            .consumer
            .committed_offsets(partitions.clone(), COMMITTED_WITHIN)
            .map_err(|source| self.group_error("read its committed offsets", source))?;
        let offset = |o| if let Offset::Offset(offset) = o { Some(offset) } else { None };
        Ok(list
            .elements()
            .iter()
            .map(|e| AssignedPartition {
                topic: self.prefix.in_contract(e.topic()).to_owned(),
                partition: e.partition(),
                committed: offset(e.offset()),
            })
            .collect())
    }

    fn commit_if_due(&mut self) {
        if self.last_commit.elapsed() < self.consume.commit_every {
            return;
        }
        self.last_commit = Instant::now();
        let again = self.consumer.context().commit_failed.swap(false, Ordering::Relaxed);
        let mut ledger = self.shared.ledger();
        let fresh = ledger.take_committable();
        let positions: Vec<_> = ledger.positions().collect();
        drop(ledger);
        for ((topic, partition), position) in &positions {
            self.progress.moved(self.topic(*topic), *partition, *position);
        }
        let offsets = if again { known(positions) } else { fresh };
        self.commit(offsets, CommitMode::Async);
    }

    fn commit(&self, offsets: Vec<((usize, i32), i64)>, mode: CommitMode) {
        if offsets.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for ((topic, partition), offset) in offsets {
            let topic = self.prefix.on_cluster(self.topic(topic));
            if let Err(error) = list.add_partition_offset(&topic, partition, Offset::Offset(offset)) {
                tracing::warn!(%error, partition, offset, "an offset cannot be committed");
            }
        }
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::debug!(group = self.consume.group, %error, "offsets not committed");
            self.consumer.context().commit_failed.store(true, Ordering::Relaxed);
        }
    }

    fn topic(&self, index: usize) -> &'static str {
        self.consume.topics.get(index).copied().unwrap_or_default()
    }

    /// Waits for what is in flight, within the bound, and commits what is complete.
    fn drain(&mut self) {
        let until = Instant::now() + self.consume.drain;
        while !self.shared.wait(1, POLL) && Instant::now() < until && !self.producer.is_away() {
            self.resend_if_due();
        }
        let (left, positions) = {
            let ledger = self.shared.ledger();
            (ledger.in_flight(), ledger.positions().collect::<Vec<_>>())
        };
        if left > 0 {
            tracing::warn!(
                group = self.consume.group,
                left,
                "given up before everything was acknowledged; it will be repeated"
            );
        }
        if !self.producer.is_away() {
            self.commit(known(positions), CommitMode::Sync);
        }
    }

    fn close(&mut self) {
        self.drain();
        self.consumer.context().closing.store(true, Ordering::Relaxed);
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "giving up partitions at the end");
        }
    }

    fn group_error(&self, attempt: &'static str, source: KafkaError) -> Error {
        Error::Group { group: self.consume.group.clone(), attempt, source: Box::new(source) }
    }
}

fn known(positions: Vec<((usize, i32), Option<i64>)>) -> Vec<((usize, i32), i64)> {
    positions.into_iter().filter_map(|(key, offset)| Some((key, offset?))).collect()
}

/// A lag as a gauge takes it; nothing where it is not known, which 0, the best of all, would not say.
fn known_lag(records: i64) -> Option<f64> {
    (records >= 0).then_some(records as f64)
}

/// Whether no try will ever succeed: the record itself is refused.
fn is_permanent(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidTimestamp
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_is_told_where_it_is_known_however_large() {
        assert_eq!(known_lag(-1), None);
        assert_eq!(known_lag(0), Some(0.0));
        assert_eq!(known_lag(5_000_000_000), Some(5e9));
    }
}
