//! `ADMIN_LISTEN`: how a service is, for whoever runs it. `/healthz`: the process answers; `/readyz`: it can do its work,
//! or what keeps it from that; `/metrics`: its numbers, for Prometheus. As the order service answers at its own port, by
//! the same code.

use crate::{Misconfigured, cli};
use dojo_http::{Health, Metrics, serve_health};
use dojo_kafka::Readiness;
use std::future::pending;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `readiness` and `metrics` where `admin` says, if it does, until `shutdown`. What comes of it is the error with
/// which the process must end, and nothing otherwise: whoever runs a service that nobody can ask any more would take it for
/// dead, or not notice at all.
pub(crate) async fn start(
    admin: &cli::Admin,
    readiness: &Readiness,
    metrics: Metrics,
    shutdown: &CancellationToken,
) -> anyhow::Result<impl Future<Output = anyhow::Error> + use<>> {
    let mut served = None;
    if let Some(listen) = &admin.admin_listen {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Misconfigured(format!(
                "cannot listen on {listen} for health and metrics: {error}; give --admin-listen or ADMIN_LISTEN as \
                 HOST:PORT, such as 0.0.0.0:9100"
            ))
        })?;
        tracing::info!("health and metrics on http://{}", listener.local_addr()?);
        let readiness = readiness.clone();
        let health = Health::new(move || readiness.causes(), metrics);
        served = Some(tokio::spawn(serve_health(listener, health, shutdown.clone())));
    }
    Ok(async {
        if let Some(served) = served
            && let Err(panicked) = served.await
        {
            return anyhow::Error::new(panicked).context("health and metrics are no longer served");
        }
        pending().await
    })
}
