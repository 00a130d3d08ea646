//! What must be true around the steps: `before` the lesson starts, and `always` while it is played.

use super::control;
use crate::{
    language::{Context, Definitions, Node, Read, Value, mapping},
    scalar::scalar,
};
use serde_json::json;
use std::time::Duration;

mapping! {
    /// What must be true of the dojo before the lesson starts. That the order service and every live instance is ready is
    /// always asked.
    pub struct Before, "conditions such as { lag: 0, rules: [fraud] }" {
        /// The most records that each consumer group may be behind, waited for up to `within`.
        "lag" => lag: Option<u64>,
        /// Rules that must be the shipped ones, because the lesson depends on them.
        "rules" => rules: Option<Vec<String>>,
        /// How many instances of the notification service must be running.
        "notificationInstances" => notification_instances: Option<u64>,
        /// How long the dojo may take to become fit, 10s by default.
        "within" => within: Option<Duration>,
    }
}

mapping! {
    /// What must hold throughout the run, checked while the run goes on.
    pub struct Always, "promises such as { settled: 30s, ruleErrors: none }" {
        /// How long an acknowledged order may take until it is notified or dead-lettered, and judged.
        "settled" => settled: Option<Duration>,
        /// `forward`: no committed offset goes backwards.
        "offsets" => offsets: Option<Offsets>,
        /// `once`: no order event is notified twice, which `guarantee: exactlyOnce` promises.
        "notified" => notified: Option<Notified>,
        /// `none`: no rule fails.
        "ruleErrors" => rule_errors: Option<RuleErrors>,
    }
}

/// No committed offset goes backwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets;
/// No order event is notified twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notified;
/// No rule fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleErrors;

scalar!(Offsets, "`forward`", json!({"const": "forward"}), |text| (text == "forward").then_some(Offsets));
scalar!(Notified, "`once`", json!({"const": "once"}), |text| (text == "once").then_some(Notified));
scalar!(RuleErrors, "`none`", json!({"const": "none"}), |text| (text == "none").then_some(RuleErrors));

/// Checks the names of rules.
pub(super) fn check_before(node: &Node, context: &mut Context<'_>) {
    if let Some(Value::List(rules)) = node.member("rules").map(|rules| &rules.value) {
        rules.iter().for_each(|rule| control::check_rule_name(Some(rule), context));
    }
}
