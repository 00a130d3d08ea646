//! Numbers, durations, rates and sizes as a person writes them. Each is read from its text, so that a price is exact: a YAML
//! library would pass a binary fraction.

use crate::language::{Context, Definitions, Node, Read};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::json;
use std::{fmt, time::Duration};

/// The longest duration that a scenario may name.
pub const MAX_DURATION: Duration = Duration::from_secs(600);
const MAX_PER_SECOND: u32 = 10_000;
/// Larger than any record that a broker takes with its default settings.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// Implements [`Read`] for a type that is parsed from the text of a scalar.
macro_rules! scalar {
    ($type:ty, $what:literal, $schema:expr, $parse:expr) => {
        impl Read for $type {
            fn read(node: &Node, context: &mut Context<'_>) -> Option<Self> {
                context.scalar(node, $what, $parse)
            }

            fn schema(definitions: &mut Definitions) -> serde_json::Value {
                $crate::language::or_variable($schema, definitions)
            }
        }
    };
}
pub(crate) use scalar;

scalar!(i64, "a whole number", json!({"type": "integer"}), |text| text.parse().ok());
scalar!(u64, "a whole number from 0", json!({"type": "integer", "minimum": 0}), |text| text.parse().ok());
scalar!(i32, "a whole number from 0", json!({"type": "integer", "minimum": 0}), |text| text
    .parse()
    .ok()
    .filter(|n| *n >= 0));
scalar!(
    u16,
    "an HTTP status such as 201",
    json!({"type": "integer", "minimum": 100, "maximum": 599}),
    |text| { text.parse().ok().filter(|status| (100..=599).contains(status)) }
);
scalar!(Decimal, "a number such as 9.50", json!({"type": "number"}), decimal);
scalar!(bool, "true or false", json!({"type": "boolean"}), |text| text.parse().ok());
scalar!(String, "text", json!({"type": ["string", "number", "boolean"]}), |text| Some(text.to_owned()));
scalar!(
    Duration,
    "a duration up to 10m, such as 500ms, 2s or 1m30s",
    json!({"type": "string", "pattern": r"^(\d+(\.\d+)? ?(ms|s|sec|seconds?|m|min|minutes?) ?)+$|\$\{", "examples": ["2s", "500ms", "1m30s"]}),
    duration
);
scalar!(
    Rate,
    "a rate from 1/min to 10000/s, such as 20/s or 6 per minute",
    json!({"type": "string", "pattern": r"^\d+(\.\d+)? ?(/|per) ?(s|sec|second|m|min|minute)$|\$\{", "examples": ["40/s", "6 per minute"]}),
    Rate::parse
);
scalar!(
    RampEnd,
    "a rate up to 10000/s, such as 0/s or 20/s",
    json!({"type": "string", "pattern": r"^\d+(\.\d+)? ?(/|per) ?(s|sec|second|m|min|minute)$|\$\{", "examples": ["0/s", "40/s"]}),
    RampEnd::parse
);
scalar!(
    Size,
    "a size up to 16 MiB, such as 500 B, 2 kB or 1 MiB",
    json!({"type": "string", "pattern": r"^\d+(\.\d+)? ?(B|kB|MB|KiB|MiB)$|\$\{", "examples": ["2 kB", "1 MiB"]}),
    Size::parse
);

/// Reads a decimal number with all its digits. It has no `_` between them, as YAML numbers don't.
pub fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok().filter(|_| !text.contains('_'))
}

/// Reads a duration: one or more numbers with units, the largest unit first.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (mut millis, mut last, mut rest) = (Decimal::ZERO, u64::MAX, text.trim());
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit = match unit {
            "ms" => 1,
            "s" | "sec" | "second" | "seconds" => 1_000,
            "m" | "min" | "minute" | "minutes" => 60_000,
            _ => return None,
        };
        if unit >= last {
            return None;
        }
        last = unit;
        millis = millis.checked_add(amount(number)?.checked_mul(Decimal::from(unit))?)?;
        rest = after.trim_start();
    }
    let duration = Duration::from_millis(millis.is_integer().then(|| millis.to_u64())??);
    (duration <= MAX_DURATION).then_some(duration)
}

/// Reads a number without a sign.
fn amount(text: &str) -> Option<Decimal> {
    let digits = text.trim();
    digits.starts_with(|c: char| c.is_ascii_digit()).then(|| Decimal::from_str_exact(digits).ok())?
}

/// Writes a duration as a scenario does: `1m30s`, `2s`, `500ms`.
pub fn written(duration: Duration) -> String {
    let (minutes, millis) = (duration.as_secs() / 60, duration.as_millis() % 60_000);
    let seconds = Decimal::new(millis as i64, 3).normalize();
    match (minutes, millis) {
        (0, 1..1_000) => format!("{millis}ms"),
        (0, _) => format!("{seconds}s"),
        (_, 0) => format!("{minutes}m"),
        _ => format!("{minutes}m{seconds}s"),
    }
}

/// Writes a number with the thing that it counts: `1 order`, `2 orders`.
pub fn counted(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A number of orders per second or per minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    amount: Decimal,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Second,
    Minute,
}

impl Rate {
    /// Returns the number per second.
    pub fn per_second(&self) -> f64 {
        let amount = self.amount.to_f64().unwrap_or(1.0);
        match self.unit {
            Unit::Second => amount,
            Unit::Minute => amount / 60.0,
        }
    }

    /// Reads a rate such as `40/s` or `6 per minute`.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/').or_else(|| text.split_once(" per "))?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            _ => return None,
        };
        let rate = Self { amount: amount(number)?, unit };
        let slowest = 1.0 / 60.0;
        (slowest..=f64::from(MAX_PER_SECOND)).contains(&rate.per_second()).then_some(rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "min",
        };
        write!(f, "{}/{unit}", self.amount.normalize())
    }
}

/// The rate at one end of a ramp, which may be none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RampEnd(Option<Rate>);

impl RampEnd {
    /// Returns the number per second.
    pub fn per_second(&self) -> f64 {
        self.0.map_or(0.0, |rate| rate.per_second())
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let is_none = amount(number) == Some(Decimal::ZERO) && matches!(unit.trim(), "s" | "min");
        if is_none { Some(Self(None)) } else { Rate::parse(text).map(|rate| Self(Some(rate))) }
    }
}

impl fmt::Display for RampEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(rate) => rate.fmt(f),
            None => f.write_str("0/s"),
        }
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(unit);
        let factor = match unit {
            "B" => 1,
            "kB" => 1_000,
            "KiB" => 1 << 10,
            "MB" => 1_000_000,
            "MiB" => 1 << 20,
            _ => return None,
        };
        let bytes = amount(number)?.checked_mul(Decimal::from(factor))?;
        let bytes = bytes.is_integer().then(|| bytes.to_u64())??;
        (bytes <= MAX_SIZE).then_some(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_duration_needs_its_unit() {
        let read = |text| duration(text).map(|d| d.as_millis());
        let texts = ["500ms", "2s", "1.5s", "10m", "1m30s", "1 m 30 s"];
        assert_eq!(texts.map(read), [500, 2_000, 1_500, 600_000, 90_000, 90_000].map(Some));
        let wrong = ["2", "s", "-1s", "11m", "1h", "0.1ms", "1 0s", "", "30s1m", "99999999999999999999999s"];
        assert_eq!(wrong.map(read), [None; 10]);
    }

    #[test]
    fn a_rate_is_a_number_per_second_or_minute() {
        let read = |text| Rate::parse(text).map(|rate| rate.per_second());
        assert_eq!(["20/s", "30/min", "6 per minute"].map(read), [20.0, 0.5, 0.1].map(Some));
        assert_eq!(RampEnd::parse("0/s").map(|end| end.per_second()), Some(0.0));
        assert_eq!(["20", "0/s", "-1/s", "20/h", "10001/s", "0.5/min", "/s"].map(read), [None; 7]);
    }

    #[test]
    fn a_size_has_a_unit() {
        let read = |text| Size::parse(text).map(|size| size.0);
        assert_eq!(["500 B", "2 kB", "1 MiB"].map(read), [500, 2_000, 1_048_576].map(Some));
        assert_eq!(["5", "17 MiB", "1 GB", "-1 B", "0.5 B"].map(read), [None; 5]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = (duration(&text), Rate::parse(&text), Size::parse(&text));
        }

        #[test]
        fn a_duration_comes_back_from_its_text(millis in 1u64..=600_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(duration(&written(span)), Some(span));
        }
    }
}
