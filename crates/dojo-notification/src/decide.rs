//! The retry policy: what becomes of an event after one attempt to deliver it.
//!
//! Pure. A failed delivery goes round once more while retries are left, and to the dead letters when none is. There is
//! no pause between attempts: a retry joins the end of its partition, behind whatever arrived meanwhile, and nothing
//! waits for it.

use dojo_contract::{header::Headers, topic};
use dojo_rules::{Delivery, RuleError};

/// Reasons on `audit` and on the dead letters end here.
pub(crate) const REASON_MAX_CHARS: usize = 1_000;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing more: the customer knows.
    Notified,
    /// Send the event round once more.
    Retry {
        /// Which retry it is then, from 1.
        retry_count: u32,
        /// Why this attempt failed.
        reason: String,
    },
    /// Give up.
    DeadLetter {
        /// Why this attempt failed, and why there is none after it where retries were left.
        reason: String,
    },
}

/// Decides on `attempt`, the rule's answer to an event that had failed `retry_count` times before. `retry_bytes` is the
/// size that the event would have on `orders` as a retry.
pub fn decide(
    attempt: Result<Delivery, RuleError>,
    retry_count: u32,
    max_retries: u32,
    retry_bytes: usize,
) -> Decision {
    let reason = match attempt {
        Ok(Delivery::Delivered) => return Decision::Notified,
        Ok(Delivery::Failed { reason }) => format!("{reason:.REASON_MAX_CHARS$}"),
        Err(error) => format!("{:.REASON_MAX_CHARS$}", error.to_string()),
    };
    let max_bytes = topic::ORDERS_MAX_MESSAGE_BYTES;
    if retry_count >= max_retries {
        Decision::DeadLetter { reason }
    } else if retry_bytes > max_bytes {
        let reason = format!(
            "{reason} (not retried: with a retry count it would have {retry_bytes} bytes, and {} takes {max_bytes})",
            topic::ORDERS
        );
        Decision::DeadLetter { reason }
    } else {
        Decision::Retry { retry_count: retry_count + 1, reason }
    }
}

/// The size of a record in a batch of its own, as the broker measures it against `max.message.bytes`; at the most, so
/// that what passes here passes there.
///
/// Source: record batch and record in <https://kafka.apache.org/documentation/#recordbatch>.
pub fn size_on_log(key: Option<&[u8]>, value: Option<&[u8]>, headers: &Headers) -> usize {
    const BATCH: usize = 61;
    /// A length as a varint.
    const LENGTH: usize = 5;
    /// Its own length, attributes, timestamp and offset deltas, and how many headers there are.
    const RECORD: usize = LENGTH + 1 + 10 + LENGTH + LENGTH;
    let bytes = |bytes: Option<&[u8]>| LENGTH + bytes.map_or(0, <[u8]>::len);
    let headers = headers.iter().map(|(name, value)| LENGTH + name.len() + bytes(value.as_deref()));
    BATCH + RECORD + bytes(key) + bytes(value) + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: usize = 300;

    fn failed() -> Result<Delivery, RuleError> {
        Ok(Delivery::Failed { reason: "no answer".to_owned() })
    }

    #[test]
    fn a_delivered_event_needs_nothing_more_however_often_it_failed_before() {
        for retry_count in [0, 2, 99] {
            assert_eq!(decide(Ok(Delivery::Delivered), retry_count, 2, SMALL), Decision::Notified);
        }
    }

    #[test]
    fn third_failure_goes_to_the_dead_letters() {
        let reason = "no answer".to_owned();
        let retry = |retry_count| Decision::Retry { retry_count, reason: reason.clone() };
        assert_eq!(decide(failed(), 0, 2, SMALL), retry(1));
        assert_eq!(decide(failed(), 1, 2, SMALL), retry(2));
        assert_eq!(decide(failed(), 2, 2, SMALL), Decision::DeadLetter { reason: reason.clone() });
    }

    #[test]
    fn fewer_retries_hold_for_events_that_are_already_on_their_way() {
        assert!(matches!(decide(failed(), 1, 0, SMALL), Decision::DeadLetter { .. }));
        assert!(matches!(decide(failed(), u32::MAX, 2, SMALL), Decision::DeadLetter { .. }));
    }

    #[test]
    fn what_is_too_large_to_go_round_again_is_given_up_at_once() {
        let Decision::DeadLetter { reason } = decide(failed(), 0, 2, topic::ORDERS_MAX_MESSAGE_BYTES + 1)
        else {
            panic!("retried");
        };
        assert!(reason.starts_with("no answer (not retried"), "{reason}");
        assert!(matches!(decide(failed(), 0, 2, topic::ORDERS_MAX_MESSAGE_BYTES), Decision::Retry { .. }));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let attempt = Ok(Delivery::Failed { reason: "ä".repeat(1_000_000) });
        let Decision::Retry { reason, .. } = decide(attempt, 0, 2, SMALL) else { panic!("not retried") };
        assert_eq!(reason.chars().count(), REASON_MAX_CHARS);
    }

    proptest! {
        #[test]
        fn an_event_is_tried_once_and_then_retried_at_most_as_often_as_is_set(max_retries in 0u32..=10) {
            let mut retry_count = 0;
            let mut attempts = 1;
            while let Decision::Retry { retry_count: next, .. } = decide(failed(), retry_count, max_retries, SMALL) {
                retry_count = next;
                attempts += 1;
            }
            prop_assert_eq!(attempts, max_retries + 1);
        }
    }
}
