//! The JSON Schema of the language, for editors: they complete names, show what each means, and underline mistakes while a scenario
//! is written.

use crate::{
    document::Document,
    language::{Definitions, Read},
};
use dojo_contract::{OrderStatus, topic};
use serde_json::{Value, json};

/// Returns the JSON Schema of a scenario (draft 2020-12).
pub fn schema() -> Value {
    let mut definitions = Definitions::new();
    Document::schema(&mut definitions);
    for (name, condition, alternatives) in TOGETHER {
        let alternatives: Vec<_> = alternatives.iter().map(|names| json!({ "required": names })).collect();
        if let Some(definition) = definitions.get_mut(name) {
            definition[condition] = json!(alternatives);
        }
    }
    for (name, member, values) in suggestions() {
        if let Some(member) =
            definitions.get_mut(name).and_then(|definition| definition["properties"].get_mut(member))
        {
            member["examples"] = json!(values);
        }
    }
    let mut root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:kafka-dojo:scenario",
        "title": "Scenario of the Kafka dojo",
    });
    let document = definitions.remove("Document").unwrap_or_default();
    for (name, value) in document.as_object().into_iter().flatten() {
        root[name] = value.clone();
    }
    root["properties"]["steps"]["minItems"] = 1.into();
    root["$defs"] = json!(definitions);
    root
}

/// A definition, how its alternatives combine, and the members of each alternative.
type Together = (&'static str, &'static str, &'static [&'static [&'static str]]);

/// Which members of a mapping stand together.
const TOGETHER: [Together; 6] = [
    ("Flood", "oneOf", &[&["rate", "count"], &["rate", "for"], &["phases"]]),
    ("Rule", "oneOf", &[&["file"], &["replace"], &["source"]]),
    ("Update", "anyOf", &[&["customerName"], &["item"], &["quantity"], &["price"], &["status"]]),
    ("LagExpectation", "anyOf", &[&["atLeast"], &["atMost"]]),
    ("OwnerExpectation", "oneOf", &[&["is"], &["isNot"]]),
    ("HttpExpectation", "anyOf", &[&["status"], &["p50"], &["p90"], &["p99"], &["max"]]),
];

/// Values that an editor suggests: the definition, its member, and the values. Others can be right, too, such as a variable.
fn suggestions() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let groups = [topic::NOTIFICATION_GROUP, topic::FRAUD_GROUP, topic::AUDIT_GROUP, topic::SSE_RELAY_GROUP];
    let of_groups = ["LagExpectation", "OwnerExpectation", "MembersExpectation", "RebalancesExpectation"];
    let mut suggestions: Vec<_> =
        of_groups.into_iter().map(|name| (name, "group", groups.to_vec())).collect();
    suggestions.extend([
        ("Update", "status", OrderStatus::ALL.map(OrderStatus::name).to_vec()),
        ("Rule", "name", vec!["fraud", "notification"]),
        ("Produce", "topic", vec![topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ]),
        ("HttpExpectation", "request", vec!["POST /orders", "PUT /orders", "DELETE /orders"]),
        ("Expectation", "alert", vec!["VELOCITY", "BURST", "AMOUNT"]),
    ]);
    suggestions
}
