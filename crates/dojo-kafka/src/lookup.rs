//! Look-ups in the log with a separate consumer, beside the stream of a consumer loop.

use crate::{
    Error, Isolation, KafkaConfig, LogLookup, Record,
    reader::{Reader, lookup_reader},
};
use rdkafka::{
    Message, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError,
    message::BorrowedMessage, types::RDKafkaErrorCode,
};
use std::{
    ops::ControlFlow,
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const WITHIN: Duration = Duration::from_secs(5);
const READ_WITHIN: Duration = Duration::from_secs(10);
/// How soon a look-up that waits for Kafka notices a shutdown.
const STEP: Duration = Duration::from_secs(1);

/// Looks things up in the log. Connects at the first question.
pub(crate) struct Lookup {
    kafka: KafkaConfig,
    client_id: String,
    isolation: Isolation,
    shutdown: CancellationToken,
    consumer: OnceLock<Reader>,
}

impl Lookup {
    /// Creates a look-up of committed records.
    pub(crate) fn new(kafka: &KafkaConfig, client_id: &str, shutdown: CancellationToken) -> Self {
        Self::reading(Isolation::ReadCommitted, kafka, client_id, shutdown)
    }

    pub(crate) fn reading(
        isolation: Isolation,
        kafka: &KafkaConfig,
        client_id: &str,
        shutdown: CancellationToken,
    ) -> Self {
        let client_id = format!("{client_id}-lookup");
        Self { kafka: kafka.clone(), client_id, isolation, shutdown, consumer: OnceLock::new() }
    }

    fn consumer(&self) -> Result<&Reader, Error> {
        if let Some(consumer) = self.consumer.get() {
            return Ok(consumer);
        }
        let consumer = lookup_reader(&self.kafka, &self.client_id, self.isolation)?;
        Ok(self.consumer.get_or_init(|| consumer))
    }
}

fn at(topic: &str, partition: i32, offset: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, offset)?;
    Ok(list)
}

impl Lookup {
    /// Returns offset and timestamp of the first record of a partition at `offset` or after it, if there is one.
    pub(crate) fn record_at(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        within: Duration,
    ) -> Result<Option<(i64, Option<i64>)>, Error> {
        let mut found = None;
        let is_complete = self.scan(topic, partition, offset, Instant::now() + within, &mut |message| {
            found = Some((message.offset(), message.timestamp().to_millis()));
            ControlFlow::Break(())
        })?;
        if is_complete {
            return Ok(found);
        }
        let late = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
        Err(Error::Read { topic: topic.to_owned(), source: Box::new(late) })
    }

    /// Returns where a partition ends now, for a reader of this isolation.
    pub(crate) fn end(&self, topic: &str, partition: i32, within: Duration) -> Result<i64, Error> {
        let fail = |source| Error::Read { topic: topic.to_owned(), source: Box::new(source) };
        let on_cluster = self.kafka.prefix.on_cluster(topic);
        let (_, end) = self.consumer()?.fetch_watermarks(&on_cluster, partition, within).map_err(fail)?;
        Ok(end)
    }

    /// Gives the records of a partition from `offset` on to `on`, until `on` breaks or the partition ends. Returns `false`
    /// if neither happened by `until`.
    fn scan(
        &self,
        topic: &str,
        partition: i32,
        offset: i64,
        until: Instant,
        on: &mut dyn FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
    ) -> Result<bool, Error> {
        let fail = |source| Error::Read { topic: topic.to_owned(), source: Box::new(source) };
        let consumer = self.consumer()?;
        let on_cluster = self.kafka.prefix.on_cluster(topic);
        at(&on_cluster, partition, Offset::Offset(offset))
            .and_then(|list| consumer.assign(&list))
            .map_err(fail)?;
        let is_complete = loop {
            let flow = match consumer.poll(until.saturating_duration_since(Instant::now()).min(STEP)) {
                Some(Ok(message)) if message.topic() == on_cluster && message.partition() == partition => {
                    on(&message)
                }
                Some(Err(KafkaError::PartitionEOF(_))) => ControlFlow::Break(()),
                Some(Err(source)) if Instant::now() >= until => break Err(fail(source)),
                _ => ControlFlow::Continue(()),
            };
            if flow.is_break() {
                break Ok(true);
            }
            if self.shutdown.is_cancelled() {
                break Err(fail(KafkaError::Canceled));
            }
            if Instant::now() >= until {
                break Ok(false);
            }
        };
        let _ = consumer.unassign();
        is_complete
    }
}

impl LogLookup for Lookup {
    fn partitions(&self, topic: &str) -> Result<usize, Error> {
        let fail = |source| Error::Read { topic: topic.to_owned(), source: Box::new(source) };
        let on_cluster = self.kafka.prefix.on_cluster(topic);
        let metadata = self.consumer()?.fetch_metadata(Some(&on_cluster), WITHIN).map_err(fail)?;
        Ok(metadata.topics().iter().map(|topic| topic.partitions().len()).sum())
    }

    fn timestamp_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<i64>, Error> {
        Ok(self.record_at(topic, partition, offset, WITHIN)?.and_then(|(_, timestamp)| timestamp))
    }

    fn read_since(
        &self,
        topic: &str,
        timestamp: i64,
        on: &mut dyn FnMut(&Record<'_>),
    ) -> Result<bool, Error> {
        let until = Instant::now() + READ_WITHIN;
        let partitions = i32::try_from(self.partitions(topic)?).unwrap_or(i32::MAX);
        let mut is_complete = true;
        for partition in 0..partitions {
            let Some(start) = self.offset_at(topic, partition, timestamp)? else { continue };
            is_complete &= self.scan(topic, partition, start, until, &mut |message| {
                on(&Record::of(message, &self.kafka.prefix));
                ControlFlow::Continue(())
            })?;
        }
        Ok(is_complete)
    }

    fn offset_at(&self, topic: &str, partition: i32, timestamp: i64) -> Result<Option<i64>, Error> {
        let fail = |source| Error::Read { topic: topic.to_owned(), source: Box::new(source) };
        // For Kafka, negative times stand for the ends of the log.
        let on_cluster = self.kafka.prefix.on_cluster(topic);
        let list = at(&on_cluster, partition, Offset::Offset(timestamp.max(0))).map_err(fail)?;
        let until = Instant::now() + WITHIN;
        let found = loop {
            match self.consumer()?.offsets_for_times(list.clone(), STEP) {
                Ok(found) => break found,
                Err(_) if self.shutdown.is_cancelled() => return Err(fail(KafkaError::Canceled)),
                Err(source) if Instant::now() >= until => return Err(fail(source)),
                Err(_) => {}
            }
        };
        Ok(found
            .elements()
            .first()
            .and_then(|e| if let Offset::Offset(o) = e.offset() { Some(o) } else { None }))
    }
}
