//! `/instances`: who is there, and what is asked of whom. Stopping, starting, crashing, adding and removing are records on
//! `dojo-settings`, so the answers to them show what the instances have reported since: 202 if that isn't the effect yet.

use crate::{
    api::{run_header::RunHeader, write_problem::ProblemOf as _},
    app::App,
    write::instances::is_known,
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use dojo_contract::{DesiredState, InstanceId, InstanceStatus, Service, Settings, is_instance_id};
use dojo_http::{Conflict, Invalid, JsonBody, NoQuery, NotFound, Problem, Unavailable};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{AdditionalProperties, Type},
    },
};

const LOOK_AT: &str = "GET /instances shows what is asked of each instance, and what it does";
const SERVICE: &str = "service";

/// An instance that has reported.
#[derive(Serialize, ToSchema)]
pub(super) struct InstanceView {
    /// Its newest report.
    #[serde(flatten)]
    status: InstanceStatus,
    /// Whether it is at work: its report isn't older than six seconds, and doesn't say that it has stopped.
    live: bool,
    /// What is asked of it; null until the settings were read.
    #[schema(required)]
    desired: Option<DesiredState>,
}

/// An instance of which there is no report.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UnreportedInstance {
    instance_id: String,
    /// Always false.
    live: bool,
    /// What is asked of it; null until the settings were read.
    #[schema(required)]
    desired: Option<DesiredState>,
}

/// An instance.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Instance {
    /// It has reported.
    Reported(Box<InstanceView>),
    /// No report of it is there.
    Unreported(UnreportedInstance),
}

/// An instance that has not reported yet.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddedInstance {
    instance_id: String,
}

/// What `POST /instances` reads.
pub(crate) struct NewInstance;

impl ToSchema for NewInstance {}
impl PartialSchema for NewInstance {
    fn schema() -> RefOr<Schema> {
        let service = ObjectBuilder::new().schema_type(Type::String);
        let service = service.enum_values(Some(Service::MEMBERS.map(Service::name)));
        let service = service.description(Some("The service of which one more instance is to run."));
        let object =
            ObjectBuilder::new().schema_type(Type::Object).property(SERVICE, service).required(SERVICE);
        object.additional_properties(Some(AdditionalProperties::FreeForm(false))).into()
    }
}

/// Lists the instances that have reported, and what is asked of each
#[utoipa::path(
    get,
    path = "/instances",
    tag = "dojo",
    operation_id = "listInstances",
    responses((status = 200, description = "The instances.", body = [InstanceView]))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Vec<InstanceView>> {
    Json(views(&app, Utc::now()))
}

/// Returns an instance, and what is asked of it
#[utoipa::path(
    get,
    path = "/instances/{id}",
    tag = "dojo",
    operation_id = "getInstance",
    params(("id" = InstanceId, Path, description = "The instance.")),
    responses((status = 200, description = "The instance.", body = Instance), NotFound)
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
) -> Result<Json<Instance>, Problem> {
    let id = instance_id(id)?;
    let is_there = app.models.instances.get(&id).is_some()
        || app.settings.follower().is_some_and(|settings| is_known(&settings.settings().control(&id)));
    if is_there { Ok(Json(entry(&app, &id))) } else { Err(no_such_instance(&id)) }
}

/// Asks an instance to leave its group
///
/// Its process stays.
#[utoipa::path(
    post,
    path = "/instances/{id}/stop",
    tag = "dojo",
    operation_id = "stopInstance",
    params(("id" = InstanceId, Path, description = "The instance."), RunHeader),
    responses(
        (status = 200, description = "The instance has stopped.", body = Instance),
        (status = 202, description = "The instance was asked to stop, and has not reported yet that it did.", body = Instance),
        NotFound, Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
    run: RunHeader,
) -> Result<(StatusCode, Json<Instance>), Problem> {
    set_state(&app, id, DesiredState::Stopped, &run).await
}

/// Asks an instance that was stopped to work again
#[utoipa::path(
    post,
    path = "/instances/{id}/start",
    tag = "dojo",
    operation_id = "startInstance",
    params(("id" = InstanceId, Path, description = "The instance."), RunHeader),
    responses(
        (status = 200, description = "The instance is at work.", body = Instance),
        (status = 202, description = "The instance was asked to work, and has not reported yet that it does.", body = Instance),
        NotFound, Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
    run: RunHeader,
) -> Result<(StatusCode, Json<Instance>), Problem> {
    set_state(&app, id, DesiredState::Running, &run).await
}

async fn set_state(
    app: &App,
    id: IdPath,
    state: DesiredState,
    run: &RunHeader,
) -> Result<(StatusCode, Json<Instance>), Problem> {
    let id = instance_id(id)?;
    let is_done = app.instances.set_state(&id, state, run.id()).await.problem(LOOK_AT)?;
    let status = if is_done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(entry(app, &id))))
}

/// Asks the process of an instance to end at once, as in a crash
#[utoipa::path(
    post,
    path = "/instances/{id}/crash",
    tag = "dojo",
    operation_id = "crashInstance",
    params(("id" = InstanceId, Path, description = "The instance."), RunHeader),
    responses(
        (status = 202, description = "The process was asked to end.", body = Instance),
        NotFound, Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn crash(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
    run: RunHeader,
) -> Result<(StatusCode, Json<Instance>), Problem> {
    let id = instance_id(id)?;
    app.instances.crash(&id, run.id()).await.problem(LOOK_AT)?;
    Ok((StatusCode::ACCEPTED, Json(entry(&app, &id))))
}

/// Adds an instance
///
/// Works where a supervisor runs the instances' processes; elsewhere the conflict says how to start one.
#[utoipa::path(
    post,
    path = "/instances",
    tag = "dojo",
    operation_id = "addInstance",
    params(RunHeader),
    request_body = NewInstance,
    responses(
        (status = 201, description = "The instance is there.", body = Instance,
            headers(("Location" = String, description = "The path of the instance."))),
        (status = 202, description = "The supervisor was asked to start the instance, which has not reported yet.",
            body = AddedInstance, headers(("Location" = String, description = "The path of the instance."))),
        Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    _: NoQuery,
    run: RunHeader,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let (id, is_there) = app.instances.add(service(&body)?, run.id()).await.problem(LOOK_AT)?;
    let location = [(header::LOCATION, format!("/instances/{id}"))];
    if is_there {
        return Ok((StatusCode::CREATED, location, Json(entry(&app, &id))).into_response());
    }
    Ok((StatusCode::ACCEPTED, location, Json(AddedInstance { instance_id: id })).into_response())
}

/// Removes an instance: its process is to end
#[utoipa::path(
    delete,
    path = "/instances/{id}",
    tag = "dojo",
    operation_id = "removeInstance",
    params(("id" = InstanceId, Path, description = "The instance."), RunHeader),
    responses(
        (status = 204, description = "The instance is gone."),
        (status = 202, description = "The supervisor was asked to end the process, which has not ended yet.", body = Instance),
        NotFound, Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
    run: RunHeader,
) -> Result<Response, Problem> {
    let id = instance_id(id)?;
    if app.instances.remove(&id, run.id()).await.problem(LOOK_AT)? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok((StatusCode::ACCEPTED, Json(entry(&app, &id))).into_response())
}

/// Every instance that has reported: its report, whether it is live, and what is asked of it.
pub(super) fn views(app: &App, now: DateTime<Utc>) -> Vec<InstanceView> {
    let settings = app.settings.follower().map(|follower| follower.settings());
    let instances = app.models.instances.all().into_iter();
    instances.map(|status| view(status, settings.as_deref(), now)).collect()
}

fn view(status: InstanceStatus, settings: Option<&Settings>, now: DateTime<Utc>) -> InstanceView {
    InstanceView { live: status.is_live(now), desired: desired(&status.instance_id, settings), status }
}

/// `None` until the settings were read.
fn desired(id: &str, settings: Option<&Settings>) -> Option<DesiredState> {
    settings.map(|settings| settings.control(id).state)
}

/// One instance, of which there may be no report.
fn entry(app: &App, id: &str) -> Instance {
    let settings = app.settings.follower().map(|follower| follower.settings());
    let settings = settings.as_deref();
    match app.models.instances.get(id) {
        Some(status) => Instance::Reported(Box::new(view(status, settings, Utc::now()))),
        None => Instance::Unreported(UnreportedInstance {
            instance_id: id.to_owned(),
            live: false,
            desired: desired(id, settings),
        }),
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
