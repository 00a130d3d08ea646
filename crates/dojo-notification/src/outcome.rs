//! The events about a decision: what `audit` and `orders-dlq` say.
//!
//! Pure: facts in, events out. The records that carry the events are made in [`records`](crate::records).

use crate::{
    decide::{Decision, REASON_MAX_CHARS},
    read::Attempt,
};
use chrono::{DateTime, Utc};
use dojo_contract::{AuditAction, AuditEvent, DlqEvent, Source};
use dojo_rules::RuleError;

/// The circumstances of a decision: its instance, its rule, its time, and the record of `orders` that it is about.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// The instance that decided.
    pub instance_id: &'a str,
    /// The version of its rule.
    pub rule_version: &'a str,
    /// The time of the decision.
    pub now: DateTime<Utc>,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
}

impl Outcome<'_> {
    /// Returns the event that reports `decision` on `attempt`.
    pub fn decided(&self, attempt: &Attempt, decision: &Decision) -> AuditEvent {
        let retry_count = attempt.retry_count;
        match decision {
            Decision::Notified => self.event(attempt, AuditAction::Notified, retry_count, None),
            Decision::Retry { retry_count, reason, .. } => {
                self.event(attempt, AuditAction::Retry, *retry_count, Some(reason.clone()))
            }
            Decision::DeadLetter { reason } => {
                self.event(attempt, AuditAction::Dlq, retry_count, Some(reason.clone()))
            }
            Decision::Drop { reason } => {
                self.event(attempt, AuditAction::Dropped, retry_count, Some(reason.clone()))
            }
        }
    }

    /// Returns the event that reports an error of the rule. A second event reports what happens to the delivery.
    pub fn rule_error(&self, attempt: &Attempt, error: &RuleError) -> AuditEvent {
        let reason = format!("{:.REASON_MAX_CHARS$}", error.to_string());
        self.event(attempt, AuditAction::RuleError, attempt.retry_count, Some(reason))
    }

    /// Returns the dead letter of `attempt`.
    pub fn dead_letter(&self, attempt: &Attempt, reason: &str) -> DlqEvent {
        DlqEvent {
            action: attempt.event.action,
            order: attempt.event.order.clone(),
            reason: reason.to_owned(),
            instance_id: self.instance_id.to_owned(),
            timestamp: self.now,
        }
    }

    fn event(
        &self,
        attempt: &Attempt,
        action: AuditAction,
        retry_count: u32,
        reason: Option<String>,
    ) -> AuditEvent {
        let order = &attempt.event.order;
        AuditEvent {
            instance_id: Some(self.instance_id.to_owned()),
            customer_name: Some(order.customer_name.clone()),
            retry_count: Some(retry_count),
            reason,
            rule_version: Some(self.rule_version.to_owned()),
            partition: Some(self.partition),
            offset: Some(self.offset),
            ..AuditEvent::new(Source::NotificationService, action, order.id, self.now)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::read::{read, tests::CREATED};
    use dojo_contract::header::{self, Headers};
    use std::time::Duration;

    fn attempt() -> Attempt {
        let headers: Headers = vec![(header::RETRY_COUNT.to_owned(), Some(b"1".to_vec()))];
        read(Some(CREATED.as_bytes()), &headers).unwrap()
    }

    pub(crate) const OUTCOME: Outcome<'_> = Outcome {
        instance_id: "notification-7",
        rule_version: "0a1b2c3d",
        now: DateTime::UNIX_EPOCH,
        partition: 2,
        offset: 41,
    };

    #[test]
    fn a_delivered_event_is_reported() {
        let event = OUTCOME.decided(&attempt(), &Decision::Notified);
        assert_eq!((event.action, event.retry_count, event.reason), (AuditAction::Notified, Some(1), None));
        assert_eq!((event.partition, event.offset), (Some(2), Some(41)));
        assert_eq!(
            (event.customer_name.as_deref(), event.rule_version.as_deref(), event.instance_id.as_deref()),
            (Some("Ada"), Some("0a1b2c3d"), Some("notification-7"))
        );
    }

    #[test]
    fn a_retry_is_reported_with_its_own_number_and_the_end_with_that_of_the_last_attempt() {
        let reason = || "no answer".to_owned();
        for (decision, action, retry_count) in [
            (
                Decision::Retry { retry_count: 2, reason: reason(), after: Duration::ZERO },
                AuditAction::Retry,
                2,
            ),
            (Decision::DeadLetter { reason: reason() }, AuditAction::Dlq, 1),
            (Decision::Drop { reason: reason() }, AuditAction::Dropped, 1),
        ] {
            let event = OUTCOME.decided(&attempt(), &decision);
            assert_eq!(
                (event.action, event.retry_count, event.reason),
                (action, Some(retry_count), Some(reason()))
            );
        }
    }
}
