//! The values of settings, and which of them each setting allows.

use super::Setting;
use rust_decimal::{Decimal, prelude::FromPrimitive as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The highest number of retries.
pub(super) const MAX_RETRIES_LIMIT: u32 = 10;
/// The longest delivery, in milliseconds.
pub(super) const DELIVERY_MILLIS_LIMIT: u32 = 5_000;

/// The delivery guarantee of a service that consumes `orders` and produces what follows.
///
/// Covers what is on Kafka: the records it reads, the records it writes, and its offsets. It doesn't cover the world
/// outside, such as an e-mail that was sent before a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Guarantee {
    /// Offsets are committed after what followed is acknowledged. A crash repeats the uncommitted records.
    #[default]
    AtLeastOnce,
    /// What followed and the offsets are one Kafka transaction (KIP-98): both become visible, or neither does.
    ExactlyOnce,
}

impl Guarantee {
    /// Both guarantees, the default first.
    pub const ALL: [Self; 2] = [Self::AtLeastOnce, Self::ExactlyOnce];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "atLeastOnce",
            Self::ExactlyOnce => "exactlyOnce",
        }
    }
}

/// What happens to an event of which the last retry failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnExhausted {
    /// It goes to `orders-dlq`.
    #[default]
    DeadLetter,
    /// It is given up. Only the audit log knows.
    Drop,
    /// It is retried again, without end.
    Retry,
}

impl OnExhausted {
    /// Every choice, the default first.
    pub const ALL: [Self; 3] = [Self::DeadLetter, Self::Drop, Self::Retry];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::DeadLetter => "dlq",
            Self::Drop => "drop",
            Self::Retry => "retry",
        }
    }
}

/// A value that a setting can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingValue {
    /// A value of [`Setting::FailRate`], [`Setting::MaxRetries`] or [`Setting::DeliveryMillis`].
    Number(Decimal),
    /// A value of [`Setting::OnExhausted`].
    OnExhausted(OnExhausted),
    /// A value of [`Setting::Guarantee`].
    Guarantee(Guarantee),
}

impl SettingValue {
    /// Returns the number, if the value is one.
    pub fn number(self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(number),
            Self::OnExhausted(_) | Self::Guarantee(_) => None,
        }
    }

    /// Returns the value as JSON; a number keeps its digits, without trailing zeros.
    pub fn to_json(self) -> Value {
        match self {
            Self::Number(number) => number.normalize().to_string().parse().map_or(Value::Null, Value::Number),
            Self::OnExhausted(choice) => choice.name().into(),
            Self::Guarantee(guarantee) => guarantee.name().into(),
        }
    }
}

impl Setting {
    /// Returns `value` as a value of this setting, or which values the setting allows.
    pub(super) fn check(self, value: &Value) -> Result<SettingValue, String> {
        let (checked, allowed) = match self {
            Self::FailRate => {
                let rate = number(value).or_else(|| rounded(value)).filter(is_rate);
                (rate.map(SettingValue::Number), "a number from 0 to 1".to_owned())
            }
            Self::MaxRetries => whole_number(value, MAX_RETRIES_LIMIT),
            Self::DeliveryMillis => whole_number(value, DELIVERY_MILLIS_LIMIT),
            Self::OnExhausted => {
                let choice = OnExhausted::ALL.into_iter().find(|choice| value == choice.name());
                let [first, second, third] = OnExhausted::ALL.map(OnExhausted::name);
                (choice.map(SettingValue::OnExhausted), format!("\"{first}\", \"{second}\" or \"{third}\""))
            }
            Self::Guarantee => {
                let guarantee = Guarantee::ALL.into_iter().find(|guarantee| value == guarantee.name());
                let [one, other] = Guarantee::ALL.map(Guarantee::name);
                (guarantee.map(SettingValue::Guarantee), format!("\"{one}\" or \"{other}\""))
            }
        };
        checked.ok_or_else(|| format!("is {value}: give {allowed}"))
    }
}

/// Reads a number from its own digits, so that 0.1 stays 0.1.
fn number(value: &Value) -> Option<Decimal> {
    let text = value.as_number()?.to_string();
    text.parse().or_else(|_| Decimal::from_scientific(&text)).ok()
}

/// Reads a number that has more digits than a decimal holds, such as 1e-30.
fn rounded(value: &Value) -> Option<Decimal> {
    let number: f64 = value.as_number()?.as_str().parse().ok()?;
    // A decimal has no negative zero, and a negative number must not become a zero that is allowed.
    Decimal::from_f64(number).filter(|_| number >= 0.0)
}

/// Returns `value` as a whole number from 0 to `limit`, and what is allowed.
fn whole_number(value: &Value, limit: u32) -> (Option<SettingValue>, String) {
    let range = Decimal::ZERO..=Decimal::from(limit);
    let number = number(value).filter(|n| n.is_integer() && range.contains(n));
    (number.map(SettingValue::Number), format!("a whole number from 0 to {limit}"))
}

/// Whether `number` is a probability.
pub(super) fn is_rate(number: &Decimal) -> bool {
    (Decimal::ZERO..=Decimal::ONE).contains(number)
}
