//! `/instances`: who is there, and what is asked of whom. Stopping, starting, crashing, adding and removing are records on
//! `dojo-settings`, so the answers to them show what the instances have reported since: 202 if that isn't the effect yet.

use crate::{api::write_problem::ProblemOf as _, app::App, write::instances::is_known};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use dojo_contract::{DesiredState, InstanceStatus, Service, Settings, is_instance_id};
use dojo_http::{JsonBody, NoQuery, Problem};
use serde_json::{Value, json};
use std::sync::Arc;

const LOOK_AT: &str = "GET /instances shows what is asked of each instance, and what it does";
const SERVICE: &str = "service";

pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Value> {
    Json(views(&app, Utc::now()))
}

pub(crate) async fn get(State(app): State<Arc<App>>, _: NoQuery, id: IdPath) -> Result<Json<Value>, Problem> {
    let id = instance_id(id)?;
    let is_there = app.models.instances.get(&id).is_some()
        || app.settings.follower().is_some_and(|settings| is_known(&settings.settings().control(&id)));
    if is_there { Ok(Json(entry(&app, &id))) } else { Err(no_such_instance(&id)) }
}

pub(crate) async fn stop(State(app): State<Arc<App>>, _: NoQuery, id: IdPath) -> Result<Response, Problem> {
    set_state(&app, id, DesiredState::Stopped).await
}

pub(crate) async fn start(State(app): State<Arc<App>>, _: NoQuery, id: IdPath) -> Result<Response, Problem> {
    set_state(&app, id, DesiredState::Running).await
}

async fn set_state(app: &App, id: IdPath, state: DesiredState) -> Result<Response, Problem> {
    let id = instance_id(id)?;
    let is_done = app.instances.set_state(&id, state).await.problem(LOOK_AT)?;
    let status = if is_done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(entry(app, &id))).into_response())
}

pub(crate) async fn crash(State(app): State<Arc<App>>, _: NoQuery, id: IdPath) -> Result<Response, Problem> {
    let id = instance_id(id)?;
    app.instances.crash(&id).await.problem(LOOK_AT)?;
    Ok((StatusCode::ACCEPTED, Json(entry(&app, &id))).into_response())
}

pub(crate) async fn add(
    State(app): State<Arc<App>>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (id, is_there) = app.instances.add(service(&body)?).await.problem(LOOK_AT)?;
    let location = [(header::LOCATION, format!("/instances/{id}"))];
    let (status, body) = if is_there {
        (StatusCode::CREATED, entry(&app, &id))
    } else {
        (StatusCode::ACCEPTED, json!({"instanceId": id}))
    };
    Ok((status, location, Json(body)).into_response())
}

pub(crate) async fn remove(State(app): State<Arc<App>>, _: NoQuery, id: IdPath) -> Result<Response, Problem> {
    let id = instance_id(id)?;
    if app.instances.remove(&id).await.problem(LOOK_AT)? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(entry(&app, &id))).into_response())
}

/// Every instance that has reported: its report, whether it is live, and what is asked of it.
pub(super) fn views(app: &App, now: DateTime<Utc>) -> Value {
    let settings = app.settings.follower().map(|follower| follower.settings());
    let instances = app.models.instances.all();
    instances.iter().map(|status| view(status, settings.as_deref(), now)).collect()
}

fn view(status: &InstanceStatus, settings: Option<&Settings>, now: DateTime<Utc>) -> Value {
    let mut view = json!(status);
    view["live"] = json!(status.is_live(now));
    view["desired"] = desired(&status.instance_id, settings);
    view
}

/// Null until the settings were read.
fn desired(id: &str, settings: Option<&Settings>) -> Value {
    settings.map_or(Value::Null, |settings| settings.control(id).state.name().into())
}

/// One instance, of which there may be no report.
fn entry(app: &App, id: &str) -> Value {
    let settings = app.settings.follower().map(|follower| follower.settings());
    let settings = settings.as_deref();
    match app.models.instances.get(id) {
        Some(status) => view(&status, settings, Utc::now()),
        None => json!({"instanceId": id, "live": false, "desired": desired(id, settings)}),
    }
}

/// An instance id as it came.
pub(crate) type IdPath = Result<Path<String>, PathRejection>;

/// A text that can't be an id names no instance: 404.
fn instance_id(path: IdPath) -> Result<String, Problem> {
    let id = path.map(|Path(id)| id).ok().filter(|id| is_instance_id(id));
    id.ok_or_else(|| Problem::not_found("there is no instance with that id"))
}

fn no_such_instance(id: &str) -> Problem {
    Problem::not_found(format!("there is no instance {id}"))
}

/// Reads `{"service": "notification"}`.
fn service(body: &Value) -> Result<Service, Problem> {
    let Value::Object(members) = body else {
        return Err(Problem::invalid_field("", "give a JSON object such as {\"service\": \"notification\"}"));
    };
    let others = members.keys().filter(|name| *name != SERVICE);
    let mut wrong: Vec<_> =
        others.map(|name| (name.clone(), format!("isn't known here: give {SERVICE} alone"))).collect();
    let named = members.get(SERVICE).and_then(Value::as_str).and_then(Service::member);
    if named.is_none() {
        let [one, two, three] = Service::MEMBERS.map(Service::name);
        let given =
            members.get(SERVICE).map_or_else(|| "is missing".to_owned(), |given| format!("is {given}"));
        wrong.push((SERVICE.to_owned(), format!("{given}: give \"{one}\", \"{two}\" or \"{three}\"")));
    }
    match named {
        Some(service) if wrong.is_empty() => Ok(service),
        _ => Err(Problem::invalid(wrong)),
    }
}
