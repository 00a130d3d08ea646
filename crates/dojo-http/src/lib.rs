//! HTTP for services that face strangers: everything is bounded, and every refusal says why.
//!
//! - [`serve`] runs a router on a listener: connections at a time, the wait for a request's head, the wait for a peer
//!   that doesn't read, and the shutdown are bounded. An idle connection makes room for a new one.
//! - [`finish`] adds what every route needs: answers for unknown paths and methods, panics, security headers, and a guard
//!   against foreign web pages ([`AllowedHosts`]).
//! - [`Problem`] is every refusal, as a problem document (RFC 9457).
//! - [`JsonBody`] and [`Query`] read what a client sends, and name what is wrong with it.
//! - [`Refused`] and [`describe_refusals`] describe refusals for OpenAPI.
//! - [`Health`] has the routes `/healthz`, `/readyz` and `/metrics`; [`serve_health`] serves them alone.
//!
//! The crate knows nothing of Kafka or of orders.

mod problem;
pub use problem::Problem;

mod described;
pub use described::{Conflict, Invalid, NotFound, Refused, Unavailable, describe_refusals};

mod json_body;
pub use json_body::JsonBody;
mod duplicate_members;
mod query;
pub use query::{NoQuery, Query, WholeNumber, number};

mod allowed_hosts;
pub use allowed_hosts::{AllowedHosts, HostPattern, InvalidHostPattern};
mod router;
pub use router::finish;

mod connections;

mod server;
pub use server::serve;

mod health;
pub use health::{Health, serve_health};
mod metrics;
pub use metrics::Metrics;
