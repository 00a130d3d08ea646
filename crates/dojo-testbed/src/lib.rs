//! A Kafka for each test: the embedded broker, or Apache Kafka where the suite runs on it.
//!
//! | a test wants | and finds it in |
//! |---|---|
//! | a Kafka with topics of its own | [`Kafka`] |
//! | a Kafka of its own, to stop and start | [`OwnKafka`] |
//! | a network that stalls, slows or breaks | [`Proxy`] |
//! | to wait for what arrives on a topic | [`Reader`] |
//! | to wait for anything else | [`eventually`], [`until`], [`PATIENCE`] |
//!
//! One suite, two brokers: without `KAFKA_BROKERS` each test starts an embedded broker; with it, all share that
//! cluster, each under a prefix of its own. A test cannot tell the difference, and must not want to.
#![allow(clippy::expect_used, clippy::panic, reason = "what cannot be had fails the test that wants it")]

mod patience;
pub use patience::{PATIENCE, eventually, until};

mod kafka;
mod reader;
pub use kafka::{Kafka, brokers, own_prefix};
pub use reader::{Read, Reader};

mod outage;
mod proxy;
pub use outage::OwnKafka;
pub use proxy::Proxy;
