//! The metrics of verdicts, for the process's recorder.

use dojo_contract::{AuditAction, AuditEvent};
use metrics::{Counter, counter};
use std::collections::HashMap;

/// The most types of alerts that are counted separately, since a rule may invent types without end; the rest are `other`.
const TYPES: usize = 20;

/// Counts alerts by type, orders that passed, and errors of the rule.
pub(crate) struct Tally {
    alerts: HashMap<String, Counter>,
    passed: Counter,
    rule_errors: Counter,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            alerts: HashMap::new(),
            passed: counter!("dojo_fraud_checks_passed_total"),
            rule_errors: counter!("dojo_rule_errors_total", "rule" => "fraud"),
        }
    }
}

impl Tally {
    /// Counts one verdict.
    pub(crate) fn count(&mut self, verdict: &AuditEvent) {
        match verdict.action {
            AuditAction::FraudCheckPassed => self.passed.increment(1),
            AuditAction::RuleError => self.rule_errors.increment(1),
            _ => {}
        }
        for alert in verdict.alerts.iter().flatten() {
            self.alert(&alert.kind).increment(1);
        }
    }

    fn alert(&mut self, kind: &str) -> &Counter {
        let kind = if self.alerts.contains_key(kind) || self.alerts.len() < TYPES { kind } else { "other" };
        let new = |kind: &str| counter!("dojo_fraud_alerts_total", "type" => kind.to_owned());
        self.alerts.entry(kind.to_owned()).or_insert_with(|| new(kind))
    }
}
