//! Counts of the events of this run's own orders, for those who watch.

use super::event::Kind;
use crate::document::EventTopic;
use dojo_contract::{AuditAction, RunCounts};

/// Counts an event of `audit` that is new: each event counts once, however often it was delivered.
pub(super) fn count(counts: &mut RunCounts, kind: Kind) {
    let count = match (kind.topic, kind.action) {
        (EventTopic::Audit, Some(AuditAction::Notified)) => &mut counts.notified,
        (EventTopic::Audit, Some(AuditAction::Retry)) => &mut counts.retries,
        (EventTopic::Audit, Some(AuditAction::Dlq | AuditAction::Dropped)) => &mut counts.given_up,
        (EventTopic::Audit, Some(AuditAction::Redriven)) => &mut counts.redriven,
        (EventTopic::Audit, Some(AuditAction::FraudAlert)) => &mut counts.alerts,
        (EventTopic::Audit, Some(AuditAction::RuleError)) => &mut counts.rule_errors,
        _ => return,
    };
    *count += 1;
}
