//! `/rules` and `/rules/{name}`: the version of a rule that is in force, per instance, and the error of its file; and the change of
//! its file.

use crate::{
    api::{run_header::RunHeader, write_problem::ProblemOf as _},
    app::App,
    rule_files::{GoodSource, RuleFile},
    rule_save::{self, SaveError, Saved},
    rule_switches::Switch,
    write::rules::RuleError as WriteRuleError,
};
use axum::{
    Json,
    extract::{FromRequest as _, Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use dojo_contract::{InstanceStatus, time};
use dojo_http::{Conflict, Invalid, JsonBody, NoQuery, NotFound, Problem, Refused, Unavailable};
use dojo_rules::{EditedFile, FileError, MAX_SOURCE, RuleError, RuleKind, utf8_text, version};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, SemaphorePermit},
    time::timeout,
};
use utoipa::ToSchema;

const LOOK_AT: &str = "GET /rules/{name} shows the rule's file";
/// JSON can need six bytes for a byte of the source.
const MAX_BODY_BYTES: usize = 6 * MAX_SOURCE + 1024;
/// How long a draft waits until it has its turn.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// A rule.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleView {
    name: &'static str,
    /// The path of its file.
    file: String,
    /// The version that is in force according to its file.
    version: String,
    /// Whether that is the built-in rule, because there is no file.
    built_in: bool,
    /// Why the file as it stands is not in force: file, line, column and message; null if it is.
    #[schema(required)]
    error: Option<String>,
    /// The live instances that use the rule.
    instances: Vec<RuleInForce>,
    /// The latest switch to another version; null if there was none since this service started.
    #[schema(required)]
    switch: Option<RuleSwitch>,
}

/// The rule that an instance uses.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RuleInForce {
    instance_id: String,
    #[schema(required)]
    version: Option<String>,
    #[schema(required)]
    error: Option<String>,
}

/// The switch of every instance to a version.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RuleSwitch {
    version: String,
    /// When the file with the version was saved; if the file's time is more than two seconds ago, when this service or an instance first
    /// noticed it.
    #[serde(with = "time")]
    first_seen: DateTime<Utc>,
    /// When the last instance reported the version; null until every live instance has.
    #[schema(format = DateTime, required)]
    completed: Option<String>,
    /// The time between the two, in milliseconds.
    #[schema(required)]
    took_millis: Option<i64>,
}

/// A rule with its source.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleWithSource {
    #[serde(flatten)]
    rule: RuleView,
    /// The text of its file, even while that is broken; the built-in rule if there is no file; null if the file can't be read.
    #[schema(required)]
    source: Option<String>,
    /// The rule that is built into the program.
    as_shipped: RuleSource,
    /// The newest working version that isn't the file's present text, of those that this service has seen in force.
    #[schema(required)]
    last_good: Option<RuleSource>,
}

/// A source to go back to.
#[derive(Serialize, ToSchema)]
struct RuleSource {
    version: String,
    source: String,
}

impl From<GoodSource> for RuleSource {
    fn from(good: GoodSource) -> Self {
        Self { version: good.version, source: good.source.to_string() }
    }
}

/// Lists the rules
#[utoipa::path(
    get,
    path = "/rules",
    tag = "dojo",
    operation_id = "listRules",
    responses((status = 200, description = "The rules.", body = [RuleView]))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, _: NoQuery) -> Json<Vec<RuleView>> {
    let instances = app.models.instances.all();
    let view = |kind| {
        let rule = app.rules.get(kind);
        view(&rule, &instances, app.models.rule_switches.latest(rule.service))
    };
    Json(RuleKind::ALL.into_iter().map(view).collect())
}

/// Returns a rule with its source
///
/// `ETag` names the file as it is on disk now; without it, the file can't be edited.
#[utoipa::path(
    get,
    path = "/rules/{name}",
    tag = "dojo",
    operation_id = "getRule",
    params(("name" = String, Path, description = "The rule.")),
    responses(
        (status = 200, description = "The rule.", body = RuleWithSource, headers(("ETag" = String, description = "The file on disk."))),
        NotFound
    )
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    _: NoQuery,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let file = app.rules.get(kind(name)?);
    let switch = app.models.rule_switches.latest(file.service);
    let mut rule = view(&file, &app.models.instances.all(), switch);
    // The source is the file's, because that is what a person edits, even while it is broken.
    let reader = file.file.clone();
    let reading = tokio::task::spawn_blocking(move || reader.read()).await;
    let reading = reading.unwrap_or_else(|error| Err(FileError::Unreadable(error.to_string())));
    let tag = rule_save::tag(&reading);
    let source = match reading {
        Ok(bytes) => Some(
            utf8_text(&bytes).map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), str::to_owned),
        ),
        Err(FileError::Missing) => Some(file.kind.built_in().to_owned()),
        Err(error) => {
            let reason = format!("{}: {error}", file.file.path().display());
            // The watcher, whose message says more, may not have read this file yet.
            if !file.error.as_ref().is_some_and(|message| message.starts_with(&reason)) {
                rule.error = Some(reason);
            }
            None
        }
    };
    let present = source.as_deref().map(version);
    let good = [Some(file.good), file.earlier].into_iter().flatten();
    let last_good = good.into_iter().find(|good| Some(&good.version) != present.as_ref());
    let built_in = file.kind.built_in();
    let as_shipped = RuleSource { version: version(built_in), source: built_in.to_owned() };
    let rule = RuleWithSource { rule, source, as_shipped, last_good: last_good.map(RuleSource::from) };
    Ok(tagged(tag.as_deref(), Json(rule)))
}

/// A source for a rule's file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleDraft {
    /// At most 256 KiB.
    pub(crate) source: String,
}

/// A rule's file that was saved.
#[derive(Serialize, ToSchema)]
pub(crate) struct SavedRule {
    version: String,
}

/// A mistake in a rule.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleMistake {
    /// The line, from 1; null if it is about the rule as a whole.
    #[schema(required)]
    line: Option<usize>,
    /// The character in the line, from 1.
    #[schema(required)]
    column: Option<usize>,
    /// What is wrong, and how to correct it.
    message: String,
    /// Everything as a terminal shows it, with the file; it can have several lines.
    text: String,
}

impl From<&RuleError> for RuleMistake {
    fn from(error: &RuleError) -> Self {
        let RuleError { line, column, message, mend, .. } = error;
        let mend = mend.as_ref().map(|mend| format!("\n{mend}")).unwrap_or_default();
        Self { line: *line, column: *column, message: format!("{message}{mend}"), text: error.to_string() }
    }
}

/// Changes a rule's file
///
/// Needs `If-Match` with the `ETag` of the file that was edited. If the file on disk has changed since, nothing is written. On Linux,
/// with a file system that can exchange names, this includes a change while the file is being replaced, but not what a program writes
/// into the old file after that. The source is checked first, and a mistake changes nothing; it is the member `mistake` of the 422. The
/// file keeps its line ends, its byte order mark, its mode, and its owner if this service may give files away. Every instance has the
/// new version in force within half a second.
#[utoipa::path(
    put,
    path = "/rules/{name}",
    tag = "dojo",
    operation_id = "putRule",
    params(
        ("name" = String, Path, description = "The rule."),
        ("If-Match" = String, Header, description = "The `ETag` of the file that was edited."),
        RunHeader
    ),
    request_body = RuleDraft,
    responses(
        (status = 200, description = "The new version.", body = SavedRule, headers(("ETag" = String, description = "The new file."))),
        NotFound,
        Conflict,
        Refused<412>,
        Invalid,
        Refused<428>,
        Unavailable,
    )
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    _: NoQuery,
    headers: HeaderMap,
    run: RunHeader,
    request: Request,
) -> Result<Response, Problem> {
    let kind = kind(name)?;
    let expected = expected(&headers)?;
    let (_place, RuleDraft { source }) = draft(&app, request).await?;
    // Only now, so that a slow sender holds up nobody.
    let turn = turn(&app).await?;
    let writer = Arc::clone(&app.rule_writer);
    // It goes on when the client has gone.
    let saving = tokio::spawn(async move {
        let _turn = turn;
        writer.save(kind, expected, source, run.id()).await
    });
    match saving.await.map_err(Problem::internal)? {
        Ok(Saved { version, tag }) => Ok(tagged(Some(&tag), Json(SavedRule { version }))),
        Err(WriteRuleError::Save(error)) => Ok(save_problem(&app.rules.get(kind).file, error)),
        Err(WriteRuleError::Write(error)) => Err(error).problem(LOOK_AT),
    }
}

fn save_problem(file: &EditedFile, error: SaveError) -> Response {
    let file = file.path().display();
    let problem = match error {
        SaveError::Changed(tag) => {
            let detail = "the file on disk has changed since the `ETag` in `If-Match`; get the rule again and repeat your change";
            return tagged(Some(&tag), Problem::new(StatusCode::PRECONDITION_FAILED, detail));
        }
        SaveError::Invalid(mistake) => invalid(&mistake),
        SaveError::TooLarge(most) => too_large(most),
        SaveError::NotText => Problem::new(StatusCode::CONFLICT, format!("{file}: {}", SaveError::NotText)),
        SaveError::NotEditable(why) => Problem::new(
            StatusCode::CONFLICT,
            format!("{file} can't be edited here: {why}; put a text file there"),
        ),
        SaveError::ReadOnly(why) => Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "{file} can't be written: {why}. With docker compose, mount the folder without `:ro` \
                 (`./rules:/dojo/rules`), and run the services as its owner: DOJO_USER=$(id -u):$(id -g)"
            ),
        ),
        SaveError::Failed(why) => Problem::unavailable(format!("{file} could not be written: {why}")),
    };
    problem.into_response()
}

/// 422 with the mistake as an own member.
pub(crate) fn invalid(mistake: &RuleError) -> Problem {
    Problem::invalid_field("source", format!("can't be in force: {mistake}"))
        .with_member("mistake", &RuleMistake::from(mistake))
}

pub(crate) fn too_large(most: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the source is larger than {most} bytes"))
}

/// Returns the tags of `If-Match`. `*` would overwrite whatever is there.
fn expected(headers: &HeaderMap) -> Result<Vec<String>, Problem> {
    let values = headers.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok());
    let tags: Vec<_> = values.flat_map(|value| value.split(',')).map(|tag| tag.trim().to_owned()).collect();
    if tags.is_empty() || tags.iter().any(|tag| tag == "*" || tag.is_empty()) {
        let detail = "send `If-Match` with the `ETag` of the file that you edited, from GET /rules/{name}";
        return Err(Problem::new(StatusCode::PRECONDITION_REQUIRED, detail));
    }
    Ok(tags)
}

/// Waits until a draft may be checked. The thread that checks it keeps the permit, because it goes on when the client has gone.
pub(crate) async fn turn(app: &App) -> Result<OwnedSemaphorePermit, Problem> {
    match timeout(TURN_WITHIN, Arc::clone(&app.rule_checks).acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Problem::unavailable("other drafts are being checked: try again")),
    }
}

/// Reads a body that has a draft. The permit is for as long as the draft is in memory.
pub(crate) async fn draft<T: serde::de::DeserializeOwned>(
    app: &App,
    request: Request,
) -> Result<(SemaphorePermit<'_>, T), Problem> {
    let Ok(place) = app.rule_drafts.try_acquire() else {
        return Err(Problem::unavailable("too many drafts are being read: try again"));
    };
    let JsonBody(body) = JsonBody::<MAX_BODY_BYTES>::from_request(request, &()).await?;
    let draft = serde_json::from_value(body)
        .map_err(|error| Problem::invalid_field("", format!("the body is wrong: {error}")))?;
    Ok((place, draft))
}

/// Returns the rule with a name.
pub(crate) fn kind(name: Result<Path<String>, PathRejection>) -> Result<RuleKind, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    RuleKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names = RuleKind::ALL.map(RuleKind::name).join(", ");
        Problem::not_found(format!("there is no such rule; the rules are {names}"))
    })
}

fn tagged(tag: Option<&str>, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    if let Some(tag) = tag.and_then(|tag| HeaderValue::from_str(tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn view(rule: &RuleFile, instances: &[InstanceStatus], switch: Option<Switch>) -> RuleView {
    let now = Utc::now();
    let by = instances.iter().filter(|status| status.service == rule.service && status.is_live(now));
    let by = by.map(|status| RuleInForce {
        instance_id: status.instance_id.clone(),
        version: status.rule_version.clone(),
        error: status.rule_error.clone(),
    });
    let switch = switch.map(|Switch { version, first_seen, completed }| RuleSwitch {
        version,
        first_seen,
        completed: completed.map(time::format),
        took_millis: completed.map(|at| (at - first_seen).num_milliseconds().max(0)),
    });
    RuleView {
        name: rule.kind.name(),
        file: rule.file.path().display().to_string(),
        version: rule.good.version.clone(),
        built_in: rule.built_in,
        error: rule.error.clone(),
        instances: by.collect(),
        switch,
    }
}
