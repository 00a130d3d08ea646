//! Records as the services see them: those that were read, and those to send.

use crate::{Error, Prefix};
use chrono::{DateTime, Utc};
use dojo_contract::header::Headers;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// Name of its topic in the contract.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp in milliseconds since 1970, if it has one.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers, in order. A header whose name isn't UTF-8 is called U+FFFD and has no value.
    pub headers: Headers,
}

impl<'a> Record<'a> {
    pub(crate) fn of(message: &'a BorrowedMessage<'_>, prefix: &Prefix) -> Self {
        Self {
            topic: prefix.in_contract(message.topic()),
            partition: message.partition(),
            offset: message.offset(),
            timestamp: message.timestamp().to_millis(),
            key: message.key(),
            value: message.payload(),
            headers: headers(message),
        }
    }
}

/// A record that was read, for a handler that needs it longer than a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedRecord {
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

impl OwnedRecord {
    /// Returns a copy of `record`.
    pub fn of(record: &Record<'_>) -> Self {
        Self {
            topic: record.topic.to_owned(),
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.clone(),
        }
    }

    /// Returns the record as it was read.
    pub fn record(&self) -> Record<'_> {
        Record {
            topic: &self.topic,
            partition: self.partition,
            offset: self.offset,
            timestamp: self.timestamp,
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            headers: self.headers.clone(),
        }
    }
}

fn headers(message: &BorrowedMessage<'_>) -> Headers {
    let Some(headers) = message.headers() else { return Headers::new() };
    (0..headers.count())
        .map(|i| {
            // rdkafka panics on a header name that isn't UTF-8, and any client can send one.
            let header = catch_unwind(AssertUnwindSafe(|| {
                headers.try_get(i).map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec)))
            }));
            header.ok().flatten().unwrap_or_else(|| (char::REPLACEMENT_CHARACTER.to_string(), None))
        })
        .collect()
}

/// A record to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Name of its topic in the contract.
    pub topic: &'static str,
    /// Its key, which decides the partition.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Headers,
    /// Its timestamp in milliseconds since 1970; `None`: the time of the send.
    pub timestamp: Option<i64>,
}

impl Outgoing {
    /// Returns a record with `value` as JSON, `key` and `timestamp`.
    pub fn json(
        topic: &'static str,
        key: impl Into<String>,
        value: &impl Serialize,
        timestamp: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let value = serde_json::to_vec(value)
            .map_err(|e| Error::Encode { topic: topic.to_owned(), message: e.to_string() })?;
        Ok(Self {
            topic,
            key: Some(key.into().into_bytes()),
            value: Some(value),
            headers: Headers::new(),
            timestamp: Some(timestamp.timestamp_millis()),
        })
    }

    /// Returns the same record with `headers`.
    #[must_use]
    pub fn with_headers(self, headers: Headers) -> Self {
        Self { headers, ..self }
    }

    /// Returns the size of the record in a batch of its own, as the broker measures it against `max.message.bytes`. The real
    /// size may be a little smaller, so a record that passes here passes there.
    ///
    /// Source: record batch and record in <https://kafka.apache.org/documentation/#recordbatch>.
    pub fn size_on_log(&self) -> usize {
        const BATCH: usize = 61;
        /// A length as a varint.
        const LENGTH: usize = 5;
        /// Its own length, attributes, timestamp and offset deltas, and the number of headers.
        const RECORD: usize = LENGTH + 1 + 10 + LENGTH + LENGTH;
        let bytes = |bytes: &Option<Vec<u8>>| LENGTH + bytes.as_ref().map_or(0, Vec::len);
        let headers = self.headers.iter().map(|(name, value)| LENGTH + name.len() + bytes(value));
        BATCH + RECORD + bytes(&self.key) + bytes(&self.value) + headers.sum::<usize>()
    }
}

/// Returns the headers in librdkafka's form.
pub(crate) fn to_native(headers: &Headers) -> Option<OwnedHeaders> {
    (!headers.is_empty()).then(|| {
        headers.iter().fold(OwnedHeaders::new_with_capacity(headers.len()), |native, (key, value)| {
            native.insert(Header { key, value: value.as_ref() })
        })
    })
}

/// The place of an acknowledged record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}
