//! How a record of `orders` reads to fraud detection: as an order to judge, as a repetition or change of a known one, or as
//! unreadable.
//!
//! Pure.

use dojo_contract::{
    Order, OrderAction, OrderEvent,
    header::{self, Headers},
};

/// A record as fraud detection reads it.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// A new order, to be judged at its event time: milliseconds since 1970.
    New {
        /// The order.
        order: Order,
        /// When it was placed.
        time: i64,
    },
    /// A change to an order, or a retry or redrive of an event. It orders nothing new.
    Known,
    /// An unreadable record, and why. The notification service sends it to the dead letters.
    Unreadable(String),
}

/// Reads a record from its value, its headers and its timestamp (milliseconds since 1970).
///
/// Event time is the record's timestamp, since Kafka looks records up by it. A record without one, which only producers
/// from before 2016 send, has the event's.
pub fn read(value: Option<&[u8]>, headers: &Headers, timestamp: Option<i64>) -> Reading {
    if !header::is_original(headers) {
        return Reading::Known;
    }
    match OrderEvent::read(value) {
        Ok(OrderEvent { action: OrderAction::Created, order, timestamp: of_event }) => {
            Reading::New { order, time: timestamp.unwrap_or_else(|| of_event.timestamp_millis()) }
        }
        Ok(_) => Reading::Known,
        Err(why) => Reading::Unreadable(why.to_string()),
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
    fn an_unreadable_record_says_why() {
        let negative = CREATED.replacen("\"quantity\":2", "\"quantity\":-5", 1);
        for (value, why) in [("no json", "isn't a JSON object"), (&negative, "quantity is -5")] {
            let Reading::Unreadable(reason) = read_text(value) else { panic!("{value} was read") };
            assert!(reason.contains(why), "{reason}");
        }
        assert!(matches!(read(None, &Headers::new(), None), Reading::Unreadable(_)));
    }

    #[test]
    fn one_customer_has_one_name_however_it_is_composed() {
        let named = |name: &str| match read_text(&CREATED.replacen("Ada", name, 1)) {
            Reading::New { order, .. } => order.customer_name,
            other => panic!("{other:?}"),
        };
        assert_eq!(named("Jose\u{301}"), named("Jos\u{e9}"));
    }
}
