//! Reads a record by hand from a JSON body. Bytes are a text, base64, or null. An error names every wrong field at once.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use dojo_contract::{FieldError, header::Headers};
use serde_json::{Map, Value};

/// The fields of a body.
const FIELDS: [&str; 4] = ["partition", "key", "headers", "value"];
/// The fields of a header.
const HEADER_FIELDS: [&str; 2] = ["name", "value"];
/// The headers that a record may have.
const MOST_HEADERS: usize = 100;
const GIVE_BYTES: &str = "give a text, which may be JSON, {\"base64\": \"…\"}, or null";
/// How much of a name an error repeats.
const SHOWN_CHARS: usize = 40;

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RecordBody {
    /// `None`: the key decides.
    pub(crate) partition: Option<i32>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Headers,
    /// `None`: a tombstone.
    pub(crate) value: Option<Vec<u8>>,
}

impl RecordBody {
    /// Reads a body, or says everything that is wrong with it. Unlike an order's, its fields must all be known: a misspelt
    /// `key` would make a record without one.
    pub(crate) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let Value::Object(members) = body else {
            return Err(vec![FieldError::new("", "the body isn't a JSON object")]);
        };
        let mut errors = unknown(members, &FIELDS, "");
        if !members.contains_key("value") {
            errors.push(FieldError::new("value", format!("is missing: {GIVE_BYTES}, which is a tombstone")));
        }
        let mut bytes = |name: &str| {
            let read = bytes(members.get(name).unwrap_or(&Value::Null));
            read.map_err(|message| errors.push(FieldError::new(name, message))).ok().flatten()
        };
        let (key, value) = (bytes("key"), bytes("value"));
        let partition =
            members.get("partition").filter(|partition| !partition.is_null()).and_then(|partition| {
                let number = partition.as_i64().and_then(|number| i32::try_from(number).ok());
                let number = number.filter(|number| *number >= 0);
                if number.is_none() {
                    errors
                        .push(FieldError::new("partition", "isn't a partition: give a whole number from 0"));
                }
                number
            });
        let headers = headers(members.get("headers").unwrap_or(&Value::Null), &mut errors);
        if errors.is_empty() { Ok(Self { partition, key, headers, value }) } else { Err(errors) }
    }
}

/// Returns an error for each member that isn't one of `known`.
fn unknown(members: &Map<String, Value>, known: &[&str], place: &str) -> Vec<FieldError> {
    let unknown = members.keys().filter(|name| !known.contains(&name.as_str()));
    let error = |name: &String| {
        let shown: String = name.chars().take(SHOWN_CHARS).collect();
        FieldError::new(format!("{place}{shown}"), format!("isn't a field: give any of {}", known.join(", ")))
    };
    unknown.map(error).collect()
}

/// Reads a text, `{"base64": "…"}`, or null.
fn bytes(value: &Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        Value::Object(members) => match (members.get("base64"), members.len()) {
            (Some(Value::String(base64)), 1) => {
                STANDARD.decode(base64).map(Some).map_err(|why| format!("isn't base64 ({why}): {GIVE_BYTES}"))
            }
            _ => Err(format!("is an object of another kind: {GIVE_BYTES}")),
        },
        _ => Err(format!("isn't a text: {GIVE_BYTES}")),
    }
}

fn headers(value: &Value, errors: &mut Vec<FieldError>) -> Headers {
    let list = match value {
        Value::Null => return Headers::new(),
        Value::Array(list) if list.len() <= MOST_HEADERS => list,
        Value::Array(list) => {
            let message = format!("has {} headers: give {MOST_HEADERS} at most", list.len());
            errors.push(FieldError::new("headers", message));
            return Headers::new();
        }
        _ => {
            let message = "isn't a list: give [{\"name\": \"…\", \"value\": …}], or leave it out";
            errors.push(FieldError::new("headers", message));
            return Headers::new();
        }
    };
    let mut headers = Headers::new();
    for (n, header) in list.iter().enumerate() {
        let place = format!("headers[{n}]");
        let Value::Object(members) = header else {
            errors.push(FieldError::new(place, "isn't an object: give {\"name\": \"…\", \"value\": …}"));
            continue;
        };
        errors.extend(unknown(members, &HEADER_FIELDS, &format!("{place}.")));
        let Some(name) = members.get("name").and_then(Value::as_str) else {
            errors.push(FieldError::new(format!("{place}.name"), "isn't a text: give the header's name"));
            continue;
        };
        if name.contains('\0') {
            errors.push(FieldError::new(format!("{place}.name"), "has a NUL character: leave it out"));
        }
        match bytes(members.get("value").unwrap_or(&Value::Null)) {
            Ok(value) => headers.push((name.to_owned(), value)),
            Err(message) => errors.push(FieldError::new(format!("{place}.value"), message)),
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn errors(body: Value) -> Vec<String> {
        RecordBody::read(&body)
            .unwrap_err()
            .into_iter()
            .map(|e| format!("{} {}", e.field, e.message))
            .collect()
    }

    #[test]
    fn bytes_are_a_text_base64_or_null() {
        let body = json!({"partition": 2, "key": {"base64": "/wA="}, "value": null, "headers": [
            {"name": "a", "value": "1"}, {"name": "a", "value": {"base64": "/w=="}}, {"name": "b"},
        ]});
        let headers = vec![
            ("a".to_owned(), Some(b"1".to_vec())),
            ("a".to_owned(), Some(vec![0xff])),
            ("b".to_owned(), None),
        ];
        let expected = RecordBody { partition: Some(2), key: Some(vec![0xff, 0]), headers, value: None };
        assert_eq!(RecordBody::read(&body), Ok(expected));
        let least = RecordBody { partition: None, key: None, headers: Vec::new(), value: Some(Vec::new()) };
        assert_eq!(RecordBody::read(&json!({"value": ""})), Ok(least));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        assert_eq!(errors(json!({})), [format!("value is missing: {GIVE_BYTES}, which is a tombstone")]);
        let wrong = json!({"kye": "k", "partition": -1, "key": 5, "value": {"a": 1}, "headers": [
            7, {"value": "x"}, {"name": "n\0", "value": {"base64": "%"}},
        ]});
        let fields: Vec<_> =
            errors(wrong).into_iter().map(|e| e.split(' ').next().unwrap().to_owned()).collect();
        let expected = [
            "kye",
            "key",
            "value",
            "partition",
            "headers[0]",
            "headers[1].name",
            "headers[2].name",
            "headers[2].value",
        ];
        assert_eq!(fields, expected);
        let many: Vec<_> = (0..101).map(|_| json!({"name": "n"})).collect();
        assert!(errors(json!({"value": "", "headers": many}))[0].contains("100 at most"));
    }

    proptest! {
        #[test]
        fn no_body_is_a_panic(text in "\\PC{0,40}", number in any::<f64>()) {
            for value in [json!(text), json!(number), json!([text]), json!({"base64": text}), json!({text: number})] {
                let _ = RecordBody::read(&json!({"key": value, "partition": number, "headers": [value], "value": value}));
                let _ = RecordBody::read(&value);
            }
        }
    }
}
