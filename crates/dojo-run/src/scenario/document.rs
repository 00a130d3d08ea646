//! The parts of a scenario as they are written: the document, its steps, and what the steps consist of.

use super::{Expectation, Rate, Text, scalar};
use dojo_contract::NewOrder;
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{convert::Infallible, fmt, time::Duration};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a scenario with `name` and `steps`")]
pub(super) struct Document {
    pub name: String,
    pub lesson: Option<String>,
    pub settings: Option<SettingsChange>,
    pub steps: Vec<Step>,
}

/// A step of a scenario.
#[derive(Debug, Clone)]
pub enum Step {
    /// Show a text to the room.
    Say(Text),
    /// Place one order and wait for its answer.
    Order(OrderTemplate),
    /// Place many orders on a fixed schedule, without waiting for answers.
    Flood(Flood),
    /// Wait for a fixed time.
    Pause(Duration),
    /// Change settings.
    Settings(SettingsChange),
    /// Wait for events and record whether they arrived.
    Expect(Expectation),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Say(text) => write!(f, "say {text}"),
            Self::Order(order) => write!(f, "order {order}"),
            Self::Flood(Flood { count, rate, order }) => write!(f, "flood {count} at {rate}: {order}"),
            Self::Pause(duration) => write!(f, "pause {duration:?}"),
            Self::Settings(change) => write!(f, "settings {change}"),
            Self::Expect(expectation) => write!(f, "expect {expectation}"),
        }
    }
}

/// An order whose names may have placeholders.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "an order such as { customerName: Ada, item: Pizza, quantity: 1, price: 9.50 }"
)]
#[expect(missing_docs, reason = "the fields are those of NewOrder")]
pub struct OrderTemplate {
    pub customer_name: Text,
    pub item: Text,
    #[serde(deserialize_with = "scalar::quantity")]
    pub quantity: i64,
    #[serde(deserialize_with = "scalar::price")]
    pub price: Decimal,
}

impl OrderTemplate {
    /// Returns the `n`th order of a flood in run `run`.
    pub fn fill(&self, run: &str, n: u64) -> NewOrder {
        NewOrder {
            customer_name: self.customer_name.fill(run, n),
            item: self.item.fill(run, n),
            quantity: self.quantity,
            price: self.price,
        }
    }
}

impl fmt::Display for OrderTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customer_name, item, quantity, price } = self;
        write!(f, "{quantity} × {item} at ${price} for {customer_name}")
    }
}

/// Many orders on a fixed schedule. Each is sent at its time, whether or not the orders before it were answered, as
/// customers who don't know one another would send them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a flood such as { count: 12, rate: 20/s, order: { … } }")]
pub struct Flood {
    /// Number of orders, 1 to 100,000.
    #[serde(deserialize_with = "scalar::count")]
    pub count: u64,
    /// Orders per second or minute.
    pub rate: Rate,
    /// Each order; `${n}` is its number, from 1.
    pub order: OrderTemplate,
}

/// A JSON Merge Patch (RFC 7396) of the settings, with the contract's names; null removes a value.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct SettingsChange(pub Map<String, Value>);

impl fmt::Display for SettingsChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.0).map_err(|_| fmt::Error)?)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Verb {
    Say,
    Order,
    Flood,
    Pause,
    Settings,
    Expect,
}

/// A second member of a step, which is always an error. Reading it fails, so that the error has its position.
struct NoSecondVerb(Infallible);

impl<'de> Deserialize<'de> for NoSecondVerb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar::read(deserializer, "nothing", |key| {
            Err(format!(
                "a step has one name, and `{key}` is a second one; indent it further if it belongs to the step above \
                 it, or start a new step with `- {key}:`"
            ))
        })
        .map(Self)
    }
}

/// Written by hand, because YAML's own enums are tags (`!order`), and a buffering derive would lose positions.
impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepVisitor;

        impl<'de> Visitor<'de> for StepVisitor {
            type Value = Step;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step such as `- pause: 2s`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Step, A::Error> {
                let Some(verb) = map.next_key()? else {
                    return Err(de::Error::custom(
                        "the step is empty; remove it, or write one such as `- pause: 2s`",
                    ));
                };
                let step = match verb {
                    Verb::Say => Step::Say(map.next_value()?),
                    Verb::Order => Step::Order(map.next_value()?),
                    Verb::Flood => Step::Flood(map.next_value()?),
                    Verb::Pause => Step::Pause(map.next_value::<scalar::Span>()?.0),
                    Verb::Settings => Step::Settings(map.next_value()?),
                    Verb::Expect => Step::Expect(map.next_value()?),
                };
                match map.next_key::<NoSecondVerb>()? {
                    None => Ok(step),
                    Some(second) => match second.0 {},
                }
            }
        }

        deserializer.deserialize_map(StepVisitor)
    }
}
