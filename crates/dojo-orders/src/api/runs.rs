//! `/runs`: where `dojo-run` says what it plays. One run holds the lease, and may change settings, rules and instances; others play
//! alongside. A runner reports at least every two seconds. When it ends or falls silent, what the run changed is put back.

use crate::{
    api::write_problem::ProblemOf as _,
    app::App,
    write::runs::{
        body::{NewRun, RunEvent},
        undo::until_over,
    },
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use dojo_contract::{Run, RunId, RunState, RunVerdict};
use dojo_http::{Conflict, Invalid, JsonBody, NoQuery, NotFound, Problem, Refused, Unavailable};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;

const LOOK_AT: &str = "GET /runs shows the runs";

/// A run to start.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body, whose mistakes `write/runs/body.rs` names one by one")]
pub(crate) struct RunToStart {
    #[schema(value_type = RunId)]
    run_id: String,
    /// The scenario that the run plays, for a person.
    #[schema(min_length = 1, max_length = 200)]
    scenario: String,
    /// Whether it plays beside the run that holds the lease, and changes no settings, rules or instances. False by default.
    alongside: Option<bool>,
}

/// What a runner reports. Each event renews the lease.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body, whose mistakes `write/runs/body.rs` names one by one")]
pub(crate) enum RunReport {
    /// The runner is still there.
    Renewed,
    /// It has begun a step.
    Step {
        #[schema(minimum = 1, maximum = 1_000_000)]
        number: u32,
        #[schema(minimum = 1, maximum = 1_000_000)]
        of: u32,
        #[schema(min_length = 1, max_length = 500)]
        text: String,
    },
    /// It has found out whether an expectation was met.
    Finding {
        #[schema(min_length = 1, max_length = 500)]
        text: String,
        met: bool,
        #[schema(max_length = 1_000)]
        detail: Option<String>,
    },
    /// It has ended. What the run has changed is put back before the answer.
    Ended { verdict: RunVerdict },
}

/// Lists the runs: those that play, and those that ended in the last ten minutes
#[utoipa::path(
    get,
    path = "/runs",
    tag = "runs",
    operation_id = "listRuns",
    responses((status = 200, description = "The runs, the newest first.", body = [Run]))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Vec<Run>> {
    Json(app.models.runs.all().iter().map(|run| Run::clone(run)).collect())
}

/// Returns a run
#[utoipa::path(
    get,
    path = "/runs/{id}",
    tag = "runs",
    operation_id = "getRun",
    params(("id" = RunId, Path, description = "The run.")),
    responses((status = 200, description = "The run.", body = Run), NotFound)
)]
pub(crate) async fn get(State(app): State<Arc<App>>, _: NoQuery, id: IdPath) -> Result<Json<Run>, Problem> {
    let id = run_id(id)?;
    let run = app.models.runs.get(&id).ok_or_else(|| no_such_run(&id))?;
    Ok(Json(Run::clone(&run)))
}

/// Starts a run
///
/// It holds the lease from then on, unless it plays alongside; a run that was started before with the same id is answered again. If
/// another run holds the lease, the conflict has it as its member `run`. A run whose runner reports nothing for six seconds is abandoned.
#[utoipa::path(
    post,
    path = "/runs",
    tag = "runs",
    operation_id = "startRun",
    request_body = RunToStart,
    responses(
        (status = 201, description = "The run plays.", body = Run,
            headers(("Location" = String, description = "The path of the run."))),
        Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    _: NoQuery,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let new = NewRun::read(&body).map_err(Into::into).problem(LOOK_AT)?;
    let run = app.journal.start(new).await.problem(LOOK_AT)?;
    let location = [(header::LOCATION, format!("/runs/{}", run.run_id))];
    Ok((StatusCode::CREATED, location, Json(run.as_ref())).into_response())
}

/// Takes in what a runner reports
///
/// Every event renews the lease; `renewed` does nothing else. The answer to `ended` comes once everything that the run has changed is
/// put back, and says so in `undone`; if that takes longer, the answer is 503, and the same event may be sent again. A run
/// that has ended or was abandoned is the member `run` of a 410.
#[utoipa::path(
    post,
    path = "/runs/{id}/events",
    tag = "runs",
    operation_id = "reportOnRun",
    params(("id" = RunId, Path, description = "The run.")),
    request_body = RunReport,
    responses(
        (status = 200, description = "The run has ended. `undone` says what was put back.", body = Run),
        (status = 204, description = "The event was taken in, and the lease was renewed."),
        NotFound, Conflict,
        Refused<410>, Invalid, Unavailable
    )
)]
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let id = run_id(id)?;
    let event = RunEvent::read(&body).map_err(Into::into).problem(LOOK_AT)?;
    let RunEvent::Ended(verdict) = event else {
        app.journal.report(&id, event).await.problem(LOOK_AT)?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    // An answer may have been lost, so a runner may say twice that it has ended.
    let has_ended = app.models.runs.get(&id).is_some_and(|run| run.state == RunState::Ended);
    if !has_ended {
        app.journal.report(&id, event).await.problem(LOOK_AT)?;
        app.undo.begin(&id, Some(verdict));
    }
    let run = until_over(&app.models.runs, &id).await.problem(LOOK_AT)?;
    Ok(Json(run.as_ref()).into_response())
}

/// A run id as it came.
type IdPath = Result<Path<String>, PathRejection>;

/// A text that can't be an id names no run: 404.
fn run_id(path: IdPath) -> Result<String, Problem> {
    let id = path.map(|Path(id)| id).ok().filter(|id| Run::is_id(id));
    id.ok_or_else(|| Problem::not_found("there is no run with that id"))
}

fn no_such_run(id: &str) -> Problem {
    Problem::not_found(format!("there is no run {id}: it hasn't started, or ended some time ago"))
}
