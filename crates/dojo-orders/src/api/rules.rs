//! `GET /rules` and `GET /rules/{name}`: the version of a rule that is in force, per instance, and the error of its file.

use crate::{app::App, rule_files::RuleFile};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use chrono::Utc;
use dojo_contract::InstanceStatus;
use dojo_http::{NoQuery, NotFound, Problem};
use dojo_rules::FileError;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A rule.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleView {
    name: &'static str,
    /// The path of its file.
    file: String,
    /// The version that is in force according to its file.
    version: String,
    /// Whether that is the built-in rule, because there is no file.
    built_in: bool,
    /// Why the file as it stands is not in force: file, line, column and message; null if it is.
    #[schema(required)]
    error: Option<String>,
    /// The live instances that use the rule.
    instances: Vec<RuleInForce>,
}

/// The rule that an instance uses.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RuleInForce {
    instance_id: String,
    #[schema(required)]
    version: Option<String>,
    #[schema(required)]
    error: Option<String>,
}

/// A rule with its source.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleWithSource {
    #[serde(flatten)]
    rule: RuleView,
    /// The text of its file, even while that is broken; null if the file can't be read.
    #[schema(required)]
    source: Option<String>,
}

/// Lists the rules
#[utoipa::path(
    get,
    path = "/rules",
    tag = "dojo",
    operation_id = "listRules",
    responses((status = 200, description = "The rules.", body = [RuleView]))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Vec<RuleView>> {
    let instances = app.models.instances.all();
    Json(app.rules.all().iter().map(|rule| view(rule, &instances)).collect())
}

/// Returns a rule with its source
#[utoipa::path(
    get,
    path = "/rules/{name}",
    tag = "dojo",
    operation_id = "getRule",
    params(("name" = String, Path, description = "The rule.")),
    responses((status = 200, description = "The rule.", body = RuleWithSource), NotFound)
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: NoQuery,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RuleWithSource>, Problem> {
    let known = app.rules.all();
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let Some(file) = known.iter().find(|rule| rule.name == name) else {
        let names = known.map(|rule| rule.name).join(", ");
        return Err(Problem::not_found(format!("there is no such rule; the rules are {names}")));
    };
    let mut rule = view(file, &app.models.instances.all());
    // The source is the file's, because that is what a person edits, even while it is broken.
    let reader = file.file.clone();
    let reading = tokio::task::spawn_blocking(move || reader.read()).await;
    let source = match reading.unwrap_or_else(|error| Err(FileError::Unreadable(error.to_string()))) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(FileError::Missing) => Some(file.built_in_source.to_owned()),
        Err(error) => {
            let reason = format!("{}: {error}", file.file.path().display());
            // The watcher, whose message says more, may not have read this file yet.
            if !file.error.as_ref().is_some_and(|message| message.starts_with(&reason)) {
                rule.error = Some(reason);
            }
            None
        }
    };
    Ok(Json(RuleWithSource { rule, source }))
}

fn view(rule: &RuleFile, instances: &[InstanceStatus]) -> RuleView {
    let now = Utc::now();
    let by = instances.iter().filter(|status| status.service == rule.service && status.is_live(now));
    let by = by.map(|status| RuleInForce {
        instance_id: status.instance_id.clone(),
        version: status.rule_version.clone(),
        error: status.rule_error.clone(),
    });
    RuleView {
        name: rule.name,
        file: rule.file.path().display().to_string(),
        version: rule.version.clone(),
        built_in: rule.built_in,
        error: rule.error.clone(),
        instances: by.collect(),
    }
}
