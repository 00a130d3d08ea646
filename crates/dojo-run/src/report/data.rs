//! The data of a report, which is also the shape of `report.json`. `docs/REPORTS.md` describes it for its readers; a change of a
//! field's name or meaning gets another [`FORMAT`].

use crate::{
    RuleVersion,
    load::{FigureRow, Latency},
};
use chrono::{DateTime, Utc};
use dojo_contract::RunCounts;
use dojo_contract::{RunVerdict, time};
use dojo_scenario::{
    Place,
    observe::{Example, ExampleEvent},
    scalar::counted,
};
use serde::{Serialize, Serializer};
use std::{collections::BTreeMap, fmt, time::Duration};

/// The version of the shape.
pub const FORMAT: u32 = 1;

/// What a command played.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub format: u32,
    /// The version of `dojo-run`.
    pub dojo_run: &'static str,
    pub target: String,
    #[serde(with = "time")]
    pub started_at: DateTime<Utc>,
    /// How long everything took so far.
    pub millis: u64,
    /// Of every scenario, also of those that were left out.
    pub exit_code: u8,
    /// Older scenarios that were left out.
    pub left_out: LeftOut,
    pub scenarios: Vec<PlayedScenario>,
}

/// The verdicts of older scenarios that the report has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    pub met: u64,
    pub not_met: u64,
    pub failed: u64,
    pub interrupted: u64,
}

impl LeftOut {
    /// Returns how many scenarios were left out.
    pub fn total(&self) -> u64 {
        self.met + self.not_met + self.failed + self.interrupted
    }
}

/// Writes the number and the verdicts: `3 older scenarios left out: 2 met, 1 not met`.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdicts = [
            (self.met, "met"),
            (self.not_met, "not met"),
            (self.failed, "not played to the end"),
            (self.interrupted, "interrupted"),
        ];
        let verdicts = verdicts.into_iter().filter(|(number, _)| *number > 0);
        let verdicts: Vec<_> = verdicts.map(|(number, verdict)| format!("{number} {verdict}")).collect();
        write!(f, "{} left out: {}", counted(self.total(), "older scenario"), verdicts.join(", "))
    }
}

/// A scenario that was played.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayedScenario {
    pub name: String,
    pub file: String,
    pub lesson: Option<String>,
    pub tags: Vec<String>,
    #[serde(serialize_with = "name_of")]
    pub verdict: RunVerdict,
    pub exit_code: u8,
    pub run: String,
    pub seed: u64,
    pub variables: BTreeMap<String, String>,
    #[serde(with = "time")]
    pub started_at: DateTime<Utc>,
    pub millis: u64,
    pub order_service: Option<String>,
    pub rules_before: Vec<RuleVersion>,
    pub rules_after: Vec<RuleVersion>,
    /// Why it was not played to its end, and whatever else went wrong.
    pub errors: Vec<Failure>,
    pub expectations: Vec<Expected>,
    pub promises: Vec<Promised>,
    pub events: RunCounts,
    pub steps: Vec<PlayedStep>,
    pub marks: Vec<Mark>,
    pub floods: Vec<Flood>,
}

impl PlayedScenario {
    /// Returns whether every step was played.
    pub fn is_played_to_its_end(&self) -> bool {
        matches!(self.verdict, RunVerdict::Met | RunVerdict::NotMet)
    }
}

/// Why a scenario was not played to its end.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    pub text: String,
    pub place: Option<Line>,
}

/// A place in a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub file: String,
    pub line: usize,
    pub column: usize,
}

impl From<&Place> for Line {
    fn from(place: &Place) -> Self {
        Self { file: place.file.to_string(), line: place.at.line, column: place.at.column }
    }
}

/// What came of an expectation.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The number of its step.
    pub step: usize,
    pub text: String,
    pub place: Line,
    /// `None`: the run didn't get to it.
    pub met: Option<bool>,
    pub seen: Option<String>,
    pub after_millis: Option<u64>,
    pub examples: Vec<ExampleOrder>,
    pub members: Vec<String>,
    pub look: Option<String>,
}

/// An order that is evidence.
#[derive(Debug, Clone, Serialize)]
pub struct ExampleOrder {
    pub order: String,
    pub customer: String,
    pub events: Vec<OrderEvent>,
}

/// An event of that order.
#[derive(Debug, Clone, Serialize)]
pub struct OrderEvent {
    pub text: String,
    /// Whether the expectation counts it.
    pub counts: bool,
}

impl From<&Example> for ExampleOrder {
    fn from(Example { order, customer, events }: &Example) -> Self {
        let event =
            |ExampleEvent { text, counts }: &ExampleEvent| OrderEvent { text: text.clone(), counts: *counts };
        Self {
            order: order.to_string(),
            customer: customer.clone(),
            events: events.iter().map(event).collect(),
        }
    }
}

/// A promise of `always`.
#[derive(Debug, Clone, Serialize)]
pub struct Promised {
    pub text: String,
    /// What broke it.
    pub broken: Option<String>,
}

/// A step that has begun.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlayedStep {
    pub number: usize,
    pub text: String,
    pub from_millis: u64,
    /// How long it took; `None` if it didn't end.
    pub millis: Option<u64>,
    pub result: Option<String>,
    /// The number of the flood in whose `meanwhile` it is.
    pub during: Option<usize>,
}

/// Something that was told at a moment of the run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mark {
    pub at_millis: u64,
    pub kind: MarkKind,
    pub text: String,
}

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MarkKind {
    /// A text of the scenario for the room.
    Said,
    /// Something worth knowing.
    Noted,
    /// A promise was broken.
    Broken,
}

/// A flood that has begun.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Flood {
    /// The number of its step.
    pub step: usize,
    pub sent: u64,
    pub accepted: u64,
    pub failed: u64,
    /// Orders per second that the schedule asks for; `None` also for a flood that failed.
    pub asked_rate: Option<f64>,
    pub held_rate: Option<f64>,
    /// Of the whole flood; `None` for one that failed.
    pub latency: Option<Millis>,
    /// The longest time in which nothing was answered.
    pub silence: Option<String>,
    pub intervals: Vec<Interval>,
}

/// An interval of a flood.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    pub from_millis: u64,
    pub millis: u64,
    pub sent: u64,
    pub accepted: u64,
    pub failed: u64,
    pub latency: Option<Millis>,
}

impl From<&FigureRow> for Interval {
    fn from(row: &FigureRow) -> Self {
        Self {
            from_millis: millis(row.from),
            millis: millis(row.length),
            sent: row.sent,
            accepted: row.accepted,
            failed: row.failed,
            latency: row.latency.map(Millis::from),
        }
    }
}

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Millis {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl From<Latency> for Millis {
    fn from(Latency { p50, p90, p99, max }: Latency) -> Self {
        // A hundredth of a millisecond is more than a network shows.
        let millis = |latency: Duration| (latency.as_secs_f64() * 1e5).round() / 1e2;
        Self { p50: millis(p50), p90: millis(p90), p99: millis(p99), max: millis(max) }
    }
}

fn name_of<S: Serializer>(verdict: &RunVerdict, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(verdict.name())
}

/// Returns a duration in whole milliseconds.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
