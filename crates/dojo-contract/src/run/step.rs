//! What a run does and finds out: its steps, its findings, and the events of its own orders.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct RunStep {
    /// Its number, from 1.
    #[schema(minimum = 1)]
    pub number: u32,
    /// How many steps there are.
    #[schema(minimum = 1)]
    pub of: u32,
    /// What it does.
    pub text: String,
    /// Its state, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 200)]
    pub progress: Option<String>,
    /// How far it has come: the orders of a flood, or the milliseconds of a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uint64")]
    pub done: Option<u64>,
    /// How far it goes, in the unit of `done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uint64")]
    pub total: Option<u64>,
    /// What came of it, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 500)]
    pub result: Option<String>,
}

/// What a run has found out about one expectation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFinding {
    /// The number of the step that expects it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    pub step: Option<u32>,
    /// The expectation.
    pub text: String,
    /// Whether it was met.
    pub met: bool,
    /// What was seen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub detail: String,
}

/// How many events of each kind the run's own orders have led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RunCounts {
    /// Orders placed.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub orders: u64,
    /// Notifications delivered.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub notified: u64,
    /// Deliveries that are tried again.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub retries: u64,
    /// Events that were given up: sent to the dead letters, or dropped.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub given_up: u64,
    /// Dead letters sent back.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub redriven: u64,
    /// Fraud alerts.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub alerts: u64,
    /// Failures of a rule.
    #[schema(required)]
    #[schema(format = "uint64")]
    pub rule_errors: u64,
}
