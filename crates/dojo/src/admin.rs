//! `ADMIN_LISTEN`: how a service is, for whoever runs it. `/healthz`: the process answers; `/readyz`: it can do its work,
//! or what keeps it from that; `/metrics`: its numbers, for Prometheus.

use crate::{Misconfigured, cli};
use axum::{
    Json, Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use dojo_kafka::Readiness;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves `readiness` and `metrics` where `admin` says, if it does, until `shutdown`.
pub(crate) async fn start(
    admin: &cli::Admin,
    readiness: &Readiness,
    metrics: &PrometheusHandle,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let Some(listen) = &admin.admin_listen else { return Ok(()) };
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        Misconfigured(format!(
            "cannot listen on {listen} for health and metrics: {error}; give --admin-listen or ADMIN_LISTEN as \
             HOST:PORT, such as 0.0.0.0:9100"
        ))
    })?;
    tracing::info!("health and metrics on http://{}", listener.local_addr()?);
    let (readiness, metrics) = (readiness.clone(), metrics.clone());
    let router = Router::new()
        .route("/healthz", get(async || Json(json!({"status": "up"}))))
        .route("/readyz", get(async move || readyz(&readiness)))
        .route("/metrics", get(async move || ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics.render())));
    let served = axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = served.await {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    });
    Ok(())
}

/// The content type of the text format, as Prometheus names it
/// (<https://prometheus.io/docs/instrumenting/exposition_formats/#basic-info>).
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// As the order service answers at its own port: RFC 9457, where it is not ready.
fn readyz(readiness: &Readiness) -> Response {
    let causes = readiness.causes();
    if causes.is_empty() {
        return Json(json!({"status": "ready"})).into_response();
    }
    let detail: Vec<_> = causes.iter().map(|(_, why)| why.as_str()).collect();
    let errors: Vec<_> = causes.iter().map(|(about, why)| json!({"field": about, "message": why})).collect();
    let problem = json!({
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": detail.join("; "),
        "errors": errors,
    });
    let head = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::SERVICE_UNAVAILABLE, head, problem.to_string()).into_response()
}
