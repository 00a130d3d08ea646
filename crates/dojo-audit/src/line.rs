//! The line for one record of `audit`. Pure.

use chrono::{DateTime, Utc};
use dojo_contract::{AuditAction, AuditEvent, Source, time};
use serde::Serialize;
use uuid::Uuid;

/// The printed part of an event: always the same five members in the same order, so that a line is easy to read and to
/// cut. The instance of an event without one is `null`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    source: Source,
    action: AuditAction,
    order_id: Uuid,
    instance_id: Option<&'a str>,
    #[serde(with = "time")]
    timestamp: DateTime<Utc>,
}

/// Returns the value of a record of `audit` as a line of JSON with its line break, or why it can't be read.
pub fn line(value: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let value = value.ok_or("the record has no value")?;
    let event: AuditEvent = serde_json::from_slice(value).map_err(|error| {
        // The error quotes the value, which may be a megabyte.
        format!("the value isn't an audit event: {:.200}", error.to_string())
    })?;
    let AuditEvent { source, action, order_id, timestamp, .. } = event;
    let line = Line { source, action, order_id, instance_id: event.instance_id.as_deref(), timestamp };
    let mut line =
        serde_json::to_vec(&line).map_err(|error| format!("the line can't be written as JSON: {error}"))?;
    line.push(b'\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_one_line_of_five_members() {
        let value = br#"{"source":"notification-service","action":"NOTIFIED","retryCount":1,"tomorrow":{},
            "orderId":"00000000-0000-0000-0000-000000000001","timestamp":"2026-01-31T09:30:00.123456Z",
            "instanceId":"notification-1\nforged","customerName":"Ada"}"#;
        assert_eq!(
            String::from_utf8(line(Some(value)).unwrap()).unwrap(),
            concat!(
                r#"{"source":"notification-service","action":"NOTIFIED","#,
                r#""orderId":"00000000-0000-0000-0000-000000000001","instanceId":"notification-1\nforged","#,
                r#""timestamp":"2026-01-31T09:30:00.123Z"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn an_event_without_an_instance_says_null() {
        let value = br#"{"source":"order-service","action":"created",
            "orderId":"00000000-0000-0000-0000-000000000001","timestamp":"2026-01-31T09:30:00Z"}"#;
        assert!(String::from_utf8(line(Some(value)).unwrap()).unwrap().contains(r#""instanceId":null"#));
    }

    #[test]
    fn what_is_no_event_says_why() {
        for (value, why) in
            [(None, "no value"), (Some(&b"\xff"[..]), "isn't an audit event"), (Some(b"{}"), "missing field")]
        {
            let reason = line(value).unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
