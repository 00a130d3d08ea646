//! Collects the data of a report while scenarios are played. Pure: times are counted from the start of the command.
//!
//! A run has at most 1,000 steps, and a flood at most 400 intervals, so the data of a scenario are bounded however many orders it has.
//! Of more than [`MOST_SCENARIOS`], the oldest are left out, and their verdicts are counted.

use super::data::{
    Expected, FORMAT, Failure, Flood, Interval, LeftOut, Line, Mark, MarkKind, Millis, PlayedScenario,
    PlayedStep, Promised, Report, millis,
};
use crate::{
    Extent, Finding, Played, Progress, Step, exit,
    load::{FigureRow, Latency, LoadReport},
};
use chrono::{DateTime, Utc};
use dojo_contract::RunVerdict;
use dojo_scenario::{Placeholders, Scenario, Text, flat, observe::Promise};
use std::{collections::HashMap, time::Duration};

/// Most scenarios of a report: a repeated folder must not fill the memory, and all files are written after each scenario.
const MOST_SCENARIOS: usize = 200;

/// The report so far, and what is known of the scenario that is played.
#[derive(Debug)]
pub struct Recorder {
    report: Report,
    current: Current,
}

/// The scenario that is played.
#[derive(Debug, Default)]
struct Current {
    began: Duration,
    steps: Vec<PlayedStep>,
    /// The floods that are sent.
    floods: Vec<usize>,
    measured: HashMap<usize, LoadReport>,
    marks: Vec<Mark>,
}

impl Recorder {
    /// Nothing was played yet.
    pub fn new(target: String, started_at: DateTime<Utc>) -> Self {
        let report = Report {
            format: FORMAT,
            dojo_run: env!("CARGO_PKG_VERSION"),
            target,
            started_at,
            millis: 0,
            exit_code: exit::MET,
            left_out: LeftOut::default(),
            scenarios: Vec::new(),
        };
        Self { report, current: Current::default() }
    }

    /// Returns the report so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Notes that a scenario begins.
    pub fn begin(&mut self, now: Duration) {
        self.current = Current { began: now, ..Current::default() };
    }

    /// Notes the progress of a scenario.
    pub fn progress(&mut self, now: Duration, progress: &Progress) {
        let at = millis(now.saturating_sub(self.current.began));
        let Current { steps, floods, measured, marks, .. } = &mut self.current;
        let mut mark =
            |kind, text: &str| marks.push(Mark { at_millis: at, kind, text: text.trim().to_owned() });
        match progress {
            Progress::Began(Step { number, text, extent, .. }) => {
                let (number, during) = (*number, floods.last().copied());
                steps.push(PlayedStep {
                    number,
                    text: text.clone(),
                    from_millis: at,
                    millis: None,
                    result: None,
                    during,
                });
                if matches!(extent, Extent::Orders(_)) {
                    floods.push(number);
                }
            }
            Progress::Ended { step, result } => {
                floods.retain(|flood| *flood != step.number);
                if let Some(ended) = steps.iter_mut().rfind(|begun| begun.number == step.number) {
                    ended.millis = Some(at.saturating_sub(ended.from_millis));
                    ended.result = Some(result.clone());
                }
            }
            Progress::Measured { number, report } => drop(measured.insert(*number, (**report).clone())),
            Progress::Said(text) => mark(MarkKind::Said, text),
            Progress::Asked(question) => mark(MarkKind::Said, &question.text),
            Progress::Revealed(revealed) => mark(MarkKind::Said, &revealed.to_string()),
            Progress::Noted(text) => mark(MarkKind::Noted, text),
            Progress::Broken(text) => mark(MarkKind::Broken, text),
            Progress::Moved { .. }
            | Progress::Counted(_)
            | Progress::Closed(_)
            | Progress::Found { .. }
            | Progress::RuleChanged { .. } => {}
        }
    }

    /// Notes the exit code of the command. Returns whether it is another one than that of the scenarios.
    pub fn finish(&mut self, exit_code: u8) -> bool {
        let before = self.report.exit_code;
        self.report.exit_code = exit::worse(before, exit_code);
        self.report.exit_code != before
    }

    /// Adds a scenario that was played.
    pub fn end(&mut self, now: Duration, scenario: &Scenario, played: &Played) {
        let Current { began, steps, measured, marks, .. } = std::mem::take(&mut self.current);
        let versions = |versions: &Option<crate::Versions>| versions.clone().unwrap_or_default();
        let (before, after) = (versions(&played.versions_before), versions(&played.versions_after));
        self.report.millis = millis(now);
        self.report.exit_code = exit::worse(self.report.exit_code, played.exit_code());
        self.report.scenarios.push(PlayedScenario {
            name: scenario.name().to_owned(),
            file: scenario.file.clone(),
            lesson: scenario.lesson().map(|lesson| lesson.trim().to_owned()),
            tags: scenario.tags().iter().map(ToString::to_string).collect(),
            verdict: played.verdict(),
            exit_code: played.exit_code(),
            run: played.run.clone(),
            seed: played.seed,
            variables: scenario.variables.clone(),
            started_at: self.report.started_at + began,
            millis: millis(now.saturating_sub(began)),
            order_service: before.order_service,
            rules_before: before.rules,
            rules_after: after.rules,
            errors: errors(played),
            expectations: expectations(scenario, played),
            promises: promises(scenario, played),
            events: played.events,
            steps,
            marks,
            floods: played
                .floods
                .iter()
                .map(|(number, figures)| flood(*number, &figures.rows(), measured.get(number)))
                .collect(),
        });
        if self.report.scenarios.len() > MOST_SCENARIOS {
            let left_out = &mut self.report.left_out;
            match self.report.scenarios.remove(0).verdict {
                RunVerdict::Met => left_out.met += 1,
                RunVerdict::NotMet => left_out.not_met += 1,
                RunVerdict::Failed => left_out.failed += 1,
                RunVerdict::Interrupted => left_out.interrupted += 1,
            }
        }
    }
}

fn errors(played: &Played) -> Vec<Failure> {
    let place = played.failed_at.as_ref().map(Line::from);
    let error = played.error.iter().map(|error| Failure { text: error.to_string(), place: place.clone() });
    let not_undone = played.not_undone.iter().map(|error| Failure { text: error.to_string(), place: None });
    error.chain(not_undone).collect()
}

/// Returns every expectation of the plan in the order of the steps, also those that the run didn't get to.
fn expectations(scenario: &Scenario, played: &Played) -> Vec<Expected> {
    let mut all: Vec<_> = played.findings.iter().map(found).collect();
    let plan = scenario.plan();
    for planned in flat(&plan) {
        let step = planned.number + 1;
        let Some(expectation) = planned.expectation() else { continue };
        if all.iter().any(|expected| expected.step == step) {
            continue;
        }
        let of = Placeholders { run: &played.run, number: 1, repetition: planned.repetition };
        all.push(Expected {
            step,
            text: Text::new(expectation.to_string()).fill(of),
            place: Line::from(&planned.step.place),
            met: None,
            seen: None,
            after_millis: None,
            examples: Vec::new(),
            members: Vec::new(),
            look: None,
        });
    }
    all.sort_by_key(|expected| expected.step);
    all
}

fn found(Finding { number, place, text, met, seen, after, evidence }: &Finding) -> Expected {
    Expected {
        step: *number,
        text: text.clone(),
        place: Line::from(place),
        met: Some(*met),
        seen: Some(seen.clone()),
        after_millis: Some(millis(*after)),
        examples: evidence.examples.iter().map(Into::into).collect(),
        members: evidence.members.clone(),
        look: evidence.look.clone(),
    }
}

fn promises(scenario: &Scenario, played: &Played) -> Vec<Promised> {
    let promised = scenario.document.always.iter().flat_map(Promise::of);
    let of = |promise: Promise| {
        let text = promise.to_string();
        let broken = played.broken.iter().find_map(|broken| broken.strip_prefix(&format!("{text}: ")));
        Promised { broken: broken.map(str::to_owned), text }
    };
    promised.map(of).collect()
}

fn flood(step: usize, rows: &[FigureRow], measured: Option<&LoadReport>) -> Flood {
    let sum = |figure: fn(&FigureRow) -> u64| rows.iter().map(figure).sum();
    Flood {
        step,
        sent: sum(|row| row.sent),
        accepted: sum(|row| row.accepted),
        failed: sum(|row| row.failed),
        asked_rate: measured.and_then(|report| report.asked_rate),
        held_rate: measured.and_then(|report| report.held_rate),
        latency: measured.and_then(|report| Latency::of(&report.latencies)).map(Millis::from),
        silence: measured.and_then(|report| report.longest_silence).map(|silence| silence.to_string()),
        intervals: rows.iter().map(Interval::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunError;
    use dojo_contract::RunCounts;
    use dojo_scenario::Sources;
    use std::{collections::BTreeMap, io, path::Path};

    fn scenario() -> Scenario {
        let no_other = |_: &Path| Err(io::ErrorKind::NotFound.into());
        let sources = Sources { read: &no_other, variables: &BTreeMap::new() };
        Scenario::parse("test.yaml", b"name: Test\nsteps: [ { pause: 1s } ]", &sources).unwrap()
    }

    fn played(run: usize, error: Option<RunError>) -> Played {
        Played {
            run: run.to_string(),
            seed: 1,
            orders: 0,
            events: RunCounts::default(),
            findings: Vec::new(),
            floods: Vec::new(),
            versions_before: None,
            versions_after: None,
            broken: Vec::new(),
            error,
            failed_at: None,
            not_undone: None,
        }
    }

    #[test]
    fn a_scenario_whose_end_is_unknown_was_played_to_its_end() {
        let (scenario, mut recorder) = (scenario(), Recorder::new(String::new(), DateTime::UNIX_EPOCH));
        recorder.begin(Duration::ZERO);
        let reason = Box::new(RunError::EventsMissed("as the test asks"));
        let not_undone = Some(RunError::NotUndone { reason });
        recorder.end(Duration::ZERO, &scenario, &Played { not_undone, ..played(1, None) });
        let page = super::super::html::page(recorder.report()).unwrap();
        assert!(
            page.contains("The scenario was met; it isn&#x27;t known whether everything was put back"),
            "{page}"
        );
        assert!(!page.contains("not played to its end"), "{page}");
    }

    #[test]
    fn of_many_scenarios_the_newest_are_kept_and_the_verdicts_of_the_others_counted() {
        let (scenario, mut recorder) = (scenario(), Recorder::new(String::new(), DateTime::UNIX_EPOCH));
        for run in 0..MOST_SCENARIOS + 3 {
            recorder.begin(Duration::ZERO);
            let error = (run == 1).then_some(RunError::EventsMissed("as the test asks"));
            recorder.end(Duration::ZERO, &scenario, &played(run, error));
        }
        let report = recorder.report();
        assert_eq!((report.scenarios.len(), report.scenarios[0].run.as_str()), (MOST_SCENARIOS, "3"));
        assert_eq!(report.left_out, LeftOut { met: 2, failed: 1, ..LeftOut::default() });
        assert_eq!(report.exit_code, exit::COULD_NOT_RUN);
        let left_out = "3 older scenarios left out: 2 met, 1 not played to the end";
        assert_eq!(super::super::junit::xml(report).unwrap().matches(left_out).count(), 1);
        let page = super::super::html::page(report).unwrap();
        assert!(page.contains(left_out) && page.contains("1 of 203 scenarios not played to their end"));
    }
}
