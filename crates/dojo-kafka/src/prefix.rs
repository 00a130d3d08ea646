//! The prefix of every topic's and group's name on the cluster, so that several dojos can share one: a class of forty, or
//! tests side by side.
//!
//! Only this crate puts it before a name and takes it off. A service uses the name `orders` and the cluster has
//! `class-7.orders`: names are translated where they go to librdkafka, and where they come back. Elsewhere the prefix is a
//! text to configure and to show.

use dojo_contract::topic::TopicSpec;
use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

/// Kafka allows names of 249 bytes (`Topic.MAX_NAME_LENGTH`); this leaves enough for the contract's names.
const MAX_BYTES: usize = 200;

/// A prefix of names; empty by default. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(Option<Arc<str>>);

impl Prefix {
    /// Returns what the cluster calls `name`.
    pub(crate) fn on_cluster<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.0 {
            None => Cow::Borrowed(name),
            Some(prefix) => Cow::Owned(format!("{prefix}{name}")),
        }
    }

    /// Returns the contract's name of what the cluster calls `name`. A name with another prefix isn't this dojo's, and stays
    /// as it is.
    pub(crate) fn in_contract<'a>(&self, name: &'a str) -> &'a str {
        self.0.as_deref().and_then(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
    }

    /// Returns whether a name on the cluster has this prefix. Every name has the empty one.
    pub(crate) fn owns(&self, name: &str) -> bool {
        self.0.as_deref().is_none_or(|prefix| name.starts_with(prefix))
    }

    /// Returns the specs with the names that their topics have on the cluster, for a broker that creates them itself.
    pub fn topics<'a>(&self, specs: &'a [TopicSpec]) -> impl Iterator<Item = (String, &'a TopicSpec)> {
        specs.iter().map(|spec| (self.on_cluster(spec.name).into_owned(), spec))
    }

    /// Returns whether names are the same on both sides.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or_default())
    }
}

impl FromStr for Prefix {
    type Err = String;

    /// Accepts what Kafka accepts in a topic's name: ASCII letters, digits, `.`, `_` and `-`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            return Err(format!(
                "{other:?} can't be in a topic's name: use letters, digits, `.`, `_` and `-`, such as class-7."
            ));
        }
        if text.len() > MAX_BYTES {
            return Err(format!("{} characters are too many: use {MAX_BYTES} at most", text.len()));
        }
        Ok(Self((!text.is_empty()).then(|| text.into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_out_with_its_prefix_and_comes_back_without() {
        let prefix: Prefix = "class-7.".parse().unwrap();
        assert_eq!(prefix.on_cluster("orders"), "class-7.orders");
        assert_eq!(prefix.in_contract("class-7.orders"), "orders");
        assert_eq!(prefix.in_contract("class-8.orders"), "class-8.orders");
        let none: Prefix = "".parse().unwrap();
        assert_eq!((none.on_cluster("orders"), none.in_contract("orders")), ("orders".into(), "orders"));
        assert!(none.is_empty() && !prefix.is_empty());
        assert!(
            none.owns("class-8.orders") && prefix.owns("class-7.orders") && !prefix.owns("class-8.orders")
        );
    }

    #[test]
    fn a_character_that_kafka_allows_in_no_name_is_refused() {
        for (text, said) in [("a b", "' '"), ("^a", "'^'"), ("ü", "'ü'"), ("a/", "'/'"), ("a\n", "'\\n'")] {
            assert!(text.parse::<Prefix>().unwrap_err().contains(said), "{text:?}");
        }
        assert!("x".repeat(201).parse::<Prefix>().unwrap_err().contains("200 at most"));
        assert!("x".repeat(200).parse::<Prefix>().is_ok());
    }
}
