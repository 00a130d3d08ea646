//! Apache Kafka for developers and for the tests: a node of its own, or the one that `KAFKA_BROKERS` names.

use anyhow::{Context as _, Result};
use kafka_node::{Jars, Node, Options};
use std::path::PathBuf;

use crate::shell::root;

/// Where the jars are kept.
pub(crate) fn cache() -> PathBuf {
    root().join("target/kafka")
}

/// `cargo xtask kafka`: a node to play with, until Ctrl-C.
pub(crate) fn play(port: u16) -> Result<()> {
    let jars = Jars::fetch(&cache())?;
    let node = Node::start(&jars, Options { port: Some(port), ..Options::default() })
        .with_context(|| format!("no Apache Kafka on port {port}; --port takes another"))?;
    println!("Apache Kafka {} at {}; Ctrl-C ends it", kafka_node::VERSION, node.bootstrap_servers());
    println!("the dojo on it: KAFKA_BROKERS={} cargo run --release", node.bootstrap_servers());
    // Whatever ends this process ends the node.
    loop {
        std::thread::park();
    }
}
