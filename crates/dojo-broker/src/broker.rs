//! The broker: its state, and the loop that accepts connections.
//!
//! The state (topics with their records, groups, producer ids) belongs to [`Broker`] and outlives its listeners: a broker that is
//! shut down and served again has forgotten nothing. Each connection is a task of its own; see [`connection`](crate::connection).

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::cleaner;
use crate::config::Config;
use crate::connection;
use crate::error::Error;
use crate::group::coordinator::Coordinator;
use crate::topic_config::TopicSettings;
use crate::topics::Topics;
use crate::transaction::{self, Ending, markers};

/// How long to wait before the next attempt when no connection can be accepted, as when the process is out of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// An in-memory Kafka broker. Cheap to clone: clones are the same broker.
#[derive(Debug, Clone)]
pub struct Broker {
    node: Arc<Node>,
}

/// What every connection works on.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    /// A broker started anew has forgotten everything, so it is another cluster.
    pub(crate) cluster_id: String,
    pub(crate) topics: Topics,
    pub(crate) groups: Coordinator,
    pub(crate) transactions: transaction::coordinator::Coordinator,
}

impl Node {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let topics = Topics::default();
        for topic in &config.topics {
            let refused = |reason: String| Error::Topic { name: topic.name.clone(), reason };
            let settings =
                TopicSettings::new(topic.config.clone()).map_err(|refusal| refused(refusal.message))?;
            let partitions = usize::try_from(topic.partitions).ok().filter(|partitions| *partitions > 0);
            let partitions = partitions.ok_or_else(|| {
                refused(format!("{} partitions, where at least 1 is needed", topic.partitions))
            })?;
            topics
                .create(&topic.name, partitions, settings, config.retention_bytes_per_partition)
                .map_err(|refusal| refused(refusal.message))?;
        }
        Ok(Self {
            groups: Coordinator::new(config.initial_rebalance_delay),
            transactions: transaction::coordinator::Coordinator::default(),
            cluster_id: Uuid::new_v4().simple().to_string(),
            topics,
            config,
        })
    }
}

impl Broker {
    /// A broker with the topics of `config`, ready to be served.
    ///
    /// # Errors
    /// [`Error::Topic`] where a topic has a name or a config that Kafka would refuse, or no partition.
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { node: Arc::new(Node::new(config)?) })
    }

    /// Serves clients that connect to `listeners` ([`bind`](crate::bind) gives them) until `shutdown` is cancelled; then ends
    /// every connection and returns. What was written stays, so the broker can be served again.
    ///
    /// # Errors
    /// [`Error::Listener`] where a listener does not know its address. A client's mistakes are no errors here: they are
    /// answered, or end that client's connection.
    pub async fn serve(&self, listeners: Vec<TcpListener>, shutdown: CancellationToken) -> Result<(), Error> {
        for listener in &listeners {
            info!(address = %listener.local_addr().map_err(Error::Listener)?, "broker listens");
        }
        self.node.groups.resume();
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(self.node.clone(), listener, shutdown.clone()));
        }
        let write = |ending: &Ending, now_ms| markers::write(&self.node, ending, now_ms);
        tokio::select! {
            () = self.node.groups.keep_time() => {}
            () = cleaner::keep_clean(self.node.clone()) => {}
            () = self.node.transactions.keep_time(write) => {}
            () = shutdown.cancelled() => {}
        }
        while accepting.join_next().await.is_some() {}
        Ok(())
    }
}

/// Accepts connections until the shutdown, and then waits for them to end.
async fn accept(node: Arc<Node>, listener: TcpListener, shutdown: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => { report(ended); continue }
            () = shutdown.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (node, shutdown) = (node.clone(), shutdown.clone());
                connections.spawn(async move {
                    match shutdown.run_until_cancelled(connection::serve(&node, stream, peer)).await {
                        Some(Err(ended)) if ended.is_clients_fault() => {
                            warn!(%peer, "closed a connection: {ended}");
                        }
                        Some(Err(ended)) => debug!(%peer, "connection ended: {ended}"),
                        Some(Ok(())) | None => {}
                    }
                });
            }
            Err(error) => {
                warn!("cannot accept a connection: {error}; trying again");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// A panic over one client's request ends that client's connection and is logged; everyone else goes on.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection ended by a fault of the broker: {error}");
    }
}
