//! A dead letter as a record of `orders` again, or the reason why it can't be one.
//!
//! Pure. The redriven record is the event that failed: same action, same order, same time. Its headers are those of the dead
//! letter, of which [`header::RETRY_COUNT`] is taken away, so that the event has all of its retries again. They say how often
//! it was redriven, from where, and when.
//!
//! Every record here fits on its topic and is readable there.

use crate::log::{dead_letters::Letter, decode::decode};
use chrono::{DateTime, Utc};
use dojo_contract::{
    AuditAction, AuditEvent, DlqEvent, Order, OrderEvent, Source, Unreadable, header, time, topic,
};
use dojo_kafka::Outgoing;

/// How often an event comes back from the dead letters.
pub(super) const MOST_REDRIVES: u32 = 3;
/// How much of a reason is kept: a parser's complaint quotes the value.
const REASON_MAX_CHARS: usize = 200;

/// What goes to Kafka for one dead letter.
#[derive(Debug)]
pub(super) struct Redriven {
    /// The offset of the dead letter.
    pub(super) offset: i64,
    /// For `audit`; sent first.
    pub(super) report: Outgoing,
    /// For `orders`.
    pub(super) record: Outgoing,
}

/// Returns the records that redrive `letter`, or why it can't be redriven.
pub(super) fn redriven(letter: &Letter, instance_id: &str, now: DateTime<Utc>) -> Result<Redriven, String> {
    let event = read(letter)?;
    let redrive_count = redrive_count(letter)?;
    let timestamp = original_time(letter, now)?;
    let event = OrderEvent { action: event.action, order: event.order, timestamp };
    let encoded = |record: Result<Outgoing, dojo_kafka::Error>| record.map_err(|error| error.to_string());
    let report = report(letter, &event.order, redrive_count, instance_id, now);
    let key = event.order.id.to_string();
    let mut record = encoded(Outgoing::json(topic::ORDERS, key.clone(), &event, timestamp))?;
    record.headers.clone_from(&letter.headers);
    record.headers.retain(|(name, _)| name != header::RETRY_COUNT);
    for (name, value) in [
        (header::REDRIVE_COUNT, redrive_count.to_string()),
        (header::DLQ_OFFSET, letter.offset.to_string()),
        (header::REDRIVEN_AT, now.timestamp_millis().to_string()),
    ] {
        header::set(&mut record.headers, name, value);
    }
    let (bytes, most) = (record.size_on_log(), topic::ORDERS_MAX_MESSAGE_BYTES);
    if bytes > most {
        return Err(format!("too large: on {} it would have {bytes} bytes of at most {most}", topic::ORDERS));
    }
    Ok(Redriven {
        offset: letter.offset,
        report: encoded(Outgoing::json(topic::AUDIT, key, &report, now))?,
        record,
    })
}

/// Reads the event; one whose order the API would refuse is unreadable on `orders`, too.
fn read(letter: &Letter) -> Result<DlqEvent, String> {
    let unreadable = |why: String| format!("unreadable: {why:.REASON_MAX_CHARS$}");
    let event: DlqEvent = decode(letter.value.as_deref()).map_err(unreadable)?;
    let order = event.order.validated().map_err(|why| unreadable(Unreadable::Order(why).to_string()))?;
    Ok(DlqEvent { order, ..event })
}

/// Returns which redrive of its event this one is.
fn redrive_count(letter: &Letter) -> Result<u32, String> {
    let name = header::REDRIVE_COUNT;
    match header::count(&letter.headers, name) {
        None => Err(format!("its header {name} isn't a number, so nobody knows how often it was redriven")),
        Some(count) if count >= MOST_REDRIVES => Err(format!(
            "its event was redriven {count} times already, and {MOST_REDRIVES} times is the most"
        )),
        Some(count) => Ok(count + 1),
    }
}

/// Returns the time of the event that failed. `orders` refuses records that are dated too far ahead.
fn original_time(letter: &Letter, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let name = header::ORIGINAL_TIMESTAMP;
    let (what, millis) = if header::has(&letter.headers, name) {
        (format!("header {name}"), header::number(&letter.headers, name))
    } else {
        ("timestamp".to_owned(), letter.timestamp)
    };
    // For the client library, 0 is the time of the send.
    let at = millis.filter(|millis| *millis > 0).and_then(time::from_kafka);
    let at = at.ok_or_else(|| format!("its {what} isn't a time in milliseconds since 1970"))?;
    if at.timestamp_millis() > now.timestamp_millis() + topic::ORDERS_MAX_MILLIS_AHEAD {
        let (at, orders) = (time::format(at), topic::ORDERS);
        return Err(format!(
            "its event is dated {at}, and {orders} refuses records that far ahead of the clock"
        ));
    }
    Ok(at)
}

fn report(
    letter: &Letter,
    order: &Order,
    redrive_count: u32,
    instance_id: &str,
    now: DateTime<Utc>,
) -> AuditEvent {
    let original = |name| header::number(&letter.headers, name);
    let reason = format!(
        "redrive {redrive_count} of {MOST_REDRIVES}: from {}, partition 0, offset {}",
        topic::ORDERS_DLQ,
        letter.offset
    );
    AuditEvent {
        instance_id: Some(instance_id.to_owned()),
        customer_name: Some(order.customer_name.clone()),
        reason: Some(reason),
        partition: original(header::ORIGINAL_PARTITION).and_then(|partition| partition.try_into().ok()),
        offset: original(header::ORIGINAL_OFFSET),
        ..AuditEvent::new(Source::OrderService, AuditAction::Redriven, order.id, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::header::Headers;
    use serde_json::{Value, json};

    const NOW: i64 = 1_769_851_900_000;
    const THEN: &str = "1769851800000";

    fn value() -> Value {
        json!({
            "action": "updated", "reason": "no answer", "instanceId": "notification-1",
            "timestamp": "2026-01-31T09:31:00.000Z",
            "order": {
                "id": "00000000-0000-0000-0000-000000000001", "customerName": "Ada", "item": "Pizza",
                "quantity": 2, "price": 9.5, "status": "created", "createdAt": "2026-01-31T09:30:00.000Z",
            },
        })
    }

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect()
    }

    fn letter(value: &Value, headers: Headers) -> Letter {
        let value = Some(value.to_string().into_bytes());
        Letter { offset: 7, timestamp: Some(NOW - 5), key: None, value, headers }
    }

    fn redrive(letter: &Letter) -> Result<Redriven, String> {
        redriven(letter, "order-1", time::from_kafka(NOW).unwrap())
    }

    fn why_not(value: &Value, pairs: &[(&str, &str)]) -> String {
        redrive(&letter(value, headers(pairs))).unwrap_err()
    }

    #[test]
    fn the_event_that_failed_goes_back_with_every_other_header_as_it_was() {
        let mut all = headers(&[
            ("retryCount", "2"),
            ("trace", "x"),
            (header::ORIGINAL_TIMESTAMP, THEN),
            (header::ORIGINAL_PARTITION, "2"),
            (header::ORIGINAL_OFFSET, "41"),
            (header::ERROR, "no answer"),
            (header::REDRIVE_COUNT, "1"),
            (header::DLQ_OFFSET, "3"),
        ]);
        let theirs = [("bytes".to_owned(), Some(vec![0xff, 0])), ("trace".to_owned(), None)];
        all.splice(2..2, theirs.clone());
        let Redriven { record, report, offset } = redrive(&letter(&value(), all)).unwrap();
        assert_eq!((offset, record.topic, record.timestamp), (7, topic::ORDERS, Some(1_769_851_800_000)));
        assert_eq!(record.key.as_deref(), Some(&b"00000000-0000-0000-0000-000000000001"[..]));
        let event: Value = serde_json::from_slice(record.value.as_deref().unwrap()).unwrap();
        let order = &value()["order"];
        assert_eq!(
            event,
            json!({"action": "updated", "order": order, "timestamp": "2026-01-31T09:30:00.000Z"})
        );
        let mut expected = headers(&[("trace", "x")]);
        expected.extend(theirs);
        expected.extend(headers(&[
            (header::ORIGINAL_TIMESTAMP, THEN),
            (header::ORIGINAL_PARTITION, "2"),
            (header::ORIGINAL_OFFSET, "41"),
            (header::ERROR, "no answer"),
            (header::REDRIVE_COUNT, "2"),
            (header::DLQ_OFFSET, "7"),
            (header::REDRIVEN_AT, &NOW.to_string()),
        ]));
        assert_eq!(record.headers, expected);
        let report: AuditEvent = serde_json::from_slice(report.value.as_deref().unwrap()).unwrap();
        assert_eq!((report.action, report.partition), (AuditAction::Redriven, Some(2)));
        assert_eq!((report.offset, report.instance_id.as_deref()), (Some(41), Some("order-1")));
        let reason = report.reason.unwrap();
        assert_eq!(reason, "redrive 2 of 3: from orders-dlq, partition 0, offset 7");
    }

    #[test]
    fn without_its_original_time_an_event_has_that_of_its_dead_letter() {
        let redriven = redrive(&letter(&value(), Headers::new())).unwrap();
        assert_eq!(redriven.record.timestamp, Some(NOW - 5));
        let report: AuditEvent = serde_json::from_slice(redriven.report.value.as_deref().unwrap()).unwrap();
        assert_eq!((report.partition, report.offset), (None, None));
    }

    #[test]
    fn what_is_no_dead_letter_is_refused() {
        let none = Letter { value: None, ..letter(&value(), Headers::new()) };
        assert_eq!(redrive(&none).unwrap_err(), "unreadable: has no value");
        assert!(why_not(&json!("poison"), &[]).starts_with("unreadable: is not a JSON object"));
        let long = why_not(&json!({"action": "x".repeat(90_000)}), &[]);
        assert!(long.starts_with("unreadable: unknown variant") && long.len() < 300, "{long}");
        let mut negative = value();
        negative["order"]["quantity"] = json!(-5);
        assert!(why_not(&negative, &[]).contains("quantity is -5"));
    }

    #[test]
    fn an_event_comes_back_three_times() {
        let count = |count| redrive(&letter(&value(), headers(&[(header::REDRIVE_COUNT, count)])));
        assert!(count("2").is_ok());
        for most in ["3", "4294967295"] {
            assert!(count(most).unwrap_err().contains("times is the most"), "{most}");
        }
        for no_number in ["", "one", "-1"] {
            assert!(count(no_number).unwrap_err().contains("redriveCount isn't a number"), "{no_number}");
        }
    }

    #[test]
    fn a_time_that_orders_would_not_take_is_refused() {
        let dated = |millis: &str| why_not(&value(), &[(header::ORIGINAL_TIMESTAMP, millis)]);
        for no_time in ["", "0", "-1", "soon", "9223372036854775807"] {
            assert!(dated(no_time).contains("isn't a time"), "{no_time}");
        }
        assert!(dated(&(NOW + 60_001).to_string()).contains("that far ahead"));
        for timestamp in [None, Some(0), Some(NOW + 60_001)] {
            assert!(redrive(&Letter { timestamp, ..letter(&value(), Headers::new()) }).is_err());
        }
        let latest = headers(&[(header::ORIGINAL_TIMESTAMP, &(NOW + 60_000).to_string())]);
        assert!(redrive(&letter(&value(), latest)).is_ok());
    }

    #[test]
    fn a_record_that_just_fits_is_sent_and_a_larger_one_is_refused() {
        let with = |length: usize| {
            let filler = vec![("filler".to_owned(), Some(vec![b'x'; length]))];
            redrive(&letter(&value(), filler))
        };
        let room = topic::ORDERS_MAX_MESSAGE_BYTES - with(0).unwrap().record.size_on_log();
        assert!(with(room).is_ok());
        let why = with(room + 1).unwrap_err();
        assert_eq!(why, "too large: on orders it would have 1048589 bytes of at most 1048588");
    }
}
