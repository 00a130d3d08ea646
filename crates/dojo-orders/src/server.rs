//! Serving HTTP/1.1 on a bound listener, with a bound on everything: connections at a time, the wait for a request's
//! head, the wait for a peer to take what is sent, and the wait for the last responses at the end.

use crate::stall::Impatient;
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections to the API at a time; one asks for one thing at a time.
pub(crate) const CONNECTIONS: usize = 2_048;
/// Also ends a connection on which no further request comes.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// A peer that takes nothing of its response for so long does not read any more.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);
/// A mutation is answered within five seconds, whatever happens.
const DRAIN_WITHIN: Duration = Duration::from_secs(6);
/// After an error of `accept`, such as too many open files, which does not pass at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves so many `connections` at a time until `shutdown`; then takes no more, and waits for those that are answering.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            () = shutdown.cancelled() => break,
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => (place, stream),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            let _place = place;
            connection(stream, router, shutdown).await;
        });
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN_WITHIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were still answering at the end");
    }
}

async fn connection(stream: TcpStream, router: Router, shutdown: CancellationToken) {
    // A small answer must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let served =
        http1::Builder::new().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).serve_connection(
            TokioIo::new(Impatient::new(stream, TAKEN_WITHIN)),
            TowerToHyperService::new(router),
        );
    let mut served = pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = shutdown.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
