//! An event of `GET /events`, reduced to what the observer counts by.

use crate::document::EventTopic;
use chrono::{DateTime, Utc};
use dojo_contract::{AuditAction, FraudAlert, OrderAction, Source, header, time};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt, num::NonZeroU64};
use uuid::Uuid;

/// Namespace of the ids of records without an order.
const RECORDS: Uuid = Uuid::from_u128(0x9f0d_7a3e_52c1_4b8e_a6d4_1c07_be35_f281);

/// The topic of an event, and what it reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub topic: EventTopic,
    /// `None` for a record that can't be read.
    pub action: Option<AuditAction>,
}

/// What distinguishes two events of one order that otherwise look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The record of `orders` that the event is about.
    Record(RecordPosition),
    /// The time of the change, in milliseconds since 1970: a change is reported before it is a record.
    Change(i64),
    /// Nothing: there is one such event for each order.
    Order,
}

/// Where a record stands on its topic, in eight bytes: partitions up to 65,535, offsets below 2^48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RecordPosition(NonZeroU64);

const OFFSET_BITS: u32 = 48;
const MAX_OFFSET: u64 = (1 << OFFSET_BITS) - 2;

impl RecordPosition {
    /// Numbers beyond those that Kafka gives in practice become the nearest one.
    pub fn new(partition: i32, offset: i64) -> Self {
        let partition = u64::from(u16::try_from(partition.max(0)).unwrap_or(u16::MAX));
        let offset = u64::try_from(offset).unwrap_or(0).min(MAX_OFFSET);
        Self(NonZeroU64::MIN.saturating_add(partition << OFFSET_BITS | offset))
    }

    pub fn partition(self) -> u64 {
        (self.0.get() - 1) >> OFFSET_BITS
    }

    pub fn offset(self) -> u64 {
        (self.0.get() - 1) & ((1 << OFFSET_BITS) - 1)
    }
}

/// Writes `partition@offset`.
impl fmt::Display for RecordPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.partition(), self.offset())
    }
}

/// What an event says, apart from where its record stands. Two records that say the same are one fact, sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saying {
    pub kind: Kind,
    /// `None` except on `audit`.
    pub source: Option<Source>,
    pub retry: u16,
    pub redrive: u16,
    pub about: About,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The order's id; for a record without an order, an id made from its place.
    pub order: Uuid,
    /// Whether it is about a record without an order, which this run produced.
    pub is_record: bool,
    /// The dead letter that this record of `orders` sends back.
    pub sends_back: Option<i64>,
    pub saying: Saying,
    /// Where the record stands; `None` if the stream doesn't say.
    pub place: Option<RecordPosition>,
    pub alerts: Vec<FraudAlert>,
    pub reason: Option<String>,
}

#[derive(Deserialize)]
struct Recorded {
    partition: i32,
    offset: i64,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl Recorded {
    fn place(&self) -> RecordPosition {
        RecordPosition::new(self.partition, self.offset)
    }

    fn header<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.headers.get(name)?.parse().ok()
    }

    fn original(&self) -> Option<RecordPosition> {
        Some(RecordPosition::new(
            self.header(header::ORIGINAL_PARTITION)?,
            self.header(header::ORIGINAL_OFFSET)?,
        ))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Audit {
    source: Source,
    action: AuditAction,
    order_id: Uuid,
    #[serde(with = "time")]
    timestamp: DateTime<Utc>,
    retry_count: Option<u32>,
    alerts: Option<Vec<FraudAlert>>,
    reason: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    record: Option<Recorded>,
}

/// An event of `orders` or `orders-dlq`.
#[derive(Deserialize)]
struct OfOrder {
    action: OrderAction,
    order: OrderId,
    #[serde(with = "time")]
    timestamp: DateTime<Utc>,
    reason: Option<String>,
    record: Option<Recorded>,
}

#[derive(Deserialize)]
struct OrderId {
    id: Uuid,
}

#[derive(Deserialize)]
struct Unreadable {
    unreadable: String,
    record: Recorded,
}

impl Event {
    /// Reads the event `name` with this `data:`. Returns `None` if it is neither about an order nor about a record of `run`.
    pub fn read(name: &str, data: &str, run: &str) -> Option<Self> {
        let topic = match name {
            "audit" => EventTopic::Audit,
            "dlq" => EventTopic::DeadLetters,
            "order" => EventTopic::Orders,
            _ => return None,
        };
        let read = match topic {
            EventTopic::Audit => serde_json::from_str(data).ok().map(Self::audit),
            EventTopic::DeadLetters | EventTopic::Orders => {
                serde_json::from_str(data).ok().map(|event| Self::of_order(topic, event))
            }
        };
        read.or_else(|| Self::unreadable(topic, serde_json::from_str(data).ok()?, run))
    }

    /// Returns the place of a record that may not be about this run.
    pub fn place_in(data: &str) -> Option<RecordPosition> {
        #[derive(Deserialize)]
        struct Anything {
            record: Recorded,
        }
        serde_json::from_str::<Anything>(data).ok().map(|anything| anything.record.place())
    }

    fn audit(event: Audit) -> Self {
        let about = match (event.partition, event.offset, event.action) {
            (Some(partition), Some(offset), _) => About::Record(RecordPosition::new(partition, offset)),
            (_, _, AuditAction::Updated | AuditAction::Deleted) => {
                About::Change(event.timestamp.timestamp_millis())
            }
            _ => About::Order,
        };
        let kind = Kind { topic: EventTopic::Audit, action: Some(event.action) };
        let retry = event.retry_count.map_or(0, |count| u16::try_from(count).unwrap_or(u16::MAX));
        Self {
            order: event.order_id,
            is_record: false,
            sends_back: None,
            saying: Saying { kind, source: Some(event.source), retry, redrive: 0, about },
            place: event.record.map(|record| record.place()),
            alerts: event.alerts.unwrap_or_default(),
            reason: event.reason,
        }
    }

    fn of_order(topic: EventTopic, event: OfOrder) -> Self {
        let record = event.record.as_ref();
        let number = |name| record.and_then(|record| record.header(name)).unwrap_or(0);
        let about = match record.and_then(Recorded::original) {
            Some(original) if topic == EventTopic::DeadLetters => About::Record(original),
            _ => About::Change(event.timestamp.timestamp_millis()),
        };
        let kind = Kind { topic, action: Some(event.action.into()) };
        let (retry, redrive) = (number(header::RETRY_COUNT), number(header::REDRIVE_COUNT));
        Self {
            order: event.order.id,
            is_record: false,
            sends_back: record.and_then(|record| record.header(header::DLQ_OFFSET)),
            saying: Saying { kind, source: None, retry, redrive, about },
            place: record.map(Recorded::place),
            alerts: Vec::new(),
            reason: event.reason,
        }
    }

    fn unreadable(topic: EventTopic, event: Unreadable, run: &str) -> Option<Self> {
        let record = &event.record;
        if record.headers.get(header::RUN).is_none_or(|of| of != run) {
            return None;
        }
        // The record of `orders`, or else a dead letter that was produced by hand.
        let original = match topic {
            EventTopic::DeadLetters => record.original(),
            _ => Some(record.place()),
        };
        let name = original.map_or(format!("letter {}", record.place()), |place| place.to_string());
        let about = About::Record(original.unwrap_or(record.place()));
        let kind = Kind { topic, action: None };
        Some(Self {
            order: Uuid::new_v5(&RECORDS, name.as_bytes()),
            is_record: true,
            sends_back: None,
            saying: Saying { kind, source: None, retry: 0, redrive: 0, about },
            place: Some(record.place()),
            alerts: Vec::new(),
            reason: Some(record.headers.get(header::ERROR).cloned().unwrap_or(event.unreadable)),
        })
    }
}

/// Returns whether a record of `orders` is a change, and not a retry of one: its notification ends separately.
pub(super) fn is_change(data: &Saying) -> bool {
    data.kind.topic == EventTopic::Orders && data.kind.action.is_some() && data.retry == 0
}
