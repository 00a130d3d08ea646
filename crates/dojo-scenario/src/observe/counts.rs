//! Counts of the events of this run's own orders, for those who watch.

use super::event::Kind;
use crate::document::EventTopic;
use dojo_contract::AuditAction;

/// The events of `audit` about this run's own orders, each counted once however often it was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventCounts {
    /// Orders of this run.
    pub orders: u64,
    /// Notifications sent.
    pub notified: u64,
    /// Failed attempts that are tried again.
    pub retries: u64,
    /// Deliveries that were given up: dead letters, and those that were dropped.
    pub given_up: u64,
    /// Dead letters that were sent back.
    pub redriven: u64,
    /// Orders with an alert of fraud detection.
    pub alerts: u64,
    /// Orders at which a rule failed.
    pub rule_errors: u64,
}

impl EventCounts {
    /// Counts an event that is new.
    pub(super) fn add(&mut self, kind: Kind) {
        let count = match (kind.topic, kind.action) {
            (EventTopic::Audit, Some(AuditAction::Notified)) => &mut self.notified,
            (EventTopic::Audit, Some(AuditAction::Retry)) => &mut self.retries,
            (EventTopic::Audit, Some(AuditAction::Dlq | AuditAction::Dropped)) => &mut self.given_up,
            (EventTopic::Audit, Some(AuditAction::Redriven)) => &mut self.redriven,
            (EventTopic::Audit, Some(AuditAction::FraudAlert)) => &mut self.alerts,
            (EventTopic::Audit, Some(AuditAction::RuleError)) => &mut self.rule_errors,
            _ => return,
        };
        *count += 1;
    }
}
