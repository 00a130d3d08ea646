//! Errors of the broker as a whole. Clients' mistakes are no errors of the broker: they are answered with
//! Kafka's error codes, see [`refusal`](crate::refusal).

use std::net::SocketAddr;

/// Why the broker could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name to listen on has no address.
    #[error("cannot find an address for `{listen}`: {source}; write host:port, such as localhost:9092")]
    Resolve {
        /// The text as it was given.
        listen: String,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// Another process listens on the address.
    #[error(
        "{address} is in use, so the broker cannot listen on `{listen}`; \
         stop what listens there, or choose another address with BROKER_LISTEN or --broker-listen, such as localhost:9192"
    )]
    AddressInUse {
        /// The text as it was given.
        listen: String,
        /// The address that is taken.
        address: SocketAddr,
    },
    /// The operating system refuses the address for another reason.
    #[error("cannot listen on `{listen}` ({address}): {source}")]
    Listen {
        /// The text as it was given.
        listen: String,
        /// The address that failed.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A topic of the config has a name, a config or a number of partitions that Kafka would refuse.
    #[error("topic `{name}` of the broker's config is refused: {reason}")]
    Topic {
        /// The topic's name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A listener doesn't know its own address.
    #[error("cannot serve on a listener that has no address: {0}")]
    Listener(#[source] std::io::Error),
}
