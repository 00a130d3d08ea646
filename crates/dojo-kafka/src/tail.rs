//! Reading a topic without a group: from its start, a time or an offset, and then without end.
//!
//! Projections read this way, since each needs the whole topic, and so do replays. Nothing is committed.

use crate::{
    Error, Isolation, KafkaConfig, Prefix, Record,
    lookup::Lookup,
    reader::{Reader, tail_reader},
};
use chrono::{DateTime, Utc};
use rdkafka::{
    Message as _, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::{CancellationToken, DropGuard};

const POLL: Duration = Duration::from_millis(50);
const ASK_WITHIN: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// How many records and errors are taken out of librdkafka's queue before a new assignment.
const QUEUED: usize = 10_000;
/// A tail assigns partitions at most this often.
const ASSIGN_EVERY: Duration = Duration::from_secs(1);
/// The longest time that a question for a topic's ends may take in all.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// Where a tail begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartFrom {
    /// At the first record.
    Earliest,
    /// At the next record that arrives.
    Latest,
    /// This many offsets before the end of each partition, or at its first record.
    Newest(i64),
    /// At the first record with this timestamp or a later one.
    Time(DateTime<Utc>),
    /// At these offsets; a partition without one begins at its first record.
    Offsets(BTreeMap<i32, i64>),
}

/// An event of a tail, reported on the tail's own thread.
#[derive(Debug)]
pub enum Tailed<'a> {
    /// The first event: the next offset that will be read of each partition, and the offset after its last record.
    Started {
        /// Partition to first offset.
        starts: &'a BTreeMap<i32, i64>,
        /// Partition to end.
        ends: &'a BTreeMap<i32, i64>,
    },
    /// The log doesn't have the next or the requested offset: the records before `resumes` are gone, because retention has
    /// overtaken this reader; or the log ends before `wanted`, because it is another log under the same name, which is then
    /// read from its start. Reading continues at `resumes`.
    Gap {
        /// The partition.
        partition: i32,
        /// The offset that should have come next.
        wanted: i64,
        /// The offset that is read next instead.
        resumes: i64,
    },
    /// The next record of a partition.
    Record(&'a Record<'a>),
    /// The partition has no more records at the moment. May be reported again.
    CaughtUp {
        /// The partition.
        partition: i32,
        /// The offset that is read next. It lies after the markers of transactions, which aren't records.
        next: i64,
    },
}

/// A running tail; dropping it ends the reading.
#[derive(Debug)]
pub struct Tail {
    _stop: DropGuard,
}

/// Asks where topics end, as readers of an [`Isolation`] see it. Cheap to clone.
///
/// It has its own connection: on a tail's connection, each question would wait for a fetch that waits for records.
#[derive(Clone)]
pub struct LogEnds {
    consumer: Arc<Reader>,
    prefix: Prefix,
}

impl std::fmt::Debug for LogEnds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogEnds")
    }
}

impl LogEnds {
    /// Creates a client for `kafka`.
    pub fn new(kafka: &KafkaConfig, client_id: &str, isolation: Isolation) -> Result<Self, Error> {
        let consumer = Arc::new(tail_reader(kafka, client_id, isolation)?);
        Ok(Self { consumer, prefix: kafka.prefix.clone() })
    }

    /// Returns the end of each partition of `topic`: for readers of everything, the offset that the next record will get; for
    /// readers of committed records, the last stable offset. Bounded by five seconds in all.
    pub async fn of(&self, topic: &str) -> Result<BTreeMap<i32, i64>, Error> {
        let consumer = Arc::clone(&self.consumer);
        let (on_cluster, topic) = (self.prefix.on_cluster(topic).into_owned(), topic.to_owned());
        let until = Instant::now() + ENDS_WITHIN;
        let left = move || until.saturating_duration_since(Instant::now());
        let ask = move || {
            let partitions = partitions(&consumer, &on_cluster, left())?;
            let end = |p| Ok((p, consumer.fetch_watermarks(&on_cluster, p, left())?.1));
            partitions.into_iter().map(end).collect::<Result<_, KafkaError>>()
        };
        match tokio::task::spawn_blocking(ask).await {
            Ok(ends) => ends.map_err(|source| Error::Read { topic, source: Box::new(source) }),
            Err(e) => {
                Err(Error::Thread { what: "reading a topic's ends".to_owned(), message: e.to_string() })
            }
        }
    }
}

/// Starts to read `topic` and reports to `on`, on the tail's own thread, until `shutdown` or until the returned tail is
/// dropped. Waits for the topic and for Kafka as long as it takes.
///
/// The tail notices another log under the same name: at once if the log is shorter than what was read of it, and after
/// every interruption by the cluster's id and by the record that was read last.
pub fn tail(
    kafka: &KafkaConfig,
    client_id: &str,
    topic: &str,
    from: StartFrom,
    isolation: Isolation,
    shutdown: &CancellationToken,
    on: impl FnMut(Tailed<'_>) + Send + 'static,
) -> Result<Tail, Error> {
    let consumer = Arc::new(tail_reader(kafka, client_id, isolation)?);
    let stop = shutdown.child_token();
    let lookup = Lookup::reading(isolation, kafka, client_id, stop.clone());
    let contract_topic = topic.to_owned();
    let (topic, prefix) = (kafka.prefix.on_cluster(topic).into_owned(), kafka.prefix.clone());
    let thread_topic = topic.clone();
    let mut reading = Reading {
        consumer,
        topic,
        contract_topic,
        prefix,
        stopped: stop.clone(),
        on,
        next: BTreeMap::new(),
        last: BTreeMap::new(),
        cluster: None,
        was_interrupted: false,
        assigned: Instant::now(),
        lookup,
    };
    std::thread::Builder::new()
        .name(format!("tail-{thread_topic}"))
        .spawn(move || reading.run(&from))
        .map_err(|e| Error::Thread { what: format!("tailing {thread_topic}"), message: e.to_string() })?;
    Ok(Tail { _stop: stop.drop_guard() })
}

/// A tail at work.
struct Reading<F> {
    consumer: Arc<Reader>,
    /// The topic's name on the cluster.
    topic: String,
    contract_topic: String,
    prefix: Prefix,
    stopped: CancellationToken,
    on: F,
    next: BTreeMap<i32, i64>,
    /// The last record that was read of each partition: its offset and its timestamp.
    last: BTreeMap<i32, (i64, Option<i64>)>,
    cluster: Option<String>,
    /// There was an error since the last check, so what answers next may be another log.
    was_interrupted: bool,
    assigned: Instant,
    lookup: Lookup,
}

impl<F: FnMut(Tailed<'_>)> Reading<F> {
    fn run(&mut self, from: &StartFrom) {
        let consumer = Arc::clone(&self.consumer);
        let Some((starts, ends, gaps)) = start(&consumer, &self.topic, from, &self.stopped) else { return };
        self.assigned = Instant::now();
        self.cluster = consumer.client().fetch_cluster_id(ASK_AGAIN);
        (self.on)(Tailed::Started { starts: &starts, ends: &ends });
        self.next = starts;
        self.tell(gaps);
        while !self.stopped.is_cancelled() {
            match consumer.poll(POLL) {
                Some(Err(error)) if !is_end(&error) => self.failed(&error),
                _ if self.is_another_log() => {}
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    self.next.insert(partition, offset.saturating_add(1));
                    self.last.insert(partition, (offset, message.timestamp().to_millis()));
                    (self.on)(Tailed::Record(&Record::of(&message, &self.prefix)));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => self.end_of(partition),
                None | Some(Err(_)) => {}
            }
        }
    }

    fn end_of(&mut self, partition: i32) {
        // The consumer's position has passed the markers that it has fetched; a record's offset has not.
        let position = self.consumer.position().ok().and_then(|positions| {
            let found = positions.find_partition(&self.topic, partition)?;
            if let Offset::Offset(offset) = found.offset() { Some(offset) } else { None }
        });
        let next = self.next.entry(partition).or_default();
        *next = position.map_or(*next, |position| position.max(*next));
        let next = *next;
        (self.on)(Tailed::CaughtUp { partition, next });
    }

    fn failed(&mut self, error: &KafkaError) {
        tracing::debug!(topic = self.topic, %error, "tailing");
        self.was_interrupted = true;
        // librdkafka is configured not to choose another offset, so it has stopped there.
        if is_out_of_range(error) && !self.is_another_log() {
            self.go_on(&[]);
        }
    }

    /// Checks, after an interruption, whether the log that answers now is the one that was read before. If it is another
    /// one, reading goes on at its start.
    fn is_another_log(&mut self) -> bool {
        if !std::mem::take(&mut self.was_interrupted) {
            return false;
        }
        let anew = self.replaced_partitions();
        if !anew.is_empty() {
            self.go_on(&anew);
        }
        !anew.is_empty()
    }

    /// Returns the partitions whose log is another one than was read before: all of them on another cluster, and each whose
    /// log ends before the offset that was read last or has another record there. Waits for Kafka, because a record of another log at
    /// the next offset looks like the next one of this log.
    fn replaced_partitions(&mut self) -> Vec<i32> {
        while !self.stopped.is_cancelled() {
            match self.try_replaced_partitions() {
                Ok(anew) => return anew,
                Err(error) => {
                    let topic = &self.topic;
                    tracing::debug!(topic, %error, "can't check yet whether the log is the same one");
                }
            }
            std::thread::sleep(ASK_AGAIN);
        }
        Vec::new()
    }

    fn try_replaced_partitions(&mut self) -> Result<Vec<i32>, Error> {
        // Asking for the partitions also updates the id of the cluster.
        partitions(&self.consumer, &self.topic, ASK_WITHIN)
            .map_err(|source| Error::Read { topic: self.topic.clone(), source: Box::new(source) })?;
        let cluster = self.consumer.client().fetch_cluster_id(Duration::ZERO);
        let has_moved = self.cluster.is_some() && cluster.is_some() && cluster != self.cluster;
        self.cluster = cluster.or(self.cluster.take());
        if has_moved {
            tracing::warn!(topic = self.topic, cluster = self.cluster, "this is another cluster");
            return Ok(self.next.keys().copied().collect());
        }
        let mut anew = Vec::new();
        for (partition, last) in &self.last {
            if !self.holds(*partition, last)? {
                anew.push(*partition);
            }
        }
        Ok(anew)
    }

    /// Whether the partition's log may be the one of which this record was read last.
    fn holds(&self, partition: i32, (offset, timestamp): &(i64, Option<i64>)) -> Result<bool, Error> {
        let within = self.consumer.fetch_watermarks(&self.topic, partition, ASK_WITHIN);
        let (_, end) = within
            .map_err(|source| Error::Read { topic: self.contract_topic.clone(), source: Box::new(source) })?;
        // Looked at first, since another log may grow past the offset at any time.
        if end <= *offset {
            return Ok(false);
        }
        let found = self.lookup.record_at(&self.contract_topic, partition, *offset, ASK_WITHIN)?;
        // A record that compaction or retention has removed says nothing.
        Ok(found.is_none_or(|(at, found)| at != *offset || found == *timestamp))
    }

    /// Continues each partition after what was read of it, if the log reaches that far and the partition isn't in `anew`;
    /// otherwise at its first record. Waits for Kafka.
    fn go_on(&mut self, anew: &[i32]) {
        while !self.stopped.is_cancelled() {
            // librdkafka crashes at an assignment that comes before the last one has taken effect.
            if self.assigned.elapsed() > ASSIGN_EVERY {
                match self.try_go_on(anew) {
                    Ok(gaps) => return self.tell(gaps),
                    Err(error) => tracing::debug!(topic = self.topic, %error, "can't resume yet"),
                }
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }

    fn try_go_on(&mut self, anew: &[i32]) -> Result<Vec<Gap>, KafkaError> {
        let mut gaps = Vec::new();
        let mut found = self.next.clone();
        for (partition, offset) in &mut found {
            let (low, high) = self.consumer.fetch_watermarks(&self.topic, *partition, ASK_WITHIN)?;
            // Nothing was missed of a log that begins where it is read next: its end has shown that it is another one.
            if anew.contains(partition) && *offset != low || !(low..=high).contains(offset) {
                gaps.push(Gap { partition: *partition, wanted: *offset, resumes: low });
                *offset = low;
            }
        }
        self.empty_queue();
        assign(&self.consumer, &self.topic, &found)?;
        self.assigned = Instant::now();
        self.last.retain(|partition, _| gaps.iter().all(|gap| gap.partition != *partition));
        self.next = found;
        Ok(gaps)
    }

    /// Takes what is left of the last assignment out of librdkafka's queue. Its records come again; an offset that was out
    /// of range would be taken for one of the new assignment.
    fn empty_queue(&mut self) {
        for _ in 0..QUEUED {
            match self.consumer.poll(Duration::ZERO) {
                None => return,
                Some(Err(error)) if !is_end(&error) && !is_out_of_range(&error) => {
                    self.was_interrupted = true
                }
                Some(_) => {}
            }
        }
    }

    fn tell(&mut self, gaps: Vec<Gap>) {
        for Gap { partition, wanted, resumes } in gaps {
            let topic = &self.topic;
            tracing::warn!(topic, partition, wanted, resumes, "the log doesn't have the next record");
            (self.on)(Tailed::Gap { partition, wanted, resumes });
        }
    }
}

/// Whether the "error" says that a partition has no more records at the moment.
fn is_end(error: &KafkaError) -> bool {
    matches!(error, KafkaError::PartitionEOF(_))
}

/// Whether a partition doesn't have the offset that was to be read next.
fn is_out_of_range(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset)
}

struct Gap {
    partition: i32,
    wanted: i64,
    resumes: i64,
}

type Start = (BTreeMap<i32, i64>, BTreeMap<i32, i64>, Vec<Gap>);

/// Finds and assigns the offsets to start at; `None` if the tail was stopped before Kafka and the topic were there.
fn start(consumer: &Reader, topic: &str, from: &StartFrom, stopped: &CancellationToken) -> Option<Start> {
    let mut said = false;
    while !stopped.is_cancelled() {
        match try_start(consumer, topic, from) {
            Ok(start) => return Some(start),
            Err(error) => {
                if !said {
                    tracing::debug!(topic, %error, "waiting for the topic");
                    said = true;
                }
                std::thread::sleep(ASK_AGAIN);
            }
        }
    }
    None
}

fn try_start(consumer: &Reader, topic: &str, from: &StartFrom) -> Result<Start, KafkaError> {
    let partitions = partitions(consumer, topic, ASK_WITHIN)?;
    let (mut starts, mut ends, mut gaps) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ASK_WITHIN)?;
        let start = match from {
            StartFrom::Earliest => low,
            StartFrom::Latest => high,
            StartFrom::Newest(records) => high.saturating_sub(*records).max(low),
            StartFrom::Time(time) => offset_at(consumer, topic, partition, *time)?.unwrap_or(high),
            StartFrom::Offsets(offsets) => {
                let wanted = offsets.get(&partition).copied().unwrap_or(low);
                let start = wanted.clamp(low, high.max(low));
                if start != wanted {
                    gaps.push(Gap { partition, wanted, resumes: start });
                }
                start
            }
        };
        starts.insert(partition, start);
        ends.insert(partition, high);
    }
    assign(consumer, topic, &starts)?;
    Ok((starts, ends, gaps))
}

fn assign(consumer: &Reader, topic: &str, next: &BTreeMap<i32, i64>) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::with_capacity(next.len());
    for (partition, offset) in next {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)
}

/// Returns the partitions of a topic; an error if the topic doesn't exist.
fn partitions(consumer: &Reader, topic: &str, within: Duration) -> Result<Vec<i32>, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), within)?;
    let partitions: Vec<i32> =
        metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
    if partitions.is_empty() {
        return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopicOrPartition));
    }
    Ok(partitions)
}

fn offset_at(
    consumer: &Reader,
    topic: &str,
    partition: i32,
    time: DateTime<Utc>,
) -> Result<Option<i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, Offset::Offset(time.timestamp_millis().max(0)))?;
    let found = consumer.offsets_for_times(list, ASK_WITHIN)?;
    Ok(found.elements().first().and_then(|e| if let Offset::Offset(o) = e.offset() { Some(o) } else { None }))
}
