//! Looks into the log with a consumer of its own, beside the stream of a consumer loop.

use crate::{Error, KafkaConfig, LogLookup, config::create, tail::Context};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
};
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(5);

/// Connects when it is first asked.
pub(crate) struct Lookup {
    kafka: KafkaConfig,
    client_id: String,
    consumer: OnceLock<BaseConsumer<Context>>,
}

impl Lookup {
    pub(crate) fn new(kafka: &KafkaConfig, client_id: &str) -> Self {
        Self { kafka: kafka.clone(), client_id: format!("{client_id}-lookup"), consumer: OnceLock::new() }
    }

    fn consumer(&self) -> Result<&BaseConsumer<Context>, Error> {
        if let Some(consumer) = self.consumer.get() {
            return Ok(consumer);
        }
        let config = self.kafka.tail_consumer(&self.client_id);
        let consumer = create("consumer", &config, config.create_with_context(Context))?;
        Ok(self.consumer.get_or_init(|| consumer))
    }
}

fn at(topic: &str, partition: i32, offset: Offset) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, offset)?;
    Ok(list)
}

impl LogLookup for Lookup {
    fn timestamp_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<i64>, Error> {
        let fail = |source| Error::Read { topic: topic.to_owned(), source: Box::new(source) };
        let consumer = self.consumer()?;
        at(topic, partition, Offset::Offset(offset)).and_then(|list| consumer.assign(&list)).map_err(fail)?;
        let until = Instant::now() + WITHIN;
        let found = loop {
            match consumer.poll(until.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) if message.topic() == topic && message.partition() == partition => {
                    break Ok(message.timestamp().to_millis());
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break Ok(None),
                Some(Err(source)) if Instant::now() > until => break Err(fail(source)),
                None if Instant::now() >= until => {
                    let late = rdkafka::types::RDKafkaErrorCode::OperationTimedOut;
                    break Err(fail(KafkaError::MessageConsumption(late)));
                }
                _ => {}
            }
        };
        let _ = consumer.unassign();
        found
    }

    fn offset_at(&self, topic: &str, partition: i32, timestamp: i64) -> Result<Option<i64>, Error> {
        let fail = |source| Error::Read { topic: topic.to_owned(), source: Box::new(source) };
        // Negative numbers are names for the log's ends here, not times.
        let list = at(topic, partition, Offset::Offset(timestamp.max(0))).map_err(fail)?;
        let found = self.consumer()?.offsets_for_times(list, WITHIN).map_err(fail)?;
        Ok(found
            .elements()
            .first()
            .and_then(|e| if let Offset::Offset(o) = e.offset() { Some(o) } else { None }))
    }
}
