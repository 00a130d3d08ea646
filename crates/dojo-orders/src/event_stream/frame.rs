//! A record as a server-sent event. It is written once and sent to every stream as it is.
//!
//! An event's JSON goes out byte for byte as it stands on the topic, with one member added: where it stood. So numbers
//! stay exact whatever a producer wrote. Line breaks, which would end the SSE field, are white space in JSON outside
//! strings and impossible inside them, so they become spaces. See
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>.
//!
//! | the record | `data:` |
//! |---|---|
//! | an event | its JSON, and `"record": {…}` |
//! | a setting | `{"key": "failRate", "value": 0.9, "record": {…}}`; null removes it |
//! | unreadable | `{"key": …, "value": "<base64>", "unreadable": "<why>", "record": {…}}`; null where there is no value |

use crate::log::stream_topic::StreamTopic;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use chrono::DateTime;
use dojo_contract::{RecordMeta, time};
use dojo_kafka::Record;
use serde_json::{Map, Value, json};

/// Writes the SSE fields of `record` except its `id:`, which depends on the stream: `event: …\ndata: …\n\n`. `unreadable`
/// says why the record can't be decoded.
pub(crate) fn frame(topic: StreamTopic, record: &Record<'_>, unreadable: Option<&str>) -> Bytes {
    let data = data(record, unreadable);
    let mut frame = Vec::with_capacity(data.len() + 32);
    for part in ["event: ", topic.event(), "\ndata: ", &data, "\n\n"] {
        frame.extend_from_slice(part.as_bytes());
    }
    frame.into()
}

/// Writes `record` as one line of JSON.
pub(crate) fn data(record: &Record<'_>, unreadable: Option<&str>) -> String {
    let meta = serde_json::to_string(&meta(record)).unwrap_or_else(|_| "null".to_owned());
    let value = record.value.and_then(|value| std::str::from_utf8(value).ok());
    let key = || json!(record.key.map(String::from_utf8_lossy));
    match (unreadable, value.map(str::trim_ascii)) {
        (None, Some(object)) if object.starts_with('{') => with_member(object, "record", &meta),
        (None, value) => {
            let value = one_line(value.unwrap_or("null"));
            format!(r#"{{"key":{},"value":{value},"record":{meta}}}"#, key())
        }
        (Some(why), _) => {
            let value = json!(record.value.map(|value| STANDARD.encode(value)));
            format!(r#"{{"key":{},"value":{value},"unreadable":{},"record":{meta}}}"#, key(), json!(why))
        }
    }
}

/// Where the record stood.
pub(crate) fn meta(record: &Record<'_>) -> RecordMeta {
    let text = |value: &Option<Vec<u8>>| {
        value.as_deref().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    RecordMeta {
        topic: record.topic.to_owned(),
        partition: record.partition,
        offset: record.offset,
        timestamp: record.timestamp.and_then(time::from_kafka).unwrap_or(DateTime::UNIX_EPOCH),
        headers: record.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
    }
}

/// A JSON object with one more member, on one line. `object` and `value` are valid JSON.
pub(crate) fn with_member(object: &str, name: &str, value: &str) -> String {
    if object.contains(&format!(r#""{name}""#)) {
        // The event may have a member of that name, and two would be read differently by different parsers.
        if let Ok(mut members) = serde_json::from_str::<Map<String, Value>>(object) {
            members.shift_remove(name);
            members.insert(name.to_owned(), serde_json::from_str(value).unwrap_or(Value::Null));
            return Value::Object(members).to_string();
        }
    }
    let open = object.strip_suffix('}').unwrap_or(object);
    format!(r#"{},"{name}":{value}}}"#, one_line(open))
}

fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::decode::why_unreadable;
    use proptest::prelude::*;

    fn record<'a>(topic: StreamTopic, key: &'a [u8], value: Option<&'a [u8]>) -> Record<'a> {
        Record {
            topic: topic.name(),
            partition: 0,
            offset: 7,
            timestamp: Some(0),
            key: Some(key),
            value,
            headers: Vec::new(),
        }
    }

    fn data_of(topic: StreamTopic, key: &[u8], value: Option<&[u8]>) -> String {
        let record = record(topic, key, value);
        data(&record, why_unreadable(topic, &record).as_deref())
    }

    const META: &str = r#""record":{"topic":"orders","partition":0,"offset":7,"timestamp":"1970-01-01T00:00:00.000Z","headers":{}}"#;

    fn event(more: &str) -> String {
        format!(
            "{{\"action\":\"created\",\r\n \"order\":{{\"id\":\"00000000-0000-0000-0000-000000000001\",\
             \"customerName\":\"Ada\",\"item\":\"x\",\"quantity\":1,\"price\":19.90,\"status\":\"created\",\
             \"note\":\"a\\nb\",\"createdAt\":\"2026-01-01T00:00:00Z\"}},\"timestamp\":\"2026-01-01T00:00:00Z\"{more}}}\n"
        )
    }

    #[test]
    fn an_event_goes_out_digit_for_digit_on_one_line() {
        let event = event(r#","weight":0.10000000000000000000000000000000001"#);
        let data = data_of(StreamTopic::Orders, b"k", Some(event.as_bytes()));
        assert_eq!(data, event.trim_end().trim_end_matches('}').replace("\r\n", "  ") + "," + META + "}");
        assert!(!data.contains(['\n', '\r']));
    }

    #[test]
    fn a_member_called_record_gives_way() {
        let data = data_of(StreamTopic::Orders, b"k", Some(event(r#","record":{"x":1.10}"#).as_bytes()));
        assert!(data.ends_with(&format!(",{META}}}")), "{data}");
        assert_eq!(data.matches("\"record\"").count(), 1);
        assert!(data.contains("19.90"));
    }

    #[test]
    fn what_cannot_be_read_is_base64_with_the_reason() {
        let data = data_of(StreamTopic::Orders, b"k\xff", Some(b"no\njson"));
        let json: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(json["value"], "bm8KanNvbg==");
        assert_eq!(json["key"], "k\u{fffd}");
        assert!(json["unreadable"].is_string());
        let tombstone: Value = serde_json::from_str(&data_of(StreamTopic::Orders, b"k", None)).unwrap();
        assert!(tombstone["value"].is_null() && tombstone["unreadable"].is_string());
    }

    #[test]
    fn a_setting_names_its_key_and_keeps_its_number() {
        let data = data_of(StreamTopic::Settings, b"failRate", Some(b" 0.10\n"));
        assert!(data.starts_with(r#"{"key":"failRate","value":0.10,"record":"#), "{data}");
        let removed: Value =
            serde_json::from_str(&data_of(StreamTopic::Settings, b"failRate", None)).unwrap();
        assert!(removed["value"].is_null() && removed["unreadable"].is_null());
    }

    proptest! {
        #[test]
        fn no_record_breaks_the_framing(
            topic in 0usize..6, key in prop::collection::vec(any::<u8>(), 0..12), value in prop::option::of("\\PC{0,40}|[\\r\\n {}\":a-z0-9,]{0,40}"),
            name in ".{0,10}", header in prop::option::of(prop::collection::vec(any::<u8>(), 0..12)),
        ) {
            let topic = StreamTopic::ALL[topic];
            let record = Record {
                headers: vec![(name, header)],
                ..record(topic, &key, value.as_deref().map(str::as_bytes))
            };
            let frame = frame(topic, &record, why_unreadable(topic, &record).as_deref());
            let text = std::str::from_utf8(&frame).unwrap();
            let lines: Vec<_> = text.split(['\n', '\r']).collect();
            prop_assert_eq!(lines.len(), 4);
            prop_assert!(serde_json::from_str::<Value>(lines[1].strip_prefix("data: ").unwrap()).is_ok());
        }
    }
}
