//! The broker on which everything is measured: the embedded one or Apache Kafka, in a process of its own.

use crate::processes::{Process, free_port, listening};
use dojo_contract::topic::TOPICS;
use dojo_kafka::{KafkaConfig, create_topics};
use kafka_node::{Jars, Node, Options};
use std::fmt;
use tokio_util::sync::CancellationToken;

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Embedded,
    Apache,
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "the embedded broker",
            Self::Apache => "Apache Kafka",
        })
    }
}

/// A broker; it ends when dropped.
pub enum Broker {
    Embedded { _process: Process },
    Apache { _node: Node },
}

impl On {
    /// A fresh broker with the dojo's topics, and its address.
    pub async fn broker(self) -> (Broker, String) {
        self.broker_keeping(dojo_broker::Config::default().retention_bytes_per_partition).await
    }

    /// The same; the embedded broker keeps that many bytes of each partition.
    pub async fn broker_keeping(self, bytes: usize) -> (Broker, String) {
        let (broker, brokers) = match self {
            Self::Embedded => {
                let port = free_port();
                let brokers = format!("127.0.0.1:{port}");
                let process = Process::role(&["as-broker", &brokers, &bytes.to_string()]);
                listening(port).await;
                (Broker::Embedded { _process: process }, brokers)
            }
            Self::Apache => {
                let node = node();
                let brokers = node.bootstrap_servers().to_owned();
                (Broker::Apache { _node: node }, brokers)
            }
        };
        create_topics(&KafkaConfig::new(&brokers), TOPICS, 1).await.unwrap();
        (broker, brokers)
    }
}

/// The jars are those that `cargo xtask kafka` fetches.
fn node() -> Node {
    let jars = Jars::find(&kafka_node::cache()).unwrap();
    Node::start(&jars, Options { heap_mib: Some(1_024), ..Options::default() }).unwrap()
}

/// The role behind [`On::Embedded`].
pub async fn serve(listen: &str, kept: usize) {
    let listeners = dojo_broker::bind(listen).await.unwrap();
    dojo_broker::Broker::new(dojo_broker::Config {
        retention_bytes_per_partition: kept,
        ..dojo_broker::Config::default()
    })
    .unwrap()
    .serve(listeners, CancellationToken::new())
    .await
    .unwrap();
}
