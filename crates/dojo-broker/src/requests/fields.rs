//! Fields that many answers have.

use kafka_protocol::{
    ResponseError,
    messages::{BrokerId, TopicName},
    protocol::StrBytes,
};

/// The id of the only node.
pub(super) const NODE_ID: BrokerId = BrokerId(1);

/// Returns the code of an outcome; 0 if there is no error.
pub(super) fn code(outcome: Result<(), ResponseError>) -> i16 {
    outcome.map_or_else(|error| error.code(), |()| 0)
}

pub(super) fn text(text: impl Into<String>) -> StrBytes {
    StrBytes::from_string(text.into())
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}
