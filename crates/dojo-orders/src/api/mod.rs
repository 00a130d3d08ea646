//! The HTTP API: a file for each resource, and which request goes to which.

mod dead_letters;
mod events;
mod instances;
mod journey;
mod orders;
mod rebalances;
mod redrive;
mod rules;
mod settings;
mod status;

mod links;
mod write_problem;

use crate::{
    app::App,
    page::{self, assets},
    read_only,
};
use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{get, post},
};
use dojo_http::Health;
use std::sync::Arc;

/// Routes of the API, the page, and `health`. What is read-only changes nothing.
pub(crate) fn routes(app: Arc<App>, health: Health) -> Router {
    let read_only = Arc::new(app.config.page.read_only.clone());
    Router::new()
        .route("/", get(page::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/orders", get(orders::list).post(orders::create))
        .route("/orders/{id}", get(orders::get).put(orders::change).delete(orders::delete))
        .route("/orders/{id}/journey", get(journey::get))
        .route("/events", get(events::events))
        .route("/settings", get(settings::get).patch(settings::patch))
        .route("/instances", get(instances::list).post(instances::add))
        .route("/instances/{id}", get(instances::get).delete(instances::remove))
        .route("/instances/{id}/stop", post(instances::stop))
        .route("/instances/{id}/start", post(instances::start))
        .route("/instances/{id}/crash", post(instances::crash))
        .route("/rules", get(rules::list))
        .route("/rules/{name}", get(rules::get))
        .route("/dlq", get(dead_letters::list))
        .route("/dlq/redrive", post(redrive::redrive))
        .route("/rebalances", get(rebalances::list))
        .route("/status", get(status::status))
        .route_layer(from_fn_with_state(read_only, read_only::guard))
        .merge(health.routes())
        .with_state(app)
}
