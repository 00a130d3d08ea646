//! `GET /healthz`: the process answers. `GET /readyz`: the service can do all of its work, or what keeps it from that.
//! `GET /metrics`: what it counts.

use crate::{Metrics, Problem, described::Unavailable, metrics::TEXT_FORMAT, router::finish, server::serve};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use std::{fmt, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Connections at a time where nothing else is served: a prober, a Prometheus, a person. So few that they leave the process
/// the file descriptors that it needs for Kafka.
const CONNECTIONS: usize = 64;

type List<T> = Arc<dyn Fn() -> Vec<T> + Send + Sync>;

/// What a service says of itself on these routes.
#[derive(Clone)]
pub struct Health {
    obstacles: List<(&'static str, String)>,
    notices: List<String>,
    metrics: Metrics,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    /// A service is ready while `obstacles` returns nothing; each obstacle is what it is about and a sentence.
    pub fn new(
        obstacles: impl Fn() -> Vec<(&'static str, String)> + Send + Sync + 'static,
        metrics: Metrics,
    ) -> Self {
        Self { obstacles: Arc::new(obstacles), notices: Arc::new(Vec::new), metrics }
    }

    /// Adds what a person should know of a service that is ready.
    #[must_use]
    pub fn with_notices(self, notices: impl Fn() -> Vec<String> + Send + Sync + 'static) -> Self {
        Self { notices: Arc::new(notices), ..self }
    }

    /// The three routes, described.
    pub fn routes<S: Clone + Send + Sync + 'static>(self) -> OpenApiRouter<S> {
        OpenApiRouter::default()
            .routes(routes!(healthz))
            .routes(routes!(readyz))
            .routes(routes!(metrics))
            .with_state(self)
    }
}

/// A process that answers.
#[derive(Serialize, ToSchema)]
struct Liveness {
    /// `up`.
    status: &'static str,
}

/// A service that can do all of its work.
#[derive(Serialize, ToSchema)]
struct Ready {
    /// `ready`.
    status: &'static str,
    /// What a person should know of it all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
}

/// Says that the process answers
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "health",
    operation_id = "getLiveness",
    responses((status = 200, description = "The process answers.", body = Liveness))
)]
async fn healthz() -> Json<Liveness> {
    Json(Liveness { status: "up" })
}

/// Says whether the service can do all of its work
///
/// If it can't, `errors` of the problem document has each obstacle and what it is about.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    operation_id = "getReadiness",
    responses((status = 200, description = "The service can do all of its work.", body = Ready), Unavailable)
)]
async fn readyz(State(health): State<Health>) -> Result<Json<Ready>, Problem> {
    let obstacles = (health.obstacles)();
    if !obstacles.is_empty() {
        let detail = obstacles.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ");
        let errors = obstacles.into_iter().map(|(about, why)| (about.to_owned(), why));
        return Err(Problem::unavailable(detail).with_errors(errors));
    }
    Ok(Json(Ready { status: "ready", notices: (health.notices)() }))
}

/// Returns what the process counts, for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    operation_id = "getMetrics",
    responses((status = 200, description = "The metrics in Prometheus' text format.", body = String, content_type = TEXT_FORMAT))
)]
async fn metrics(State(health): State<Health>) -> Response {
    (&health.metrics).into_response()
}

/// Serves these routes alone on `listener` until `shutdown`, within the bounds of [`serve`].
pub async fn serve_health(listener: TcpListener, health: Health, shutdown: CancellationToken) {
    serve(listener, finish(health.routes().into(), None), CONNECTIONS, shutdown).await;
}
