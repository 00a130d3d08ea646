//! `GET /healthz`: the process answers. `GET /readyz`: the service can do all of its work, or what keeps it from that.
//! `GET /metrics`: what it counts.

use crate::{Metrics, Problem, router::finish, server::serve};
use axum::{Json, Router, response::IntoResponse as _, routing::get};
use serde_json::{Value, json};
use std::{fmt, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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

    /// The three routes.
    pub fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        let metrics = self.metrics.clone();
        Router::new()
            .route("/healthz", get(async || Json(json!({"status": "up"}))))
            .route("/readyz", get(async move || self.readyz()))
            .route("/metrics", get(async move || metrics.into_response()))
    }

    fn readyz(&self) -> Result<Json<Value>, Problem> {
        let obstacles = (self.obstacles)();
        if !obstacles.is_empty() {
            let detail = obstacles.iter().map(|(_, why)| why.as_str()).collect::<Vec<_>>().join("; ");
            let errors = obstacles.into_iter().map(|(about, why)| (about.to_owned(), why));
            return Err(Problem::unavailable(detail).with_errors(errors));
        }
        let mut ready = json!({"status": "ready"});
        let notices = (self.notices)();
        if !notices.is_empty() {
            ready["notices"] = json!(notices);
        }
        Ok(Json(ready))
    }
}

/// Serves these routes alone on `listener` until `shutdown`, within the bounds of [`serve`].
pub async fn serve_health(listener: TcpListener, health: Health, shutdown: CancellationToken) {
    serve(listener, finish(health.routes(), None), CONNECTIONS, shutdown).await;
}
