//! Text with placeholders, which a run fills in: `${run}`, the short name of this run, which distinguishes its orders from those
//! of another run; `${n}`, an order's number in its flood; and `${i}`, the number of a repetition.

use crate::language::{Context, Definitions, Node, Read};
use serde_json::json;
use std::fmt;

/// Text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(String);

impl Read for Text {
    fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
        let text = context.text(node, "text")?;
        check_placeholders(&text, node, context);
        Some(Self(text.to_string()))
    }

    fn schema(_: &mut Definitions) -> serde_json::Value {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// Records a placeholder that has no value where `node` stands.
pub(crate) fn check_placeholders(text: &str, node: &Node, context: &mut Context<'_>) {
    if text.contains("${n}") && !context.scope.in_flood {
        context.mistakes.add(node.at, "`${n}` has a value only in the order of a `flood`; remove it");
    }
    if text.contains("${i}") && context.scope.repeated.is_none() {
        context.mistakes.add(node.at, "`${i}` has a value only in the steps of a `repeat`; remove it");
    }
}

/// The values of the placeholders at one moment of a run.
#[derive(Debug, Clone, Copy)]
pub struct Placeholders<'a> {
    /// The short name of the run.
    pub run: &'a str,
    /// The number of the order in its flood, from 1.
    pub number: u64,
    /// The number of the repetition, from 1.
    pub repetition: u64,
}

impl Text {
    /// A text without variables.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text with every placeholder filled in.
    pub fn fill(&self, placeholders: Placeholders<'_>) -> String {
        if !self.0.contains("${") {
            return self.0.clone();
        }
        let Placeholders { run, number, repetition } = placeholders;
        self.0
            .replace("${run}", run)
            .replace("${n}", &number.to_string())
            .replace("${i}", &repetition.to_string())
    }

    /// Returns the text as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes the text with its placeholders.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_filled() {
        let text = Text::new("${n}: ${run}-${run} $5, ${i}");
        assert_eq!(text.fill(Placeholders { run: "ab", number: 7, repetition: 2 }), "7: ab-ab $5, 2");
    }
}
