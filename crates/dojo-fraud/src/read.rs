//! What a record of `orders` is to fraud detection: an order to judge, none of its business, or unreadable.
//!
//! Pure.

use dojo_contract::{
    Order, OrderAction, OrderEvent,
    header::{self, Headers},
};

/// As much of a parser's complaint as is worth keeping.
const WHY_MAX_CHARS: usize = 200;

/// What a record is.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// A new order, to be judged at its event time: milliseconds since 1970.
    New {
        /// The order.
        order: Order,
        /// When it was placed.
        time: i64,
    },
    /// A change to an order, or an event that went round again. It says nothing new about how much is ordered.
    Known,
    /// Not an event at all, and why. The notification service sends it to the dead letters.
    Unreadable(String),
}

/// Reads a record from its value, its headers and its timestamp (milliseconds since 1970).
///
/// Event time is the record's own timestamp, because that is what Kafka looks up by. A record without one, which only
/// producers from before 2016 send, goes by the event's.
pub fn read(value: Option<&[u8]>, headers: &Headers, timestamp: Option<i64>) -> Reading {
    if !header::is_original(headers) {
        return Reading::Known;
    }
    let Some(value) = value else { return Reading::Unreadable("it has no value".to_owned()) };
    match serde_json::from_slice::<OrderEvent>(value) {
        Err(error) => {
            // It quotes the value, which may be a megabyte.
            let why = error.to_string();
            Reading::Unreadable(format!("its value is no order event: {why:.WHY_MAX_CHARS$}"))
        }
        Ok(OrderEvent { action: OrderAction::Created, order, timestamp: of_event }) => {
            Reading::New { order, time: timestamp.unwrap_or_else(|| of_event.timestamp_millis()) }
        }
        Ok(_) => Reading::Known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREATED: &str = r#"{"action":"created","timestamp":"2026-01-31T09:30:00.000Z","order":{
        "id":"00000000-0000-0000-0000-000000000001","customerName":"Ada","item":"Pizza","quantity":2,"price":9.5,
        "status":"created","createdAt":"2026-01-31T09:30:00.000Z"}}"#;

    fn read_text(value: &str) -> Reading {
        read(Some(value.as_bytes()), &Headers::new(), Some(7))
    }

    #[test]
    fn event_time_is_the_records_timestamp_and_the_events_where_it_has_none() {
        assert!(matches!(read_text(CREATED), Reading::New { time: 7, .. }));
        let without = read(Some(CREATED.as_bytes()), &Headers::new(), None);
        assert!(matches!(without, Reading::New { time: 1_769_851_800_000, .. }), "{without:?}");
    }

    #[test]
    fn changes_retries_and_redrives_are_known() {
        assert_eq!(read_text(&CREATED.replacen("created", "updated", 1)), Reading::Known);
        for name in [header::RETRY_COUNT, header::REDRIVE_COUNT] {
            let headers = vec![(name.to_owned(), Some(b"1".to_vec()))];
            assert_eq!(read(Some(CREATED.as_bytes()), &headers, Some(7)), Reading::Known);
        }
    }

    #[test]
    fn what_is_no_event_says_why() {
        for (value, why) in [("no json", "expected"), ("{}", "missing field"), ("[]", "invalid length")] {
            let Reading::Unreadable(reason) = read_text(value) else { panic!("{value} was read") };
            assert!(reason.contains(why), "{reason}");
        }
        let Reading::Unreadable(reason) = read_text(&format!(r#"{{"action":"{}"}}"#, "x".repeat(900_000)))
        else {
            panic!("read")
        };
        assert!(reason.len() < 300);
        assert_eq!(read(None, &Headers::new(), None), Reading::Unreadable("it has no value".to_owned()));
    }
}
