//! Query parameters: unknown ones are ignored, wrong ones are named.

use crate::problem::Problem;
use std::{borrow::Cow, collections::HashMap, ops::RangeInclusive};

/// The parameters of a request; of one that repeats, the last counts.
#[derive(Debug, Default)]
pub(crate) struct Params(HashMap<String, String>);

impl Params {
    pub(crate) fn of(query: Option<String>) -> Self {
        let query = query.unwrap_or_default();
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
        )
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number within `range`.
    pub(crate) fn number<T>(&self, name: &str, range: RangeInclusive<T>) -> Result<Option<T>, Problem>
    where
        T: std::str::FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = (range.start(), range.end());
                let shown: String = text.chars().take(40).collect();
                Err(Problem::invalid_field(
                    name,
                    format!("is {shown:?}: give a whole number from {low} to {high}"),
                ))
            }
        }
    }
}

/// `%41` is `A` and `+` a space (<https://url.spec.whatwg.org/#urlencoded-parsing>); what is no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = after;
                }
                _ => out.push(b'%'),
            },
            (byte, _) => out.push(*byte),
        }
    }
    match String::from_utf8_lossy(&out) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_last_of_a_name_counts() {
        let params = Params::of(Some("a=1&a=%32+%C3%A4&b&c=%zz%4&&=x".to_owned()));
        assert_eq!(params.get("a"), Some("2 ä"));
        assert_eq!((params.get("b"), params.get("c"), params.get("d")), (Some(""), Some("%zz%4"), None));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let params = Params::of(Some("n=7&m=1001&x=-1".to_owned()));
        assert_eq!(params.number("n", 1..=1_000).unwrap(), Some(7));
        assert!(params.number("m", 1..=1_000).is_err() && params.number("x", 1usize..=1_000).is_err());
    }
}
