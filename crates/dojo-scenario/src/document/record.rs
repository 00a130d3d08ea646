//! Steps on the log itself: `produce` puts a record there by hand, `redrive` sends dead letters back.

use super::control::json_of;
use crate::{
    Size, Text,
    language::{Context, Definitions, Node, Read, Value, mapping, or_variable},
    text::check_placeholders,
};
use dojo_contract::topic;
use serde_json::json;
use std::collections::BTreeMap;

mapping! {
    /// Puts a record on a topic by hand.
    pub struct Produce, "a record such as { topic: orders, key: poison, value: \"not an order\" }" {
        /// The topic: `orders`, `audit` or `orders-dlq`.
        "topic" => topic: String,
        /// The partition; without it, the key decides.
        "partition" => partition: Option<i32>,
        /// The key.
        "key" => key: Option<Text>,
        /// The headers.
        "headers" => headers: Option<Headers>,
        /// The value: a text, or a mapping that becomes JSON. Without it, the value is null.
        "value" => value: Option<RecordValue>,
        /// In place of `value`: a value of this many bytes.
        "size" => size: Option<Size>,
        /// The number of such records, 1 by default.
        "count" => count: Option<u64>,
        /// The HTTP status of the answer, 201 by default.
        "answers" => answers: Option<u16>,
    }
}

/// The headers of a record.
#[derive(Debug, Clone, Default)]
pub struct Headers(pub BTreeMap<String, Text>);

impl Read for Headers {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let members = context.members(node, "headers such as { retryCount: 1 }")?;
        let read: Vec<_> = members
            .iter()
            .map(|(key, node)| Some((key.text.to_string(), Text::read(node, context)?)))
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        json!({"type": "object", "additionalProperties": Text::schema(definitions)})
    }
}

/// The value of a record.
#[derive(Debug, Clone)]
pub enum RecordValue {
    /// A text with placeholders.
    Text(Text),
    /// JSON; its texts may have placeholders.
    Json(serde_json::Value),
}

impl Read for RecordValue {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        match node.value {
            Value::Scalar(_) => Text::read(node, context).map(Self::Text),
            _ => {
                check_texts(node, context);
                json_of(node, context).map(Self::Json)
            }
        }
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": ["string", "number", "boolean", "object", "array"]})
    }
}

/// Sends dead letters back to `orders`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redrive {
    /// The dead letters of this run's own orders.
    Own,
    /// Every dead letter.
    All,
}

impl Read for Redrive {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        context.scalar(node, "`own` (the dead letters of this run) or `all`", |text| match text {
            "own" => Some(Self::Own),
            "all" => Some(Self::All),
            _ => None,
        })
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        or_variable(json!({"enum": ["own", "all"]}), definitions)
    }
}

/// Checks the placeholders of every text in a value.
fn check_texts(node: &Node, context: &mut Context<'_>) {
    match &node.value {
        Value::Scalar(scalar) => check_placeholders(&scalar.text, node, context),
        Value::List(items) => items.iter().for_each(|item| check_texts(item, context)),
        Value::Mapping(members) => members.iter().for_each(|(_, node)| check_texts(node, context)),
    }
}

/// Most records of one step.
const MAX_RECORDS: u64 = 1_000;

/// Checks a record that is put on a topic by hand.
pub(super) fn check(node: &Node, context: &mut Context<'_>) {
    const TOPICS: [&str; 3] = [topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ];
    context.check_known(node.member("topic"), "a topic for records by hand", &TOPICS);
    context.scope.has_records |=
        context.peek::<String>(node.member("topic")).is_some_and(|name| name == topic::ORDERS);
    if let (Some(_), Some(size)) = (node.member("value"), node.member("size")) {
        context
            .mistakes
            .add(size.at, "a record has a `value` or a `size`, and not both; remove one of the two");
    }
    if let (Some(at), Some(count)) = (node.member("count"), context.peek::<u64>(node.member("count")))
        && !(1..=MAX_RECORDS).contains(&count)
    {
        context.mistakes.add(at.at, format!("`count` is {count}: give 1 to {MAX_RECORDS}"));
    }
}
