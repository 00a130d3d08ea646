//! The place of an event's record on Kafka, which the SSE stream gives beside the event.

use crate::time;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Where a record stands on Kafka: the member `record` of every event on `GET /events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordMeta {
    /// Topic of the record.
    pub topic: String,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
    /// Timestamp of the record. Its producer sets it, so it may differ from the event's.
    #[serde(with = "time")]
    pub timestamp: DateTime<Utc>,
    /// Headers of the record. Bytes that aren't UTF-8 are replaced; the last of several headers with one name counts.
    #[serde(default)]
    #[schema(required)]
    pub headers: BTreeMap<String, String>,
}
