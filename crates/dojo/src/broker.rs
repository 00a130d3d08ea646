//! The embedded broker inside the supervisor: it holds the log while services come and go.

use crate::Misconfigured;
use dojo_broker::{Broker, TopicConfig};
use dojo_contract::topic::TOPICS;
use dojo_kafka::Prefix;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a partition keeps, in bytes; older records go. There are eight partitions.
const KEPT_PER_PARTITION: usize = 64 << 20;
/// How long a new group waits for more members. The instances start together; without this the first would take
/// every partition, and the second get its share only at the first one's next heartbeat.
const GATHER: Duration = Duration::from_millis(100);

/// A broker that serves.
pub(crate) struct Embedded {
    /// Where services and any other client find it.
    pub(crate) bootstrap: String,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), dojo_broker::Error>>,
}

impl Embedded {
    /// Starts a broker on `listen` that has the contract's topics, under `prefix`, before it accepts its first
    /// connection.
    pub(crate) async fn start(listen: &str, prefix: &Prefix) -> anyhow::Result<Self> {
        let listeners = dojo_broker::bind(listen).await.map_err(|e| Misconfigured(e.to_string()))?;
        let port = listeners.first().map(|l| l.local_addr()).transpose()?.map_or(0, |a| a.port());
        let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
        let topics = prefix.topics(TOPICS).map(|(name, spec)| TopicConfig {
            name,
            partitions: spec.partitions,
            config: spec
                .config
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        });
        let config = dojo_broker::Config {
            topics: topics.collect(),
            initial_rebalance_delay: GATHER,
            retention_bytes_per_partition: KEPT_PER_PARTITION,
            ..dojo_broker::Config::default()
        };
        let broker = Broker::new(config)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = tokio::spawn(async move { broker.serve(listeners, stopped).await });
        Ok(Self { bootstrap: format!("{host}:{port}"), stop, serving })
    }

    /// Ends it; what it held is gone.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.serving.await??)
    }
}
