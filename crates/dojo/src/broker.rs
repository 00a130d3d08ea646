//! The embedded broker inside the supervisor: it holds the log while services come and go.

use crate::{cli, exit::Misconfigured};
use dojo_broker::{Broker, TopicConfig};
use dojo_contract::topic::TOPICS;
use std::time::Duration;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// How long a new group waits for more members. The instances start together; without this the first would take
/// every partition, and the second get its share only at the first one's next heartbeat.
const GATHER: Duration = Duration::from_millis(100);
/// Where the services connect to a broker that advertises another address to everyone else.
const INTERNAL: &str = "127.0.0.1:0";

/// A broker that serves.
pub(crate) struct Embedded {
    /// The address at which the services find it.
    pub(crate) bootstrap: String,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), dojo_broker::Error>>,
}

impl Embedded {
    /// Starts a broker that has the contract's topics before it accepts its first connection.
    ///
    /// A broker that advertises an address listens on a second port, too: the services may not be able to reach the
    /// address that is advertised to clients elsewhere.
    pub(crate) async fn start(up: &cli::Up) -> anyhow::Result<Self> {
        let listen = up.broker_listen.as_str();
        let mut listeners = bind(listen).await?;
        let mut bootstrap = (listen.rsplit_once(':').map_or(listen, |(host, _)| host), port(&listeners)?);
        let mut internal_port = None;
        if up.broker_advertised.is_some() {
            let internal = bind(INTERNAL).await?;
            bootstrap = ("127.0.0.1", port(&internal)?);
            internal_port = Some(bootstrap.1);
            listeners.extend(internal);
        }
        let topics = up.kafka_prefix.topics(TOPICS).map(|(name, spec)| TopicConfig {
            name,
            partitions: spec.partitions,
            config: spec
                .config
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        });
        let config = dojo_broker::Config {
            advertised: up.broker_advertised.clone(),
            internal_port,
            topics: topics.collect(),
            initial_rebalance_delay: GATHER,
            retention_bytes_per_partition: usize::try_from(up.broker_retention_bytes)?,
            ..dojo_broker::Config::default()
        };
        let broker = Broker::new(config)?;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let serving = tokio::spawn(async move { broker.serve(listeners, stopped).await });
        let (host, port) = bootstrap;
        Ok(Self { bootstrap: format!("{host}:{port}"), stop, serving })
    }

    /// Ends the broker; the records that it held are gone.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        Ok(self.serving.await??)
    }
}

async fn bind(listen: &str) -> anyhow::Result<Vec<TcpListener>> {
    Ok(dojo_broker::bind(listen).await.map_err(|e| Misconfigured(e.to_string()))?)
}

/// Returns the port that all of these listen on.
fn port(listeners: &[TcpListener]) -> std::io::Result<u16> {
    listeners.first().map_or(Ok(0), |listener| Ok(listener.local_addr()?.port()))
}
