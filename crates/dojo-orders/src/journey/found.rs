//! One record about an order: what a journey keeps of it, which is little, and no value.
//!
//! A record is about an order if the order's id is in its value or, where the value can't be read, is its key. Most records
//! are about other orders, so the text of the id is searched before anything is parsed.

use crate::log::{decode::decode, stream_topic::StreamTopic};
use dojo_contract::{
    AuditAction, AuditEvent, DlqEvent, FraudAlert, OrderAction, OrderEvent, Source,
    header::{self, Headers},
    topic,
};
use dojo_kafka::Record;
use memchr::memmem::Finder;
use std::collections::BTreeMap;
use uuid::Uuid;

/// Characters of a text that are kept; a rule's reasons have no more.
const MAX_CHARS: usize = 1_000;
/// Characters of a header's name or value, and headers of a record, that are kept.
const MAX_HEADER_CHARS: usize = 200;
const MAX_HEADERS: usize = 16;
/// A rule raises no more.
const MAX_ALERTS: usize = 32;

/// The partition and offset of a record of `orders`.
pub(crate) type About = (i32, i64);

/// A record about the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) topic: StreamTopic,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The record's timestamp in milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    /// As text, shortened.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) kind: Kind,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A record of `orders`.
    Event {
        action: OrderAction,
        retry_count: u32,
        redrive_count: u32,
        /// The dead letter that was redriven. The retries of a redriven record name it, too.
        dlq_offset: Option<i64>,
        /// When the record was redriven, in milliseconds since 1970.
        redriven_at: Option<i64>,
    },
    /// A record of `audit`.
    Report(Box<Report>),
    /// A record of `orders-dlq`.
    DeadLetter(Box<DeadLetter>),
    /// A record of any topic with the order's id as its key and a value that can't be read.
    Unreadable {
        why: String,
        /// On `orders-dlq`: what the record's headers say.
        letter: Option<Box<DeadLetter>>,
    },
}

/// An audit event, without what its record says already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) source: Source,
    pub(crate) action: AuditAction,
    /// Milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) retry_count: Option<u32>,
    pub(crate) instance_id: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) rule_version: Option<String>,
    pub(crate) alerts: Vec<FraudAlert>,
    pub(crate) about: Option<About>,
}

/// What a dead letter and its headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// The record that failed.
    pub(crate) about: Option<About>,
    pub(crate) instance_id: Option<String>,
    pub(crate) reason: Option<String>,
    pub(crate) rule_version: Option<String>,
    pub(crate) retry_count: Option<u32>,
    pub(crate) redrive_count: Option<u32>,
}

/// Recognizes the records about one order.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    id: Uuid,
    text: String,
    finder: Finder<'static>,
}

impl Subject {
    pub(crate) fn new(id: Uuid) -> Self {
        let text = id.to_string();
        Self { id, finder: Finder::new(text.as_bytes()).into_owned(), text }
    }

    /// Reads `record` of `topic`, one of the three topics about orders; `None` if it isn't about the order.
    pub(crate) fn read(&self, topic: StreamTopic, record: &Record<'_>) -> Option<Found> {
        let has_key = record.key.is_some_and(|key| key.eq_ignore_ascii_case(self.text.as_bytes()));
        if !has_key && record.value.is_none_or(|value| self.finder.find(value).is_none()) {
            return None;
        }
        let kind = match self.kind(topic, record) {
            Ok(kind) => kind?,
            Err(why) if has_key => Kind::Unreadable {
                why: shortened(&why, MAX_CHARS),
                letter: (topic == StreamTopic::DeadLetters)
                    .then(|| Box::new(DeadLetter::of_headers(&record.headers))),
            },
            Err(_) => return None,
        };
        Some(Found {
            topic,
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            headers: shown(&record.headers),
            kind,
        })
    }

    /// Returns what a record with a readable value says, if that is about the order.
    fn kind(&self, topic: StreamTopic, record: &Record<'_>) -> Result<Option<Kind>, String> {
        let (id, kind) = match topic {
            StreamTopic::Orders => {
                let event = OrderEvent::read(record.value).map_err(|why| why.to_string())?;
                let count = |name| {
                    header::count(&record.headers, name)
                        .ok_or_else(|| format!("the header {name} isn't a number"))
                };
                let kind = Kind::Event {
                    action: event.action,
                    retry_count: count(header::RETRY_COUNT)?,
                    redrive_count: count(header::REDRIVE_COUNT)?,
                    dlq_offset: header::number(&record.headers, header::DLQ_OFFSET),
                    redriven_at: header::number(&record.headers, header::REDRIVEN_AT),
                };
                (event.order.id, kind)
            }
            StreamTopic::Audit => {
                let event: AuditEvent = decode(record.value)?;
                (event.order_id, Kind::Report(Box::new(Report::of(event))))
            }
            StreamTopic::DeadLetters => {
                let event: DlqEvent = decode(record.value)?;
                let letter = DeadLetter {
                    instance_id: Some(shortened(&event.instance_id, MAX_CHARS)),
                    reason: Some(shortened(&event.reason, MAX_CHARS)),
                    ..DeadLetter::of_headers(&record.headers)
                };
                (event.order.id, Kind::DeadLetter(Box::new(letter)))
            }
            StreamTopic::Settings | StreamTopic::Status | StreamTopic::Runs => return Ok(None),
        };
        Ok((id == self.id).then_some(kind))
    }
}

impl Report {
    fn of(event: AuditEvent) -> Self {
        let text = |text: Option<String>| text.map(|text| shortened(&text, MAX_CHARS));
        let alert = |alert: FraudAlert| FraudAlert {
            kind: shortened(&alert.kind, MAX_CHARS),
            reason: shortened(&alert.reason, MAX_CHARS),
            ..alert
        };
        Self {
            source: event.source,
            action: event.action,
            at: event.timestamp.timestamp_millis(),
            retry_count: event.retry_count,
            instance_id: text(event.instance_id),
            reason: text(event.reason),
            rule_version: text(event.rule_version),
            alerts: event.alerts.unwrap_or_default().into_iter().take(MAX_ALERTS).map(alert).collect(),
            about: event.partition.zip(event.offset),
        }
    }
}

impl DeadLetter {
    fn of_headers(headers: &Headers) -> Self {
        let text = |name| text(headers, name).map(|text| shortened(text, MAX_CHARS));
        let is_of_orders = text(header::ORIGINAL_TOPIC).is_none_or(|topic| topic == topic::ORDERS);
        let partition =
            header::number(headers, header::ORIGINAL_PARTITION).and_then(|p| i32::try_from(p).ok());
        Self {
            about: partition.zip(header::number(headers, header::ORIGINAL_OFFSET)).filter(|_| is_of_orders),
            instance_id: text(header::INSTANCE),
            reason: text(header::ERROR),
            rule_version: text(header::RULE_VERSION),
            retry_count: header::count(headers, header::RETRY_COUNT),
            redrive_count: header::count(headers, header::REDRIVE_COUNT),
        }
    }
}

fn text<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let (_, value) = headers.iter().rev().find(|(key, _)| key == name)?;
    std::str::from_utf8(value.as_deref()?).ok()
}

fn shown(headers: &Headers) -> BTreeMap<String, String> {
    let text = |value: &Option<Vec<u8>>| {
        // A character has at most four bytes.
        let bytes = value.as_deref().unwrap_or_default();
        let bytes = bytes.get(..4 * MAX_HEADER_CHARS).unwrap_or(bytes);
        shortened(&String::from_utf8_lossy(bytes), MAX_HEADER_CHARS)
    };
    let shown = headers.iter().take(MAX_HEADERS);
    shown.map(|(name, value)| (shortened(name, MAX_HEADER_CHARS), text(value))).collect()
}

fn shortened(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
    const OTHER: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

    fn event(id: &str, customer: &str) -> Vec<u8> {
        json!({"action": "created", "timestamp": "2026-01-31T09:30:00.000Z", "order": {
            "id": id, "customerName": customer, "item": "Pizza", "quantity": 1, "price": 9.5, "status": "created",
            "createdAt": "2026-01-31T09:30:00.000Z",
        }})
        .to_string()
        .into_bytes()
    }

    fn read(topic: StreamTopic, key: &str, value: Option<&[u8]>, headers: Headers) -> Option<Found> {
        let (key, topic_name) = (Some(key.as_bytes()), topic.name());
        let record =
            Record { topic: topic_name, partition: 0, offset: 7, timestamp: Some(1), key, value, headers };
        Subject::new(ID.parse().unwrap()).read(topic, &record)
    }

    #[test]
    fn a_record_is_about_the_order_whose_id_is_in_its_value_whatever_its_key() {
        let of =
            |key: &str, id: &str| read(StreamTopic::Orders, key, Some(&event(id, "Ada")), Headers::new());
        assert!(of(ID, ID).is_some());
        assert!(of("by hand", ID).is_some());
        assert!(of(&ID.to_uppercase(), ID).is_some());
        assert!(of(ID, OTHER).is_none());
        assert!(of(OTHER, OTHER).is_none());
    }

    #[test]
    fn an_order_that_only_mentions_the_id_is_another_one() {
        let mentions = event(OTHER, ID);
        assert!(read(StreamTopic::Orders, OTHER, Some(&mentions), Headers::new()).is_none());
        assert!(read(StreamTopic::Orders, "k", Some(ID.as_bytes()), Headers::new()).is_none());
    }

    #[test]
    fn an_unreadable_record_belongs_to_the_order_that_is_its_key() {
        for topic in [StreamTopic::Orders, StreamTopic::Audit, StreamTopic::DeadLetters] {
            for value in [None, Some(&b"no json"[..])] {
                let found = read(topic, ID, value, Headers::new()).unwrap();
                assert!(matches!(found.kind, Kind::Unreadable { .. }), "{found:?}");
            }
        }
        let headers = vec![(header::RETRY_COUNT.to_owned(), Some(b"often".to_vec()))];
        let found = read(StreamTopic::Orders, ID, Some(&event(ID, "Ada")), headers).unwrap();
        let Kind::Unreadable { why, .. } = found.kind else { panic!("{found:?}") };
        assert_eq!(why, "the header retryCount isn't a number");
    }

    #[test]
    fn what_is_kept_of_a_record_is_small() {
        let huge = "x".repeat(500_000);
        let headers = (0..500).map(|n| (format!("{n}{huge}"), Some(huge.clone().into_bytes()))).collect();
        let report = json!({
            "source": "fraud-service", "action": "FRAUD_ALERT", "orderId": ID, "timestamp": "2026-01-31T09:30:00Z",
            "reason": huge, "instanceId": huge, "alerts": [{"type": huge, "reason": huge, "severity": "LOW"}],
        });
        let found = read(StreamTopic::Audit, ID, Some(report.to_string().as_bytes()), headers).unwrap();
        assert!(format!("{found:?}").len() < 16_000);
    }
}
