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
//! Orders are numbered from 1, from top to bottom; with `times: 7` an entry has seven numbers. An order that `alerts` doesn't name
//! must pass; an order that `deliveries` doesn't name must be delivered by the first attempt.

use super::expected::{AlertPattern, AttemptPattern, Expected};
use chrono::NaiveTime;
use dojo_contract::{Defaults, NewOrder, OnExhausted, OrderAction, Setting};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use std::{path::PathBuf, time::Duration};

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
    pub(crate) settings: Option<Settings>,
    /// For a notification rule: the instance that makes the attempts.
    #[serde(default)]
    pub(crate) instance: Option<String>,
    /// For a notification rule: the time from an attempt to its retry.
    #[serde(default, deserialize_with = "given_duration")]
    pub(crate) retry_after: Option<Duration>,
    /// For a notification rule: orders with another seed have other ids, and so other random numbers.
    #[serde(default)]
    pub(crate) seed: u64,
}

/// Orders that differ only in their time.
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
    #[serde(deserialize_with = "fail_rate")]
    pub(crate) fail_rate: Decimal,
    #[serde(deserialize_with = "max_retries")]
    pub(crate) max_retries: u32,
    #[serde(deserialize_with = "on_exhausted")]
    pub(crate) on_exhausted: OnExhausted,
    #[serde(deserialize_with = "delivery_millis")]
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
                "`{text}` isn't a time of day: write \"02:30\" or \"02:30:15\", in quotes"
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

fn given_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}

fn fail_rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    Ok(setting(Setting::FailRate, deserializer)?.fail_rate(ANY_INSTANCE, &Defaults::default()))
}

fn max_retries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(setting(Setting::MaxRetries, deserializer)?.max_retries(ANY_INSTANCE, &Defaults::default()))
}

fn on_exhausted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OnExhausted, D::Error> {
    Ok(setting(Setting::OnExhausted, deserializer)?.on_exhausted(ANY_INSTANCE))
}

fn delivery_millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let time = setting(Setting::DeliveryMillis, deserializer)?.delivery_time(ANY_INSTANCE);
    u64::try_from(time.as_millis()).map_err(de::Error::custom)
}

/// A setting of a case applies to all instances.
const ANY_INSTANCE: &str = "";

/// Reads the value of a setting as `PATCH /settings` does, so a case has no setting that a dojo can't have.
fn setting<'de, D: Deserializer<'de>>(
    setting: Setting,
    deserializer: D,
) -> Result<dojo_contract::Settings, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let mut settings = dojo_contract::Settings::default();
    settings.apply(setting.name(), Some(value.to_string().as_bytes())).map_err(de::Error::custom)?;
    Ok(settings)
}
