//! Fields that many answers have.

use kafka_protocol::{
    ResponseError,
    messages::{BrokerId, TopicName},
    protocol::StrBytes,
};

/// The one node's number.
pub(super) const NODE_ID: BrokerId = BrokerId(1);

/// The code of an outcome; 0 where there is no error.
pub(super) fn code(outcome: Result<(), ResponseError>) -> i16 {
    outcome.map_or_else(|error| error.code(), |()| 0)
}

pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
