//! `GET /rules` and `GET /rules/{name}`: which version of a rule decides, where, and why a saved one does not.

use crate::{app::App, problem::Problem};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
};
use chrono::Utc;
use dojo_contract::{InstanceStatus, Service};
use dojo_rules::{FraudRule, LiveRule, NotificationRule, Rule, WatchMode};
use serde_json::{Value, json};
use std::{
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// The rules as this service sees their files. The services that go by them have their own eyes, and tell on
/// `dojo-status` what they see.
pub(crate) struct Rules {
    dir: PathBuf,
    fraud: LiveRule<FraudRule>,
    notification: LiveRule<NotificationRule>,
}

/// A rule at one moment.
struct Seen {
    name: &'static str,
    service: Service,
    file: &'static str,
    built_in_source: &'static str,
    version: String,
    built_in: bool,
    error: Option<String>,
}

impl Rules {
    /// Reads the files once; call it where a file may be read.
    pub(crate) fn open(dir: &FilePath, mode: WatchMode, shutdown: &CancellationToken) -> Self {
        Self {
            dir: dir.to_owned(),
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
        file: R::FILE,
        built_in_source: R::BUILT_IN,
        version: version.version.clone(),
        built_in: version.built_in,
        error: rule.error(),
    }
}

pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let instances = app.model.instances.all();
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
    let mut view = view(rule, &app.rules.dir, &app.model.instances.all());
    // As it stands in the file, which is what a person edits, also while it is broken.
    let file = tokio::fs::read(app.rules.dir.join(rule.file)).await;
    let source = file.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    view["source"] = json!(source.as_deref().unwrap_or(rule.built_in_source));
    Ok(Json(view))
}

fn view(rule: &Seen, dir: &FilePath, instances: &[InstanceStatus]) -> Value {
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
