//! The member `tags`.

use crate::{
    language::{Context, Definitions, Node, Read},
    scalar::scalar,
};
use serde_json::json;
use std::fmt;

/// The longest tag.
const MAX_CHARS: usize = 30;

/// A word by which scenarios are chosen, such as `fraud`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Returns the tag with this name; `None` if it has characters other than `a-z`, `0-9` and `-`, or too many.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_tag = (1..=MAX_CHARS).contains(&text.len()) && text.chars().all(allowed);
        is_tag.then(|| Self(text.to_owned()))
    }

    /// Returns the word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

scalar!(
    Tag,
    "a tag of 1 to 30 of a-z, 0-9 and '-', such as fraud",
    json!({"type": "string", "pattern": r"^[a-z0-9-]{1,30}$|\$\{"}),
    Tag::parse
);
