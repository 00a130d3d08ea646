//! `GET /rules` and `GET /rules/{name}`: the version of a rule that is in force, per instance, and the error of its file.

use crate::{app::App, rule_files::RuleFile};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use chrono::Utc;
use dojo_contract::InstanceStatus;
use dojo_http::{NoQuery, Problem};
use dojo_rules::FileError;
use serde_json::{Value, json};
use std::sync::Arc;

pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Value> {
    let instances = app.models.instances.all();
    Json(app.rules.all().iter().map(|rule| view(rule, &instances)).collect())
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: NoQuery,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let known = app.rules.all();
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let Some(rule) = known.iter().find(|rule| rule.name == name) else {
        let names = known.map(|rule| rule.name).join(", ");
        return Err(Problem::not_found(format!("there is no such rule; the rules are {names}")));
    };
    let mut view = view(rule, &app.models.instances.all());
    // The source is the file's, because that is what a person edits, even while it is broken.
    let file = rule.file.clone();
    let reading = tokio::task::spawn_blocking(move || file.read()).await;
    match reading.unwrap_or_else(|error| Err(FileError::Unreadable(error.to_string()))) {
        Ok(bytes) => view["source"] = json!(String::from_utf8_lossy(&bytes)),
        Err(FileError::Missing) => view["source"] = json!(rule.built_in_source),
        Err(error) => {
            view["source"] = Value::Null;
            let reason = format!("{}: {error}", rule.file.path().display());
            // The watcher, whose message says more, may not have read this file yet.
            if !rule.error.as_ref().is_some_and(|message| message.starts_with(&reason)) {
                view["error"] = json!(reason);
            }
        }
    }
    Ok(Json(view))
}

fn view(rule: &RuleFile, instances: &[InstanceStatus]) -> Value {
    let now = Utc::now();
    let by = instances.iter().filter(|status| status.service == rule.service && status.is_live(now));
    let by = by.map(|status| {
        json!({"instanceId": status.instance_id, "version": status.rule_version, "error": status.rule_error})
    });
    json!({
        "name": rule.name,
        "file": rule.file.path().display().to_string(),
        "version": rule.version,
        "builtIn": rule.built_in,
        "error": rule.error,
        "instances": by.collect::<Vec<_>>(),
    })
}
