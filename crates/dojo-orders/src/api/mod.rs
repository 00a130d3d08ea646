//! The HTTP API: a file for each resource, and which request goes to which.

mod dead_letters;
mod events;
mod orders;
mod redrive;
mod rules;
mod settings;
mod status;

mod links;
mod write_problem;

use crate::{
    app::App,
    page::{self, assets},
};
use axum::{
    Router,
    routing::{get, post},
};
use dojo_http::Health;
use std::sync::Arc;

/// Routes of the API, the page, and `health`.
pub(crate) fn routes(app: Arc<App>, health: Health) -> Router {
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
        .route("/dlq/redrive", post(redrive::redrive))
        .route("/status", get(status::status))
        .merge(health.routes())
        .with_state(app)
}
