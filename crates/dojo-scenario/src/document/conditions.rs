//! Conditions on the fields and headers of an event.

use crate::{
    Text,
    language::{Context, Definitions, Key, Node, Read, unknown_name},
    scalar::{decimal, scalar},
};
use regex::Regex;
use rust_decimal::Decimal;
use serde_json::json;
use std::fmt;

/// A regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(pub Regex);

impl Read for Pattern {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let text = context.text(node, "a regular expression")?;
        match regex::RegexBuilder::new(&text).size_limit(1 << 18).build() {
            Ok(regex) => Some(Self(regex)),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                context.mistakes.add(node.at, format!("this isn't a regular expression: {reason}"));
                None
            }
        }
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": "string", "format": "regex"})
    }
}

/// The fields with which the path of a condition begins: those of audit events, order events and dead letters, and what the stream
/// adds about the record.
const FIELDS: [&str; 16] = [
    "action",
    "alerts",
    "customerName",
    "headers",
    "instanceId",
    "offset",
    "order",
    "orderId",
    "partition",
    "reason",
    "record",
    "retryCount",
    "ruleVersion",
    "source",
    "timestamp",
    "windowStats",
];

/// The fields that some of them have in turn. A header can have any name.
const INNER_FIELDS: [(&str, &[&str]); 4] = [
    ("alerts", &["reason", "severity", "type"]),
    ("order", &["createdAt", "customerName", "id", "item", "price", "quantity", "status"]),
    ("record", &["headers", "offset", "partition", "timestamp", "topic"]),
    ("windowStats", &["customerOrdersInWindow", "globalOrdersInWindow", "partial"]),
];

fn inner_fields(field: &str) -> Option<&'static [&'static str]> {
    INNER_FIELDS.iter().find(|(name, _)| *name == field).map(|(_, inner)| *inner)
}

/// Checks the path of a condition. A misspelt field would match nothing, and `none` would pass.
fn check_path(key: &Key, context: &mut Context<'_>) -> Option<()> {
    let (first, rest) = key.text.split_once('.').unwrap_or((&key.text, ""));
    if !FIELDS.contains(&first) {
        unknown_name(&key.text, key.at, &FIELDS, context);
        return None;
    }
    let second = rest.split('.').next().unwrap_or_default();
    match inner_fields(first) {
        Some(inner) if !inner.contains(&second) => {
            let paths: Vec<_> = inner.iter().map(|second| format!("{first}.{second}")).collect();
            let paths: Vec<_> = paths.iter().map(String::as_str).collect();
            unknown_name(&key.text, key.at, &paths, context);
            None
        }
        _ => Some(()),
    }
}

/// Conditions on fields and headers of an event.
#[derive(Debug, Clone, Default)]
pub struct Conditions(pub Vec<Condition>);

/// A condition on a field or a header.
#[derive(Debug, Clone)]
pub struct Condition {
    /// The path of the field, such as `alerts.severity` or `headers.retryCount`. On the way through a list, any element counts.
    pub field: String,
    /// What it must be.
    pub test: FieldTest,
}

/// What a field must be.
#[derive(Debug, Clone)]
pub enum FieldTest {
    /// This text, as a text or as a number.
    Is(Text),
    /// Matches a regular expression (`/…/`).
    Matches(Pattern),
    /// Is a number that compares like this (`> 3`).
    Compares(Comparison),
}

impl Read for Conditions {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let members = context.members(node, "conditions such as { retryCount: 2 }")?;
        let read: Vec<_> = members
            .iter()
            .map(|(key, node)| {
                check_path(key, context)?;
                Some(Condition { field: key.text.to_string(), test: FieldTest::read(node, context)? })
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(definitions: &mut Definitions) -> serde_json::Value {
        let names = FIELDS.map(|field| match inner_fields(field) {
            Some(inner) => format!(r"{field}\.({})", inner.join("|")),
            None => field.to_owned(),
        });
        let names = json!({"pattern": format!(r"^({})(\.|$)", names.join("|"))});
        json!({"type": "object", "propertyNames": names, "additionalProperties": FieldTest::schema(definitions)})
    }
}

impl Read for FieldTest {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let text = context.text(node, "a value, `/a pattern/`, or a comparison such as `> 3`")?;
        if let Some(pattern) = text.strip_prefix('/').and_then(|text| text.strip_suffix('/')) {
            return Pattern::read(&Node::text(node.at, pattern), context).map(Self::Matches);
        }
        if text.starts_with(['<', '>']) {
            return Comparison::read(node, context).map(Self::Compares);
        }
        Some(Self::Is(Text::new(&*text)))
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// A comparison such as `< 50`, `>= 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// Whether the value must be larger than the limit, not smaller.
    pub larger: bool,
    /// Whether the limit itself is allowed.
    pub or_equal: bool,
    /// The limit.
    pub limit: Decimal,
}

impl Comparison {
    /// Returns whether `value` compares as it must.
    pub fn holds(&self, value: Decimal) -> bool {
        (self.or_equal && value == self.limit)
            || if self.larger { value > self.limit } else { value < self.limit }
    }

    fn split(text: &str) -> Option<(bool, bool, &str)> {
        let (larger, rest) = text
            .strip_prefix('>')
            .map(|rest| (true, rest))
            .or_else(|| Some((false, text.strip_prefix('<')?)))?;
        let (or_equal, rest) = rest.strip_prefix('=').map_or((false, rest), |rest| (true, rest));
        Some((larger, or_equal, rest.trim()))
    }
}

scalar!(Comparison, "a comparison such as `> 3` or `<= 10`", json!({"type": "string"}), |text| {
    let (larger, or_equal, limit) = Comparison::split(text)?;
    Some(Comparison { larger, or_equal, limit: decimal(limit)? })
});

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { larger, or_equal, limit } = self;
        write!(f, "{}{} {limit}", if *larger { '>' } else { '<' }, if *or_equal { "=" } else { "" })
    }
}
