//! Who asks, and what comes of it.

use crate::config::Address;
use kafka_protocol::messages::ResponseKind;
use std::net::IpAddr;

/// Who asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Of the request, and so of its answer.
    pub(crate) version: i16,
    pub(crate) client_id: String,
    pub(crate) host: IpAddr,
    /// Where this client can reach the broker.
    pub(crate) endpoint: Address,
}

/// What a request leads to.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is moved once, and a box on every answer costs more")]
pub(crate) enum Answer {
    Reply(ResponseKind),
    /// The client said that it wants no answer.
    Silence,
    /// The client wants no answer and yet has to hear of a failure, so it finds its connection closed.
    HangUp(String),
}
