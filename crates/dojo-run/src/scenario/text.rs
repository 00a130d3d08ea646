//! Text with placeholders: `${run}`, the short name of this run, which distinguishes its orders from those of another run;
//! and `${n}`, an order's number in its flood.

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
                return Err(format!("`${{{from}` has no `}}`; use ${{run}} or ${{n}}"));
            };
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(match name {
                "run" => Part::Run,
                "n" => Part::Number,
                _ => {
                    return Err(format!(
                        "`${{{name}}}` is not a placeholder; use ${{run}} or, in a flood, ${{n}}"
                    ));
                }
            });
            rest = after;
        }
        parts.push(Part::Literal(rest.to_owned()));
        Ok(Self { written: written.to_owned(), parts })
    }

    /// Returns the text for the `n`th order of a flood in run `run`.
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

    /// Returns whether the text differs between the orders of a flood.
    pub fn is_numbered(&self) -> bool {
        self.parts.contains(&Part::Number)
    }
}

/// Writes the text with its placeholders.
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
    fn every_placeholder_is_filled() {
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
