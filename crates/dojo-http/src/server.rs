//! Serves HTTP/1.1 on a bound listener, with a bound on everything: connections at a time, the wait for a request's head,
//! the wait for a peer that doesn't read, and the wait for the last responses at the end.

use crate::connections::{Connection, Connections, ResponseBody};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Also ends a connection on which no further request comes.
const HEAD_WITHIN: Duration = Duration::from_secs(60);
/// A peer that takes nothing of its response for this long no longer reads. TCP itself sets no bound while the peer's
/// machine acknowledges that its window is closed.
const WRITE_WITHIN: Duration = Duration::from_secs(60);
/// Every request is answered within some seconds.
const DRAIN_WITHIN: Duration = Duration::from_secs(6);
/// How long a connection that must make room may still write.
const MAKE_ROOM_WITHIN: Duration = Duration::from_millis(100);
/// How long, and how much, is read after the last response. A socket that is closed before it was read empty resets the
/// connection, and the client may lose a response that it has not read yet, such as one to a body that is too large.
const LINGER_WITHIN: Duration = Duration::from_secs(2);
const LINGER_BYTES: u64 = 64 * 1024 * 1024;
/// Pause after an error of `accept`, such as too many open files, which doesn't pass at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves up to `connections` at a time until `shutdown`; then accepts no more, and waits for those that are answering.
pub async fn serve(listener: TcpListener, router: Router, connections: usize, shutdown: CancellationToken) {
    let places = Arc::new(Connections::new(connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = async {
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, places.admit().await))
        };
        let (stream, place) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        connections.spawn(connection(stream, place, router.clone(), shutdown.clone()));
    }
    drop(listener);
    connections.close();
    if timeout(DRAIN_WITHIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "connections were still answering at the end");
    }
}

async fn connection(stream: TcpStream, place: Arc<Connection>, router: Router, shutdown: CancellationToken) {
    // A small answer must not wait for the next one.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_WITHIN));
    let mut closed = pin!(place.closed());
    let router = TowerToHyperService::new(router);
    let of_requests = Arc::clone(&place);
    let service = hyper::service::service_fn(move |request| {
        let under_way = of_requests.request();
        let answer = hyper::service::Service::call(&router, request);
        Box::pin(async move {
            let Ok(response) = answer.await;
            Ok::<_, Infallible>(response.map(|body| ResponseBody::new(body, under_way)))
        })
    });
    let mut served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let ended = tokio::select! {
        ended = poll_fn(|cx| served.poll_without_shutdown(cx)) => Some(ended),
        () = shutdown.cancelled() => None,
        () = &mut closed => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            Pin::new(&mut served).graceful_shutdown();
            let rest = poll_fn(|cx| served.poll_without_shutdown(cx));
            if place.is_idle() && !shutdown.is_cancelled() {
                // Half a request, or a client that doesn't read: a new client goes before it.
                let _ = timeout(MAKE_ROOM_WITHIN, rest).await;
                return;
            }
            rest.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
        return;
    }
    let stream = served.into_parts().io.into_inner();
    tokio::select! {
        () = linger(stream) => {}
        // A client that keeps its side open must not hold up a new client, or the shutdown.
        () = &mut closed => {}
        () = shutdown.cancelled() => {}
    }
}

/// Closes a connection so that its client can read the last response.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let read_the_rest = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = timeout(LINGER_WITHIN, read_the_rest).await {
        tracing::trace!(%error, "a connection was closed by its client");
    }
}
