//! The health listener of a service, at `ADMIN_LISTEN`. `/healthz`: the process answers. `/readyz`: the service can do its
//! work, or the reason why it can't. `/metrics`: its metrics, for Prometheus. The order service answers the same routes at
//! its own port, with the same code.

use crate::{cli, exit::Misconfigured};
use dojo_http::{Health, Metrics, serve_health};
use dojo_kafka::Readiness;
use std::future::pending;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `readiness` and `metrics` at the address in `admin`, if it has one, until `shutdown`.
///
/// Returns a future that is ready only if serving fails, with the error that has to end the process: an orchestrator
/// would take a service without health checks for dead, or not notice its failures.
///
/// # Errors
/// The address can't be bound.
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
                "cannot listen on {listen} for health and metrics: {error}; set --admin-listen or ADMIN_LISTEN to \
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
