//! What the `data:` of each event looks like, described for machines. Only descriptions: [`frame`](super::frame) writes the JSON
//! of a record itself, because it stays as it stands on the topic.

use dojo_contract::{InstanceStatus, RecordMeta, Run};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An event as it stands on its topic, and where.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readable<T> {
    #[serde(flatten)]
    event: T,
    record: RecordMeta,
}

/// A record whose value isn't an event of its topic.
#[derive(Serialize, ToSchema)]
pub(crate) struct Unreadable {
    /// The record's key as text.
    #[schema(required)]
    key: Option<String>,
    /// The record's value, in base64; null if it has none.
    #[schema(required, content_encoding = "base64")]
    value: Option<String>,
    /// Why it can't be read.
    unreadable: String,
    record: RecordMeta,
}

/// A record of a compacted topic: a value under a key.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyAndValue {
    key: String,
    /// The record's value; null removes the key.
    value: Value,
    record: RecordMeta,
}

/// A record of `orders`, `audit` or `orders-dlq`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a description")]
pub(crate) enum EventData<T> {
    Readable(Readable<T>),
    Unreadable(Unreadable),
}

/// A record of `dojo-settings`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a description")]
pub(crate) enum SettingData {
    Setting(KeyAndValue),
    Unreadable(Unreadable),
}

/// A record of `dojo-status`: a report, or that an instance is forgotten.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a description")]
pub(crate) enum StatusData {
    Report(Box<Readable<InstanceStatus>>),
    Forgotten(KeyAndValue),
    Unreadable(Unreadable),
}

/// A record of `dojo-runs`: a run, or that an ended run is forgotten.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a description")]
pub(crate) enum RunData {
    Run(Box<Readable<Run>>),
    Forgotten(KeyAndValue),
    Unreadable(Unreadable),
}

/// The log no longer reaches back to where the client's cursor is, or is another log.
#[derive(Serialize, ToSchema)]
pub(crate) struct Gap {
    pub(crate) topic: &'static str,
    pub(crate) partition: i32,
    /// The offset at which the client's cursor is.
    pub(crate) wanted: i64,
    /// The offset at which the stream goes on.
    pub(crate) resumes: i64,
}

/// The stream is alive.
#[derive(Serialize, ToSchema)]
pub(crate) struct Heartbeat {}
