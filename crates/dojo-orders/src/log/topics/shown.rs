//! A record as the topic browser shows it: its bytes as text if they are UTF-8, as base64 otherwise, and cut where they are long.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dojo_contract::time;
use dojo_kafka::Record;
use serde::Serialize;
use utoipa::ToSchema;

/// How many bytes of a record's key, headers and value are shown together.
pub(crate) const MOST_BYTES: usize = 8 * 1024;
/// How many bytes of a single record that was asked for alone are shown: all of the largest one.
pub(crate) const MOST_BYTES_OF_ONE: usize = 4 * 1024 * 1024;
/// How many headers of a record are shown.
const MOST_HEADERS: usize = 100;
/// How many characters of a header's name are shown.
const MOST_OF_A_NAME: usize = 200;
/// How many bytes of a record's key are shown beside its value.
const MOST_OF_A_KEY: usize = 1024;

/// A record on a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// When the record was made, or appended: its topic's `message.timestamp.type` says which.
    #[schema(format = DateTime)]
    pub(crate) timestamp: Option<String>,
    /// Null: the record has no key.
    pub(crate) key: Option<ShownBytes>,
    /// In the order in which they stand on the record. A name may repeat.
    pub(crate) headers: Vec<ShownHeader>,
    /// Headers that are not shown because there are too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) headers_omitted: usize,
    /// Null: the record has no value, and is a tombstone.
    pub(crate) value: Option<ShownBytes>,
    /// Only with `isolation=read_uncommitted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction: Option<TransactionState>,
}

/// What is known of the transaction that a record may belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TransactionState {
    /// Readers of committed records get this record: its transaction was committed, or it was sent outside of one.
    Committed,
    /// The record's transaction was aborted: the record stands before the last stable offset, and readers of committed records
    /// don't get it.
    Aborted,
    /// The record stands at the last stable offset, below the end: it is the first one of a transaction that is open.
    Open,
    /// The record stands behind the first one of an open transaction. It belongs to an open transaction, or was committed,
    /// aborted or sent outside of one since: Kafka tells no reader which. Readers of committed records don't get it yet.
    OpenOrBehind,
}

/// Bytes of a record: `text` if all of them are UTF-8, otherwise `base64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownBytes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) base64: Option<String>,
    /// How many bytes there are on the log.
    pub(crate) size: usize,
    /// Whether only the first ones are shown. With `limit=1` and a `partition` everything is.
    pub(crate) cut: bool,
}

/// A header of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ShownHeader {
    /// U+FFFD for a name that isn't UTF-8; its value isn't shown.
    pub(crate) name: String,
    pub(crate) value: Option<ShownBytes>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl ShownRecord {
    /// Shows `record`, with that many bytes of its key, headers and value together.
    pub(crate) fn of(record: &Record<'_>, most_bytes: usize) -> Self {
        let mut room = most_bytes;
        let most_of_a_key = if most_bytes > MOST_BYTES { most_bytes } else { MOST_OF_A_KEY };
        let key = record.key.map(|key| {
            let mut room_of_key = room.min(most_of_a_key);
            let shown = show(key, &mut room_of_key);
            room -= key.len().min(most_of_a_key).min(room);
            shown
        });
        let header = |(name, value): &(String, Option<Vec<u8>>)| {
            let shown: String = name.chars().take(MOST_OF_A_NAME).collect();
            room = room.checked_sub(shown.len())?;
            let name = if shown.len() < name.len() { format!("{shown}…") } else { shown };
            Some(ShownHeader { name, value: value.as_deref().map(|value| show(value, &mut room)) })
        };
        let headers: Vec<_> = record.headers.iter().take(MOST_HEADERS).map_while(header).collect();
        Self {
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp.and_then(time::from_kafka).map(time::format),
            key,
            headers_omitted: record.headers.len() - headers.len(),
            headers,
            value: record.value.map(|value| show(value, &mut room)),
            transaction: None,
        }
    }
}

/// Shows bytes as far as there is room, and takes that away.
fn show(bytes: &[u8], room: &mut usize) -> ShownBytes {
    let (text, base64, shown) = match std::str::from_utf8(bytes) {
        Ok(text) => {
            // A character takes up to four bytes.
            let end = (0..=text.len().min(*room)).rev().find(|end| text.is_char_boundary(*end));
            let shown = &text[..end.unwrap_or_default()];
            (Some(shown.to_owned()), None, shown.len())
        }
        Err(_) => {
            let shown = &bytes[..bytes.len().min(*room)];
            (None, Some(STANDARD.encode(shown)), shown.len())
        }
    };
    *room -= shown;
    ShownBytes { text, base64, size: bytes.len(), cut: shown < bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(key: &'a [u8], value: &'a [u8]) -> Record<'a> {
        Record {
            topic: "orders",
            partition: 1,
            offset: 7,
            timestamp: Some(0),
            key: Some(key),
            value: Some(value),
            headers: Vec::new(),
        }
    }

    #[test]
    fn bytes_are_text_if_all_of_them_are_utf_8_and_base64_otherwise() {
        let shown = ShownRecord::of(&record(b"k\xff", "ä".as_bytes()), MOST_BYTES);
        let (key, value) = (shown.key.unwrap(), shown.value.unwrap());
        assert_eq!((key.text, key.base64.as_deref(), key.size), (None, Some("a/8="), 2));
        assert_eq!((value.text.as_deref(), value.base64, value.size, value.cut), (Some("ä"), None, 2, false));
    }

    #[test]
    fn a_long_value_is_cut_between_two_characters_and_says_its_size() {
        let long = "ä".repeat(MOST_BYTES);
        let value = ShownRecord::of(&record(b"", long.as_bytes()), MOST_BYTES - 1).value.unwrap();
        assert_eq!((value.size, value.cut), (2 * MOST_BYTES, true));
        assert_eq!(value.text.unwrap().len(), MOST_BYTES - 2);
        let whole = ShownRecord::of(&record(b"", long.as_bytes()), MOST_BYTES_OF_ONE).value.unwrap();
        assert_eq!((whole.text.unwrap(), whole.cut), (long, false));
    }

    #[test]
    fn a_long_key_leaves_room_for_the_value_and_hostile_headers_are_bounded() {
        let long = [0xff; 3 * MOST_BYTES];
        let headers = (0..1_000).map(|_| ("n".repeat(10_000), Some(long.to_vec()))).collect();
        let shown = ShownRecord::of(&Record { headers, ..record(&long, &long) }, MOST_BYTES);
        assert!(shown.headers_omitted >= 1_000 - MOST_HEADERS, "{}", shown.headers_omitted);
        assert!(serde_json::to_vec(&shown).unwrap().len() < 2 * MOST_BYTES);
        let without = ShownRecord::of(&record(&long, &long), MOST_BYTES);
        let shown = |bytes: Option<ShownBytes>| bytes.unwrap().base64.unwrap().len() * 3 / 4;
        assert!((MOST_OF_A_KEY..=MOST_OF_A_KEY + 2).contains(&shown(without.key)));
        assert!(shown(without.value) >= MOST_BYTES - MOST_OF_A_KEY);
    }
}
