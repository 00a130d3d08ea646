//! Numbers, durations and rates as a person writes them. Each is parsed from its text, so that a price is exact (a YAML
//! library would pass a binary fraction), and an error has its own position and says what to write.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use std::{fmt, marker::PhantomData, time::Duration};

const MAX_COUNT: u64 = 100_000;
const MAX_SPAN: Duration = Duration::from_secs(600);
const MAX_PER_SECOND: u32 = 10_000;

/// Reads a scalar from its text with `parse`. `expecting` describes it in the error for a list or a mapping.
pub(super) fn read<'de, D, T, F>(deserializer: D, expecting: &'static str, parse: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    F: FnOnce(&str) -> Result<T, String>,
{
    struct Scalar<T, F> {
        expecting: &'static str,
        parse: F,
        value: PhantomData<T>,
    }

    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Scalar<T, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.expecting)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.parse)(text).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Scalar { expecting, parse, value: PhantomData })
}

fn whole<T: std::str::FromStr>(text: &str, expecting: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not {expecting}"))
}

/// Reads the quantity of an order, whose limits the contract checks.
pub(super) fn quantity<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    const EXPECTING: &str = "a whole number";
    read(deserializer, EXPECTING, |text| whole(text, EXPECTING))
}

/// Reads the exact price of an order, whose limits the contract checks.
pub(super) fn price<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    const EXPECTING: &str = "a price in dollars such as 9.50";
    read(deserializer, EXPECTING, |text| {
        Decimal::from_str_exact(text).map_err(|_| format!("`{text}` is not {EXPECTING}"))
    })
}

/// Reads the number of orders of a flood.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    const EXPECTING: &str = "a whole number from 1 to 100000";
    read(deserializer, EXPECTING, |text| {
        let count = whole(text, EXPECTING)?;
        if (1..=MAX_COUNT).contains(&count) { Ok(count) } else { Err(format!("`{text}` is not {EXPECTING}")) }
    })
}

/// A number of expected events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(pub u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTING: &str = "a whole number from 0";
        read(deserializer, EXPECTING, |text| whole(text, EXPECTING)).map(Self)
    }
}

/// A length of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTING: &str = "a length of time up to 10m, such as 500ms, 2s or 1m";
        read(deserializer, EXPECTING, |text| span(text).ok_or_else(|| format!("`{text}` is not {EXPECTING}")))
            .map(Self)
    }
}

fn span(text: &str) -> Option<Duration> {
    // `ms` comes first, because it ends with `s`.
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000)];
    let (number, unit) = units.iter().find_map(|(name, millis)| Some((text.strip_suffix(name)?, *millis)))?;
    let millis = amount(number)?.checked_mul(Decimal::from(unit))?;
    let span = Duration::from_millis(millis.is_integer().then(|| millis.to_u64())??);
    (span <= MAX_SPAN).then_some(span)
}

/// A number without a sign.
fn amount(text: &str) -> Option<Decimal> {
    let digits = text.trim();
    digits.starts_with(|c: char| c.is_ascii_digit()).then(|| Decimal::from_str_exact(digits).ok())?
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

    /// Returns how long after the first order the one with this index, from 0, is due.
    pub fn due(&self, index: u64) -> Duration {
        // Computed from the start, not from the order before, so that rounding errors don't add up.
        Duration::try_from_secs_f64(index as f64 / self.per_second()).unwrap_or(Duration::MAX)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let unit = match unit.trim() {
            "s" => Unit::Second,
            "min" => Unit::Minute,
            _ => return None,
        };
        let amount = amount(number)?;
        let rate = Self { amount, unit };
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

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTING: &str = "a rate from 1/min to 10000/s, such as 20/s";
        read(deserializer, EXPECTING, |text| {
            Self::parse(text).ok_or_else(|| format!("`{text}` is not {EXPECTING}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_of_time_needs_its_unit() {
        let read = |text| span(text).map(|d| d.as_millis());
        assert_eq!(["500ms", "2s", "1.5s", "10m"].map(read), [500, 2_000, 1_500, 600_000].map(Some));
        assert_eq!(
            ["2", "s", "-1s", "11m", "1h", "0.1ms", "1 0s", "", "99999999999999999999999s"].map(read),
            [None; 9]
        );
    }

    #[test]
    fn a_rate_is_a_number_per_second_or_minute() {
        let read = |text| Rate::parse(text).map(|r| (r.per_second(), r.due(10)));
        assert_eq!(read("20/s"), Some((20.0, Duration::from_millis(500))));
        assert_eq!(read("30/min"), Some((0.5, Duration::from_secs(20))));
        assert_eq!(["20", "0/s", "-1/s", "20/h", "10001/s", "0.5/min", "/s"].map(read), [None; 7]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = (span(&text), Rate::parse(&text));
        }

        #[test]
        fn a_rate_comes_back_from_its_text(amount in 1u32..=10_000) {
            let text = format!("{amount}/s");
            prop_assert_eq!(Rate::parse(&text).unwrap().to_string(), text);
        }
    }
}
