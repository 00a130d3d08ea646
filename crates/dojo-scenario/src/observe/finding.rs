//! The verdict on one expectation, in words, and the evidence for it.

use std::fmt;
use uuid::Uuid;

/// An order, and its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The order's id.
    pub order: Uuid,
    /// The order's customer.
    pub customer: String,
    /// Its events in the order of arrival.
    pub events: Vec<ExampleEvent>,
}

/// An event of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleEvent {
    /// The event in the words of the contract.
    pub text: String,
    /// Whether the expectation counts it.
    pub counts: bool,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order, customer, .. } = self;
        write!(f, "{order} of {customer}: {}", self.events())
    }
}

impl Example {
    /// Returns the events in one text.
    pub fn events(&self) -> String {
        let texts: Vec<_> = self.events.iter().map(|event| event.text.as_str()).collect();
        if texts.is_empty() { "nothing".to_owned() } else { texts.join("; ") }
    }
}

/// The state of an expectation at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the expectation is met; `None` if that needs more time.
    pub met: Option<bool>,
    /// What has been seen.
    pub seen: String,
}

impl Judgement {
    /// The judgement of an expectation that the observer wasn't made for.
    pub(super) fn unknown() -> Self {
        Self { met: Some(false), seen: "nothing was observed for this expectation".to_owned() }
    }
}

/// What a judgement rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// Some orders: those that met the expectation, or, if it isn't met, those that contradict it.
    pub examples: Vec<Example>,
    /// The state of the consumer group that the expectation is about: a line for each member.
    pub members: Vec<String>,
    /// If it isn't met: where the reason is most likely to be found.
    pub look: Option<String>,
}
