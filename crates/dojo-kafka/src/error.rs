//! What can go wrong with Kafka, and where it went wrong.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

/// An error of this crate. The message says what was attempted and where.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("cannot set up a Kafka {what} for {brokers}: {source}")]
    Create { what: &'static str, brokers: String, source: Box<KafkaError> },

    #[error("cannot write the event for topic {topic} as JSON: {message}")]
    Encode { topic: String, message: String },

    #[error("Kafka did not acknowledge a record for topic {topic}: {source}")]
    Send { topic: String, source: Box<KafkaError> },

    #[error("the producer was closed before Kafka acknowledged a record for topic {topic}")]
    Closed { topic: String },

    #[error("cannot read topic {topic}: {source}")]
    Read { topic: String, source: Box<KafkaError> },

    #[error("the consumer of group {group} failed for good: {source}")]
    Consumer { group: String, source: Box<KafkaError> },

    #[error("group {group} cannot {attempt}: {source}")]
    Group { group: String, attempt: &'static str, source: Box<KafkaError> },

    #[error("cannot create topic {topic}: {message}")]
    CreateTopic { topic: String, message: String },

    #[error("cannot ask Kafka at {brokers} for its topics: {reason}")]
    Admin { brokers: String, reason: String },

    #[error("cannot start a thread for {what}: {message}")]
    Thread { what: String, message: String },

    #[error("the handler of group {group} failed: {message}")]
    Handler { group: String, message: String },

    #[error("a thread of group {0} ended without saying why")]
    Died(String),
}

impl Error {
    /// Whether the send queue had no room: try again when it is shorter.
    pub(crate) fn is_queue_full(&self) -> bool {
        matches!(self, Self::Send { source, .. } if source.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull))
    }

    /// Whether another try makes sense where Kafka may only have been away.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Group { .. })
    }

    /// Whether the record may be on the log all the same: nobody knows, since no answer came in time.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Send { source, .. } => !matches!(
                source.rdkafka_error_code(),
                Some(
                    RDKafkaErrorCode::MessageSizeTooLarge
                        | RDKafkaErrorCode::InvalidMessageSize
                        | RDKafkaErrorCode::InvalidTimestamp
                        | RDKafkaErrorCode::InvalidRecord
                        | RDKafkaErrorCode::QueueFull
                        | RDKafkaErrorCode::UnknownTopic
                        | RDKafkaErrorCode::UnknownTopicOrPartition
                        | RDKafkaErrorCode::TopicAuthorizationFailed
                )
            ),
            _ => false,
        }
    }
}
