//! The metrics of deliveries, for the process's recorder.

use crate::decide::Decision;
use metrics::{Counter, counter};

/// Counts the outcomes of events.
pub(crate) struct Tally {
    delivered: Counter,
    retries: Counter,
    dead_letters: Counter,
    dropped: Counter,
    rule_errors: Counter,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            delivered: counter!("dojo_notifications_delivered_total"),
            retries: counter!("dojo_notification_retries_total"),
            dead_letters: counter!("dojo_dead_letters_total"),
            dropped: counter!("dojo_notifications_dropped_total"),
            rule_errors: counter!("dojo_rule_errors_total", "rule" => "notification"),
        }
    }
}

impl Tally {
    /// Counts an error of the rule.
    pub(crate) fn rule_answered<T, E>(&self, answer: &Result<T, E>) {
        if answer.is_err() {
            self.rule_errors.increment(1);
        }
    }

    /// Counts the decision on an attempt.
    pub(crate) fn decided(&self, decision: &Decision) {
        match decision {
            Decision::Notified => self.delivered.increment(1),
            Decision::Retry { .. } => self.retries.increment(1),
            Decision::DeadLetter { .. } => self.dead_letters.increment(1),
            Decision::Drop { .. } => self.dropped.increment(1),
        }
    }

    /// Counts an unreadable record, which goes to the dead letters.
    pub(crate) fn unreadable(&self) {
        self.dead_letters.increment(1);
    }
}
