//! The brokers to measure, each in its own process.

use crate::PATIENCE;
use kafka_node::{Error, Jars, Node, Options};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
};
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// Partitions of every topic.
pub const PARTITIONS: i32 = 3;

/// A running broker with a topic for each part; it ends when dropped.
pub struct Broker {
    pub brokers: String,
    process: Process,
}

enum Process {
    Embedded(Child),
    Apache(Node),
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Self::Embedded(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Broker {
    pub fn embedded() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let brokers = format!("127.0.0.1:{port}");
        let child = role(&["as-broker", &brokers]);
        Self { brokers, process: Process::Embedded(child) }.with_topics()
    }

    pub fn apache() -> Result<Self, Error> {
        let jars = Jars::find(&kafka_node::cache())?;
        let node = Node::start(&jars, Options { heap_mib: Some(1_024), ..Options::default() })?;
        let brokers = node.bootstrap_servers().to_owned();
        Ok(Self { brokers, process: Process::Apache(node) }.with_topics())
    }

    fn with_topics(self) -> Self {
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let topic = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        runtime.block_on(admin.create_topics(&["volume", "latency", "group"].map(topic), &options)).unwrap();
        // Apache Kafka answers before all of it knows the topics.
        let begun = Instant::now();
        let consumer: BaseConsumer = self.client().create().unwrap();
        while consumer.fetch_metadata(None, PATIENCE).unwrap().topics().len() < 3 {
            assert!(begun.elapsed() < PATIENCE, "the topics are not there");
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    /// Returns a client with librdkafka's defaults.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Returns the resident memory (from Linux's `/proc`; elsewhere 0).
    pub fn resident_mib(&self) -> f64 {
        let pid = match &self.process {
            Process::Embedded(child) => child.id(),
            Process::Apache(node) => node.pid().unwrap_or_default(),
        };
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|text| text.split_whitespace().next()?.parse::<u32>().ok());
        f64::from(kib.unwrap_or_default()) / 1024.0
    }
}

/// Starts this program again, in another role.
pub fn role(arguments: &[&str]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap()
}

/// The role behind [`Broker::embedded`].
pub fn serve(listen: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let config = dojo_broker::Config { retention_bytes_per_partition: 512 << 20, ..Default::default() };
        let broker = dojo_broker::Broker::new(config).unwrap();
        let listeners = dojo_broker::bind(listen).await.unwrap();
        broker.serve(listeners, CancellationToken::new()).await.unwrap();
    });
}
