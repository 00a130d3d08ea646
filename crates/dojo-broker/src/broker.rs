//! The broker as its user sees it, and the loop that accepts connections.
//!
//! The [`Node`] outlives the listeners: a broker that is shut down and served again has forgotten nothing.
//! Each connection is a task of its own; see [`connection`](crate::connection).

use crate::{cleaner, config::Config, connection, error::Error, markers, node::Node, transaction::Ending};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    task::{JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How long to wait before the next attempt after a connection couldn't be accepted, for example because the
/// process has no file descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// An in-memory Kafka broker. Cloning is cheap: a clone is the same broker.
#[derive(Debug, Clone)]
pub struct Broker {
    node: Arc<Node>,
}

impl Broker {
    /// Creates a broker with the topics of `config`, ready to be served.
    ///
    /// # Errors
    /// [`Error::Topic`] if a topic has no partition, or a name or a config that Kafka would refuse.
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { node: Arc::new(Node::new(config)?) })
    }

    /// Serves clients that connect to `listeners`, which [`bind`](crate::bind) returns, until `shutdown` is
    /// cancelled. Then it ends every connection and returns. The records stay, so the broker can be served
    /// again.
    ///
    /// # Errors
    /// [`Error::Listener`] if a listener doesn't know its address. A client's mistakes are no errors here:
    /// the client gets an error code, or its connection ends.
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

/// A panic over one client's request ends that client's connection and is logged; the other clients notice
/// nothing.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!("a connection ended by a fault of the broker: {error}");
    }
}
