//! Decodes a record's value as the event that its topic carries, or says why it can't be decoded.

use crate::log::stream_topic::StreamTopic;
use dojo_contract::{AuditEvent, DlqEvent, InstanceStatus, OrderEvent, Run, Settings};
use dojo_kafka::Record;
use serde::de::DeserializeOwned;

/// Decodes `value` as a JSON object.
pub(crate) fn decode<T: DeserializeOwned>(value: Option<&[u8]>) -> Result<T, String> {
    let text = std::str::from_utf8(value.ok_or("has no value")?).map_err(|_| "is not UTF-8")?;
    // A derived `Deserialize` would take an array of the fields, too.
    if !text.trim_start().starts_with('{') {
        return Err("is not a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// Returns why `record` can't be decoded as an event of `topic`; `None` if it can. A null value on a compacted topic is valid:
/// it removes its key.
pub(crate) fn why_unreadable(topic: StreamTopic, record: &Record<'_>) -> Option<String> {
    let decoded = match topic {
        StreamTopic::Orders => OrderEvent::read(record.value).map(drop).map_err(|why| why.to_string()),
        StreamTopic::Audit => decode::<AuditEvent>(record.value).map(drop),
        StreamTopic::DeadLetters => decode::<DlqEvent>(record.value).map(drop),
        StreamTopic::Settings => match record.key.map(std::str::from_utf8) {
            Some(Ok(key)) => Settings::default().apply(key, record.value).map_err(|e| e.to_string()),
            _ => Err("has no readable key".to_owned()),
        },
        StreamTopic::Status | StreamTopic::Runs if record.value.is_none() => Ok(()),
        StreamTopic::Status => decode::<InstanceStatus>(record.value).map(drop),
        StreamTopic::Runs => decode::<Run>(record.value).map(drop),
    };
    decoded.err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_of_an_events_fields_is_no_event() {
        let event = r#"["created", {}, "2026-01-01T00:00:00Z"]"#;
        assert_eq!(decode::<AuditEvent>(Some(event.as_bytes())), Err("is not a JSON object".to_owned()));
    }

    #[test]
    fn bytes_that_are_no_text_are_no_event() {
        assert!(decode::<AuditEvent>(Some(b"{\xff}")).is_err());
        assert!(decode::<AuditEvent>(None).is_err());
    }
}
