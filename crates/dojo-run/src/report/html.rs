//! `report.html`: one file that needs no script and no network. Pure.
//!
//! The template writes what [`Report`] has. This file adds what a template can't compute: words, positions and charts.

use super::{
    charts::{self, Chart, Tick},
    data::{Expected, Flood, PlayedScenario, PlayedStep, Report},
    timeline::{Row, rows},
};
use crate::{RuleVersion, exit};
use dojo_contract::RunVerdict;
use dojo_scenario::scalar::counted;
use minijinja::{Environment, Error, value::Serde};
use serde::Serialize;

const PAGE: &str = include_str!("../../templates/report.html");
const STYLE: &str = include_str!("../../templates/report.css");
/// Most floods of a scenario whose charts are drawn.
const MOST_CHARTS: usize = 20;
/// What is said of a run whose end could not be reported.
const NOT_PUT_BACK: &str = "it isn't known whether everything was put back";
/// Most numbers at the axis of the timeline.
const MOST_TICKS: f64 = 6.0;

/// Returns the page.
///
/// # Errors
/// The template is broken.
pub fn page(report: &Report) -> Result<String, Error> {
    let mut templates = Environment::new();
    templates.add_template("report.html", PAGE)?;
    templates.add_template("report.css", STYLE)?;
    templates.get_template("report.html")?.render(Serde(Page::of(report)))
}

#[derive(Serialize)]
struct Page<'a> {
    report: &'a Report,
    started: String,
    took: String,
    summary: String,
    /// A class of the style sheet: `met`, `missed` or `failed`.
    class: &'static str,
    left_out: Option<String>,
    scenarios: Vec<Section<'a>>,
}

/// The part of the page about a scenario.
#[derive(Serialize)]
struct Section<'a> {
    scenario: &'a PlayedScenario,
    verdict: String,
    is_played_to_its_end: bool,
    class: &'static str,
    started: String,
    took: String,
    rules: Vec<Rule<'a>>,
    expectations: Vec<Expectation<'a>>,
    events: Vec<String>,
    axis: Vec<Tick>,
    rows: Vec<Row<'a>>,
    floods: Vec<FloodView<'a>>,
    /// How many more floods there are.
    more_floods: usize,
}

/// A rule before the first step and after the last one, if that differs.
#[derive(Serialize)]
struct Rule<'a> {
    name: &'a str,
    before: &'a str,
    after: Option<&'a str>,
}

#[derive(Serialize)]
struct Expectation<'a> {
    expected: &'a Expected,
    class: &'static str,
    verdict: &'static str,
    examples: Vec<Example<'a>>,
    has_counting: bool,
}

#[derive(Serialize)]
struct Example<'a> {
    order: &'a str,
    customer: &'a str,
    events: Vec<Event<'a>>,
}

/// An event, and where it is recorded.
#[derive(Serialize)]
struct Event<'a> {
    what: &'a str,
    place: Option<&'a str>,
    counts: bool,
}

#[derive(Serialize)]
struct FloodView<'a> {
    flood: &'a Flood,
    text: &'a str,
    figures: Vec<(&'static str, String)>,
    charts: Vec<Chart>,
}

impl<'a> Page<'a> {
    fn of(report: &'a Report) -> Self {
        let left_out = report.left_out;
        let total = report.scenarios.len() as u64 + left_out.total();
        let of = |is_one: fn(&&PlayedScenario) -> bool| report.scenarios.iter().filter(is_one).count() as u64;
        let missed = of(|one| one.is_played_to_its_end() && is_missed(one)) + left_out.not_met;
        let failed = of(|one| !one.is_played_to_its_end()) + left_out.failed + left_out.interrupted;
        let summary = match (total, missed, failed) {
            (0, ..) => "No scenario was played to its end yet".to_owned(),
            (1, 0, 0) => "The scenario was met".to_owned(),
            (1, _, 0) => "The scenario was not met".to_owned(),
            (1, ..) => "The scenario was not played to its end".to_owned(),
            (_, 0, 0) => format!("All {total} scenarios were met"),
            (_, missed, 0) => format!("{missed} of {total} scenarios not met"),
            (_, 0, failed) => format!("{failed} of {total} scenarios not played to their end"),
            (_, missed, failed) => {
                format!("Of {total} scenarios, {missed} not met and {failed} not played to the end")
            }
        };
        let is_unknown = of(|one| one.is_played_to_its_end() && class(one.exit_code) == "failed") > 0;
        let summary = if is_unknown { format!("{summary}; {NOT_PUT_BACK}") } else { summary };
        Self {
            started: report.started_at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
            took: charts::time(report.millis as f64),
            summary,
            class: if total == 0 { "failed" } else { class(report.exit_code) },
            left_out: (left_out.total() > 0).then(|| left_out.to_string()),
            scenarios: report.scenarios.iter().map(Section::of).collect(),
            report,
        }
    }
}

impl<'a> Section<'a> {
    fn of(scenario: &'a PlayedScenario) -> Self {
        let shown = scenario.floods.iter().take(MOST_CHARTS);
        Self {
            verdict: verdict(scenario),
            is_played_to_its_end: scenario.is_played_to_its_end(),
            class: class(scenario.exit_code),
            started: scenario.started_at.format("%H:%M:%S UTC").to_string(),
            took: charts::time(scenario.millis as f64),
            rules: rules(scenario),
            expectations: scenario.expectations.iter().map(Expectation::of).collect(),
            events: events(scenario),
            axis: charts::ticks(scenario.millis, MOST_TICKS)
                .into_iter()
                .map(|tick| Tick { at: tick.at * 100.0, ..tick })
                .collect(),
            rows: rows(scenario),
            floods: shown.map(|flood| FloodView::of(flood, &scenario.steps)).collect(),
            more_floods: scenario.floods.len().saturating_sub(MOST_CHARTS),
            scenario,
        }
    }
}

fn class(exit_code: u8) -> &'static str {
    match exit_code {
        exit::MET => "met",
        exit::NOT_MET => "missed",
        _ => "failed",
    }
}

/// Returns whether an expectation was not met, or a promise broken.
fn is_missed(scenario: &PlayedScenario) -> bool {
    scenario.expectations.iter().any(|expected| expected.met == Some(false))
        || scenario.promises.iter().any(|promise| promise.broken.is_some())
}

fn verdict(scenario: &PlayedScenario) -> String {
    let missed = scenario.expectations.iter().filter(|expected| expected.met == Some(false)).count();
    let broken = scenario.promises.iter().filter(|promise| promise.broken.is_some()).count() as u64;
    let total = scenario.expectations.len() as u64;
    match (scenario.verdict, missed, total) {
        (RunVerdict::Interrupted, ..) => "interrupted".to_owned(),
        (RunVerdict::Failed, ..) => "could not be played to its end".to_owned(),
        (_, 0, _) if broken > 0 => format!("{} broken", counted(broken, "promise")),
        (_, 0, _) if scenario.exit_code != exit::MET => format!("played to its end; {NOT_PUT_BACK}"),
        (_, 0, 0) => "played to its end".to_owned(),
        (_, 0, 1) => "met".to_owned(),
        (_, 0, _) => format!("all {total} expectations met"),
        (_, missed, _) => format!("{missed} of {} not met", counted(total, "expectation")),
    }
}

fn rules<'a>(scenario: &'a PlayedScenario) -> Vec<Rule<'a>> {
    let rule = |before: &'a RuleVersion| {
        let after = scenario.rules_after.iter().find(|after| after.name == before.name);
        let after = after.map(|after| after.version.as_str()).filter(|after| *after != before.version);
        Rule { name: &before.name, before: &before.version, after }
    };
    scenario.rules_before.iter().map(rule).collect()
}

fn events(scenario: &PlayedScenario) -> Vec<String> {
    let events = &scenario.events;
    let counts = [
        (events.orders, "order"),
        (events.notified, "notification"),
        (events.alerts, "alert"),
        (events.retries, "retry"),
        (events.given_up, "dead letter or dropped delivery"),
        (events.redriven, "redriven letter"),
        (events.rule_errors, "rule error"),
    ];
    let plural = |number: u64, what: &str| match (number, what) {
        (1, _) => format!("1 {what}"),
        (_, "retry") => format!("{number} retries"),
        (_, "dead letter or dropped delivery") => format!("{number} dead letters or dropped deliveries"),
        _ => counted(number, what),
    };
    counts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| plural(number, what)).collect()
}

impl<'a> Expectation<'a> {
    fn of(expected: &'a Expected) -> Self {
        let (class, verdict) = match expected.met {
            Some(true) => ("met", "✓ met"),
            Some(false) => ("missed", "✗ not met"),
            None => ("unreached", "– not reached"),
        };
        let examples = expected.examples.iter().map(|example| Example {
            order: &example.order,
            customer: &example.customer,
            events: example.events.iter().map(|event| Event::of(&event.text, event.counts)).collect(),
        });
        let has_counting =
            expected.examples.iter().flat_map(|example| &example.events).any(|event| event.counts);
        Self { expected, class, verdict, examples: examples.collect(), has_counting }
    }
}

impl<'a> Event<'a> {
    fn of(text: &'a str, counts: bool) -> Self {
        match text.split_once(" at ") {
            Some((what, place)) => Self { what, place: Some(place), counts },
            None => Self { what: text, place: None, counts },
        }
    }
}

impl<'a> FloodView<'a> {
    fn of(flood: &'a Flood, steps: &'a [PlayedStep]) -> Self {
        let step = steps.iter().find(|step| step.number == flood.step);
        let rate = |rate: f64| format!("{rate:.1}/s");
        let mut figures = vec![("sent", flood.sent.to_string()), ("accepted", flood.accepted.to_string())];
        if flood.failed > 0 {
            figures.push(("not accepted", flood.failed.to_string()));
        }
        figures.extend(flood.asked_rate.map(|asked| ("asked for", rate(asked))));
        figures.extend(flood.held_rate.map(|held| ("rate held", rate(held))));
        if let Some(latency) = &flood.latency {
            figures.extend([
                ("p50", charts::time(latency.p50)),
                ("p90", charts::time(latency.p90)),
                ("p99", charts::time(latency.p99)),
                ("longest", charts::time(latency.max)),
            ]);
        }
        Self {
            flood,
            text: step.map_or("", |step| step.text.as_str()),
            figures,
            charts: [charts::throughput(flood), charts::latency(flood)].into_iter().flatten().collect(),
        }
    }
}
