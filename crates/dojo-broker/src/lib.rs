//! An in-memory Kafka broker on a TCP port, readable enough to teach what a broker does.
//!
//! Any Kafka client can connect to it: it speaks Kafka's own protocol, with the messages of the `kafka-protocol` crate. It is one
//! node, it keeps everything in memory, and it is meant for a workshop and for tests.
//!
//! ```no_run
//! use dojo_broker::{Broker, Config, TopicConfig, bind};
//! use tokio_util::sync::CancellationToken;
//!
//! # async fn run() -> Result<(), dojo_broker::Error> {
//! let broker = Broker::new(Config { topics: vec![TopicConfig::new("orders", 3)], ..Config::default() })?;
//! let shutdown = CancellationToken::new();
//! broker.serve(bind("localhost:9092").await?, shutdown).await
//! # }
//! ```
//!
//! # Where to read what
//!
//! | to learn | read |
//! |---|---|
//! | what a partition is: batches, offsets, points in time | `log/mod.rs`, then `log/batch.rs` |
//! | what leaves a log, and when | `log/segment.rs`, `log/retention.rs`, then `log/compaction.rs` |
//! | how a producer may send twice and yet write once | `log/producers.rs` |
//! | how records in several partitions come to count together | `transaction/mod.rs`, then `log/transactions.rs` |
//! | how a consumer waits without asking again and again | `requests/fetch.rs`, `partition.rs` |
//! | how consumers come to share partitions | `group/mod.rs`, then `group/rebalance.rs` |
//! | how a topic that is there is changed | `requests/config_changes.rs`, `requests/partitions.rs`, `topics.rs` |
//! | what travels on the wire, and what may be wrong with it | `connection.rs`, `layout.rs` |
//! | which requests there are | `api.rs`, then one of `requests/` |
//!
//! # What it promises
//!
//! - A record that was acknowledged is read by every consumer, in the order of its partition, until its topic's configs let it go
//!   (`retention.ms` and `retention.bytes`, compaction), an operator deletes it, or it is among the oldest of a partition that has
//!   outgrown [`Config::retention_bytes_per_partition`]. That last bound also holds for compacted topics.
//! - A fetch that waits is answered as soon as there is something to read.
//! - A member of a group that is not heard of for its session timeout loses its partitions to the others.
//! - Of a transaction, consumers of committed records see everything or nothing; one whose producer is gone is aborted when its time
//!   is up. Producers of Kafka 4 (KIP-890) and those before are served alike.
//! - A client that sends nonsense loses its connection, and nobody else loses anything.
//!
//! # What it does not do
//!
//! - **Keep anything after exit.** A broker that is started again is another, empty cluster. (One whose listeners are closed and
//!   opened again in the same process is the same.)
//! - **Replicate**: `acks=all` means the one replica.
//! - **Compress at a level**: of `compression.gzip.level` and its like, that of gzip holds; the other codecs have one level here.
//! - **Act on configs about disks, replicas and remote storage**, such as `flush.ms`, `min.insync.replicas` or `segment.jitter.ms`: these
//!   are checked, kept and shown.
//! - **Change itself**: its own configs are those it was started with, and a request to change them is refused. There are no leaders
//!   to elect, no replicas to move, no features to update and no loggers to set, so those requests are not advertised.
//! - **Hold any number of groups**: there may be 10,000, of 1,000 members each; Kafka has no such limits. Offsets of a group without
//!   members are kept for a week, as Kafka keeps them.
//! - **Remember any number of producers**: 10,000 transactional ids, and 10,000 idempotent producers in each partition. Beyond
//!   that, those that have been silent longest are forgotten, but none with a transaction open.
//! - **The new consumer group protocol** (KIP-848) and share groups: consumers use the classic protocol, which all of them know.
//! - **Create topics by themselves** when a client writes to or asks for one that is not there.
//! - **Authenticate, encrypt, or limit** what clients may do: everyone may do everything, and is told so; requests about access
//!   control, quotas and delegation tokens are not advertised.

#![doc = include_str!("../DIFFERENCES.md")]

mod config;
mod error;
mod listen;

mod broker;
mod connection;
mod node;

mod api;
mod layout;

mod requests;

mod topic_config;
mod topics;

mod partition;

mod log;

mod cleaner;

mod group;

mod markers;
mod transaction;

mod alarm;
mod clock;
mod missing_topics;
mod refusal;

pub use broker::Broker;
pub use config::{Address, Config, InvalidAddress, TopicConfig};
pub use error::Error;
pub use listen::{bind, bootstrap_servers};

#[cfg(test)]
#[path = "../tests/clients/samples.rs"]
mod samples;
