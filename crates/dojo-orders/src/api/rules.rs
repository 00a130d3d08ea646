//! `GET /rules` and `GET /rules/{name}`: which version of a rule decides, where, and why a saved one does not.

use crate::{app::App, rule_files::RuleFile};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use chrono::Utc;
use dojo_contract::InstanceStatus;
use dojo_http::Problem;
use serde_json::{Value, json};
use std::{path::Path as FilePath, sync::Arc};

pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let instances = app.models.instances.all();
    Json(app.rules.all().iter().map(|rule| view(rule, &app.rules.dir, &instances)).collect())
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let known = app.rules.all();
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let Some(rule) = known.iter().find(|rule| rule.name == name) else {
        let names = known.map(|rule| rule.name).join(", ");
        return Err(Problem::not_found(format!("there is no such rule: there are {names}")));
    };
    let mut view = view(rule, &app.rules.dir, &app.models.instances.all());
    // As it stands in the file, which is what a person edits, also while it is broken.
    let file = tokio::fs::read(app.rules.dir.join(rule.file)).await;
    let source = file.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    view["source"] = json!(source.as_deref().unwrap_or(rule.built_in_source));
    Ok(Json(view))
}

fn view(rule: &RuleFile, dir: &FilePath, instances: &[InstanceStatus]) -> Value {
    let now = Utc::now();
    let by = instances.iter().filter(|status| status.service == rule.service && status.is_live(now));
    let by = by.map(|status| {
        json!({"instanceId": status.instance_id, "version": status.rule_version, "error": status.rule_error})
    });
    json!({
        "name": rule.name,
        "file": dir.join(rule.file).display().to_string(),
        "version": rule.version,
        "builtIn": rule.built_in,
        "error": rule.error,
        "instances": by.collect::<Vec<_>>(),
    })
}
