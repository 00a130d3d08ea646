//! The client behind a request, and the outcome for it.

use crate::config::Address;
use kafka_protocol::messages::ResponseKind;
use std::net::IpAddr;

/// The client behind a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The version of the request, and of its answer.
    pub(crate) version: i16,
    pub(crate) client_id: String,
    pub(crate) host: IpAddr,
    /// The address at which this client can reach the broker.
    pub(crate) endpoint: Address,
}

/// The outcome of a request.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is moved once, and a box on every answer costs more")]
pub(crate) enum Answer {
    Reply(ResponseKind),
    /// The client doesn't want an answer.
    Silence,
    /// The client doesn't want an answer but has to notice the failure, so its connection is closed.
    HangUp(String),
}
