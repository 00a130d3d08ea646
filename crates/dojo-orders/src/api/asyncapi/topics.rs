//! The topics as channels: how they are created, and the records on them with their keys, headers and values.

use super::parts::{KAFKA_BINDING, Schemas};
use dojo_contract::{
    AuditEvent, ControlKind, DlqEvent, InstanceId, InstanceStatus, OrderEvent, Run, RunId, Setting,
    header::{
        DLQ_OFFSET, ERROR, INSTANCE, ORIGINAL_OFFSET, ORIGINAL_PARTITION, ORIGINAL_TIMESTAMP, ORIGINAL_TOPIC,
        REDRIVE_COUNT, REDRIVEN_AT, RETRY_COUNT, RULE_VERSION,
    },
    topic::{self, TopicSpec},
};
use dojo_kafka::Prefix;
use serde_json::{Map, Value, json};
use utoipa::openapi::ObjectBuilder;

/// The names of messages.
pub(super) const ORDER_EVENT: &str = "orderEvent";
pub(super) const AUDIT_EVENT: &str = "auditEvent";
pub(super) const DEAD_LETTER: &str = "deadLetter";
pub(super) const UNREADABLE: &str = "unreadableRecord";
pub(super) const INSTANCE_STATUS: &str = "instanceStatus";
pub(super) const RUN: &str = "run";
/// Of a record without a value on a compacted topic.
pub(super) const REMOVAL: &str = "removal";

/// Returns a channel for each topic, by its name without the prefix.
pub(super) fn channels(prefix: &Prefix, schemas: &mut Schemas) -> Map<String, Value> {
    topic::TOPICS.iter().map(|spec| (spec.name.to_owned(), channel(prefix, spec, schemas))).collect()
}

fn channel(prefix: &Prefix, spec: &TopicSpec, schemas: &mut Schemas) -> Value {
    let configuration: Map<_, _> =
        spec.config.iter().map(|(name, value)| ((*name).to_owned(), configured(name, value))).collect();
    json!({
        "address": format!("{prefix}{}", spec.name),
        "description": spec.about,
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": messages(spec.name, schemas),
        "bindings": {"kafka": {
            "partitions": spec.partitions,
            "topicConfiguration": configuration,
            "bindingVersion": KAFKA_BINDING,
        }},
    })
}

/// The binding has policies as a list, and numbers as numbers.
fn configured(name: &str, value: &str) -> Value {
    if name == "cleanup.policy" {
        return value.split(',').collect();
    }
    value.parse().map_or_else(|_| value.into(), Value::Number)
}

fn messages(topic: &str, schemas: &mut Schemas) -> Value {
    match topic {
        topic::ORDERS => {
            let event =
                record("Something happened to an order.", order_id(), schemas.reference::<OrderEvent>());
            json!({ORDER_EVENT: with_headers(event, ORDER_HEADERS)})
        }
        topic::AUDIT => {
            let event = schemas.reference::<AuditEvent>();
            json!({AUDIT_EVENT: record("A service did something about an order.", order_id(), event)})
        }
        topic::ORDERS_DLQ => {
            let letter = schemas.reference::<DlqEvent>();
            let letter = record("An event whose notification failed for the last time.", order_id(), letter);
            json!({DEAD_LETTER: with_headers(letter, DEAD_LETTER_HEADERS), UNREADABLE: unreadable()})
        }
        topic::SETTINGS => settings(),
        topic::STATUS => {
            let id = schemas.reference::<InstanceId>();
            let status = schemas.reference::<InstanceStatus>();
            let removal = removal("The instance was removed.", id.clone());
            json!({INSTANCE_STATUS: record("An instance reports.", id, status), REMOVAL: removal})
        }
        topic::RUNS => {
            let id = schemas.reference::<RunId>();
            let run = record("A scenario run, as it is now.", id.clone(), schemas.reference::<Run>());
            json!({RUN: run, REMOVAL: removal("The run ended some time ago and is forgotten.", id)})
        }
        _ => json!({}),
    }
}

fn order_id() -> Value {
    json!({"type": "string", "format": "uuid", "description": "The order's id."})
}

fn record(summary: &str, key: Value, payload: Value) -> Value {
    json!({
        "summary": summary,
        "payload": payload,
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}},
    })
}

fn unreadable() -> Value {
    let key = json!({"description": "The record's own key: any bytes, or none."});
    let value = json!({"description": "The record's own value: any bytes, or none."});
    let mut record = record("A record of `orders` that can't be read, as it came.", key, value);
    record["contentType"] = "application/octet-stream".into();
    with_headers(record, DEAD_LETTER_HEADERS)
}

/// A message for each setting, and for each kind of wish about an instance.
fn settings() -> Value {
    let message = |name: &str, summary, key: ObjectBuilder, value: ObjectBuilder| {
        (name.to_owned(), record(summary, json!(key.build()), json!(value.build())))
    };
    let setting = |setting: Setting| {
        message(setting.name(), "The value of a setting.", setting.key_schema(), setting.schema())
    };
    let wish = |kind: ControlKind| {
        message(kind.name(), "What an instance is asked to do.", kind.key_schema(), kind.schema())
    };
    let removal = removal("The value or the wish is taken back.", json!({"type": "string"}));
    let messages = Setting::ALL.into_iter().map(setting).chain(ControlKind::ALL.into_iter().map(wish));
    messages.chain([(REMOVAL.to_owned(), removal)]).collect::<Map<_, _>>().into()
}

/// A record without a value, which removes its key from a compacted topic.
fn removal(summary: &str, key: Value) -> Value {
    record(summary, key, json!({"type": "null"}))
}

/// Name of a header, whether its value is a number, and its meaning.
type Header = (&'static str, bool, &'static str);

const ORDER_HEADERS: &[Header] = &[
    (RETRY_COUNT, true, "How often the event was sent again after a failed delivery; absent on originals."),
    (REDRIVE_COUNT, true, "How often the event came back from `orders-dlq`; absent on originals."),
    (DLQ_OFFSET, true, "The offset of the dead letter on `orders-dlq` that was redriven."),
    (REDRIVEN_AT, true, "When the event was redriven, in milliseconds since 1970."),
];

const DEAD_LETTER_HEADERS: &[Header] = &[
    (ORIGINAL_TOPIC, false, "The topic of the record that failed."),
    (ORIGINAL_PARTITION, true, "The partition of the record that failed."),
    (ORIGINAL_OFFSET, true, "The offset of the record that failed."),
    (ORIGINAL_TIMESTAMP, true, "The timestamp of the record that failed, in milliseconds since 1970."),
    (ERROR, false, "Why it failed, for a person."),
    (INSTANCE, false, "The instance that gave up."),
    (RULE_VERSION, false, "The version of the rule that decided; absent where the record can't be read."),
];

/// Adds headers, all of them texts. A record may have others.
fn with_headers(mut message: Value, headers: &[Header]) -> Value {
    let schema = |(name, is_number, description): &Header| {
        let mut schema = json!({"type": "string", "description": description});
        if *is_number {
            schema["pattern"] = "^-?[0-9]+$".into();
        }
        ((*name).to_owned(), schema)
    };
    let properties: Map<_, _> = headers.iter().map(schema).collect();
    message["headers"] = json!({"type": "object", "properties": properties});
    message
}
