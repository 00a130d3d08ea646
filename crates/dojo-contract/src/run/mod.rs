//! A scenario run on the topic `dojo-runs`: what `dojo-run` plays and asks, what it has changed, and what was put back at its end.
//!
//! Each change writes the whole record again, and every follower of the run receives all of it. So each of its lists keeps only the
//! newest entries.

mod change;
mod question;
mod step;
mod verdict;

pub use change::{RuleChange, RunChange, SettingChange};
pub use question::{RunGuess, RunQuestion};
pub use step::{RunCounts, RunFinding, RunStep};
pub use verdict::RunVerdict;

use crate::{schema::text, time};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// The longest id of a run.
const RUN_ID_MAX_LEN: usize = 40;

/// A record of the topic `dojo-runs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Id of the run, also the record's key.
    #[schema(value_type = RunId)]
    pub run_id: String,
    /// The scenario that it plays.
    pub scenario: String,
    /// What the room learns from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 2_000)]
    pub lesson: Option<String>,
    /// The scenario's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    pub file: Option<String>,
    /// The seed of its random choices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uint64")]
    pub seed: Option<u64>,
    /// Whether it plays beside the run that holds the lease. Such a run changes no settings, rules or instances.
    pub alongside: bool,
    /// When it started.
    #[serde(with = "time")]
    pub started_at: DateTime<Utc>,
    /// Its phase.
    pub state: RunState,
    /// Its outcome, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub verdict: Option<RunVerdict>,
    /// When it ended, or was abandoned.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    #[schema(nullable = false)]
    pub ended_at: Option<DateTime<Utc>>,
    /// Id of the order service to which the runner last reported. That service ends the run if the runner falls silent.
    pub order_service: String,
    /// Offset of the record on `dojo-runs` that asked for the lease; absent in that record. Of several running runs, the one
    /// with the lowest offset holds the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lease_offset: Option<i64>,
    /// Its newest texts for the room, the oldest first.
    #[serde(default)]
    #[schema(required, max_items = 10)]
    pub said: Vec<String>,
    /// Its newest steps, the one that began first at the start.
    #[serde(default)]
    #[schema(required, max_items = 50)]
    pub steps: Vec<RunStep>,
    /// Its newest findings, the oldest first.
    #[serde(default)]
    #[schema(required, max_items = 50)]
    pub findings: Vec<RunFinding>,
    /// The newest promises that were broken, each in a sentence.
    #[serde(default)]
    #[schema(required, max_items = 10)]
    pub breaches: Vec<String>,
    /// Its newest questions for the room, the oldest first.
    #[serde(default)]
    #[schema(required, max_items = 10)]
    pub questions: Vec<RunQuestion>,
    /// The events of its own orders so far.
    #[serde(default)]
    #[schema(required)]
    pub counts: RunCounts,
    /// Whether a person has asked it to stop. Its runner then ends it.
    #[serde(default)]
    #[schema(required)]
    pub stop_requested: bool,
    /// Why it could not be played to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 1_000)]
    pub failure: Option<String>,
    /// What it has changed and what was there before, the oldest change first. Put back at its end.
    #[serde(default)]
    #[schema(required, max_items = 100)]
    pub changes: Vec<RunChange>,
    /// What was put back at its end, and what was not, each in a sentence.
    #[serde(default)]
    #[schema(required)]
    pub undone: Vec<String>,
}

/// The phases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunState {
    /// It plays, or its changes are being put back.
    Running,
    /// Its runner has said that it ended.
    Ended,
    /// Its runner fell silent.
    Abandoned,
}

impl Run {
    /// The request header that names the run to which a change belongs.
    pub const HEADER: &str = "Dojo-Run";
    /// The longest time between two reports of a runner.
    pub const RENEW_EVERY: Duration = Duration::from_secs(2);
    /// The silence after which a run is abandoned: three missed reports.
    pub const SILENCE: Duration = Duration::from_secs(6);
    /// The longest name of a scenario, in characters.
    pub const SCENARIO_MAX_CHARS: usize = 200;
    /// The longest lesson, in characters.
    pub const LESSON_MAX_CHARS: usize = 2_000;
    /// The longest name of a scenario's file, in characters.
    pub const FILE_MAX_CHARS: usize = 200;
    /// The longest text for the room, of a step, its result, an expectation or a breach, in characters.
    pub const TEXT_MAX_CHARS: usize = 500;
    /// The longest state of a step, in characters.
    pub const PROGRESS_MAX_CHARS: usize = 200;
    /// The longest detail of a finding, and the longest reason of a failure, in characters.
    pub const DETAIL_MAX_CHARS: usize = 1_000;
    /// How many texts for the room a run keeps.
    pub const MAX_SAID: usize = 10;
    /// How many steps a run keeps.
    pub const MAX_STEPS: usize = 50;
    /// The most events of one report.
    pub const MAX_EVENTS: usize = 200;
    /// How many findings a run keeps.
    pub const MAX_FINDINGS: usize = 50;
    /// How many breaches a run keeps.
    pub const MAX_BREACHES: usize = 10;
    /// How many questions a run keeps.
    pub const MAX_QUESTIONS: usize = 10;
    /// How many different things a run may change.
    pub const MAX_CHANGES: usize = 100;

    /// Returns a run that starts, and has done nothing yet.
    pub fn starting(
        run_id: String,
        scenario: String,
        alongside: bool,
        started_at: DateTime<Utc>,
        order_service: String,
    ) -> Self {
        Self {
            run_id,
            scenario,
            lesson: None,
            file: None,
            seed: None,
            alongside,
            started_at,
            state: RunState::Running,
            verdict: None,
            ended_at: None,
            order_service,
            lease_offset: None,
            said: Vec::new(),
            steps: Vec::new(),
            findings: Vec::new(),
            breaches: Vec::new(),
            questions: Vec::new(),
            counts: RunCounts::default(),
            stop_requested: false,
            failure: None,
            changes: Vec::new(),
            undone: Vec::new(),
        }
    }

    /// Whether `id` can be the id of a run: 1 to 40 of `a-z`, `0-9`, `-`.
    pub fn is_id(id: &str) -> bool {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=RUN_ID_MAX_LEN).contains(&id.len()) && id.chars().all(allowed)
    }

    /// Whether the run plays, or its changes are being put back.
    pub fn is_running(&self) -> bool {
        self.state == RunState::Running
    }

    /// Adds a text for the room. A text that was there before moves to the end, so that a report which comes twice changes nothing.
    pub fn say(&mut self, text: String) {
        add_text(&mut self.said, text, Self::MAX_SAID);
    }

    /// Adds a breach, as [`Self::say`] adds a text.
    pub fn add_breach(&mut self, breach: String) {
        add_text(&mut self.breaches, breach, Self::MAX_BREACHES);
    }

    /// Adds a step that has begun, in place of an earlier one with its number.
    pub fn begin_step(&mut self, step: RunStep) {
        self.steps.retain(|other| other.number != step.number);
        add(&mut self.steps, step, Self::MAX_STEPS);
    }

    /// Returns the step with this number, if the run still has it.
    pub fn step_mut(&mut self, number: u32) -> Option<&mut RunStep> {
        self.steps.iter_mut().find(|step| step.number == number)
    }

    /// Adds a finding, in place of an earlier one about the same expectation of the same step.
    pub fn add_finding(&mut self, finding: RunFinding) {
        self.findings.retain(|other| (other.step, &other.text) != (finding.step, &finding.text));
        add(&mut self.findings, finding, Self::MAX_FINDINGS);
    }

    /// Adds a question, unless there is one with its number.
    pub fn ask(&mut self, question: RunQuestion) {
        if self.question(question.number).is_none() {
            add(&mut self.questions, question, Self::MAX_QUESTIONS);
        }
    }

    /// Returns the question with this number, if the run still has it.
    pub fn question(&self, number: u32) -> Option<&RunQuestion> {
        self.questions.iter().find(|question| question.number == number)
    }

    /// Returns the question with this number, to be changed.
    pub fn question_mut(&mut self, number: u32) -> Option<&mut RunQuestion> {
        self.questions.iter_mut().find(|question| question.number == number)
    }
}

/// Adds an entry, for which the oldest one makes room.
fn add<T>(entries: &mut Vec<T>, entry: T, most: usize) {
    entries.push(entry);
    let excess = entries.len().saturating_sub(most);
    entries.drain(..excess);
}

/// Adds a text at the end, and removes the same text before it.
fn add_text(texts: &mut Vec<String>, text: String, most: usize) {
    texts.retain(|other| *other != text);
    add(texts, text, most);
}

/// Describes the id of a run.
#[derive(Debug)]
pub struct RunId;

impl ToSchema for RunId {}
impl PartialSchema for RunId {
    fn schema() -> RefOr<Schema> {
        let id = text().min_length(Some(1)).max_length(Some(RUN_ID_MAX_LEN));
        id.pattern(Some("^[a-z0-9-]+$")).description(Some("The id of a run.")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run() -> Run {
        let order_service = "order-1".to_owned();
        Run::starting("r-1".into(), "overlap-a.yaml".into(), false, DateTime::UNIX_EPOCH, order_service)
    }

    #[test]
    fn a_run_is_read_as_it_was_written() {
        let setting = SettingChange { key: "failRate".into(), before: None, set: vec![json!(0.1)] };
        let rule =
            RuleChange { rule: "fraud".into(), before: Some("a\nb".into()), set: vec!["\"1\"".into()] };
        let run = Run {
            verdict: Some(RunVerdict::NotMet),
            ended_at: Some(DateTime::UNIX_EPOCH),
            lease_offset: Some(7),
            seed: Some(u64::MAX),
            steps: vec![RunStep {
                number: 1,
                of: 2,
                text: "order".into(),
                done: Some(3),
                ..RunStep::default()
            }],
            questions: vec![RunQuestion {
                number: 1,
                text: "How many?".into(),
                open: true,
                ..RunQuestion::default()
            }],
            changes: vec![RunChange::Setting(setting), RunChange::Rule(rule)],
            ..run()
        };
        let text = serde_json::to_string(&run).unwrap();
        assert!(text.contains(r#"{"setting":{"key":"failRate","before":null,"set":[0.1]}}"#), "{text}");
        assert!(text.contains(r#""verdict":"notMet","endedAt":"1970-01-01T00:00:00.000Z""#), "{text}");
        assert_eq!(serde_json::from_str::<Run>(&text).unwrap(), run);
    }

    #[test]
    fn an_id_has_small_letters_digits_and_hyphens() {
        for id in ["a", "7", "first-order-1a2b3c", &"x".repeat(40)] {
            assert!(Run::is_id(id), "{id}");
        }
        for id in ["", "A", "a b", "a.b", "é", &"x".repeat(41)] {
            assert!(!Run::is_id(id), "{id}");
        }
    }

    #[test]
    fn a_run_of_an_earlier_version_is_read_without_what_it_has_not() {
        let text = r#"{"runId":"r-1","scenario":"overlap-a.yaml","alongside":false,"startedAt":"1970-01-01T00:00:00.000Z",
            "state":"running","orderService":"order-1","step":{"number":1,"of":2,"text":"order"}}"#;
        assert_eq!(serde_json::from_str::<Run>(text).unwrap(), run());
    }

    #[test]
    fn every_list_keeps_its_newest_entries() {
        let mut run = run();
        for n in 0..60_u32 {
            run.say(n.to_string());
            run.add_breach(n.to_string());
            run.begin_step(RunStep { number: n, ..RunStep::default() });
            run.add_finding(RunFinding { step: Some(n), text: "x".into(), met: true, detail: String::new() });
            run.ask(RunQuestion { number: n, ..RunQuestion::default() });
        }
        let sizes = [&run.said, &run.breaches].map(Vec::len);
        assert_eq!((sizes, run.steps.len(), run.findings.len(), run.questions.len()), ([10, 10], 50, 50, 10));
        assert_eq!((run.said[0].as_str(), run.steps[0].number, run.questions[0].number), ("50", 10, 50));
    }

    #[test]
    fn a_report_that_comes_twice_changes_nothing() {
        let mut run = run();
        let report = |run: &mut Run| {
            ["first", "second"].map(str::to_owned).into_iter().for_each(|text| run.say(text));
            run.begin_step(RunStep { number: 1, ..RunStep::default() });
            run.add_finding(RunFinding { step: Some(1), text: "x".into(), met: true, detail: String::new() });
            run.ask(RunQuestion { number: 1, open: true, ..RunQuestion::default() });
        };
        report(&mut run);
        run.question_mut(1).unwrap().count("7".into());
        let before = run.clone();
        report(&mut run);
        assert_eq!(run, before);
    }
}
