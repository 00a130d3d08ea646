//! The timeline of a run as rows: its steps, and what was told between them, on one axis. Pure.

use super::{
    charts,
    data::{Mark, MarkKind, PlayedScenario, PlayedStep},
};
use serde::Serialize;

/// The least width of a bar, in percent: less is not seen.
const THINNEST: f64 = 0.4;

/// A row of the timeline: a step, or something that was told.
#[derive(Serialize)]
pub struct Row<'a> {
    /// `step`, `inner` for a step during a flood, `said`, `noted` or `broken`.
    kind: &'static str,
    number: Option<usize>,
    text: &'a str,
    result: Option<&'a str>,
    /// Whether it is an expectation that was not met.
    missed: bool,
    at: String,
    took: Option<String>,
    /// Position and width of the bar, in percent.
    left: String,
    width: String,
}

/// Returns the steps and what was told between them, by time.
pub fn rows<'a>(scenario: &'a PlayedScenario) -> Vec<Row<'a>> {
    let total = scenario.millis.max(1) as f64;
    let percent = |millis: u64| (millis as f64 / total * 100.0).min(100.0);
    let bar = |from: u64, millis: u64| {
        let width = percent(millis).max(THINNEST);
        (format!("{:.2}", percent(from).min(100.0 - width)), format!("{width:.2}"))
    };
    let step = |step: &'a PlayedStep| {
        // A step that didn't end lasted until the end of the run.
        let millis = step.millis.unwrap_or(scenario.millis.saturating_sub(step.from_millis));
        let (left, width) = bar(step.from_millis, millis);
        let missed = step.result.as_deref().is_some_and(|result| result.starts_with("not met"));
        let row = Row {
            kind: if step.during.is_some() { "inner" } else { "step" },
            number: Some(step.number),
            text: &step.text,
            missed,
            result: Some(step.result.as_deref().unwrap_or("it didn't end")),
            at: charts::time(step.from_millis as f64),
            took: Some(charts::time(millis as f64)),
            left,
            width,
        };
        (step.from_millis, row)
    };
    let mark = |mark: &'a Mark| {
        let (left, width) = bar(mark.at_millis, 0);
        let kind = match mark.kind {
            MarkKind::Said => "said",
            MarkKind::Noted => "noted",
            MarkKind::Broken => "broken",
        };
        let at = charts::time(mark.at_millis as f64);
        (
            mark.at_millis,
            Row {
                kind,
                number: None,
                text: &mark.text,
                result: None,
                missed: false,
                at,
                took: None,
                left,
                width,
            },
        )
    };
    let mut rows: Vec<_> = scenario.marks.iter().map(mark).chain(scenario.steps.iter().map(step)).collect();
    rows.sort_by_key(|(at, row)| (*at, row.number));
    rows.into_iter().map(|(_, row)| row).collect()
}
