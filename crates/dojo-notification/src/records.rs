//! The records that follow from a decision, for `orders`, `orders-dlq` and `audit`.
//!
//! Headers that aren't the dojo's belong to whoever sent the record, so they stay on it, byte for byte. A retry is the same
//! event again: same key, same value, same timestamp.
//!
//! Every record here fits on its topic. `max.message.bytes` limits what is sent, so a record that was small when it was
//! compressed may be far larger here. An event that has no room for a retry count becomes a dead letter. A dead letter that
//! is too large goes without its value, and its header says so: if it couldn't be sent, its partition would stand still.

use crate::{decide::Decision, outcome::Outcome, read::Attempt};
use chrono::{DateTime, Utc};
use dojo_contract::{
    AuditEvent,
    header::{self, Headers},
    topic,
};
use dojo_kafka::{Error, Outgoing, Record};

/// Returns the records that follow from `decision` on `attempt`, the reading of `record`, in the order in which they are to
/// be sent; and the decision that they carry out, since a retry that is too large becomes a dead letter.
pub fn carry_out(
    decision: Decision,
    outcome: &Outcome<'_>,
    record: &Record<'_>,
    attempt: &Attempt,
) -> Result<(Decision, Vec<Outgoing>), Error> {
    let (decision, first) = match decision {
        Decision::Notified => (Decision::Notified, None),
        Decision::Retry { retry_count, reason, after } => {
            let retry = retry(record, retry_count);
            match too_large(&retry, topic::ORDERS_MAX_MESSAGE_BYTES) {
                None => (Decision::Retry { retry_count, reason, after }, Some(retry)),
                Some(why) => {
                    let reason = format!("{reason} (not retried: the retry {why})");
                    (Decision::DeadLetter { reason }, None)
                }
            }
        }
        Decision::DeadLetter { .. } | Decision::Drop { .. } => (decision, None),
    };
    let first = match &decision {
        Decision::DeadLetter { reason } => Some(dead_letter(outcome, record, attempt, reason)?),
        _ => first,
    };
    let report = audit(&outcome.decided(attempt, &decision))?;
    Ok((decision, first.into_iter().chain([report]).collect()))
}

/// Returns the record that carries `event`.
pub fn audit(event: &AuditEvent) -> Result<Outgoing, Error> {
    Outgoing::json(topic::AUDIT, event.order_id.to_string(), event, event.timestamp)
}

/// Returns `record` as its retry number `retry_count`.
///
/// The timestamp is the event's, as everywhere on `orders`: a look-up by time finds an event where it happened and not
/// where it was retried.
fn retry(record: &Record<'_>, retry_count: u32) -> Outgoing {
    let mut headers = record.headers.clone();
    header::set(&mut headers, header::RETRY_COUNT, retry_count.to_string());
    Outgoing {
        topic: topic::ORDERS,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers,
        timestamp: record.timestamp,
    }
}

fn dead_letter(
    outcome: &Outcome<'_>,
    record: &Record<'_>,
    attempt: &Attempt,
    reason: &str,
) -> Result<Outgoing, Error> {
    let letter = outcome.dead_letter(attempt, reason);
    let mut headers = dead_letter_headers(record, reason, outcome.instance_id);
    header::set(&mut headers, header::RULE_VERSION, outcome.rule_version);
    let key = letter.order.id.to_string();
    let letter = Outgoing::json(topic::ORDERS_DLQ, key, &letter, letter.timestamp)?.with_headers(headers);
    Ok(fitting(letter, reason))
}

/// Returns the dead letter of an unreadable `record`: the record as it came, with the reason in its headers, and without its
/// value if it is too large.
pub fn unreadable(record: &Record<'_>, reason: &str, instance_id: &str, now: DateTime<Utc>) -> Outgoing {
    let letter = Outgoing {
        topic: topic::ORDERS_DLQ,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: dead_letter_headers(record, reason, instance_id),
        timestamp: Some(now.timestamp_millis()),
    };
    fitting(letter, reason)
}

/// Returns as much of `letter` as `orders-dlq` accepts: without its value if it is too large, and if need be also without its
/// key and the headers that aren't the dojo's. The header [`header::ERROR`] says what is missing.
fn fitting(mut letter: Outgoing, reason: &str) -> Outgoing {
    let max_bytes = topic::DLQ_MAX_MESSAGE_BYTES;
    let Some(why) = too_large(&letter, max_bytes) else { return letter };
    let without = |what: &str| format!("{reason} (without {what}: the whole {why})");
    let (no_value, almost_nothing) =
        (without("its value"), without("its value, its key, and headers of others"));
    letter.value = None;
    header::set(&mut letter.headers, header::ERROR, no_value);
    if letter.size_on_log() > max_bytes {
        letter.key = None;
        letter.headers.retain(|(name, _)| DEAD_LETTER_HEADERS.contains(&name.as_str()));
        header::set(&mut letter.headers, header::ERROR, almost_nothing);
    }
    letter
}

/// Returns why `record` doesn't fit on its topic, if it doesn't.
fn too_large(record: &Outgoing, max_bytes: usize) -> Option<String> {
    let bytes = record.size_on_log();
    (bytes > max_bytes).then(|| format!("has {bytes} bytes, and {} takes {max_bytes}", record.topic))
}

/// The headers that every dead letter gets here.
const DEAD_LETTER_HEADERS: [&str; 7] = [
    header::ORIGINAL_TOPIC,
    header::ORIGINAL_PARTITION,
    header::ORIGINAL_OFFSET,
    header::ORIGINAL_TIMESTAMP,
    header::ERROR,
    header::INSTANCE,
    header::RULE_VERSION,
];

/// Returns the record's own headers, and those that say where it was and why it failed. The latter replace those of an
/// earlier failure, which a redriven record brings along.
fn dead_letter_headers(record: &Record<'_>, reason: &str, instance_id: &str) -> Headers {
    let mut headers = record.headers.clone();
    headers.retain(|(name, _)| name != header::ORIGINAL_TIMESTAMP && name != header::RULE_VERSION);
    header::set(&mut headers, header::ORIGINAL_TOPIC, record.topic);
    header::set(&mut headers, header::ORIGINAL_PARTITION, record.partition.to_string());
    header::set(&mut headers, header::ORIGINAL_OFFSET, record.offset.to_string());
    if let Some(timestamp) = record.timestamp {
        header::set(&mut headers, header::ORIGINAL_TIMESTAMP, timestamp.to_string());
    }
    header::set(&mut headers, header::ERROR, reason);
    header::set(&mut headers, header::INSTANCE, instance_id);
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::OUTCOME;
    use crate::read::{read, tests::CREATED};
    use dojo_contract::{AuditAction, DlqEvent};
    use std::time::Duration;

    fn headers() -> Headers {
        vec![
            ("trace".to_owned(), Some(vec![0xff, 0x00])),
            (header::RETRY_COUNT.to_owned(), Some(b"1".to_vec())),
            ("trace".to_owned(), None),
            (header::REDRIVE_COUNT.to_owned(), Some(b"1".to_vec())),
            (header::ERROR.to_owned(), Some(b"an earlier death".to_vec())),
        ]
    }

    fn record(headers: Headers) -> Record<'static> {
        Record {
            topic: topic::ORDERS,
            partition: 2,
            offset: 41,
            timestamp: Some(1_769_851_800_000),
            key: Some(b"any key"),
            value: Some(CREATED.as_bytes()),
            headers,
        }
    }

    fn carried_out(decision: Decision, record: &Record<'_>) -> (Decision, Vec<Outgoing>) {
        let attempt = read(record.value, &record.headers).unwrap();
        carry_out(decision, &OUTCOME, record, &attempt).unwrap()
    }

    fn sent(decision: Decision) -> Vec<Outgoing> {
        let (done, sent) = carried_out(decision.clone(), &record(headers()));
        assert_eq!(done, decision);
        sent
    }

    fn audit_event(record: &Outgoing) -> AuditEvent {
        assert_eq!(record.topic, topic::AUDIT);
        serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
    }

    fn header_of<'a>(record: &'a Outgoing, name: &str) -> Vec<&'a [u8]> {
        record.headers.iter().filter(|(n, _)| n == name).filter_map(|(_, v)| v.as_deref()).collect()
    }

    #[test]
    fn a_retry_is_the_same_record_with_one_header_changed() {
        let after = Duration::from_millis(7);
        let sent = sent(Decision::Retry { retry_count: 2, reason: "no answer".into(), after });
        let [again, said] = &sent[..] else { panic!("{sent:?}") };
        let original = record(headers());
        assert_eq!(again.topic, topic::ORDERS);
        assert_eq!((again.key.as_deref(), again.value.as_deref()), (original.key, original.value));
        assert_eq!(again.timestamp, original.timestamp);
        assert_eq!(header_of(again, header::RETRY_COUNT), [b"2"]);
        let others = |headers: &Headers| {
            headers.iter().filter(|(name, _)| name != header::RETRY_COUNT).cloned().collect::<Vec<_>>()
        };
        assert_eq!(others(&again.headers), others(&original.headers));
        let said = audit_event(said);
        assert_eq!((said.action, said.retry_count), (AuditAction::Retry, Some(2)));
        assert_eq!((said.partition, said.offset), (Some(2), Some(41)));
        assert_eq!(said.reason.as_deref(), Some("no answer"));
    }

    #[test]
    fn a_dead_letter_says_where_it_failed_and_why_and_keeps_what_is_not_ours() {
        let sent = sent(Decision::DeadLetter { reason: "no answer".into() });
        let [letter, said] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(
            (letter.topic, letter.key.as_deref()),
            (topic::ORDERS_DLQ, Some(&b"00000000-0000-0000-0000-000000000001"[..]))
        );
        let event: DlqEvent = serde_json::from_slice(letter.value.as_deref().unwrap()).unwrap();
        assert_eq!((event.reason.as_str(), event.instance_id.as_str()), ("no answer", "notification-7"));
        for (name, value) in [
            (header::ORIGINAL_TOPIC, "orders"),
            (header::ORIGINAL_PARTITION, "2"),
            (header::ORIGINAL_OFFSET, "41"),
            (header::ORIGINAL_TIMESTAMP, "1769851800000"),
            (header::ERROR, "no answer"),
            (header::INSTANCE, "notification-7"),
            (header::RULE_VERSION, "0a1b2c3d"),
            (header::RETRY_COUNT, "1"),
            (header::REDRIVE_COUNT, "1"),
        ] {
            assert_eq!(header_of(letter, name), [value.as_bytes()], "{name}");
        }
        assert_eq!(letter.headers.iter().filter(|(name, _)| name == "trace").count(), 2);
        assert_eq!((audit_event(said).action, audit_event(said).retry_count), (AuditAction::Dlq, Some(1)));
    }

    #[test]
    fn an_unreadable_record_stays_as_it_came() {
        let original = Record { key: None, value: None, ..record(headers()) };
        let letter = unreadable(&original, "the record has no value", "notification-7", DateTime::UNIX_EPOCH);
        assert_eq!((letter.key.as_ref(), letter.value.as_ref()), (None, None));
        assert_eq!(header_of(&letter, header::ERROR), [b"the record has no value"]);
        assert_eq!(header_of(&letter, header::RULE_VERSION), [] as [&[u8]; 0]);
        assert_eq!(letter.headers[0], headers()[0]);
    }

    #[test]
    fn a_dead_letter_that_would_not_fit_goes_without_its_value_and_says_so() {
        let zeros = vec![0; 5_000_000];
        let original = Record { value: Some(&zeros), ..record(headers()) };
        let letter = unreadable(&original, "no order event", "notification-7", DateTime::UNIX_EPOCH);
        assert_eq!((letter.key.as_deref(), letter.value.as_ref()), (original.key, None));
        assert_eq!(letter.headers[0], headers()[0]);
        let said = String::from_utf8(header_of(&letter, header::ERROR)[0].to_vec()).unwrap();
        assert!(said.starts_with("no order event (without its value: the whole has 5000"), "{said}");
    }

    #[test]
    fn a_dead_letter_of_an_event_with_too_many_headers_goes_without_its_value_and_says_so() {
        let with = |length: usize| {
            let original = record(vec![("theirs".to_owned(), Some(vec![b'x'; length]))]);
            carried_out(Decision::DeadLetter { reason: "no answer".into() }, &original).1.remove(0)
        };
        let room = topic::DLQ_MAX_MESSAGE_BYTES - with(0).size_on_log();
        assert!(with(room).value.is_some());
        let letter = &with(room + 1);
        assert_eq!(letter.value, None);
        assert_eq!(header_of(letter, header::RULE_VERSION), [b"0a1b2c3d"]);
        let error = String::from_utf8_lossy(header_of(letter, header::ERROR)[0]).into_owned();
        assert!(error.starts_with("no answer (without its value"), "{error}");
        assert_eq!(letter.headers[0].0, "theirs");
        assert!(letter.size_on_log() <= topic::DLQ_MAX_MESSAGE_BYTES);
    }

    #[test]
    fn a_dead_letter_fits_whatever_it_is_that_is_too_large() {
        let long = vec![b'x'; 3_000_000];
        let large_header = vec![("theirs".to_owned(), Some(long.clone()))];
        let large_key = Record { key: Some(&long), ..record(headers()) };
        for original in [large_key, record(large_header)] {
            let letter = unreadable(&original, "no order event", "notification-7", DateTime::UNIX_EPOCH);
            assert!(letter.size_on_log() <= topic::DLQ_MAX_MESSAGE_BYTES);
            assert_eq!((letter.key.as_ref(), letter.value.as_ref()), (None, None));
            assert_eq!(header_of(&letter, header::ORIGINAL_OFFSET), [b"41"]);
            assert!(
                String::from_utf8_lossy(header_of(&letter, header::ERROR)[0]).contains("headers of others")
            );
        }
    }

    #[test]
    fn a_dead_letter_that_just_fits_is_whole() {
        let at = |length: usize| {
            let value = vec![b'x'; length];
            let original = Record { value: Some(&value), ..record(headers()) };
            unreadable(&original, "no order event", "notification-7", DateTime::UNIX_EPOCH)
        };
        let room = topic::DLQ_MAX_MESSAGE_BYTES - at(0).size_on_log();
        assert_eq!(at(room).value.map(|value| value.len()), Some(room));
        assert_eq!(at(room + 1).value, None);
    }

    #[test]
    fn a_delivered_event_is_reported_and_nothing_else_is_sent() {
        let sent = sent(Decision::Notified);
        let [report] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(audit_event(report).action, AuditAction::Notified);
    }

    #[test]
    fn a_dropped_event_is_reported_and_nothing_else_is_sent() {
        let sent = sent(Decision::Drop { reason: "no answer".into() });
        let [report] = &sent[..] else { panic!("{sent:?}") };
        let report = audit_event(report);
        assert_eq!((report.action, report.reason.as_deref()), (AuditAction::Dropped, Some("no answer")));
    }

    #[test]
    fn a_retry_that_just_fits_is_sent_and_a_larger_one_is_given_up() {
        let retry = || Decision::Retry { retry_count: 1, reason: "no answer".into(), after: Duration::ZERO };
        let with = |length: usize| {
            let filler = vec![("filler".to_owned(), Some(vec![b'x'; length]))];
            carried_out(retry(), &record(filler))
        };
        let room = topic::ORDERS_MAX_MESSAGE_BYTES - with(0).1[0].size_on_log();
        let (decision, sent) = with(room);
        assert_eq!((decision, sent[0].topic), (retry(), topic::ORDERS));
        let (decision, sent) = with(room + 1);
        let Decision::DeadLetter { reason } = decision else { panic!("{decision:?}") };
        assert!(reason.starts_with("no answer (not retried: the retry has 1048589 bytes"), "{reason}");
        let [letter, report] = &sent[..] else { panic!("{} records", sent.len()) };
        assert_eq!((letter.topic, audit_event(report).reason), (topic::ORDERS_DLQ, Some(reason)));
    }
}
