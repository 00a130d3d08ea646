//! `/rules/{name}/check` and `/rules/{name}/backtest`: what a draft would do, before it is in force. Neither writes anything.

use crate::{
    api::rules::{RuleDraft, RuleMistake, draft, invalid, kind, too_large, turn},
    app::App,
    backtest::BacktestRequest,
    rule_save,
};
use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::StatusCode,
};
use dojo_http::{Conflict, Invalid, NoQuery, NotFound, Problem, Unavailable};
use dojo_rules::{BacktestReport, RuleError, RuleKind, version};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use utoipa::ToSchema;

/// How long a backtest may take.
const BACKTEST_WITHIN: Duration = Duration::from_secs(60);
const DEFAULT_SINCE: Duration = Duration::from_secs(600);
const MIN_SINCE: Duration = Duration::from_secs(1);
const MAX_SINCE: Duration = Duration::from_secs(24 * 3_600);

/// What the check of a draft found.
#[derive(Serialize, ToSchema)]
pub(crate) struct RuleCheck {
    /// The version that the draft would have in the file, which keeps its line ends.
    version: String,
    /// The mistake that keeps it from being in force; null for a draft without mistakes.
    #[schema(required)]
    error: Option<RuleMistake>,
}

/// Checks a draft of a rule
///
/// As the services check a file before it is in force. Changes nothing.
#[utoipa::path(
    post,
    path = "/rules/{name}/check",
    tag = "dojo",
    operation_id = "checkRule",
    params(("name" = String, Path, description = "The rule.")),
    request_body = RuleDraft,
    responses((status = 200, description = "What the check found.", body = RuleCheck), NotFound, Invalid, Unavailable)
)]
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    _: NoQuery,
    request: Request,
) -> Result<Json<RuleCheck>, Problem> {
    let kind = kind(name)?;
    let (_place, RuleDraft { source }) = draft(&app, request).await?;
    let Checked { source, mistake } = checked(&app, kind, source).await?;
    Ok(Json(RuleCheck { version: version(&source), error: mistake.as_ref().map(RuleMistake::from) }))
}

/// A draft that was checked.
struct Checked {
    /// The source as its file would have it.
    source: String,
    mistake: Option<RuleError>,
}

/// Checks a draft on a thread that may block, when it is its turn.
async fn checked(app: &App, kind: RuleKind, source: String) -> Result<Checked, Problem> {
    let turn = turn(app).await?;
    let file = app.rules.get(kind).file;
    let checking = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let source = rule_save::as_saved(&file, &source).map_err(|_| too_large(file.max_bytes()))?;
        let mistake = kind.check(&file.path().display().to_string(), &source).err();
        Ok(Checked { source, mistake })
    });
    checking.await.map_err(Problem::internal)?
}

/// A draft to judge recorded orders with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftToTry {
    /// At most 256 KiB.
    source: String,
    /// How far to go back: `90s`, `10m`, `1h 30m`. From one second to 24 hours.
    #[schema(default = "10m")]
    since: Option<String>,
}

/// Tries a draft of a rule on the recorded orders
///
/// Judges the recorded orders again with the draft, and compares the verdicts with those on the log. Only the fraud rule can be
/// tried. One request at a time, of at most 60 s; it ends with its connection. Joins no consumer group and writes nothing.
#[utoipa::path(
    post,
    path = "/rules/{name}/backtest",
    tag = "dojo",
    operation_id = "backtestRule",
    params(("name" = String, Path, description = "The rule.")),
    request_body = DraftToTry,
    responses((status = 200, description = "What the draft would change.", body = BacktestReport), NotFound, Conflict, Invalid, Unavailable)
)]
pub(crate) async fn backtest(
    State(app): State<Arc<App>>,
    name: Result<Path<String>, PathRejection>,
    _: NoQuery,
    request: Request,
) -> Result<Json<BacktestReport>, Problem> {
    let kind = kind(name)?;
    if kind != RuleKind::Fraud {
        let detail =
            "only the fraud rule has a backtest: a delivery can't be repeated without notifying the customer";
        return Err(Problem::not_found(detail));
    }
    let Some(backtest) = &app.backtest else {
        let detail = "this program has no backtest; run `dojo rules backtest`";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let (_place, DraftToTry { source, since }) = draft(&app, request).await?;
    let since = since.map_or(Ok(DEFAULT_SINCE), |text| span(&text))?;
    let Checked { source, mistake } = checked(&app, kind, source).await?;
    if let Some(mistake) = mistake {
        return Err(invalid(&mistake));
    }
    let Ok(_alone) = app.backtests.try_acquire() else {
        let detail = "another backtest is under way: try again when it has ended";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let file = app.rules.get(kind).file.path().display().to_string();
    match timeout(BACKTEST_WITHIN, backtest(BacktestRequest { file, source, since })).await {
        Ok(Ok(report)) => Ok(Json(report)),
        Ok(Err(why)) => Err(Problem::unavailable(why)),
        Err(_) => Err(Problem::unavailable(format!(
            "the backtest did not end within {} s: choose a shorter `since`",
            BACKTEST_WITHIN.as_secs()
        ))),
    }
}

fn span(text: &str) -> Result<Duration, Problem> {
    let span = humantime::parse_duration(text).ok();
    span.filter(|span| (MIN_SINCE..=MAX_SINCE).contains(span)).ok_or_else(|| {
        Problem::invalid_field("since", "isn't a span of 1s to 24h: give one such as 90s, 10m or 2h")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_one_second_to_a_day() {
        for (text, seconds) in [("90s", 90), ("10m", 600), ("1h 30m", 5_400), ("24h", 86_400)] {
            assert_eq!(span(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "m", "0s", "999ms", "10", "25h", "-1m", "99999999999999999999h", "1\u{e9}"] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
