//! Reading a topic without a group: from its start, a time or an offset, and then on for ever.
//!
//! For projections, which need the whole topic whatever others have read, and for replays. Nothing is committed.

use crate::{Error, KafkaConfig, Record, config::create, producer::log};
use chrono::{DateTime, Utc};
use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{collections::BTreeMap, time::Duration};
use tokio_util::sync::{CancellationToken, DropGuard};

const POLL: Duration = Duration::from_millis(50);
const ASK_WITHIN: Duration = Duration::from_secs(2);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// At the first record there is.
    Earliest,
    /// At the next record that arrives.
    Latest,
    /// At the first record of that time or later.
    Time(DateTime<Utc>),
    /// At these offsets; a partition that is not named begins at its first record.
    Offsets(BTreeMap<i32, i64>),
}

/// What a tail tells, on a thread of its own.
#[derive(Debug)]
pub enum Tailed<'a> {
    /// Told first: the next offset that will be read of each partition, and the offset after its last record.
    Started {
        /// Partition to first offset.
        starts: &'a BTreeMap<i32, i64>,
        /// Partition to end.
        ends: &'a BTreeMap<i32, i64>,
    },
    /// The log does not have the offset that comes next, or that was asked for: the records before `resumes` are gone,
    /// because retention has overtaken this reader; or the log ends before `wanted`, because it is another one under
    /// the same name, which is then read from its start. Reading goes on at `resumes`.
    Gap {
        /// Partition concerned.
        partition: i32,
        /// Offset that should have come next.
        wanted: i64,
        /// Offset that is read next instead.
        resumes: i64,
    },
    /// The next record of a partition.
    Record(&'a Record<'a>),
    /// There is nothing more in this partition at the moment. May be told again.
    CaughtUp {
        /// Partition concerned.
        partition: i32,
    },
}

/// A running tail; dropping it ends the reading.
#[derive(Debug)]
pub struct Tail {
    _stop: DropGuard,
}

/// Of a consumer that only reads.
pub(crate) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka tail");
    }
}

impl ConsumerContext for Context {}

/// Starts reading `topic`, telling `on` on a thread of the tail's own, until `shutdown` or until the answer is
/// dropped. Waits for the topic and for Kafka as long as it takes.
pub fn tail(
    kafka: &KafkaConfig,
    client_id: &str,
    topic: &str,
    from: From,
    shutdown: &CancellationToken,
    mut on: impl FnMut(Tailed<'_>) + Send + 'static,
) -> Result<Tail, Error> {
    let config = kafka.tail_consumer(client_id);
    let consumer: BaseConsumer<Context> = create("consumer", &config, config.create_with_context(Context))?;
    let stop = shutdown.child_token();
    let stopped = stop.clone();
    let (topic, prefix) = (kafka.prefix.on_cluster(topic).into_owned(), kafka.prefix.clone());
    let thread_topic = topic.clone();
    let read = move || {
        let Some((starts, ends, gaps)) = start(&consumer, &topic, &from, &stopped) else { return };
        on(Tailed::Started { starts: &starts, ends: &ends });
        for Gap { partition, wanted, resumes } in gaps {
            on(Tailed::Gap { partition, wanted, resumes });
        }
        let mut next = starts;
        while !stopped.is_cancelled() {
            match consumer.poll(POLL) {
                None => {}
                Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                    let Some(gaps) = go_on(&consumer, &topic, &mut next, &stopped) else { return };
                    for Gap { partition, wanted, resumes } in gaps {
                        tracing::warn!(
                            topic,
                            partition,
                            wanted,
                            resumes,
                            "the log does not have what comes next"
                        );
                        on(Tailed::Gap { partition, wanted, resumes });
                    }
                }
                Some(Ok(message)) => {
                    next.insert(message.partition(), message.offset().saturating_add(1));
                    on(Tailed::Record(&Record::of(&message, &prefix)));
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => on(Tailed::CaughtUp { partition }),
                Some(Err(error)) => tracing::debug!(topic, %error, "tailing"),
            }
        }
    };
    std::thread::Builder::new()
        .name(format!("tail-{thread_topic}"))
        .spawn(read)
        .map_err(|e| Error::Thread { what: format!("tailing {thread_topic}"), message: e.to_string() })?;
    Ok(Tail { _stop: stop.drop_guard() })
}

struct Gap {
    partition: i32,
    wanted: i64,
    resumes: i64,
}

type Start = (BTreeMap<i32, i64>, BTreeMap<i32, i64>, Vec<Gap>);

/// Finds and assigns the offsets to start at; `None` when stopped before Kafka and the topic were there.
fn start(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    from: &From,
    stopped: &CancellationToken,
) -> Option<Start> {
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

fn try_start(consumer: &BaseConsumer<Context>, topic: &str, from: &From) -> Result<Start, KafkaError> {
    let metadata = consumer.fetch_metadata(Some(topic), ASK_WITHIN)?;
    let partitions: Vec<i32> =
        metadata.topics().iter().flat_map(|t| t.partitions()).map(|p| p.id()).collect();
    if partitions.is_empty() {
        let missing = RDKafkaErrorCode::UnknownTopicOrPartition;
        return Err(KafkaError::MetadataFetch(missing));
    }
    let (mut starts, mut ends, mut gaps) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ASK_WITHIN)?;
        let start = match from {
            From::Earliest => low,
            From::Latest => high,
            From::Time(time) => offset_at(consumer, topic, partition, *time)?.unwrap_or(high),
            From::Offsets(offsets) => {
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

fn assign(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    next: &BTreeMap<i32, i64>,
) -> Result<(), KafkaError> {
    let mut list = TopicPartitionList::with_capacity(next.len());
    for (partition, offset) in next {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.assign(&list)
}

/// Kafka says that an offset in `next` is out of range, and librdkafka, told not to choose another by itself, has
/// stopped there: finds where to go on. `None` when stopped before Kafka answered.
fn go_on(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    next: &mut BTreeMap<i32, i64>,
    stopped: &CancellationToken,
) -> Option<Vec<Gap>> {
    while !stopped.is_cancelled() {
        match try_go_on(consumer, topic, next) {
            Ok(gaps) => return Some(gaps),
            Err(error) => tracing::debug!(topic, %error, "waiting to go on"),
        }
        std::thread::sleep(ASK_AGAIN);
    }
    None
}

fn try_go_on(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    next: &mut BTreeMap<i32, i64>,
) -> Result<Vec<Gap>, KafkaError> {
    let mut gaps = Vec::new();
    let mut found = next.clone();
    for (partition, offset) in &mut found {
        let (low, high) = consumer.fetch_watermarks(topic, *partition, ASK_WITHIN)?;
        if !(low..=high).contains(offset) {
            gaps.push(Gap { partition: *partition, wanted: *offset, resumes: low });
            *offset = low;
        }
    }
    assign(consumer, topic, &found)?;
    *next = found;
    Ok(gaps)
}

fn offset_at(
    consumer: &BaseConsumer<Context>,
    topic: &str,
    partition: i32,
    time: DateTime<Utc>,
) -> Result<Option<i64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, Offset::Offset(time.timestamp_millis().max(0)))?;
    let found = consumer.offsets_for_times(list, ASK_WITHIN)?;
    Ok(found.elements().first().and_then(|e| if let Offset::Offset(o) = e.offset() { Some(o) } else { None }))
}
