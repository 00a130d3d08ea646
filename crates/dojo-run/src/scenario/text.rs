//! Text with placeholders: `${run}`, a short name of this run, so that no order is mistaken for one of another run; and
//! `${n}`, an order's number within its flood.

use super::scalar;
use serde::{Deserialize, Deserializer};
use std::fmt;

/// Text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    written: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Run,
    Number,
}

impl Text {
    fn parse(written: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = written;
        while let Some((literal, from)) = rest.split_once("${") {
            let Some((name, after)) = from.split_once('}') else {
                return Err(format!("`${{{from}` has no `}}`; write ${{run}} or ${{n}}"));
            };
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(match name {
                "run" => Part::Run,
                "n" => Part::Number,
                _ => {
                    return Err(format!(
                        "`${{{name}}}` stands for nothing; there are ${{run}} and, in a flood, ${{n}}"
                    ));
                }
            });
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self { written: written.to_owned(), parts })
    }

    /// The text in run `run`, in the `n`th order of a flood.
    pub fn fill(&self, run: &str, n: u64) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Run => text.push_str(run),
                Part::Number => text.push_str(&n.to_string()),
            }
        }
        text
    }

    /// Whether it differs from order to order of a flood.
    pub fn is_numbered(&self) -> bool {
        self.parts.contains(&Part::Number)
    }
}

/// As it was written.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar::read(deserializer, "text", Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn placeholders_are_filled_wherever_they_stand() {
        let text = Text::parse("${n}: ${run}-${run} $5").unwrap();
        assert_eq!(text.fill("ab", 7), "7: ab-ab $5");
    }

    #[test]
    fn an_unknown_or_open_placeholder_is_refused() {
        assert!(Text::parse("${who}").unwrap_err().contains("${run}"));
        assert!(Text::parse("a ${run").unwrap_err().contains("has no `}`"));
    }

    proptest! {
        #[test]
        fn text_without_placeholders_stays_as_it_is(text in "[^$]{0,40}") {
            prop_assert_eq!(Text::parse(&text).unwrap().fill("r", 1), text);
        }

        #[test]
        fn no_text_panics(text in ".{0,20}(\\$\\{.{0,5}\\}?){0,3}") {
            let _ = Text::parse(&text);
        }
    }
}
