//! What comes before the name of every topic and group on the cluster, so that several dojos can share one: a class of
//! forty, or tests side by side.
//!
//! Only this crate knows it. A service says `orders`, is told of `orders`, and the cluster sees `class-7.orders`:
//! names are translated where they go to librdkafka, and where they come back.

use std::{borrow::Cow, fmt, str::FromStr, sync::Arc};

/// Longer names than 249 bytes are none to Kafka (`Topic.MAX_NAME_LENGTH`); this leaves enough for what follows.
const MAX_BYTES: usize = 200;

/// A prefix of names; empty by default. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prefix(Option<Arc<str>>);

impl Prefix {
    /// `name` as the cluster knows it.
    pub fn on_cluster<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match &self.0 {
            None => Cow::Borrowed(name),
            Some(prefix) => Cow::Owned(format!("{prefix}{name}")),
        }
    }

    /// The contract's name of what the cluster calls `name`. What bears another prefix is nobody's here, and is
    /// called as it is.
    pub(crate) fn in_contract<'a>(&self, name: &'a str) -> &'a str {
        self.0.as_deref().and_then(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
    }

    /// Whether names are the same on both sides.
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

    /// Takes what Kafka takes in a topic's name: ASCII letters, digits, `.`, `_` and `-`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if let Some(other) = text.chars().find(|c| !allowed(*c)) {
            return Err(format!(
                "{other:?} cannot be in a topic's name: take letters, digits, `.`, `_` and `-`, such as class-7."
            ));
        }
        if text.len() > MAX_BYTES {
            return Err(format!("{} characters are too many: take {MAX_BYTES} at most", text.len()));
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
    }

    #[test]
    fn what_kafka_takes_in_no_name_is_refused() {
        for (text, said) in [("a b", "' '"), ("^a", "'^'"), ("ü", "'ü'"), ("a/", "'/'"), ("a\n", "'\\n'")] {
            assert!(text.parse::<Prefix>().unwrap_err().contains(said), "{text:?}");
        }
        assert!("x".repeat(201).parse::<Prefix>().unwrap_err().contains("200 at most"));
        assert!("x".repeat(200).parse::<Prefix>().is_ok());
    }
}
