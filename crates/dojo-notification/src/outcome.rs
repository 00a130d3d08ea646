//! What is sent when a decision is made: the records for `orders`, `orders-dlq` and `audit`.
//!
//! Pure: facts in, records out. Two rules hold for all of them. What a record carries beyond our own headers goes with
//! it, byte for byte, because it belongs to whoever sent it. And a retry is the same event again: same key, same
//! value, same timestamp.
//!
//! One rule comes first: a dead letter always fits on its topic. `max.message.bytes` holds for what is sent, so a
//! record that was small when it was compressed may be far larger here. If its letter could not be sent, its partition
//! would stand still for good; so such a letter goes without the value, and says so.

use crate::{
    decide::{Decision, REASON_MAX_CHARS, size_on_log},
    read::Attempt,
};
use chrono::{DateTime, Utc};
use dojo_contract::{
    AuditAction, AuditEvent, DlqEvent, NAME_MAX_CHARS, Source,
    header::{self, Headers},
    topic,
};
use dojo_kafka::{Error, Outgoing, Record};
use dojo_rules::RuleError;

/// Who decided, by which rule, and when.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// The instance.
    pub instance_id: &'a str,
    /// The version of its rule.
    pub rule_version: &'a str,
    /// The time of the decision.
    pub now: DateTime<Utc>,
}

impl Judge<'_> {
    /// What follows from `decision` on `attempt`, the reading of `record`, in the order in which it is to be sent.
    pub fn records(
        &self,
        record: &Record<'_>,
        attempt: &Attempt,
        decision: &Decision,
    ) -> Result<Vec<Outgoing>, Error> {
        Ok(match decision {
            Decision::Notified => {
                vec![self.audit(record, attempt, AuditAction::Notified, attempt.retry_count, None)?]
            }
            Decision::Retry { retry_count, reason } => vec![
                retry(record, *retry_count),
                self.audit(record, attempt, AuditAction::Retry, *retry_count, Some(reason))?,
            ],
            Decision::DeadLetter { reason } => vec![
                self.dead_letter(record, attempt, reason)?,
                self.audit(record, attempt, AuditAction::Dlq, attempt.retry_count, Some(reason))?,
            ],
        })
    }

    /// Says that the rule itself failed; what happens with the delivery is said beside it.
    pub fn rule_error(
        &self,
        record: &Record<'_>,
        attempt: &Attempt,
        error: &RuleError,
    ) -> Result<Outgoing, Error> {
        let reason = format!("{:.REASON_MAX_CHARS$}", error.to_string());
        self.audit(record, attempt, AuditAction::RuleError, attempt.retry_count, Some(&reason))
    }

    fn audit(
        &self,
        record: &Record<'_>,
        attempt: &Attempt,
        action: AuditAction,
        retry_count: u32,
        reason: Option<&String>,
    ) -> Result<Outgoing, Error> {
        let order = &attempt.event.order;
        let mut event = AuditEvent::new(Source::NotificationService, action, order.id, self.now);
        event.instance_id = Some(self.instance_id.to_owned());
        // An order of ours has no longer name; one by a stranger's hand may have one that fills a record.
        event.customer_name = Some(format!("{:.NAME_MAX_CHARS$}", order.customer_name));
        event.retry_count = Some(retry_count);
        event.reason = reason.cloned();
        event.rule_version = Some(self.rule_version.to_owned());
        event.partition = Some(record.partition);
        event.offset = Some(record.offset);
        Outgoing::json(topic::AUDIT, order.id.to_string(), &event, event.timestamp)
    }

    fn dead_letter(&self, record: &Record<'_>, attempt: &Attempt, reason: &str) -> Result<Outgoing, Error> {
        let order = attempt.event.order.clone();
        let key = order.id.to_string();
        let letter = DlqEvent {
            action: attempt.event.action,
            order,
            reason: reason.to_owned(),
            instance_id: self.instance_id.to_owned(),
            timestamp: self.now,
        };
        let mut headers = dead_letter_headers(record, reason, self.instance_id);
        header::set(&mut headers, header::RULE_VERSION, self.rule_version);
        Ok(fitting(Outgoing::json(topic::ORDERS_DLQ, key, &letter, self.now)?.with_headers(headers), reason))
    }
}

/// `record` once more, as its retry number `retry_count`.
///
/// The timestamp is the event's, as everywhere on `orders`: what looks into the log by time finds an event where it
/// happened and not where it was retried.
pub fn retry(record: &Record<'_>, retry_count: u32) -> Outgoing {
    Outgoing {
        topic: topic::ORDERS,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: retry_headers(&record.headers, retry_count),
        timestamp: record.timestamp,
    }
}

/// `headers` as they stand on retry number `retry_count`.
pub fn retry_headers(headers: &Headers, retry_count: u32) -> Headers {
    let mut headers = headers.clone();
    header::set(&mut headers, header::RETRY_COUNT, retry_count.to_string());
    headers
}

/// The unreadable `record` as it came, with the reason beside it; without its value where it is too large.
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

/// `letter`, or as much of it as `orders-dlq` takes: first its value is left out, then also its key and every header
/// but those that say where and why it failed. The header [`header::ERROR`] says what is missing.
fn fitting(mut letter: Outgoing, reason: &str) -> Outgoing {
    let max_bytes = topic::DLQ_MAX_MESSAGE_BYTES;
    let bytes = size_on_log(letter.key.as_deref(), letter.value.as_deref(), &letter.headers);
    if bytes <= max_bytes {
        return letter;
    }
    let without = |what: &str| {
        format!(
            "{reason} (without {what}: the whole has {bytes} bytes, and {} takes {max_bytes})",
            letter.topic
        )
    };
    let (no_value, almost_nothing) =
        (without("its value"), without("its value, its key, and headers of others"));
    letter.value = None;
    header::set(&mut letter.headers, header::ERROR, no_value);
    if size_on_log(letter.key.as_deref(), None, &letter.headers) > max_bytes {
        letter.key = None;
        letter.headers.retain(|(name, _)| DEAD_LETTER_HEADERS.contains(&name.as_str()));
        header::set(&mut letter.headers, header::ERROR, almost_nothing);
    }
    letter
}

/// The headers that a dead letter gets here.
const DEAD_LETTER_HEADERS: [&str; 7] = [
    header::ORIGINAL_TOPIC,
    header::ORIGINAL_PARTITION,
    header::ORIGINAL_OFFSET,
    header::ORIGINAL_TIMESTAMP,
    header::ERROR,
    header::INSTANCE,
    header::RULE_VERSION,
];

/// The record's own headers, and where it stood and why it failed. Those of an earlier death, which a redriven record
/// brings along, are replaced.
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
    use crate::read::{read, tests::CREATED};

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

    fn judged(decision: &Decision) -> Vec<Outgoing> {
        let record = record(headers());
        let attempt = read(record.value, &record.headers).unwrap();
        let judge =
            Judge { instance_id: "notification-7", rule_version: "0a1b2c3d", now: DateTime::UNIX_EPOCH };
        judge.records(&record, &attempt, decision).unwrap()
    }

    fn audit(record: &Outgoing) -> AuditEvent {
        assert_eq!(record.topic, topic::AUDIT);
        serde_json::from_slice(record.value.as_deref().unwrap()).unwrap()
    }

    fn header_of<'a>(record: &'a Outgoing, name: &str) -> Vec<&'a [u8]> {
        record.headers.iter().filter(|(n, _)| n == name).filter_map(|(_, v)| v.as_deref()).collect()
    }

    #[test]
    fn a_retry_is_the_same_record_with_one_header_changed() {
        let sent = judged(&Decision::Retry { retry_count: 2, reason: "no answer".into() });
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
        let said = audit(said);
        assert_eq!((said.action, said.retry_count), (AuditAction::Retry, Some(2)));
        assert_eq!((said.partition, said.offset), (Some(2), Some(41)));
        assert_eq!(said.reason.as_deref(), Some("no answer"));
    }

    #[test]
    fn a_dead_letter_says_where_it_failed_and_why_and_keeps_what_is_not_ours() {
        let sent = judged(&Decision::DeadLetter { reason: "no answer".into() });
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
        assert_eq!((audit(said).action, audit(said).retry_count), (AuditAction::Dlq, Some(1)));
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

    fn size(letter: &Outgoing) -> usize {
        size_on_log(letter.key.as_deref(), letter.value.as_deref(), &letter.headers)
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

        let long = CREATED.replacen("Pizza", &"x".repeat(3_000_000), 1);
        let original = Record { value: Some(long.as_bytes()), ..record(headers()) };
        let attempt = read(original.value, &original.headers).unwrap();
        let judge =
            Judge { instance_id: "notification-7", rule_version: "0a1b2c3d", now: DateTime::UNIX_EPOCH };
        let decision = Decision::DeadLetter { reason: "no answer".into() };
        let sent = judge.records(&original, &attempt, &decision).unwrap();
        let [letter, _] = &sent[..] else { panic!("{} records", sent.len()) };
        assert_eq!(letter.value, None);
        assert_eq!(header_of(letter, header::RULE_VERSION), [b"0a1b2c3d"]);
        assert!(
            String::from_utf8_lossy(header_of(letter, header::ERROR)[0])
                .starts_with("no answer (without its value")
        );
        assert!(size(letter) <= topic::DLQ_MAX_MESSAGE_BYTES);
    }

    #[test]
    fn a_dead_letter_fits_whatever_it_is_that_is_too_large() {
        let long = vec![b'x'; 3_000_000];
        let large_header = vec![("theirs".to_owned(), Some(long.clone()))];
        let large_key = Record { key: Some(&long), ..record(headers()) };
        for original in [large_key, record(large_header)] {
            let letter = unreadable(&original, "no order event", "notification-7", DateTime::UNIX_EPOCH);
            assert!(size(&letter) <= topic::DLQ_MAX_MESSAGE_BYTES);
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
        let room = topic::DLQ_MAX_MESSAGE_BYTES - size(&at(0));
        assert_eq!(at(room).value.map(|value| value.len()), Some(room));
        assert_eq!(at(room + 1).value, None);
    }

    #[test]
    fn a_delivered_event_is_said_to_be() {
        let sent = judged(&Decision::Notified);
        let [said] = &sent[..] else { panic!("{sent:?}") };
        let said = audit(said);
        assert_eq!((said.action, said.retry_count, said.reason), (AuditAction::Notified, Some(1), None));
        assert_eq!(
            (said.customer_name.as_deref(), said.rule_version.as_deref()),
            (Some("Ada"), Some("0a1b2c3d"))
        );
    }
}
