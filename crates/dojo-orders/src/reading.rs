//! Reading a record's value as the event its topic carries, or saying why it is none.

use dojo_contract::{AuditEvent, DlqEvent, InstanceStatus, OrderEvent, Settings};
use dojo_kafka::Record;
use serde::de::DeserializeOwned;

use crate::feed::Feed;

/// The event in `value`, or why there is none.
pub(crate) fn read<T: DeserializeOwned>(value: Option<&[u8]>) -> Result<T, String> {
    let text = std::str::from_utf8(value.ok_or("has no value")?).map_err(|_| "is not UTF-8")?;
    // A derived `Deserialize` would take an array of the fields, too.
    if !text.trim_start().starts_with('{') {
        return Err("is not a JSON object".to_owned());
    }
    serde_json::from_str(text).map_err(|e| e.to_string())
}

/// Whether `record` can be read as an event of `feed`; if not, why. A null value on a compacted topic is readable: it
/// removes its key.
pub(crate) fn check(feed: Feed, record: &Record<'_>) -> Result<(), String> {
    match feed {
        Feed::Orders => OrderEvent::read(record.value).map(drop).map_err(|why| why.to_string()),
        Feed::Audit => read::<AuditEvent>(record.value).map(drop),
        Feed::DeadLetters => read::<DlqEvent>(record.value).map(drop),
        Feed::Settings => {
            let key =
                record.key.and_then(|key| std::str::from_utf8(key).ok()).ok_or("has no readable key")?;
            Settings::default().apply(key, record.value).map_err(|e| e.to_string())
        }
        Feed::Status if record.value.is_none() => Ok(()),
        Feed::Status => read::<InstanceStatus>(record.value).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_of_an_events_fields_is_no_event() {
        let event = r#"["created", {}, "2026-01-01T00:00:00Z"]"#;
        assert_eq!(read::<AuditEvent>(Some(event.as_bytes())), Err("is not a JSON object".to_owned()));
    }

    #[test]
    fn bytes_that_are_no_text_are_no_event() {
        assert!(read::<AuditEvent>(Some(b"{\xff}")).is_err());
        assert!(read::<AuditEvent>(None).is_err());
    }
}
