//! A GET request to a service on this machine: all the HTTP that the supervisor and `dojo health` need.

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::{net::TcpStream, time::timeout};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(3);
/// The largest body that is read.
const MOST_BYTES: usize = 1 << 20;

/// Gets `path` from `authority` (`host:port`), within a bounded time.
///
/// # Errors
/// No answer in time, or a body that is too large.
pub(crate) async fn get(authority: &str, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let answer = timeout(WITHIN, ask(authority, path)).await;
    answer
        .unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within {} s", WITHIN.as_secs())))
        .with_context(|| format!("http://{authority}{path}"))
}

async fn ask(authority: &str, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(HOST, authority).body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|e| anyhow::anyhow!(e))?.to_bytes();
    connection.abort();
    Ok((head.status, body))
}
