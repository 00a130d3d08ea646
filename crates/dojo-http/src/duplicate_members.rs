//! Finds a member that appears twice in a JSON object. RFC 8259, section 4, leaves open what that means; most parsers keep
//! the last one without a word, so a client would never learn that the other one was ignored.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use std::{collections::HashSet, fmt};

/// Returns the path of the first member that appears twice, such as `order.price`, in a text that is valid JSON.
pub(crate) fn duplicate_member(json: &[u8]) -> Option<String> {
    let mut found = None;
    // The only error is the one that ends the search.
    let _ =
        Search { path: "", found: &mut found }.deserialize(&mut serde_json::Deserializer::from_slice(json));
    found
}

struct Search<'a> {
    /// The path of the value that is searched.
    path: &'a str,
    found: &'a mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            if !names.insert(name) {
                *self.found = Some(path);
                return Err(A::Error::custom("found"));
            }
            members.next_value_seed(Search { path: &path, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(Search { path: self.path, found: self.found })?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_member_that_appears_twice_is_named_wherever_it_is() {
        for (json, expected) in [
            (r#"{"a": 1, "b": 2}"#, None),
            (r#"{"a": 1, "b": {"a": 1.50}, "c": [{"a": null}, {"a": true}]}"#, None),
            (r#"{"a": 1, "b": 2, "a": 1}"#, Some("a")),
            (r#"{"a": 1, "\u0061": 1}"#, Some("a")),
            (r#"{"a": {"b": "x", "b": -1}}"#, Some("a.b")),
            (r#"{"a": [1, {"b": 1e5, "b": 18446744073709551616}]}"#, Some("a.b")),
            ("[]", None),
            ("0.1", None),
        ] {
            assert_eq!(duplicate_member(json.as_bytes()).as_deref(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\":,a-c0-9e.+-]{0,40}") {
            let _ = duplicate_member(text.as_bytes());
        }
    }
}
