//! An in-memory Kafka broker on a TCP port, readable enough to teach what a broker does.
//!
//! It is a teaching broker in its own right: any Kafka client can connect to it, since it speaks Kafka's
//! protocol, with the messages of the `kafka-protocol` crate. It is one node, it keeps everything in memory,
//! and it is made for workshops and tests. It knows nothing of the dojo. The dojo needs a Kafka that starts
//! in milliseconds without Java or Docker and behaves like Apache Kafka to its services: topics, consumer
//! groups, transactions, compacted topics.
//!
//! Its boundary is the wire: a broker does what a client can see of one node of Apache Kafka, and the test
//! `compared` holds it to that. Disks, replicas, a controller quorum and security are outside.
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
//! | how a batch that is sent twice is stored once | `log/producers.rs` |
//! | how records in several partitions count together | `transaction/mod.rs`, then `log/transactions.rs` |
//! | how a consumer waits without polling | `requests/fetch.rs`, `partition.rs` |
//! | how consumers share partitions | `group/mod.rs`, then `group/rebalance.rs` |
//! | how a topic is changed | `requests/config_changes.rs`, `requests/partitions.rs`, `topics.rs` |
//! | what travels on the wire, and what can be wrong with it | `connection.rs`, `layout.rs` |
//! | which requests there are | `api.rs`, then one of `requests/` |
//!
//! # What it promises
//!
//! - Every consumer can read an acknowledged record, in the order of its partition, until the topic's configs
//!   drop it (`retention.ms` and `retention.bytes`, compaction), an operator deletes it, or the partition
//!   outgrows [`Config::retention_bytes_per_partition`] and drops its oldest records.
//! - A partition that is only compacted never drops the last record of a key. When it is full, it refuses
//!   writes with `POLICY_VIOLATION`, except for tombstones, which have a small reserve.
//! - A fetch that waits is answered as soon as there is something to read.
//! - A member of a group that sends no heartbeat for its session timeout loses its partitions to the other
//!   members.
//! - Consumers of committed records see all records of a transaction or none. A transaction whose producer is
//!   gone is aborted when its timeout is over. Producers of Kafka 4 (KIP-890) and older ones are served.
//! - A client that sends nonsense loses its connection, and no other client notices. A panic over a request
//!   would do no more: the locks are `parking_lot`'s, which a panic doesn't poison.
//!
//! # What it does not do
//!
//! - **Keep anything after exit.** A broker that is started again is another, empty cluster. (One whose
//!   listeners are closed and opened again in the same process is the same.)
//! - **Replicate**: `acks=all` means the one replica.
//! - **Compress at a level**: it only acts on `compression.gzip.level`; the other codecs have one level here.
//! - **Act on configs about disks, replicas and remote storage**, such as `flush.ms`, `min.insync.replicas`
//!   or `segment.jitter.ms`: it checks, keeps and shows them.
//! - **Change itself**: its own configs are those it was started with, and a request to change them is
//!   refused.
//! - **Move anything**: with one node, no partition needs another leader or another replica, and requests
//!   that ask for it are answered accordingly.
//! - **Hold any number of groups**: there can be 10,000, of 1,000 members each; Kafka has no such limits. The
//!   offsets of a group without members are kept for a week, as in Kafka.
//! - **Remember any number of producers**: it remembers 10,000 transactional ids, and 10,000 idempotent
//!   producers in each partition. Beyond that, it forgets those that have been silent longest, but none with
//!   an open transaction.
//! - **The new consumer group protocol** (KIP-848) and share groups: consumers use the classic protocol,
//!   which all of them know.
//! - **Create topics by itself** when a client asks for one that doesn't exist: the log names the topic
//!   instead.
//! - **Authenticate, encrypt, or limit** clients: every client may do everything. Requests about access lists
//!   are refused as by Apache Kafka without an authorizer; those about quotas and delegation tokens are not
//!   advertised.

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
