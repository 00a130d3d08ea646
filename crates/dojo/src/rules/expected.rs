//! What a case expects of its orders: alerts of a fraud rule, or outcomes of delivery attempts.

use dojo_contract::{FraudAlert, Severity};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer, value::MapDeserializer},
};
use std::{fmt, marker::PhantomData, ops::RangeInclusive};

/// An expectation, which a file may shorten to the text of its first field.
trait Pattern: de::DeserializeOwned {
    const FIRST_FIELD: &'static str;
    const EXPECTING: &'static str;
}

/// An alert that is expected: `VELOCITY`, or `{ type: VELOCITY, severity: HIGH, reason: Ada }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertPattern {
    #[serde(rename = "type")]
    kind: String,
    severity: Option<Severity>,
    /// A part of the reason.
    reason: Option<String>,
}

impl Pattern for AlertPattern {
    const FIRST_FIELD: &'static str = "type";
    const EXPECTING: &'static str = "the type of an alert such as VELOCITY, { type: VELOCITY, severity: HIGH, reason: Ada }, or a list of them";
}

impl AlertPattern {
    pub(crate) fn fits(&self, alert: &FraudAlert) -> bool {
        alert.kind == self.kind
            && self.severity.is_none_or(|severity| alert.severity == severity)
            && self.reason.as_ref().is_none_or(|part| alert.reason.contains(part))
    }
}

impl fmt::Display for AlertPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        self.severity.iter().try_for_each(|severity| write!(f, " {}", severity.name()))?;
        self.reason.iter().try_for_each(|part| write!(f, " with \"{part}\" in its reason"))
    }
}

/// The outcome of an attempt, by its name on the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Outcome {
    Notified,
    Retry,
    Dlq,
    Dropped,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Notified => "NOTIFIED",
            Self::Retry => "RETRY",
            Self::Dlq => "DLQ",
            Self::Dropped => "DROPPED",
        })
    }
}

/// The outcome that is expected of an attempt: `RETRY`, or `{ outcome: RETRY, reason: anchovies }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttemptPattern {
    outcome: Outcome,
    /// A part of the reason.
    reason: Option<String>,
}

impl Pattern for AttemptPattern {
    const FIRST_FIELD: &'static str = "outcome";
    const EXPECTING: &'static str =
        "NOTIFIED, RETRY, DLQ or DROPPED, { outcome: RETRY, reason: anchovies }, or a list of them";
}

impl AttemptPattern {
    /// What is expected of an order that `deliveries` doesn't name.
    pub(crate) const NOTIFIED: Self = Self { outcome: Outcome::Notified, reason: None };

    pub(crate) fn fits(&self, seen: Outcome, why: &str) -> bool {
        self.outcome == seen && self.reason.as_ref().is_none_or(|part| why.contains(part))
    }
}

impl fmt::Display for AttemptPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outcome.fmt(f)?;
        self.reason.iter().try_for_each(|part| write!(f, " with \"{part}\" in its reason"))
    }
}

/// Expectations by the numbers of orders: `{ 3: VELOCITY, 6-10: [VELOCITY, BURST] }`.
#[derive(Debug)]
pub(crate) struct Expected<T>(Vec<(RangeInclusive<usize>, Vec<T>)>);

impl<T> Default for Expected<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Expected<T> {
    /// Returns what is expected of the order with this number; `None` if the case doesn't name it.
    pub(crate) fn of(&self, number: usize) -> Option<&[T]> {
        self.0.iter().find(|(numbers, _)| numbers.contains(&number)).map(|(_, expected)| expected.as_slice())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks that every number is that of one of `count` orders, and is named once.
    pub(crate) fn check(&self, count: usize) -> Result<(), String> {
        let mut ranges: Vec<_> = self.0.iter().map(|(numbers, _)| numbers.clone()).collect();
        ranges.sort_by_key(|numbers| *numbers.start());
        for numbers in &ranges {
            let (first, last) = (*numbers.start(), *numbers.end());
            if first > last {
                return Err(format!("`{first}-{last}` names no order; write `{last}-{first}`"));
            }
            if first == 0 || last > count {
                let named = if first == last { first.to_string() } else { format!("{first}-{last}") };
                return Err(format!("there is no order {named}: the orders of this case are 1-{count}"));
            }
        }
        match ranges.windows(2).find(|pair| pair[0].end() >= pair[1].start()) {
            Some(pair) => Err(format!("order {} is named twice", pair[1].start())),
            None => Ok(()),
        }
    }
}

// These visitors are written by hand, because `#[serde(untagged)]` loses the line of a mistake and the names of the fields.
impl<'de, T: Pattern> Deserialize<'de> for Expected<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Pattern> de::Visitor<'de> for Entries<T> {
            type Value = Expected<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("expectations by the numbers of orders, such as { 3: …, 6-10: … }")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Numbers(numbers), Patterns(expected))) = map.next_entry()? {
                    entries.push((numbers, expected));
                }
                Ok(Expected(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// One pattern or a list of patterns.
struct Patterns<T>(Vec<T>);

impl<'de, T: Pattern> Deserialize<'de> for Patterns<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore<T>(PhantomData<T>);

        impl<'de, T: Pattern> de::Visitor<'de> for OneOrMore<T> {
            type Value = Patterns<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTING)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let fields = std::iter::once((T::FIRST_FIELD, text));
                T::deserialize(MapDeserializer::new(fields)).map(|pattern| Patterns(vec![pattern]))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|pattern| Patterns(vec![pattern]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut patterns = Vec::new();
                while let Some(Patterns(more)) = list.next_element()? {
                    patterns.extend(more);
                }
                Ok(Patterns(patterns))
            }
        }

        deserializer.deserialize_any(OneOrMore(PhantomData))
    }
}

/// `3` or `6-10`.
struct Numbers(RangeInclusive<usize>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl de::Visitor<'_> for Text {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of an order such as 3, or numbers such as 6-10")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Numbers, E> {
                let number = usize::try_from(number).map_err(E::custom)?;
                Ok(Numbers(number..=number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Numbers, E> {
                let (first, last) = text.split_once('-').unwrap_or((text, text));
                match (first.trim().parse(), last.trim().parse()) {
                    (Ok(first), Ok(last)) => Ok(Numbers(first..=last)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Text)
    }
}
