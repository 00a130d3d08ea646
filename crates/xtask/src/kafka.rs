//! Apache Kafka for developers and for the tests: a node of its own, or the one that `KAFKA_BROKERS` names.

use anyhow::{Context as _, Result};
use kafka_node::{Error, Jars, Node, Options};

/// Names the Kafka that the tests run on, for us and for them.
pub(crate) const BROKERS: &str = "KAFKA_BROKERS";

/// All tests share one node, each with topics of its own that stay.
const HEAP_MIB: u32 = 768;

/// Where the tests have their Apache Kafka from.
pub(crate) enum Source {
    /// The one that `KAFKA_BROKERS` names.
    Given(String),
    /// A node of their own for each run.
    Jars(Jars),
}

impl Source {
    /// Looks for it, and fetches the jars even where a Kafka is named: tests that take Kafka away have a node of their own.
    /// Where there is no Java, or nothing to fetch them with, says so; under `CI=true` that is an error.
    pub(crate) fn find() -> Result<Option<Self>> {
        let named = std::env::var(BROKERS).ok().filter(|brokers| !brokers.is_empty());
        let given = named.map(Self::Given);
        match Jars::fetch(&kafka_node::cache()) {
            Ok(jars) => Ok(given.or(Some(Self::Jars(jars)))),
            Err(error @ Error::Program { .. }) if !under_ci() => {
                println!("no Apache Kafka of our own, so what needs it is skipped: {error}");
                Ok(given)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The Kafka of one run of the tests.
    pub(crate) fn start(&self) -> Result<Apache> {
        match self {
            Self::Given(brokers) => Ok(Apache::Given(brokers.clone())),
            Self::Jars(jars) => {
                let options = Options { heap_mib: Some(HEAP_MIB), ..Options::default() };
                Ok(Apache::Own(Node::start(jars, options).context("no Apache Kafka for the tests")?))
            }
        }
    }
}

/// Whether what is missing is an error.
pub(crate) fn under_ci() -> bool {
    std::env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// The Apache Kafka of one run of the tests. A node of its own ends with it, and with this process.
pub(crate) enum Apache {
    Given(String),
    Own(Node),
}

impl Apache {
    pub(crate) fn brokers(&self) -> &str {
        match self {
            Self::Given(brokers) => brokers,
            Self::Own(node) => node.bootstrap_servers(),
        }
    }
}

/// `cargo xtask kafka`: a node to play with, until Ctrl-C.
pub(crate) fn play(port: u16) -> Result<()> {
    let jars = Jars::fetch(&kafka_node::cache())?;
    let node = Node::start(&jars, Options { port: Some(port), ..Options::default() })
        .with_context(|| format!("no Apache Kafka on port {port}; --port takes another"))?;
    println!("Apache Kafka {} at {}; Ctrl-C ends it", kafka_node::VERSION, node.bootstrap_servers());
    println!("the dojo on it: KAFKA_BROKERS={} cargo run --release", node.bootstrap_servers());
    // Whatever ends this process ends the node.
    loop {
        std::thread::park();
    }
}
