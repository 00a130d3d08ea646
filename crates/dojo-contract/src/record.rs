//! Where an event stood on Kafka, as the SSE stream tells it beside the event.

use crate::time;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The member `record` of every event on `GET /events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordMeta {
    /// Topic of the record.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// The record's own timestamp, which a producer sets and need not be the event's.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
    /// Its headers; bytes that are not UTF-8 are replaced, of repeated keys the last one counts.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}
