//! How the broker says no: one of Kafka's error codes and a sentence for a person.
//!
//! Most answers have room for both; where the protocol has room for the code alone, the sentence is dropped. The codes are
//! listed at <https://kafka.apache.org/protocol#protocol_error_codes>.

use kafka_protocol::ResponseError;
use kafka_protocol::protocol::StrBytes;

/// A request, or a part of one, that was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ResponseError,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }

    /// The sentence in the form that the protocol's messages take.
    pub(crate) fn text(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }
}
