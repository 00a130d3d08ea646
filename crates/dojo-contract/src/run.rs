//! A scenario run on the topic `dojo-runs`: what `dojo-run` plays, what it has changed, and what was put back at its end.

use crate::{
    schema::{one_of, text},
    time,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
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
    /// The step that it plays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub step: Option<RunStep>,
    /// Its newest findings, the oldest first.
    #[serde(default)]
    #[schema(required, max_items = 50)]
    pub findings: Vec<RunFinding>,
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

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunVerdict {
    /// Every expectation was met.
    Met,
    /// An expectation was not met.
    NotMet,
    /// It could not be played.
    Failed,
    /// A person has stopped it.
    Interrupted,
}

/// A step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    pub number: u32,
    /// How many steps there are.
    #[schema(minimum = 1)]
    pub of: u32,
    /// What it does.
    pub text: String,
}

/// What a run has found out about one expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFinding {
    /// The expectation.
    pub text: String,
    /// Whether it was met.
    pub met: bool,
    /// What was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub detail: String,
}

/// Something that a run has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum RunChange {
    /// A value on `dojo-settings`.
    Setting(SettingChange),
    /// The file of a rule.
    Rule(RuleChange),
}

/// A change of a value on `dojo-settings`: of a setting, or of what an instance is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingChange {
    /// Key of the record.
    pub key: String,
    /// The value before the run changed it; null: the topic had none.
    #[schema(required)]
    pub before: Option<Value>,
    /// The values that count as the run's own: the one that it set last, after the one that it had set before, which is still
    /// there if the last change failed. Null: it removed the value.
    pub set: Vec<Value>,
}

/// A change of a rule's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleChange {
    /// Name of the rule.
    pub rule: String,
    /// Text of the file before the run changed it; null: there was no file.
    #[schema(required)]
    pub before: Option<String>,
    /// The `ETag`s of the files that count as the run's own: the one that it saved last, after the one that it had saved before.
    pub set: Vec<String>,
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
    /// The longest text of a step or of an expectation, in characters.
    pub const TEXT_MAX_CHARS: usize = 500;
    /// The longest detail of a finding, in characters.
    pub const DETAIL_MAX_CHARS: usize = 1_000;
    /// How many findings a run keeps.
    pub const MAX_FINDINGS: usize = 50;
    /// How many different things a run may change.
    pub const MAX_CHANGES: usize = 100;

    /// Whether `id` can be the id of a run: 1 to 40 of `a-z`, `0-9`, `-`.
    pub fn is_id(id: &str) -> bool {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=RUN_ID_MAX_LEN).contains(&id.len()) && id.chars().all(allowed)
    }

    /// Whether the run plays, or its changes are being put back.
    pub fn is_running(&self) -> bool {
        self.state == RunState::Running
    }

    /// Adds a finding, for which the oldest one makes room.
    pub fn add_finding(&mut self, finding: RunFinding) {
        self.findings.push(finding);
        let excess = self.findings.len().saturating_sub(Self::MAX_FINDINGS);
        self.findings.drain(..excess);
    }
}

impl RunVerdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Met, Self::NotMet, Self::Failed, Self::Interrupted];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet => "notMet",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Returns the verdict with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

impl Serialize for RunVerdict {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for RunVerdict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || serde::de::Error::custom(format!("no verdict is called `{name}`"));
        Self::from_name(&name).ok_or_else(unknown)
    }
}

impl ToSchema for RunVerdict {}
impl PartialSchema for RunVerdict {
    fn schema() -> RefOr<Schema> {
        one_of(Self::ALL.map(Self::name)).description(Some("The outcome of a run.")).into()
    }
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
        Run {
            run_id: "r-1".into(),
            scenario: "overlap-a.yaml".into(),
            alongside: false,
            started_at: DateTime::UNIX_EPOCH,
            state: RunState::Running,
            verdict: None,
            ended_at: None,
            order_service: "order-1".into(),
            lease_offset: None,
            step: None,
            findings: Vec::new(),
            changes: Vec::new(),
            undone: Vec::new(),
        }
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
            step: Some(RunStep { number: 1, of: 2, text: "order".into() }),
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
    fn a_run_keeps_its_newest_findings() {
        let mut run = run();
        for n in 0..Run::MAX_FINDINGS + 2 {
            run.add_finding(RunFinding { text: n.to_string(), met: true, detail: String::new() });
        }
        assert_eq!((run.findings.len(), run.findings[0].text.as_str()), (Run::MAX_FINDINGS, "2"));
    }
}
