//! `/scenarios`: the lessons in the folder of the scenarios, and playing one from the page. The run itself is at `/runs`.

use crate::{
    api::write_problem::ProblemOf as _,
    app::App,
    scenario_player::NotPlayed,
    scenarios::{PlayError, ScenarioSummary},
    write::runs::fields::{Fields, count, shown, text},
};
use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use dojo_contract::{FieldError, RunId};
use dojo_http::{Conflict, Invalid, JsonBody, NoQuery, NotFound, Problem, Unavailable};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use utoipa::ToSchema;

const LOOK_AT: &str = "GET /runs shows the runs";
/// Most variables of a request, far more than a scenario has.
const MAX_VARIABLES: usize = 100;
/// The longest name or value of a variable, in characters.
const VARIABLE_MAX_CHARS: usize = 1_000;

/// How to play a scenario.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body, whose mistakes are named one by one")]
pub(crate) struct ScenarioToPlay {
    /// The seed of every random choice, to repeat a run.
    #[schema(format = "uint64")]
    seed: Option<u64>,
    /// Values for variables of the scenario, in place of those in its `vars`. A number or a boolean is taken as its text.
    vars: Option<BTreeMap<String, String>>,
}

/// A run that has begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BegunRun {
    #[schema(value_type = RunId)]
    run_id: String,
}

/// Lists the scenarios
///
/// Those of the folder `SCENARIOS_DIR`, sorted by name, at most 200. A file with mistakes is listed with the first of them.
#[utoipa::path(
    get,
    path = "/scenarios",
    tag = "runs",
    operation_id = "listScenarios",
    responses((status = 200, description = "The scenarios.", body = [ScenarioSummary]))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Vec<ScenarioSummary>> {
    Json(app.player.list().await)
}

/// Plays a scenario
///
/// Starts a runner beside this service, and answers once its run has begun. If another run holds the lease, the conflict has it as its
/// member `run`. A runner that ends before its run has begun is a 503 with its reason.
#[utoipa::path(
    post,
    path = "/scenarios/{name}/play",
    tag = "runs",
    operation_id = "playScenario",
    params(("name" = String, Path, description = "The scenario.")),
    request_body = ScenarioToPlay,
    responses(
        (status = 201, description = "The run has begun.", body = BegunRun,
            headers(("Location" = String, description = "The path of the run."))),
        NotFound, Conflict, Invalid, Unavailable
    )
)]
pub(crate) async fn play(
    State(app): State<Arc<App>>,
    _: NoQuery,
    name: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let (seed, variables) = read(&body).map_err(Into::into).problem(LOOK_AT)?;
    app.refuse_while_away()?;
    if !app.models.runs.is_caught_up() {
        return Err(Problem::unavailable("the runs are still being read from Kafka"));
    }
    let run_id = app.player.play(name, seed, variables).await.map_err(problem)?;
    let location = [(header::LOCATION, format!("/runs/{run_id}"))];
    Ok((StatusCode::CREATED, location, Json(BegunRun { run_id })).into_response())
}

/// The seed and the variables of a body.
type HowToPlay = (Option<u64>, Vec<(String, String)>);

fn read(body: &Value) -> Result<HowToPlay, Vec<FieldError>> {
    let mut fields = Fields::of(body, &["seed", "vars"])?;
    let seed = fields.optional("seed", |value| count(value).map(Some));
    let variables = fields.optional("vars", variables);
    fields.read(|| Some((seed?, variables?)))
}

fn variables(value: &Value) -> Result<Vec<(String, String)>, String> {
    let members = value.as_object().ok_or_else(|| format!("is {}: give names and values", shown(value)))?;
    if members.len() > MAX_VARIABLES {
        return Err(format!("has {} variables: give at most {MAX_VARIABLES}", members.len()));
    }
    let variable = |(name, value): (&String, &Value)| {
        if name.is_empty() || name.contains('=') || name.chars().count() > VARIABLE_MAX_CHARS {
            return Err("has a name that no variable can have".to_owned());
        }
        let value = match value {
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            value => text(value, 0, VARIABLE_MAX_CHARS)
                .map_err(|message| format!("has `{name}`, which {message}"))?,
        };
        Ok((name.clone(), value))
    };
    members.iter().map(variable).collect()
}

fn problem(why: NotPlayed) -> Problem {
    match why {
        NotPlayed::Refused(PlayError::Mistakes(mistakes)) => Problem::invalid(mistakes),
        NotPlayed::Refused(error @ PlayError::NoSuchScenario(_)) => Problem::not_found(error.to_string()),
        NotPlayed::Refused(error @ PlayError::NotStarted(_)) => Problem::unavailable(error.to_string()),
        NotPlayed::LeaseTaken(run) => {
            let detail = format!("{} is being played: wait until it ends, or stop it", run.scenario);
            Problem::new(StatusCode::CONFLICT, detail).with_member("run", run.as_ref())
        }
        NotPlayed::RunnerEnded(said) if said.is_empty() => Problem::unavailable(
            "the runner ended before its run had begun, and said nothing: see this service's log",
        ),
        NotPlayed::RunnerEnded(said) => {
            Problem::unavailable(format!("the runner ended before its run had begun: {said}"))
        }
        NotPlayed::TooLate => {
            Problem::unavailable("the run has not begun in time: see this service's log, and try again")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_texts_numbers_and_booleans() {
        let body = json!({"seed": 7, "vars": {"customer": "Ada", "rate": 1.5, "fast": true}});
        let variables = [("customer", "Ada"), ("rate", "1.5"), ("fast", "true")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(read(&body), Ok((Some(7), variables)));
        assert_eq!(read(&json!({})), Ok((None, Vec::new())));
    }

    #[test]
    fn everything_wrong_with_a_body_is_named() {
        for (body, wrong) in [
            (json!({"seed": -1, "vars": [], "rate": 1}), &["rate", "seed", "vars"][..]),
            (json!({"vars": {"a=b": "1"}}), &["vars"]),
            (json!({"vars": {"a": [1]}}), &["vars"]),
            (json!([]), &[""]),
        ] {
            let fields: Vec<_> = read(&body).unwrap_err().into_iter().map(|error| error.field).collect();
            assert_eq!(fields, wrong, "{body}");
        }
    }
}
