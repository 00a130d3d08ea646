//! How a record of `orders` reads to the notification service: as an event for a customer, or as unreadable.
//!
//! Pure. Every readable event is for a customer: created, updated and deleted orders, for the first time or again.

use dojo_contract::{
    OrderEvent,
    header::{self, Headers},
};
use sha2::{Digest as _, Sha256};

/// An event, and how often its delivery has failed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The event.
    pub event: OrderEvent,
    /// The number of failed attempts so far.
    pub retry_count: u32,
    /// The seed of the rule's random numbers. It follows from the event and from how often it was sent before, so an attempt
    /// that a crash repeats has the same outcome, and a retry or redrive may have another one.
    pub seed: u64,
}

/// Reads a record from its value and headers, or returns why it can't be read.
///
/// A retry count that isn't a number makes a record unreadable: the record was tried before, but it doesn't say how often,
/// so no decision about it would be right. The key doesn't matter: the value alone names the order, and a record under a
/// strange key may come out of turn but is no less true.
pub fn read(value: Option<&[u8]>, headers: &Headers) -> Result<Attempt, String> {
    let event = OrderEvent::read(value).map_err(|why| why.to_string())?;
    let retry_count = header::count(headers, header::RETRY_COUNT)
        .ok_or_else(|| format!("the header {} isn't a number", header::RETRY_COUNT))?;
    let redrive_count = header::count(headers, header::REDRIVE_COUNT).unwrap_or_default();
    let seed = seed(&event, retry_count, redrive_count);
    Ok(Attempt { event, retry_count, seed })
}

/// Returns the seed of an attempt: of the event, after so many retries and redrives.
pub fn seed(event: &OrderEvent, retry_count: u32, redrive_count: u32) -> u64 {
    // SHA-256, because the seed of an attempt must not change with the version of a hasher.
    let mut hash = Sha256::new();
    hash.update(event.order.id.as_bytes());
    hash.update(event.action.name());
    hash.update(event.timestamp.timestamp_millis().to_be_bytes());
    hash.update(retry_count.to_be_bytes());
    hash.update(redrive_count.to_be_bytes());
    let bytes = hash.finalize();
    bytes.iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const CREATED: &str = r#"{"action":"created","timestamp":"2026-01-31T09:30:00.000Z","order":{
        "id":"00000000-0000-0000-0000-000000000001","customerName":"Ada","item":"Pizza","quantity":2,"price":9.5,
        "status":"created","createdAt":"2026-01-31T09:30:00.000Z"}}"#;

    fn headers(retry_count: &[u8]) -> Headers {
        vec![
            ("trace".to_owned(), Some(b"x".to_vec())),
            (header::RETRY_COUNT.to_owned(), Some(retry_count.to_vec())),
        ]
    }

    #[test]
    fn every_action_is_for_a_customer_for_the_first_time_or_again() {
        for action in ["created", "updated", "deleted"] {
            let value = CREATED.replacen("created", action, 1);
            let attempt = read(Some(value.as_bytes()), &Headers::new()).unwrap();
            assert_eq!((attempt.event.action.name(), attempt.retry_count), (action, 0));
        }
        assert_eq!(read(Some(CREATED.as_bytes()), &headers(b"2")).unwrap().retry_count, 2);
    }

    #[test]
    fn a_repeated_attempt_has_the_same_seed_and_a_retry_or_redrive_another_one() {
        let seed_after = |value: &str, retries: &str, redrives: &str| {
            let headers = [(header::RETRY_COUNT, retries), (header::REDRIVE_COUNT, redrives)];
            let headers = headers.map(|(name, count)| (name.to_owned(), Some(count.as_bytes().to_vec())));
            read(Some(value.as_bytes()), &headers.into()).unwrap().seed
        };
        assert_eq!(
            seed_after(CREATED, "0", "0"),
            read(Some(CREATED.as_bytes()), &Headers::new()).unwrap().seed
        );
        let updated = CREATED.replacen("created", "updated", 1);
        let later = CREATED.replacen("09:30:00", "09:30:01", 1);
        let attempts = [
            (CREATED, "0", "0"),
            (CREATED, "1", "0"),
            (CREATED, "2", "0"),
            (CREATED, "0", "1"),
            (&updated, "0", "0"),
            (&later, "0", "0"),
        ];
        let seeds = attempts.map(|(value, retries, redrives)| seed_after(value, retries, redrives));
        assert_eq!(seeds, attempts.map(|(value, retries, redrives)| seed_after(value, retries, redrives)));
        let different: std::collections::BTreeSet<_> = seeds.into_iter().collect();
        assert_eq!(different.len(), seeds.len(), "{seeds:?}");
    }

    #[test]
    fn an_unreadable_record_says_why() {
        assert!(read(None, &Headers::new()).unwrap_err().contains("no value"));
        let negative = CREATED.replacen("\"quantity\":2", "\"quantity\":-5", 1);
        assert!(read(Some(negative.as_bytes()), &Headers::new()).unwrap_err().contains("quantity is -5"));
        for count in [&b"two"[..], b"-1", b"", b"99999999999", b"\xff"] {
            let reason = read(Some(CREATED.as_bytes()), &headers(count)).unwrap_err();
            assert!(reason.contains("retryCount"), "{reason}");
        }
    }
}
