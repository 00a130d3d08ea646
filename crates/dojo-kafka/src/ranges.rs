//! Reads ranges of offsets of a topic's partitions, once: for a look at the log, without a consumer group.

use crate::{
    Error, Isolation, KafkaConfig, Record,
    catalog::{blocking, read_error},
    reader::{Reader, range_reader},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How soon a reading notices that it is stopped.
const STEP: Duration = Duration::from_millis(100);

/// Reads ranges of offsets.
#[derive(Debug, Clone)]
pub struct RangeReader {
    kafka: KafkaConfig,
    client_id: String,
    shutdown: CancellationToken,
}

impl RangeReader {
    /// Creates a reader. Each reading has a connection of its own.
    pub fn new(kafka: KafkaConfig, client_id: String, shutdown: CancellationToken) -> Self {
        Self { kafka, client_id, shutdown }
    }

    /// Gives the records of each partition's range that `isolation` lets a reader see to `on`, on a thread of its own: those
    /// of a partition in the order of their offsets. Ends when all ranges are read, when `on` breaks, or at `until`.
    ///
    /// Returns for each partition the offset up to which it was read: the end of its range if it was read to there. No range
    /// may reach beyond the last stable offset if `isolation` is of committed records, or beyond the end.
    ///
    /// # Errors
    /// The topic doesn't exist any more, or the log no longer has one of the offsets.
    pub async fn read(
        &self,
        topic: &str,
        ranges: BTreeMap<i32, Range<i64>>,
        isolation: Isolation,
        until: Instant,
        on: impl FnMut(&Record<'_>) -> ControlFlow<()> + Send + 'static,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        if ranges.values().all(Range::is_empty) {
            return Ok(ranges.into_iter().map(|(partition, range)| (partition, range.start)).collect());
        }
        let (this, topic) = (self.clone(), topic.to_owned());
        // If the caller goes away, nobody wants the records any more.
        let stop = self.shutdown.child_token();
        let _stops = stop.clone().drop_guard();
        let read = move || {
            let consumer = range_reader(&this.kafka, &this.client_id, isolation)?;
            let read_to = this.read_blocking(&consumer, &topic, &ranges, until, &stop, on)?;
            Ok::<_, Error>((read_to, consumer))
        };
        let (read_to, consumer) = blocking("reading ranges of offsets", read).await??;
        // Closing a consumer takes up to a tenth of a second, which the caller doesn't wait for.
        drop(tokio::task::spawn_blocking(move || drop(consumer)));
        Ok(read_to)
    }

    fn read_blocking(
        &self,
        consumer: &Reader,
        topic: &str,
        ranges: &BTreeMap<i32, Range<i64>>,
        until: Instant,
        stop: &CancellationToken,
        mut on: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        let fail = |source| read_error(topic, source);
        let mut progress = Progress::new(ranges);
        let on_cluster = self.kafka.prefix.on_cluster(topic);
        let mut list = TopicPartitionList::with_capacity(ranges.len());
        for (partition, range) in ranges.iter().filter(|(_, range)| !range.is_empty()) {
            list.add_partition_offset(&on_cluster, *partition, Offset::Offset(range.start)).map_err(fail)?;
        }
        consumer.assign(&list).map_err(fail)?;
        while progress.unread > 0 && !stop.is_cancelled() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match consumer.poll(left.min(STEP)) {
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(range) = progress.unread_range(partition) else { continue };
                    if range.contains(&offset) && on(&Record::of(&message, &self.kafka.prefix)).is_break() {
                        progress.read_to.insert(partition, offset + 1);
                        break;
                    }
                    progress.comes_to(partition, offset + 1);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => progress.comes_to_its_end(partition),
                Some(Err(source)) if is_final(&source) => return Err(fail(source)),
                Some(Err(error)) => tracing::debug!(topic, %error, "reading goes on"),
                None => {}
            }
        }
        Ok(progress.read_to)
    }
}

/// Returns whether the error is permanent: the topic or an offset no longer exists.
fn is_final(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange, UnknownPartition, UnknownTopic};
    use RDKafkaErrorCode::{TopicAuthorizationFailed, UnknownTopicOrPartition};
    matches!(
        error.rdkafka_error_code(),
        Some(
            AutoOffsetReset
                | OffsetOutOfRange
                | UnknownPartition
                | UnknownTopic
                | UnknownTopicOrPartition
                | TopicAuthorizationFailed
        )
    )
}

/// How far each range is read.
struct Progress<'a> {
    ranges: &'a BTreeMap<i32, Range<i64>>,
    read_to: BTreeMap<i32, i64>,
    unread: usize,
}

impl<'a> Progress<'a> {
    fn new(ranges: &'a BTreeMap<i32, Range<i64>>) -> Self {
        let read_to = ranges.iter().map(|(partition, range)| (*partition, range.start)).collect();
        Self { ranges, read_to, unread: ranges.values().filter(|range| !range.is_empty()).count() }
    }

    /// Returns the range of a partition that isn't read to its end yet.
    fn unread_range(&self, partition: i32) -> Option<&'a Range<i64>> {
        let range = self.ranges.get(&partition)?;
        self.read_to.get(&partition).is_some_and(|read_to| *read_to < range.end).then_some(range)
    }

    fn comes_to(&mut self, partition: i32, next: i64) {
        let Some(range) = self.unread_range(partition) else { return };
        self.read_to.insert(partition, next.min(range.end));
        self.unread -= usize::from(next >= range.end);
    }

    /// A partition has nothing more to see at the moment, and its range ends there at the latest.
    fn comes_to_its_end(&mut self, partition: i32) {
        if let Some(range) = self.unread_range(partition) {
            self.comes_to(partition, range.end);
        }
    }
}
