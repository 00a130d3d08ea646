//! Records by hand: whatever a person writes goes to a topic of the lesson as it is. That is how a poison record is made, which
//! no consumer can read, and the services must survive it.

use crate::write::{ANSWER_WITHIN, WriteError, record_body::RecordBody};
use dojo_contract::{FieldError, topic};
use dojo_kafka::{Delivered, Outgoing, Producer, TopicCatalog};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The topics that take records by hand, each with its largest record.
const TOPICS: [(&str, usize); 3] = [
    (topic::ORDERS, topic::ORDERS_MAX_MESSAGE_BYTES),
    (topic::AUDIT, topic::ORDERS_MAX_MESSAGE_BYTES),
    (topic::ORDERS_DLQ, topic::DLQ_MAX_MESSAGE_BYTES),
];
/// How long Kafka may take to say which partitions a topic has.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Writes records by hand.
pub(crate) struct RecordWriter {
    producer: Producer,
    catalog: TopicCatalog,
}

impl RecordWriter {
    pub(crate) fn new(producer: Producer, catalog: TopicCatalog) -> Self {
        Self { producer, catalog }
    }

    /// Refuses a topic that takes no records by hand.
    pub(crate) fn refuse_topic(&self, topic: &str) -> Result<(), WriteError> {
        limits(topic).map(drop)
    }

    /// Writes the record that `body` asks for, and returns where it stands once Kafka has acknowledged it.
    pub(crate) async fn write(&self, topic: &str, body: &Value) -> Result<Delivered, WriteError> {
        let (topic, most) = limits(topic)?;
        let RecordBody { partition, key, headers, value } = RecordBody::read(body)?;
        let record = Outgoing { topic, key, value, headers, timestamp: None };
        let size = record.size_on_log();
        if size > most {
            return Err(WriteError::TooLarge(format!(
                "the record takes {size} bytes on the log: {topic} takes {most} at most"
            )));
        }
        if self.producer.is_away() {
            return Err(WriteError::NotReady(self.producer.connectivity().borrow().to_string()));
        }
        let deadline = Instant::now() + ANSWER_WITHIN;
        self.refuse_unless_there(topic, partition).await?;
        let sent = timeout_at(deadline, self.producer.send_to(partition, record)).await;
        let sent = sent.map_err(|_| WriteError::OutcomeUnknown("not acknowledged within 5 s".to_owned()))?;
        sent.map_err(|error| match error {
            error if error.is_too_large() => WriteError::TooLarge(format!(
                "nothing was changed: the record is larger than {topic} takes, which is configured to take less than {most} bytes"
            )),
            error if error.is_outcome_unknown() => WriteError::OutcomeUnknown(error.to_string()),
            error => WriteError::NotSent(error),
        })
    }

    async fn refuse_unless_there(
        &self,
        topic: &'static str,
        partition: Option<i32>,
    ) -> Result<(), WriteError> {
        let partitions = self.catalog.partitions(topic, ASK_WITHIN).await;
        let partitions = partitions.map_err(|error| WriteError::NotReady(error.to_string()))?;
        let partitions = partitions.ok_or(WriteError::NoSuchTopic(topic))?;
        match partition.filter(|partition| !partitions.contains(partition)) {
            None => Ok(()),
            Some(partition) => {
                let last = partitions.last().copied().unwrap_or_default();
                let message = format!("is {partition}: {topic} has the partitions 0 to {last}");
                Err(vec![FieldError::new("partition", message)].into())
            }
        }
    }
}

fn limits(topic: &str) -> Result<(&'static str, usize), WriteError> {
    let found = TOPICS.into_iter().find(|(name, _)| *name == topic);
    found.ok_or_else(|| {
        let names = TOPICS.map(|(name, _)| name).join(", ");
        WriteError::Refused(format!("records by hand can only be written to {names}"))
    })
}
