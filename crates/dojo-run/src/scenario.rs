//! What a scenario is: YAML text in, steps out, or an error that points at the place. Pure: no file, no clock.
//!
//! ```yaml
//! name: Fraud spam                    # who it is, for the room
//! lesson: Nobody orders this fast.    # optional: what to take away
//! settings: { failRate: 0 }           # optional: as PATCH /settings takes it; put back at the end
//! steps:
//!   - say: Watch the alerts.
//!   - order: { customerName: "Ada ${run}", item: Pizza, quantity: 1, price: 9.50 }
//!   - flood: { count: 12, rate: 20/s, order: { customerName: "Mallory ${run}", item: "Pizza ${n}", quantity: 1, price: 1 } }
//!   - pause: 2s
//!   - settings: { failRate: 1, instances: { notification-2: { failRate: 0.5 } } }
//!   - expect: { action: FRAUD_ALERT, alert: VELOCITY, customer: "Mallory ${run}", exactly: 7, within: 10s }
//! ```
//!
//! Parsing goes in three passes over the same text. The first (`position::survey`) refuses what no scenario may hold:
//! members given twice, aliases that unfold without end. The second (serde) reads the types; each number,
//! duration and text checks itself, so that an error stands at its own place. The third (`check`) asks what needs more
//! than one place to know.

mod error;
pub use error::{ParseError, Position};

mod position;

mod scalar;
pub use scalar::Rate;

mod text;
pub use text::Text;

mod expectation;
pub(crate) use expectation::action_name;
pub use expectation::{Count, Expectation, Subject};

mod check;

use dojo_contract::NewOrder;
use position::Segment;
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{convert::Infallible, fmt, time::Duration};

/// The longest text taken, in bytes: far more than a person writes, and little enough that the YAML scanner, whose time
/// for nested brackets grows with the square of their depth, is done in a moment.
pub const MAX_BYTES: usize = 64 * 1024;

/// A scenario that can be played.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The name the text came under, as messages give it.
    pub file: String,
    source: String,
    document: Document,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a scenario with `name` and `steps`")]
struct Document {
    name: String,
    lesson: Option<String>,
    settings: Option<SettingsChange>,
    steps: Vec<Step>,
}

impl Scenario {
    /// Reads a scenario from the bytes of `file`.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, ParseError> {
        if bytes.len() > MAX_BYTES {
            let message = format!("the scenario has {} bytes, more than {MAX_BYTES}", bytes.len());
            return Err(ParseError::whole(file, message, "many alike orders are a `flood`"));
        }
        let source = std::str::from_utf8(bytes).map_err(|e| {
            let message = format!("the scenario is not UTF-8: byte {} begins no character", e.valid_up_to());
            ParseError::whole(file, message, "save it as UTF-8")
        })?;
        let yaml = |e: serde_yaml::Error| ParseError::from_yaml(file, source, &e);
        position::survey(source).map_err(yaml)?;
        let document: Document = serde_yaml::from_str(source).map_err(yaml)?;
        check::check(&document).map_err(|complaint| {
            let position = position::of(source, &complaint.path);
            ParseError::at(file, source, position, complaint.message)
        })?;
        Ok(Self { file: file.to_owned(), source: source.to_owned(), document })
    }

    /// What it is called, for the room.
    pub fn name(&self) -> &str {
        &self.document.name
    }

    /// What the room should take away.
    pub fn lesson(&self) -> Option<&str> {
        self.document.lesson.as_deref()
    }

    /// What is set before the first step.
    pub fn settings(&self) -> Option<&SettingsChange> {
        self.document.settings.as_ref()
    }

    /// What is done, in this order.
    pub fn steps(&self) -> &[Step] {
        &self.document.steps
    }

    /// Every change of settings that playing it will ask for.
    pub fn settings_changes(&self) -> impl Iterator<Item = &SettingsChange> {
        self.settings().into_iter().chain(self.steps().iter().filter_map(|step| match step {
            Step::Settings(change) => Some(change),
            _ => None,
        }))
    }

    /// Where the step with this index (from 0) stands in the text.
    pub fn position_of_step(&self, index: usize) -> Position {
        position::of(&self.source, &[Segment::from("steps"), Segment::from(index)])
    }
}

/// One thing that is done.
#[derive(Debug, Clone)]
pub enum Step {
    /// Tell the room something.
    Say(Text),
    /// Place one order and wait for the answer.
    Order(OrderTemplate),
    /// Place many orders on a fixed schedule, without waiting for answers.
    Flood(Flood),
    /// Do nothing for a while.
    Pause(Duration),
    /// Change settings.
    Settings(SettingsChange),
    /// Wait for events, and remember whether they came.
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

/// What an order says; its names may hold placeholders.
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
    /// The order of run `run`, the `n`th of its flood.
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

/// Many orders on a fixed schedule: the n-th is sent at its time whether or not the ones before it were answered, as
/// customers who do not know of one another would.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a flood such as { count: 12, rate: 20/s, order: { … } }")]
pub struct Flood {
    /// How many, 1 to 100,000.
    #[serde(deserialize_with = "scalar::count")]
    pub count: u64,
    /// How fast.
    pub rate: Rate,
    /// What each says; `${n}` is its number, from 1.
    pub order: OrderTemplate,
}

/// A JSON Merge Patch (RFC 7396) to the settings, in the contract's names; null takes a value away.
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

/// A member after a step's first one, which there must not be: reading it is the error, so that it stands there.
struct NoSecondVerb(Infallible);

impl<'de> Deserialize<'de> for NoSecondVerb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar::read(deserializer, "nothing", |key| {
            Err(format!(
                "`{key}` stands beside the step above it; indent it further if it belongs to that step, \
                 or begin a step of its own with `- {key}:`"
            ))
        })
        .map(Self)
    }
}

/// By hand, and not as serde's enum: YAML's own enums are tags (`!order`), and buffering would lose positions.
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
                        "an empty step; take it away, or write such as `- pause: 2s`",
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

#[cfg(test)]
mod tests;
