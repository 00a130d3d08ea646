//! Apache Kafka for tests: one real node, started from Kafka's own jars, with neither Docker nor an installation.
//!
//! ```no_run
//! use kafka_node::{Jars, Node, Options};
//!
//! # fn run() -> Result<(), kafka_node::Error> {
//! let jars = Jars::fetch(&kafka_node::cache())?;
//! let mut node = Node::start(&jars, Options::default())?;
//! println!("bootstrap.servers={}", node.bootstrap_servers());
//! node.stop()?;
//! node.start_again()?;
//! # Ok(())
//! # }
//! ```
//!
//! It needs a Java runtime (17 or later) and, the first time, Maven, which fetches the jars from Maven Central. A node is a KRaft
//! broker and controller in one process, on free ports of the loopback interface, with a folder that is removed with the node.
//! It ends with the process that started it, however that ends.
//!
//! This crate knows nothing of the dojo. `cargo xtask kafka` is its command line.

mod error;
mod jars;
mod probe;
mod properties;

mod node;

pub use error::Error;
pub use jars::{Jars, VERSION};
pub use node::{Node, Options};

/// Returns the folder in which this workspace keeps the jars: `target/kafka`, which `cargo xtask kafka` and `cargo xtask test`
/// fill.
pub fn cache() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/kafka")
}
