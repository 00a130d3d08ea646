//! What a broker is told before it starts.
//!
//! The composition root fills a [`Config`] in from its own flags and environment; [`Broker::new`](crate::Broker::new)
//! checks it. Nothing here does any input or output.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A host and a port, as clients are told to connect to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address; an IPv6 address without brackets.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// The text given was not `host:port`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an address: write host:port, such as localhost:9092 or [::1]:9092")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidAddress(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return Err(invalid());
        }
        let port = port.parse().map_err(|_| invalid())?;
        Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A topic that exists from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Letters, digits, `.`, `_` and `-`; at most 249 of them.
    pub name: String,
    /// How many partitions; at least one.
    pub partitions: i32,
    /// Kafka's topic configs by their names, such as `cleanup.policy`. What is not named has Kafka's default.
    pub config: BTreeMap<String, String>,
}

impl TopicConfig {
    /// A topic with Kafka's default configs.
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self { name: name.into(), partitions, config: BTreeMap::new() }
    }
}

/// Everything that can be set. `Config::default()` is a broker without topics that fits a workshop.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients are told to find the broker. `None`: at the address they connected to, which is right unless
    /// something stands in between, such as a container's port mapping.
    pub advertised: Option<Address>,
    /// Topics that exist before the first connection is accepted. A consumer that looks for a topic too early may not
    /// look again for a while, so they had better be here than be created afterwards.
    pub topics: Vec<TopicConfig>,
    /// How much memory the records of one partition may take, in bytes. Beyond it, the oldest batches are dropped.
    pub retention_bytes_per_partition: usize,
    /// How often old segments are dropped and compacted topics compacted. Kafka looks after 5 minutes
    /// (`log.retention.check.interval.ms`) and 15 seconds (`log.cleaner.backoff.ms`), which is long for a workshop.
    pub cleaning_interval: Duration,
    /// How long the first rebalance of an empty group waits for further members (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout a group member may ask for (`group.min.session.timeout.ms`).
    pub min_session_timeout: Duration,
    /// The longest session timeout a group member may ask for (`group.max.session.timeout.ms`).
    pub max_session_timeout: Duration,
    /// After how long a connection on which nothing moves is closed (`connections.max.idle.ms`).
    pub max_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            advertised: None,
            topics: Vec::new(),
            retention_bytes_per_partition: 256 << 20,
            cleaning_interval: Duration::from_secs(1),
            initial_rebalance_delay: Duration::ZERO,
            min_session_timeout: Duration::from_secs(6),
            max_session_timeout: Duration::from_secs(30 * 60),
            max_idle: Duration::from_secs(10 * 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in ["localhost:9092", "127.0.0.1:1", "[::1]:9092"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:9092".parse::<Address>().unwrap().host, "::1");
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        for text in ["", "localhost", ":9092", "localhost:", "localhost:99999", "::1:9092"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("write host:port"), "{error}");
        }
    }
}
