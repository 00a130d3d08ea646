//! Which request goes where.

use crate::{
    app::App,
    assets, dead_letters, events, health,
    metrics::Metrics,
    orders,
    origin::{self, OwnNames},
    page,
    problem::Problem,
    rules, settings, status,
};
use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use dojo_kafka::Readiness;
use futures::FutureExt;
use std::{panic::AssertUnwindSafe, sync::Arc};

pub(crate) fn router(app: Arc<App>, own_names: OwnNames, readiness: Readiness, metrics: Metrics) -> Router {
    let marks = Arc::clone(&app.marks);
    let notices = move || marks.notices();
    Router::new()
        .route("/", get(page::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/orders", get(orders::list).post(orders::create))
        .route("/orders/{id}", get(orders::get).put(orders::change).delete(orders::delete))
        .route("/events", get(events::events))
        .route("/settings", get(settings::get).patch(settings::patch))
        .route("/instances", get(status::instances))
        .route("/rules", get(rules::list))
        .route("/rules/{name}", get(rules::get))
        .route("/dlq", get(dead_letters::list))
        .route("/status", get(status::status))
        .merge(health::routes(readiness, metrics, notices))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
        .layer(from_fn(catch_panic))
        .layer(from_fn_with_state(Arc::new(own_names), origin::guard))
        .layer(from_fn(origin::security_headers))
}

async fn no_such_path() -> Problem {
    Problem::not_found("there is nothing at this path")
}

/// The header `Allow` is added by the router, which knows the methods of each path.
async fn no_such_method(method: Method) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let detail = format!("{method} cannot be done here; the header Allow says what can");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
}

/// A defect in one handler is the answer to one request, not the end of a connection.
async fn catch_panic(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| Problem::internal(format!("{method} {path} panicked")).into_response())
}
