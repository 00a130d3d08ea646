//! `GET /settings`: every value with where it comes from. `PATCH /settings`: changes them, and waits until every live
//! instance has applied the change; 202 names the instances that have not.

use crate::{api::write_problem::ProblemOf as _, app::App};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use dojo_contract::{Defaults, Setting, SettingName, Settings, ValueSource};
use dojo_http::{JsonBody, NoQuery, Problem};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const LOOK_AT: &str = "GET /settings shows the settings in force";

pub(crate) async fn get(State(app): State<Arc<App>>, _: NoQuery) -> Result<Response, Problem> {
    Ok(Json(view_of(&app)?).into_response())
}

pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    _: NoQuery,
    JsonBody(patch): JsonBody,
) -> Result<Response, Problem> {
    let waiting = app.settings.patch(&patch).await.problem(LOOK_AT)?;
    let mut view = view_of(&app)?;
    if waiting.is_empty() {
        return Ok(Json(view).into_response());
    }
    view.insert("waitingFor".to_owned(), json!(waiting));
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

fn view_of(app: &App) -> Result<Map<String, Value>, Problem> {
    let follower = app.settings.follower();
    let follower =
        follower.ok_or_else(|| Problem::unavailable("the settings are still being read from Kafka"))?;
    Ok(view(&follower.settings(), &app.config.defaults))
}

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
            r#"{"failRate":{"value":0.5,"source":"environment"},"maxRetries":{"value":3,"source":"topic"},"onExhausted":{"value":"dlq","source":"default"},"deliveryMillis":{"value":0,"source":"default"},"guarantee":{"value":"atLeastOnce","source":"default"},"#
                .to_owned()
                + r#""instances":{"notification-2":{"failRate":{"value":0.9,"source":"topic"}}}}"#
        );
    }
}
