//! The retry policy: what happens to an event after one attempt to deliver it.
//!
//! Pure. A failed event is retried while retries are left. There is no pause between these attempts: a retry joins the end
//! of its partition, behind the events that arrived meanwhile, and nothing waits for it.
//!
//! When the last retry has failed, the settings decide: the event becomes a dead letter, which a person can look at and send
//! back; it is dropped, and nobody can; or it is retried without end. An event that can never be delivered then circles for
//! ever, so there is a pause before each of these retries: without one, a single event would keep an instance busy.

use dojo_contract::OnExhausted;
use dojo_rules::{Delivery, RuleError};
use std::time::Duration;

/// The longest reason on `audit` and on dead letters, in characters; longer ones are cut.
pub(crate) const REASON_MAX_CHARS: usize = 1_000;

/// The pause before a retry without end.
pub const ENDLESS_RETRY_PAUSE: Duration = Duration::from_millis(100);

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
        /// How long after this attempt it is sent.
        after: Duration,
    },
    /// Give up, and keep the event on `orders-dlq`.
    DeadLetter {
        /// Why this attempt failed.
        reason: String,
    },
    /// Give up, and keep nothing.
    Drop {
        /// Why this attempt failed.
        reason: String,
    },
}

/// Decides on `attempt`, the rule's answer to an event that had failed `retry_count` times before.
pub fn decide(
    attempt: Result<Delivery, RuleError>,
    retry_count: u32,
    max_retries: u32,
    on_exhausted: OnExhausted,
) -> Decision {
    let reason = match attempt {
        Ok(Delivery::Delivered) => return Decision::Notified,
        Ok(Delivery::Failed { reason }) => format!("{reason:.REASON_MAX_CHARS$}"),
        Err(error) => format!("{:.REASON_MAX_CHARS$}", error.to_string()),
    };
    let again = retry_count.saturating_add(1);
    if retry_count < max_retries {
        return Decision::Retry { retry_count: again, reason, after: Duration::ZERO };
    }
    match on_exhausted {
        OnExhausted::DeadLetter => Decision::DeadLetter { reason },
        OnExhausted::Drop => Decision::Drop { reason },
        OnExhausted::Retry => Decision::Retry { retry_count: again, reason, after: ENDLESS_RETRY_PAUSE },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failed() -> Result<Delivery, RuleError> {
        Ok(Delivery::Failed { reason: "no answer".to_owned() })
    }

    fn after_failure(retry_count: u32, max_retries: u32, on_exhausted: OnExhausted) -> Decision {
        decide(failed(), retry_count, max_retries, on_exhausted)
    }

    #[test]
    fn a_delivered_event_needs_nothing_more_however_often_it_failed_before() {
        for (retry_count, on_exhausted) in [0, 2, 99].into_iter().zip(OnExhausted::ALL) {
            assert_eq!(decide(Ok(Delivery::Delivered), retry_count, 2, on_exhausted), Decision::Notified);
        }
    }

    #[test]
    fn third_failure_goes_to_the_dead_letters() {
        let reason = "no answer".to_owned();
        let retry =
            |retry_count| Decision::Retry { retry_count, reason: reason.clone(), after: Duration::ZERO };
        let decide = |retry_count| after_failure(retry_count, 2, OnExhausted::DeadLetter);
        assert_eq!(decide(0), retry(1));
        assert_eq!(decide(1), retry(2));
        assert_eq!(decide(2), Decision::DeadLetter { reason: reason.clone() });
    }

    #[test]
    fn third_failure_is_dropped_if_the_settings_want_that() {
        let decide = |retry_count| after_failure(retry_count, 2, OnExhausted::Drop);
        assert!(matches!(decide(1), Decision::Retry { .. }));
        assert_eq!(decide(2), Decision::Drop { reason: "no answer".to_owned() });
    }

    #[test]
    fn retries_without_end_pause_from_the_first_one_beyond_the_limit() {
        let retry = |retry_count| match after_failure(retry_count, 2, OnExhausted::Retry) {
            Decision::Retry { retry_count, after, .. } => (retry_count, after),
            other => panic!("{other:?}"),
        };
        assert_eq!(retry(1), (2, Duration::ZERO));
        assert_eq!(retry(2), (3, ENDLESS_RETRY_PAUSE));
        assert_eq!(retry(99), (100, ENDLESS_RETRY_PAUSE));
        assert_eq!(retry(u32::MAX), (u32::MAX, ENDLESS_RETRY_PAUSE));
    }

    #[test]
    fn fewer_retries_apply_to_events_that_are_already_on_their_way() {
        for retry_count in [1, u32::MAX] {
            let decision = after_failure(retry_count, 0, OnExhausted::DeadLetter);
            assert!(matches!(decision, Decision::DeadLetter { .. }));
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let attempt = Ok(Delivery::Failed { reason: "ä".repeat(1_000_000) });
        let decision = decide(attempt, 0, 2, OnExhausted::DeadLetter);
        let Decision::Retry { reason, .. } = decision else { panic!("not retried") };
        assert_eq!(reason.chars().count(), REASON_MAX_CHARS);
    }

    proptest! {
        #[test]
        fn an_event_is_tried_once_and_then_retried_at_most_as_often_as_is_set(
            max_retries in 0u32..=10, drops: bool
        ) {
            let on_exhausted = if drops { OnExhausted::Drop } else { OnExhausted::DeadLetter };
            let mut retry_count = 0;
            let mut attempts = 1;
            while let Decision::Retry { retry_count: next, .. } =
                after_failure(retry_count, max_retries, on_exhausted)
            {
                retry_count = next;
                attempts += 1;
            }
            prop_assert_eq!(attempts, max_retries + 1);
        }
    }
}
