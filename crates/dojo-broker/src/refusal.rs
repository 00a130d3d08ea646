//! A refusal: one of Kafka's error codes and a sentence for a person.
//!
//! Most answers have room for both. Where the protocol only has room for the code, the sentence is dropped.
//! The codes are listed at <https://kafka.apache.org/protocol#protocol_error_codes>.

use kafka_protocol::{ResponseError, protocol::StrBytes};

/// Why a request, or a part of one, is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) error: ResponseError,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(error: ResponseError, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }

    /// Returns the sentence in the protocol's type.
    pub(crate) fn text(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }
}
