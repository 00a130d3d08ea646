//! `/settings`: the control plane. A change goes to the compacted topic `dojo-settings`, from where every instance takes
//! it up, and says so on `dojo-status`; the answer waits for that.

use crate::{app::App, body::JsonBody, problem::Problem};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::Utc;
use dojo_contract::{Defaults, Setting, SettingName, Settings, SettingsPatch, ValueSource, topic};
use dojo_kafka::{Outgoing, SettingsFollower};
use futures::future::try_join_all;
use serde_json::{Map, Value, json};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout, timeout_at},
};

/// What a live instance has to apply a change.
const APPLIED_WITHIN: Duration = Duration::from_secs(2);
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Reads and writes settings.
#[derive(Debug, Default)]
pub(crate) struct ControlPlane {
    follower: OnceLock<SettingsFollower>,
    /// A patch is relative to what holds, so one is applied after the other.
    turn: Mutex<()>,
}

impl ControlPlane {
    /// From now on the settings are known.
    pub(crate) fn follow(&self, follower: SettingsFollower) {
        // Set once, by the start of the service.
        let _ = self.follower.set(follower);
    }

    pub(crate) fn get(&self) -> Option<&SettingsFollower> {
        self.follower.get()
    }

    fn follower(&self) -> Result<&SettingsFollower, Problem> {
        self.get().ok_or_else(|| Problem::unavailable("the settings are still being read from Kafka"))
    }
}

pub(crate) async fn get(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let settings = app.settings.follower()?.settings();
    Ok(Json(view(&settings, &app.config.defaults)).into_response())
}

pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    JsonBody(patch): JsonBody,
) -> Result<Response, Problem> {
    app.refuse_while_away()?;
    let follower = app.settings.follower()?;
    let _turn = timeout(TURN_WITHIN, app.settings.turn.lock())
        .await
        .map_err(|_| Problem::unavailable("nothing was changed: other changes take their time"))?;
    let patch = SettingsPatch::parse(&patch, &follower.settings()).map_err(Problem::invalid)?;
    let sends = patch.records.into_iter().map(|(name, value)| {
        app.producer.send(Outgoing {
            topic: topic::SETTINGS,
            key: Some(name.to_string().into_bytes()),
            value: value.map(String::into_bytes),
            headers: Vec::new(),
            timestamp: None,
        })
    });
    let delivered = try_join_all(sends).await.map_err(|error| {
        Problem::unavailable(format!("the outcome is unknown: {error}. GET /settings shows what holds"))
    })?;
    let offset = delivered.iter().map(|d| d.offset + 1).max().unwrap_or_default();
    let waiting = wait_until_applied(&app, follower, offset).await;
    let mut view = view(&follower.settings(), &app.config.defaults);
    if waiting.is_empty() {
        return Ok(Json(view).into_response());
    }
    view.insert("waitingFor".to_owned(), json!(waiting));
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

/// Waits until every live instance, this one first, has applied what stands before `offset`; the rest is named.
async fn wait_until_applied(app: &App, follower: &SettingsFollower, offset: i64) -> Vec<String> {
    let until = Instant::now() + APPLIED_WITHIN;
    let mut own = follower.changes();
    if timeout_at(until, own.wait_for(|settings| settings.offset >= offset)).await.is_err() {
        return vec![app.config.instance_id().to_owned()];
    }
    let mut changes = app.model.instances.changes();
    loop {
        changes.mark_unchanged();
        let behind = app.model.instances.behind(offset, Utc::now());
        if behind.is_empty() {
            return behind;
        }
        if timeout_at(until, changes.changed()).await.is_err() {
            // One may have fallen silent while it was waited for.
            return app.model.instances.behind(offset, Utc::now());
        }
    }
}

/// Every value with where it comes from.
fn view(settings: &Settings, defaults: &Defaults) -> Map<String, Value> {
    let mut view = Map::new();
    for setting in Setting::ALL {
        let (value, source) = settings.for_all(setting, defaults);
        view.insert(setting.name().to_owned(), json!({"value": value.to_json(), "source": source}));
    }
    let mut instances = Map::new();
    for (name, value) in settings.iter() {
        let SettingName { instance: Some(instance), setting } = name else { continue };
        let of = instances.entry(instance.clone()).or_insert_with(|| json!({}));
        if let Value::Object(of) = of {
            let value = json!({"value": value.to_json(), "source": ValueSource::Topic});
            of.insert(setting.name().to_owned(), value);
        }
    }
    view.insert("instances".to_owned(), Value::Object(instances));
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    #[test]
    fn every_value_says_where_it_comes_from() {
        let mut settings = Settings::default();
        settings.apply("maxRetries", Some(b"3")).unwrap();
        settings.apply("instances.notification-2.failRate", Some(b"0.90")).unwrap();
        let defaults = Defaults { fail_rate: Some(Decimal::new(50, 2)), max_retries: None };
        let text = serde_json::to_string(&view(&settings, &defaults)).unwrap();
        assert_eq!(
            text,
            r#"{"failRate":{"value":0.5,"source":"environment"},"maxRetries":{"value":3,"source":"topic"},"guarantee":{"value":"atLeastOnce","source":"default"},"#
                .to_owned()
                + r#""instances":{"notification-2":{"failRate":{"value":0.9,"source":"topic"}}}}"#
        );
    }
}
