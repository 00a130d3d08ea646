//! What a record of `orders` is to the notification service: an event to tell a customer of, or unreadable.
//!
//! Pure. Every readable event is one to tell of: created, updated and deleted orders, for the first time or again.

use dojo_contract::{
    OrderEvent,
    header::{self, Headers},
};

/// As much of a parser's complaint as is worth keeping.
const WHY_MAX_CHARS: usize = 200;

/// An event, and how often its delivery has failed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What to tell.
    pub event: OrderEvent,
    /// Failed attempts so far.
    pub retry_count: u32,
}

/// Reads a record from its value and headers, or says why it cannot be read.
///
/// A retry count that is no number makes a record unreadable: it says that it was tried before and not how often, so
/// no decision about it would be the right one. The key is not looked at: the value alone says which order it is about,
/// and a record under a strange key may come out of turn but is no less true.
pub fn read(value: Option<&[u8]>, headers: &Headers) -> Result<Attempt, String> {
    let value = value.ok_or("the record has no value")?;
    let event = serde_json::from_slice(value).map_err(|error| {
        // It quotes the value, which may be a megabyte, and goes into a header.
        let why = error.to_string();
        format!("the value is no order event: {why:.WHY_MAX_CHARS$}")
    })?;
    let retry_count = header::count(headers, header::RETRY_COUNT)
        .ok_or_else(|| format!("the header {} is no number", header::RETRY_COUNT))?;
    Ok(Attempt { event, retry_count })
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
    fn every_action_is_told_for_the_first_time_or_again() {
        for action in ["created", "updated", "deleted"] {
            let value = CREATED.replacen("created", action, 1);
            let attempt = read(Some(value.as_bytes()), &Headers::new()).unwrap();
            assert_eq!((attempt.event.action.name(), attempt.retry_count), (action, 0));
        }
        assert_eq!(read(Some(CREATED.as_bytes()), &headers(b"2")).unwrap().retry_count, 2);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let bad_values: [(Option<&[u8]>, &str); 5] = [
            (None, "no value"),
            (Some(b"no json"), "no order event"),
            (Some(b"{}"), "missing field"),
            (Some(b"\xff\xfe"), "no order event"),
            (Some(br#"{"action":"eaten"}"#), "unknown variant"),
        ];
        for (value, why) in bad_values {
            let reason = read(value, &Headers::new()).unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
        let long = format!(r#"{{"action":"{}"}}"#, "x".repeat(900_000));
        assert!(read(Some(long.as_bytes()), &Headers::new()).unwrap_err().len() < 300);
        for count in [&b"two"[..], b"-1", b"", b"99999999999", b"\xff"] {
            let reason = read(Some(CREATED.as_bytes()), &headers(count)).unwrap_err();
            assert!(reason.contains("retryCount"), "{reason}");
        }
    }
}
