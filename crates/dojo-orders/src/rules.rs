//! `GET /rules` and `GET /rules/{name}`: the version of a rule that is in force, per instance, and the error of its file.

use crate::{app::App, problem::Problem};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use chrono::Utc;
use dojo_contract::{InstanceStatus, Service};
use dojo_rules::{EditedFile, FileError, FraudRule, LiveRule, NotificationRule, Rule, WatchMode};
use serde_json::{Value, json};
use std::{path::Path as FilePath, sync::Arc};
use tokio_util::sync::CancellationToken;

/// The rules as this service reads their files. The services that apply them read the files themselves, and report
/// their versions on `dojo-status`.
pub(crate) struct Rules {
    fraud: LiveRule<FraudRule>,
    notification: LiveRule<NotificationRule>,
}

/// A rule at one moment.
struct Seen {
    name: &'static str,
    service: Service,
    file: EditedFile,
    built_in_source: &'static str,
    version: String,
    built_in: bool,
    error: Option<String>,
}

impl Rules {
    /// Reads the files once, which blocks the thread.
    pub(crate) fn open(dir: &FilePath, mode: WatchMode, shutdown: &CancellationToken) -> Self {
        Self {
            fraud: LiveRule::open(dir, mode, shutdown.clone()),
            notification: LiveRule::open(dir, mode, shutdown.clone()),
        }
    }

    fn all(&self) -> [Seen; 2] {
        [seen(&self.fraud, Service::Fraud), seen(&self.notification, Service::Notification)]
    }
}

fn seen<R: Rule>(rule: &LiveRule<R>, service: Service) -> Seen {
    let version = rule.current();
    Seen {
        name: service.name(),
        service,
        file: rule.file().clone(),
        built_in_source: R::BUILT_IN,
        version: version.version.clone(),
        built_in: version.built_in,
        error: rule.error(),
    }
}

pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let instances = app.model.instances.all();
    Json(app.rules.all().iter().map(|rule| view(rule, &instances)).collect())
}

pub(crate) async fn get(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let known = app.rules.all();
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let Some(rule) = known.iter().find(|rule| rule.name == name) else {
        let names = known.map(|rule| rule.name).join(", ");
        return Err(Problem::not_found(format!("there is no such rule; the rules are {names}")));
    };
    let mut view = view(rule, &app.model.instances.all());
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

fn view(rule: &Seen, instances: &[InstanceStatus]) -> Value {
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
