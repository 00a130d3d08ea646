//! `/runs`: where `dojo-run` says what it plays and asks, and where the room guesses. One run holds the lease, and may change
//! settings, rules and instances; others play alongside. A runner reports at least every two seconds. When it ends or falls silent,
//! what the run changed is put back.

use crate::{
    api::write_problem::ProblemOf as _,
    app::App,
    write::{
        WriteError,
        runs::{body::NewRun, fields::MAX_NUMBER, guess::NewGuess, report::RunEvent, undo::until_over},
    },
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use dojo_contract::{Run, RunCounts, RunId, RunState, RunVerdict};
use dojo_http::{Conflict, Invalid, JsonBody, NoQuery, NotFound, Problem, Refused, Unavailable};
use serde::Deserialize;
use std::sync::Arc;
use utoipa::ToSchema;
use uuid::Uuid;

/// Two hundred events with long texts.
const MAX_REPORT_BYTES: usize = 1024 * 1024;

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
    /// What the room learns from it.
    #[schema(min_length = 1, max_length = 2_000)]
    lesson: Option<String>,
    /// The scenario's file.
    #[schema(min_length = 1, max_length = 200)]
    file: Option<String>,
    /// The seed of its random choices.
    #[schema(format = "uint64")]
    seed: Option<u64>,
}

/// What a runner reports: an event, or a list of them, which are taken in together.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the body, whose mistakes `write/runs/body.rs` names one by one")]
pub(crate) enum RunReports {
    /// One event.
    One(RunReport),
    /// One to 200 events, in their order. `ended` is the last one.
    Several(Vec<RunReport>),
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
        /// How far it goes: the orders of a flood, or the milliseconds of a pause.
        #[schema(format = "uint64")]
        total: Option<u64>,
    },
    /// A step has moved on.
    Progress {
        #[schema(minimum = 1, maximum = 1_000_000)]
        number: u32,
        /// Its state in words; absent: as before.
        #[schema(min_length = 1, max_length = 200)]
        text: Option<String>,
        /// How far it has come, in the unit of its `total`; absent: as before.
        #[schema(format = "uint64")]
        done: Option<u64>,
    },
    /// A step has ended.
    StepEnded {
        #[schema(minimum = 1, maximum = 1_000_000)]
        number: u32,
        /// What came of it.
        #[schema(max_length = 500)]
        result: String,
    },
    /// It has said something to the room.
    Said {
        #[schema(min_length = 1, max_length = 500)]
        text: String,
    },
    /// It has found out whether an expectation was met.
    Finding {
        /// The number of the step that expects it.
        #[schema(minimum = 1, maximum = 1_000_000)]
        step: Option<u32>,
        #[schema(min_length = 1, max_length = 500)]
        text: String,
        met: bool,
        #[schema(max_length = 1_000)]
        detail: Option<String>,
    },
    /// A promise was broken.
    Breach {
        #[schema(min_length = 1, max_length = 500)]
        text: String,
    },
    /// The events of its own orders so far.
    Counts(RunCounts),
    /// It asks the room a question.
    Asked {
        #[schema(minimum = 1, maximum = 1_000_000)]
        number: u32,
        #[schema(min_length = 1, max_length = 300)]
        text: String,
        /// The answers to choose from, each of at most 100 characters; absent: the answer is a number.
        #[schema(min_items = 2, max_items = 6)]
        choices: Option<Vec<String>>,
    },
    /// It doesn't wait for guesses any more.
    Closed {
        #[schema(minimum = 1, maximum = 1_000_000)]
        number: u32,
        /// What was typed at its terminal.
        #[schema(min_length = 1, max_length = 100)]
        facilitator: Option<String>,
    },
    /// The right answer to a question.
    Revealed {
        #[schema(minimum = 1, maximum = 1_000_000)]
        number: u32,
        #[schema(min_length = 1, max_length = 500)]
        answer: String,
    },
    /// It has ended. What the run has changed is put back before the answer.
    Ended {
        verdict: RunVerdict,
        /// Why it could not be played to its end.
        #[schema(min_length = 1, max_length = 1_000)]
        failure: Option<String>,
    },
}

/// A guess of the room.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, whose mistakes `write/runs/body.rs` names one by one")]
pub(crate) struct GuessToCount {
    /// One of the choices; for a question without choices a number, as text.
    #[schema(min_length = 1, max_length = 100)]
    guess: String,
    /// Whose guess it is: an id that a browser makes up and keeps. Each guesser has one guess a question.
    guesser: Uuid,
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
/// A list of events is one write. Every event renews the lease; `renewed` does nothing else. The answer is the run, which says whether it
/// was asked to stop and how the room has guessed. The answer to `ended` comes once everything that the run has changed is
/// put back, and says so in `undone`; if that takes longer, the answer is 503, and the same event may be sent again. A run
/// that has ended or was abandoned is the member `run` of a 410.
#[utoipa::path(
    post,
    path = "/runs/{id}/events",
    tag = "runs",
    operation_id = "reportOnRun",
    params(("id" = RunId, Path, description = "The run.")),
    request_body = RunReports,
    responses(
        (status = 200, description = "The events were taken in, and the lease was renewed.", body = Run),
        NotFound, Conflict,
        Refused<410>, Invalid, Unavailable
    )
)]
pub(crate) async fn report(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
    JsonBody(body): JsonBody<MAX_REPORT_BYTES>,
) -> Result<Json<Run>, Problem> {
    let id = run_id(id)?;
    let mut events = RunEvent::read_all(&body).map_err(Into::into).problem(LOOK_AT)?;
    let last = events.pop_if(|event| matches!(event, RunEvent::Ended(_)));
    let Some(RunEvent::Ended(ended)) = last else {
        return shown(app.journal.report(&id, events).await);
    };
    // An answer may have been lost, so a runner may say twice that it has ended.
    let has_ended = app.models.runs.get(&id).is_some_and(|run| run.state == RunState::Ended);
    if !has_ended {
        app.journal.report(&id, events).await.problem(LOOK_AT)?;
        app.undo.begin(&id, Some(ended));
    }
    shown(until_over(&app.models.runs, &id).await)
}

/// Counts a guess of the room
///
/// Each guesser has one guess a question, and a question has at most 300. The guess is a choice of the question, or a number.
#[utoipa::path(
    post,
    path = "/runs/{id}/questions/{number}/guesses",
    tag = "runs",
    operation_id = "guess",
    params(
        ("id" = RunId, Path, description = "The run."),
        ("number" = u32, Path, description = "The number of the question.")
    ),
    request_body = GuessToCount,
    responses(
        (status = 200, description = "The guess is counted.", body = Run),
        NotFound, Conflict, Refused<410>, Invalid, Unavailable
    )
)]
pub(crate) async fn guess(
    State(app): State<Arc<App>>,
    _: NoQuery,
    path: QuestionPath,
    JsonBody(body): JsonBody,
) -> Result<Json<Run>, Problem> {
    let (id, number) = question(path)?;
    let guess = NewGuess::read(&body).map_err(Into::into).problem(LOOK_AT)?;
    shown(app.journal.guess(&id, number, guess).await)
}

/// Closes a question
///
/// The guessing ends, and the run goes on.
#[utoipa::path(
    post,
    path = "/runs/{id}/questions/{number}/close",
    tag = "runs",
    operation_id = "closeQuestion",
    params(
        ("id" = RunId, Path, description = "The run."),
        ("number" = u32, Path, description = "The number of the question.")
    ),
    responses(
        (status = 200, description = "The question is closed.", body = Run),
        NotFound, Conflict, Refused<410>, Unavailable
    )
)]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    _: NoQuery,
    path: QuestionPath,
) -> Result<Json<Run>, Problem> {
    let (id, number) = question(path)?;
    shown(app.journal.close(&id, number).await)
}

/// Asks a run to stop
///
/// Its runner learns it with its next report, within two seconds, and ends the run as after Ctrl-C: what it has changed is put back.
#[utoipa::path(
    post,
    path = "/runs/{id}/stop",
    tag = "runs",
    operation_id = "stopRun",
    params(("id" = RunId, Path, description = "The run.")),
    responses(
        (status = 202, description = "The run was asked to stop.", body = Run),
        NotFound, Conflict, Refused<410>, Unavailable
    )
)]
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    _: NoQuery,
    id: IdPath,
) -> Result<(StatusCode, Json<Run>), Problem> {
    let id = run_id(id)?;
    Ok((StatusCode::ACCEPTED, shown(app.journal.stop(&id).await)?))
}

/// Answers a run.
fn shown(run: Result<Arc<Run>, WriteError>) -> Result<Json<Run>, Problem> {
    Ok(Json(Run::clone(&*run.problem(LOOK_AT)?)))
}

/// The id of a run and the number of a question, as they came.
type QuestionPath = Result<Path<(String, String)>, PathRejection>;

/// What can't be a question's number names no question: 404.
fn question(path: QuestionPath) -> Result<(String, u32), Problem> {
    let no_such_question =
        || Problem::not_found("there is no question with that number of a run with that id");
    let Path((id, number)) = path.map_err(|_| no_such_question())?;
    let number = number.parse().ok().filter(|number| u64::from(*number) <= MAX_NUMBER);
    Ok((run_id(Ok(Path(id)))?, number.ok_or_else(no_such_question)?))
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
