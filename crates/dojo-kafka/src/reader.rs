//! A consumer that belongs to no group: what tails and look-ups read with.

use crate::{Error, KafkaConfig, config::create, producer::log};
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, ConsumerContext},
    error::KafkaError,
};

/// Which records a reader sees, called `isolation.level` in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Records of committed transactions and records outside of transactions, up to the last stable offset: the first
    /// record of a transaction that is still open.
    ReadCommitted,
    /// Every record, also those of open and aborted transactions, as soon as it is on the log.
    ReadUncommitted,
}

impl Isolation {
    fn level(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read_committed",
            Self::ReadUncommitted => "read_uncommitted",
        }
    }
}

/// Writes librdkafka's messages to the log.
pub(crate) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client");
    }
}

impl ConsumerContext for Context {}

/// A reader of records that `isolation` lets it see.
pub(crate) type Reader = BaseConsumer<Context>;

/// Creates a reader for a tail.
pub(crate) fn tail_reader(
    kafka: &KafkaConfig,
    client_id: &str,
    isolation: Isolation,
) -> Result<Reader, Error> {
    reader(kafka.tail_consumer(client_id), isolation)
}

/// Creates a reader for ranges of offsets.
pub(crate) fn range_reader(
    kafka: &KafkaConfig,
    client_id: &str,
    isolation: Isolation,
) -> Result<Reader, Error> {
    reader(kafka.range_consumer(client_id), isolation)
}

/// Creates a reader for look-ups.
pub(crate) fn lookup_reader(
    kafka: &KafkaConfig,
    client_id: &str,
    isolation: Isolation,
) -> Result<Reader, Error> {
    reader(kafka.lookup_consumer(client_id), isolation)
}

fn reader(mut config: ClientConfig, isolation: Isolation) -> Result<Reader, Error> {
    config.set("isolation.level", isolation.level());
    create("consumer", &config, config.create_with_context(Context))
}
