//! `GET /settings`: every value with where it comes from. `PATCH /settings`: changes them, and waits until every live
//! instance has applied the change; 202 names the instances that have not.

use crate::{
    api::{run_header::RunHeader, write_problem::ProblemOf as _},
    app::App,
};
use axum::{Json, extract::State, http::StatusCode};
use dojo_contract::{
    Defaults, InstanceId, Setting, SettingName, SettingValue, Settings, SettingsPatch, ValueSource,
};
use dojo_http::{Conflict, Invalid, JsonBody, NoQuery, Problem, Unavailable};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, sync::Arc};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, Ref, RefOr, Schema, schema::Type},
};

const LOOK_AT: &str = "GET /settings shows the settings in force";

/// The settings in force.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettingsView {
    /// The values of every instance that has none of its own.
    #[serde(flatten)]
    #[schema(value_type = SettingsOfAll)]
    all: BTreeMap<Setting, SettingView>,
    /// The values of single instances, by their ids.
    #[schema(value_type = BTreeMap<String, SettingsOfInstance>)]
    instances: BTreeMap<String, BTreeMap<Setting, SettingView>>,
    /// The live instances that have not applied the change yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<InstanceId>)]
    waiting_for: Vec<String>,
}

/// A setting's value, and where it comes from.
#[derive(Serialize)]
struct SettingView {
    #[serde(serialize_with = "as_json")]
    value: SettingValue,
    source: ValueSource,
}

fn as_json<S: Serializer>(value: &SettingValue, serializer: S) -> Result<S::Ok, S::Error> {
    value.to_json().serialize(serializer)
}

impl SettingView {
    fn schema_of(setting: Setting) -> ObjectBuilder {
        let object = ObjectBuilder::new().schema_type(Type::Object);
        let object = object
            .property("value", setting.schema())
            .property("source", Ref::from_schema_name(ValueSource::name()));
        object.required("value").required("source")
    }
}

/// Every setting.
struct SettingsOfAll;

impl ToSchema for SettingsOfAll {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(value_source());
    }
}
impl PartialSchema for SettingsOfAll {
    fn schema() -> RefOr<Schema> {
        let required = |object: ObjectBuilder, setting: Setting| object.required(setting.name());
        Setting::ALL.into_iter().fold(settings(), required).into()
    }
}

/// Any of the settings.
struct SettingsOfInstance;

impl ToSchema for SettingsOfInstance {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(value_source());
    }
}
impl PartialSchema for SettingsOfInstance {
    fn schema() -> RefOr<Schema> {
        settings().into()
    }
}

fn value_source() -> (String, RefOr<Schema>) {
    (ValueSource::name().into_owned(), ValueSource::schema())
}

fn settings() -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object);
    let property = |object: ObjectBuilder, setting: Setting| {
        object.property(setting.name(), SettingView::schema_of(setting))
    };
    Setting::ALL.into_iter().fold(object, property)
}

/// Returns the settings, each with where its value comes from
#[utoipa::path(
    get,
    path = "/settings",
    tag = "dojo",
    operation_id = "getSettings",
    responses((status = 200, description = "The settings.", body = SettingsView), Unavailable)
)]
pub(crate) async fn get(State(app): State<Arc<App>>, _: NoQuery) -> Result<Json<SettingsView>, Problem> {
    view_of(&app).map(Json)
}

/// Changes settings
///
/// The answer comes when every live instance has applied the change, or after two seconds.
#[utoipa::path(
    patch,
    path = "/settings",
    tag = "dojo",
    operation_id = "changeSettings",
    params(RunHeader),
    request_body(content((SettingsPatch = "application/json"), (SettingsPatch = "application/merge-patch+json"))),
    responses(
        (status = 200, description = "Every live instance has applied the change.", body = SettingsView),
        (status = 202, description = "The change is on the topic. `waitingFor` has the instances that have not applied it yet.",
            body = SettingsView),
        Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn patch(
    State(app): State<Arc<App>>,
    _: NoQuery,
    run: RunHeader,
    JsonBody(patch): JsonBody,
) -> Result<(StatusCode, Json<SettingsView>), Problem> {
    let waiting_for = app.settings.patch(&patch, run.id()).await.problem(LOOK_AT)?;
    let status = if waiting_for.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(SettingsView { waiting_for, ..view_of(&app)? })))
}

fn view_of(app: &App) -> Result<SettingsView, Problem> {
    let follower = app.settings.follower();
    let follower =
        follower.ok_or_else(|| Problem::unavailable("the settings are still being read from Kafka"))?;
    Ok(view(&follower.settings(), &app.config.defaults))
}

fn view(settings: &Settings, defaults: &Defaults) -> SettingsView {
    let for_all = |setting| {
        let (value, source) = settings.for_all(setting, defaults);
        (setting, SettingView { value, source })
    };
    let mut instances: BTreeMap<String, BTreeMap<Setting, SettingView>> = BTreeMap::new();
    for (name, value) in settings.iter() {
        let SettingName { instance: Some(instance), setting } = name else { continue };
        let value = SettingView { value, source: ValueSource::Topic };
        instances.entry(instance.clone()).or_default().insert(*setting, value);
    }
    SettingsView { all: Setting::ALL.into_iter().map(for_all).collect(), instances, waiting_for: Vec::new() }
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
