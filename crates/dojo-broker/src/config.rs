//! The settings of a broker.
//!
//! The composition root fills a [`Config`] in from its own flags and environment;
//! [`Broker::new`](crate::Broker::new) checks it. Nothing here does any input or output.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr, time::Duration};

/// A host and a port that clients can connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address; an IPv6 address without brackets.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// Why a text is no address that clients can connect to.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidAddress {
    /// It isn't `host:port`.
    #[error("`{0}` is not an address: write host:port, such as localhost:9092 or [::1]:9092")]
    Form(String),
    /// The port is 0.
    #[error(
        "`{0}` has port 0, to which no client can connect: write the port that clients reach, such as 9092"
    )]
    NoPort(String),
    /// The host stands for every address of a machine.
    #[error(
        "`{0}` means every address of a machine, so no client can connect to it: name the one that clients reach"
    )]
    Wildcard(String),
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || InvalidAddress::Form(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip = bare.unwrap_or(host).parse::<IpAddr>().ok();
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = match bare {
            Some(_) => ip.is_some_and(|ip| ip.is_ipv6()),
            None => !host.is_empty() && host.bytes().all(is_name),
        };
        let port = port.parse().ok().filter(|_| is_host).ok_or_else(malformed)?;
        if port == 0 {
            return Err(InvalidAddress::NoPort(text.to_owned()));
        }
        if ip.is_some_and(|ip| ip.is_unspecified()) {
            return Err(InvalidAddress::Wildcard(text.to_owned()));
        }
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
    /// Number of partitions; at least one.
    pub partitions: i32,
    /// Kafka's topic configs by their names, such as `cleanup.policy`. The others have Kafka's defaults.
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
    /// The address that clients are told to connect to. `None`: the address that they connected to, which is
    /// right unless something stands in between, such as a container's port mapping.
    pub advertised: Option<Address>,
    /// The port of a listener whose clients are told the address that they connected to, whatever
    /// `advertised` says. It is for clients beside the broker, which may not be able to reach the advertised
    /// address.
    pub internal_port: Option<u16>,
    /// Topics that exist before the first connection is accepted. A consumer that looks for a topic too early
    /// may not look again for minutes, so create them here rather than afterwards.
    pub topics: Vec<TopicConfig>,
    /// How much memory the records of one partition may take, in bytes (`log.retention.bytes`). Beyond it,
    /// the oldest batches are dropped; a partition that is only compacted drops none and refuses to be
    /// written to.
    pub retention_bytes_per_partition: usize,
    /// How often partitions are checked for segments that are too old or too many
    /// (`log.retention.check.interval.ms`).
    pub retention_check_interval: Duration,
    /// How often compacted topics are checked for records to compact (`log.cleaner.backoff.ms`). Kafka waits
    /// for 15 seconds, which is long for a workshop.
    pub compaction_interval: Duration,
    /// How long the first rebalance of an empty group waits for further members
    /// (`group.initial.rebalance.delay.ms`).
    pub initial_rebalance_delay: Duration,
    /// The shortest session timeout a group member may ask for (`group.min.session.timeout.ms`).
    pub min_session_timeout: Duration,
    /// The longest session timeout a group member may ask for (`group.max.session.timeout.ms`).
    pub max_session_timeout: Duration,
    /// How long a connection may be idle before it is closed (`connections.max.idle.ms`).
    pub max_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            advertised: None,
            internal_port: None,
            topics: Vec::new(),
            retention_bytes_per_partition: 256 << 20,
            retention_check_interval: Duration::from_secs(5 * 60),
            compaction_interval: Duration::from_secs(1),
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
        for text in ["localhost:9092", "127.0.0.1:1", "[::1]:9092", "kafka_1.example-2.com:443"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:9092".parse::<Address>().unwrap().host, "::1");
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_an_example() {
        for text in [
            "",
            "localhost",
            ":9092",
            "localhost:",
            "localhost:99999",
            "::1:9092",
            "PLAINTEXT://localhost:9092",
            "local host:9092",
            "[localhost]:9092",
            "a/b:9092",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("write host:port"), "{text}: {error}");
        }
    }

    #[test]
    fn an_address_that_no_client_can_connect_to_is_refused() {
        for text in ["0.0.0.0:9092", "[::]:9092"] {
            assert_eq!(text.parse::<Address>(), Err(InvalidAddress::Wildcard(text.to_owned())));
        }
        assert_eq!("a:0".parse::<Address>(), Err(InvalidAddress::NoPort("a:0".to_owned())));
    }
}
