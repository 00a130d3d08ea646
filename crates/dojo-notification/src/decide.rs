//! The retry policy: what happens to an event after one attempt to deliver it.
//!
//! Pure. A failed event is retried while retries are left, and then becomes a dead letter. There is no pause between
//! attempts: a retry joins the end of its partition, behind the events that arrived meanwhile, and nothing waits for it.

use dojo_rules::{Delivery, RuleError};

/// The longest reason on `audit` and on dead letters, in characters; longer ones are cut.
pub(crate) const REASON_MAX_CHARS: usize = 1_000;

/// What to do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing more: the customer was notified.
    Notified,
    /// Send the event to `orders` once more.
    Retry {
        /// The number of this retry, from 1.
        retry_count: u32,
        /// Why this attempt failed.
        reason: String,
    },
    /// Give up.
    DeadLetter {
        /// Why this attempt failed.
        reason: String,
    },
}

/// Decides on `attempt`, the rule's answer to an event that had failed `retry_count` times before.
pub fn decide(attempt: Result<Delivery, RuleError>, retry_count: u32, max_retries: u32) -> Decision {
    let reason = match attempt {
        Ok(Delivery::Delivered) => return Decision::Notified,
        Ok(Delivery::Failed { reason }) => format!("{reason:.REASON_MAX_CHARS$}"),
        Err(error) => format!("{:.REASON_MAX_CHARS$}", error.to_string()),
    };
    if retry_count < max_retries {
        Decision::Retry { retry_count: retry_count + 1, reason }
    } else {
        Decision::DeadLetter { reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed() -> Result<Delivery, RuleError> {
        Ok(Delivery::Failed { reason: "no answer".to_owned() })
    }

    #[test]
    fn a_delivered_event_needs_nothing_more_however_often_it_failed_before() {
        for retry_count in [0, 2, 99] {
            assert_eq!(decide(Ok(Delivery::Delivered), retry_count, 2), Decision::Notified);
        }
    }

    #[test]
    fn third_failure_goes_to_the_dead_letters() {
        let reason = "no answer".to_owned();
        let retry = |retry_count| Decision::Retry { retry_count, reason: reason.clone() };
        assert_eq!(decide(failed(), 0, 2), retry(1));
        assert_eq!(decide(failed(), 1, 2), retry(2));
        assert_eq!(decide(failed(), 2, 2), Decision::DeadLetter { reason: reason.clone() });
    }

    #[test]
    fn fewer_retries_apply_to_events_that_are_already_on_their_way() {
        assert!(matches!(decide(failed(), 1, 0), Decision::DeadLetter { .. }));
        assert!(matches!(decide(failed(), u32::MAX, 2), Decision::DeadLetter { .. }));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let attempt = Ok(Delivery::Failed { reason: "ä".repeat(1_000_000) });
        let Decision::Retry { reason, .. } = decide(attempt, 0, 2) else { panic!("not retried") };
        assert_eq!(reason.chars().count(), REASON_MAX_CHARS);
    }

    proptest! {
        #[test]
        fn an_event_is_tried_once_and_then_retried_at_most_as_often_as_is_set(max_retries in 0u32..=10) {
            let mut retry_count = 0;
            let mut attempts = 1;
            while let Decision::Retry { retry_count: next, .. } = decide(failed(), retry_count, max_retries) {
                retry_count = next;
                attempts += 1;
            }
            prop_assert_eq!(attempts, max_retries + 1);
        }
    }
}
