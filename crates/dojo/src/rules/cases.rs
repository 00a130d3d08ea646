//! The files with cases: a rule, orders over time, and what the rule is expected to answer.
//!
//! ```yaml
//! rule: ../fraud.rhai
//! cases:
//!   - name: the sixth order within a minute is VELOCITY
//!     orders:
//!       - { customerName: Ada, price: 9.50, times: 7, every: 5s }
//!     alerts: { 6-7: VELOCITY }
//! ```
//!
//! Orders are numbered from 1 in the order in which they stand, each of the `times` counted. An order that `alerts` doesn't
//! name must pass; one that `deliveries` doesn't name must be delivered by the first attempt.

use chrono::NaiveTime;
use dojo_contract::{FraudAlert, NewOrder, OnExhausted, OrderAction, Severity};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use std::{fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

/// The most orders of one case.
const MAX_ORDERS: usize = 100_000;

/// A file with cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a file with `rule` and `cases`")]
pub(crate) struct CaseFile {
    /// The rule; a relative path starts in the folder of this file.
    pub(crate) rule: PathBuf,
    pub(crate) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "a case with `name` and `orders`")]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The time of day (UTC) at which the case starts.
    #[serde(default)]
    pub(crate) start: StartTime,
    pub(crate) orders: Vec<Orders>,
    /// For a fraud rule: the alerts that are expected, by the numbers of the orders.
    #[serde(default)]
    pub(crate) alerts: Expected<AlertPattern>,
    /// For a notification rule: what is expected of each attempt, by the numbers of the orders.
    #[serde(default)]
    pub(crate) deliveries: Expected<AttemptPattern>,
    /// For a notification rule: the settings.
    #[serde(default)]
    pub(crate) settings: Settings,
    /// For a notification rule: the instance that makes the attempts.
    #[serde(default = "first_instance")]
    pub(crate) instance: String,
    /// For a notification rule: the time from an attempt to its retry.
    #[serde(default, deserialize_with = "duration")]
    pub(crate) retry_after: Duration,
    /// For a notification rule: orders with another seed have other ids, and so other random numbers.
    #[serde(default)]
    pub(crate) seed: u64,
}

fn first_instance() -> String {
    "notification-1".to_owned()
}

/// Orders that differ in their time alone.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    default,
    expecting = "an order such as { customerName: Ada, price: 9.50 }"
)]
pub(crate) struct Orders {
    customer_name: String,
    item: String,
    quantity: i64,
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    price: Decimal,
    pub(crate) action: OrderAction,
    /// From the start of the case to the first of these orders.
    #[serde(deserialize_with = "duration")]
    pub(crate) at: Duration,
    pub(crate) times: usize,
    /// From one of these orders to the next.
    #[serde(deserialize_with = "duration")]
    pub(crate) every: Duration,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            customer_name: "Ada".to_owned(),
            item: "Pizza Margherita".to_owned(),
            quantity: 1,
            price: Decimal::new(950, 2),
            action: OrderAction::Created,
            at: Duration::ZERO,
            times: 1,
            every: Duration::ZERO,
        }
    }
}

impl Orders {
    /// Returns what is ordered.
    ///
    /// # Errors
    /// The API would refuse the order.
    pub(crate) fn order(&self) -> Result<NewOrder, String> {
        let order = NewOrder {
            customer_name: self.customer_name.clone(),
            item: self.item.clone(),
            quantity: self.quantity,
            price: self.price,
        };
        order
            .validated()
            .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

impl Case {
    /// Returns how many orders the case has.
    ///
    /// # Errors
    /// The case has no order, or too many.
    pub(crate) fn count(&self) -> Result<usize, String> {
        let count = self.orders.iter().fold(0_usize, |sum, orders| sum.saturating_add(orders.times));
        match count {
            0 => Err("the case has no order; give at least one under `orders`".to_owned()),
            1..=MAX_ORDERS => Ok(count),
            _ => Err(format!("the case has {count} orders; the most are {MAX_ORDERS}")),
        }
    }
}

/// The settings of the instance that makes the attempts, with the defaults of the dojo except that no delivery fails by
/// chance.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Settings {
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub(crate) fail_rate: Decimal,
    pub(crate) max_retries: u32,
    #[serde(deserialize_with = "on_exhausted")]
    pub(crate) on_exhausted: OnExhausted,
    pub(crate) delivery_millis: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fail_rate: Decimal::ZERO,
            max_retries: 2,
            on_exhausted: OnExhausted::default(),
            delivery_millis: 0,
        }
    }
}

/// An alert that is expected: its type, or the type with more.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "the type of an alert such as VELOCITY, or { type: VELOCITY, severity: HIGH, reason: Ada }"
)]
pub(crate) enum AlertPattern {
    Type(String),
    Full {
        #[serde(rename = "type")]
        kind: String,
        severity: Option<Severity>,
        /// A part of the reason.
        reason: Option<String>,
    },
}

impl AlertPattern {
    pub(crate) fn fits(&self, alert: &FraudAlert) -> bool {
        match self {
            Self::Type(kind) => alert.kind == *kind,
            Self::Full { kind, severity, reason } => {
                alert.kind == *kind
                    && severity.is_none_or(|severity| alert.severity == severity)
                    && reason.as_ref().is_none_or(|part| alert.reason.contains(part))
            }
        }
    }
}

impl fmt::Display for AlertPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => f.write_str(kind),
            Self::Full { kind, severity, reason } => {
                f.write_str(kind)?;
                severity.iter().try_for_each(|severity| write!(f, " {}", severity.name()))?;
                reason.iter().try_for_each(|part| write!(f, " with \"{part}\" in its reason"))
            }
        }
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

/// What is expected of an attempt: its outcome, or the outcome with a reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "NOTIFIED, RETRY, DLQ or DROPPED, or { outcome: RETRY, reason: anchovies }")]
pub(crate) enum AttemptPattern {
    Outcome(Outcome),
    Full {
        outcome: Outcome,
        /// A part of the reason.
        reason: Option<String>,
    },
}

impl AttemptPattern {
    pub(crate) fn fits(&self, seen: Outcome, why: &str) -> bool {
        match self {
            Self::Outcome(outcome) => *outcome == seen,
            Self::Full { outcome, reason } => {
                *outcome == seen && reason.as_ref().is_none_or(|part| why.contains(part))
            }
        }
    }
}

impl fmt::Display for AttemptPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outcome(outcome) => outcome.fmt(f),
            Self::Full { outcome, reason } => {
                outcome.fmt(f)?;
                reason.iter().try_for_each(|part| write!(f, " with \"{part}\" in its reason"))
            }
        }
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
    /// Returns what is expected of the order with this number; `None` if nothing is said about it.
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
            if first == 0 || last > count || first > last {
                return Err(format!("there is no order {first}-{last}: the case has the orders 1-{count}"));
            }
        }
        match ranges.windows(2).find(|pair| pair[0].end() >= pair[1].start()) {
            Some(pair) => Err(format!("order {} is named twice", pair[1].start())),
            None => Ok(()),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Expected<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMore<T> {
            One(T),
            More(Vec<T>),
        }

        struct Entries<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Entries<T> {
            type Value = Expected<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("expectations by the numbers of orders, such as { 3: …, 6-10: … }")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(Numbers(numbers)) = map.next_key()? {
                    let expected = match map.next_value()? {
                        OneOrMore::One(one) => vec![one],
                        OneOrMore::More(more) => more,
                    };
                    entries.push((numbers, expected));
                }
                Ok(Expected(entries))
            }
        }

        deserializer.deserialize_map(Entries(std::marker::PhantomData))
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

/// A time of day; noon by default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartTime(pub(crate) NaiveTime);

impl Default for StartTime {
    fn default() -> Self {
        Self(NaiveTime::from_hms_opt(12, 0, 0).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for StartTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = NaiveTime::parse_from_str(&text, "%H:%M:%S")
            .or_else(|_| NaiveTime::parse_from_str(&text, "%H:%M"));
        let wrong = |_| {
            de::Error::custom(format!(
                "`{text}` is no time of day: write \"02:30\" or \"02:30:15\", in quotes"
            ))
        };
        time.map(Self).map_err(wrong)
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong =
        |error| de::Error::custom(format!("`{text}`: {error}; write a time such as 500ms, 90s or 5m"));
    humantime::parse_duration(&text).map_err(wrong)
}

fn on_exhausted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OnExhausted, D::Error> {
    let text = String::deserialize(deserializer)?;
    let known = OnExhausted::ALL.into_iter().find(|choice| choice.name() == text);
    known.ok_or_else(|| de::Error::custom(format!("`{text}`: write dlq, drop or retry")))
}
