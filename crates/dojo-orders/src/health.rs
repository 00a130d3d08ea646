//! `GET /healthz`: the process answers. `GET /readyz`: it can do all of its work; if not, what keeps it from that.
//! `GET /metrics`: what it counts.

use crate::{metrics::Metrics, problem::Problem, server};
use axum::{Json, Router, response::IntoResponse, routing::get};
use dojo_contract::FieldError;
use dojo_kafka::Readiness;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Connections at a time where nothing else is served: a prober, a Prometheus, a person. So few that those that only
/// wait leave the process the file descriptors that it needs for Kafka.
const CONNECTIONS: usize = 64;

/// Serves these three routes alone on `listener` until `shutdown`, within the bounds that hold for the API, too: for a
/// service that has no API, or where the API's port is not for whoever runs it.
pub async fn serve_health(
    listener: TcpListener,
    readiness: Readiness,
    metrics: Metrics,
    shutdown: CancellationToken,
) {
    server::serve(listener, routes(readiness, metrics, Vec::new), CONNECTIONS, shutdown).await;
}

/// `notices` are what a person should know of a service that is ready.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    readiness: Readiness,
    metrics: Metrics,
    notices: impl Fn() -> Vec<String> + Clone + Send + Sync + 'static,
) -> Router<S> {
    Router::new()
        .route("/healthz", get(async || Json(json!({"status": "up"}))))
        .route("/readyz", get(async move || readyz(&readiness, notices())))
        .route("/metrics", get(async move || metrics.into_response()))
}

fn readyz(readiness: &Readiness, notices: Vec<String>) -> Result<Json<Value>, Problem> {
    let causes = readiness.causes();
    if causes.is_empty() {
        let mut ready = json!({"status": "ready"});
        if !notices.is_empty() {
            ready["notices"] = json!(notices);
        }
        return Ok(Json(ready));
    }
    let detail = causes.iter().map(|(_, cause)| cause.as_str()).collect::<Vec<_>>().join("; ");
    let errors = causes.into_iter().map(|(about, cause)| FieldError::new(about, cause)).collect();
    Err(Problem::unavailable(detail).with_errors(errors))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        time::timeout,
    };

    #[tokio::test]
    async fn clients_that_only_wait_take_a_bounded_number_of_places() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let _stops = stop.clone().drop_guard();
        tokio::spawn(serve_health(listener, Readiness::default(), Metrics::default(), stop));
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        let answered = timeout(Duration::from_millis(300), next.read_u8()).await;
        assert!(answered.is_err(), "{answered:?}");
        drop(idle.pop());
        let mut answer = [0; 12];
        timeout(Duration::from_secs(60), next.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}
