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
//! | how a producer may send twice and yet write once | `log/producers.rs` |
//! | how a consumer waits without asking again and again | `requests/fetch.rs`, `partition.rs` |
//! | how consumers come to share partitions | `group/mod.rs`, then `group/rebalance.rs` |
//! | what travels on the wire, and what may be wrong with it | `connection.rs`, `layout.rs` |
//! | which requests there are | `api.rs`, then one of `requests/` |
//!
//! # What it promises
//!
//! - A record that was acknowledged is read by every consumer, in the order of its partition, as the bytes that were sent, until it
//!   is among the oldest of a partition that has outgrown [`Config::retention_bytes_per_partition`].
//! - A fetch that waits is answered as soon as there is something to read.
//! - A member of a group that is not heard of for its session timeout loses its partitions to the others.
//! - A client that sends nonsense loses its connection, and nobody else loses anything.
//!
//! # What it does not do
//!
//! - **Keep anything after exit.** A broker that is started again is another, empty cluster. (One whose listeners are closed and
//!   opened again in the same process is the same.)
//! - **Replicate**: `acks=all` means the one replica.
//! - **Transactions**: whoever sets `transactional.id` is told `TRANSACTIONAL_ID_AUTHORIZATION_FAILED`, which clients show at once.
//! - **Compact**, or drop records by `retention.ms` and `retention.bytes`: these configs are checked, kept and shown, and a compacted
//!   topic refuses records without a key, but the bound above is the only one that records meet.
//! - **Compress anew** where a topic's `compression.type` is not `producer`.
//! - **Change** a topic that exists: neither its configs nor how many partitions it has; no deleting of single records or offsets.
//! - **The new consumer group protocol** (KIP-848) and share groups: consumers use the classic protocol, which all of them know.
//! - **Create topics by themselves** when a client writes to or asks for one that is not there.
//! - **Authenticate, encrypt, or limit** what clients may do.

mod config;
mod error;
mod listen;

mod broker;
mod connection;

mod api;
mod layout;

mod requests;

mod topic_config;
mod topics;

mod partition;

mod log;

mod group;

mod lock;
mod refusal;

pub use broker::Broker;
pub use config::{Address, Config, InvalidAddress, TopicConfig};
pub use error::Error;
pub use listen::{bind, bootstrap_servers};
