//! Errors of Kafka and its client, with the place where they happened.

use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

/// An error of this crate. Its message says what was attempted and where.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Error {
    #[error("can't set up a Kafka {what} for {brokers}: {source}")]
    Create { what: &'static str, brokers: String, source: Box<KafkaError> },

    #[error("can't write the event for topic {topic} as JSON: {message}")]
    Encode { topic: String, message: String },

    #[error("Kafka did not acknowledge a record for topic {topic}: {source}")]
    Send { topic: String, source: Box<KafkaError> },

    #[error("the producer was closed before Kafka acknowledged a record for topic {topic}")]
    Closed { topic: String },

    #[error("can't read topic {topic}: {source}")]
    Read { topic: String, source: Box<KafkaError> },

    #[error("the consumer of group {group} can't continue: {source}")]
    Consumer { group: String, source: Box<KafkaError> },

    #[error("a member of group {group} can't {attempt}: {source}")]
    Group { group: String, attempt: &'static str, source: Box<KafkaError> },

    #[error("can't {attempt} group {group}: {source}")]
    Describe { group: String, attempt: &'static str, source: Box<KafkaError> },

    #[error("can't create topic {topic}: {message}")]
    CreateTopic { topic: String, message: String },

    #[error("can't ask Kafka at {brokers} for its topics: {reason}")]
    Admin { brokers: String, reason: String },

    #[error("can't start a thread for {what}: {message}")]
    Thread { what: String, message: String },

    #[error("the handler of group {group} failed: {message}")]
    Handler { group: String, message: String },

    #[error("the consumer thread of group {0} panicked; see the log")]
    Died(String),
}

impl Error {
    /// Returns whether the send queue had no room, so that the send may be repeated later.
    pub(crate) fn is_queue_full(&self) -> bool {
        matches!(self, Self::Send { source, .. } if source.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull))
    }

    /// Returns whether the record is larger than its topic or the producer takes.
    pub fn is_too_large(&self) -> bool {
        use RDKafkaErrorCode::{InvalidMessageSize, MessageSizeTooLarge};
        let Self::Send { source, .. } = self else { return false };
        matches!(source.rdkafka_error_code(), Some(MessageSizeTooLarge | InvalidMessageSize))
    }

    /// Returns whether the log doesn't have an offset that was to be read.
    pub fn is_out_of_range(&self) -> bool {
        use RDKafkaErrorCode::{AutoOffsetReset, OffsetOutOfRange};
        matches!(self, Self::Read { source, .. } if matches!(source.rdkafka_error_code(), Some(AutoOffsetReset | OffsetOutOfRange)))
    }

    /// Returns whether another try may succeed, because Kafka may only have been away.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Group { .. })
    }

    /// Returns whether the record may be on the log although its send failed: no answer came in time.
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
                        | RDKafkaErrorCode::UnknownPartition
                        | RDKafkaErrorCode::TopicAuthorizationFailed
                )
            ),
            _ => false,
        }
    }
}
