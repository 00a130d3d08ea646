//! `GET /healthz`: the process answers. `GET /readyz`: it can do all of its work; if not, what keeps it from that.

use crate::{app::App, problem::Problem};
use axum::{Json, extract::State};
use dojo_contract::FieldError;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn healthz() -> Json<Value> {
    Json(json!({"status": "up"}))
}

pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let causes = app.not_ready();
    if causes.is_empty() {
        return Ok(Json(json!({"status": "ready"})));
    }
    let detail = causes.iter().map(|(_, cause)| cause.as_str()).collect::<Vec<_>>().join("; ");
    let errors = causes.into_iter().map(|(about, cause)| FieldError::new(about, cause)).collect();
    Err(Problem::unavailable(detail).with_errors(errors))
}
