//! The verdict on one expectation, in words.

use std::fmt;
use uuid::Uuid;

/// An order, and its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The order's id.
    pub order: Uuid,
    /// The order's customer.
    pub customer: String,
    /// Its events in the order of arrival, in the words of the contract.
    pub events: Vec<String>,
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
        if self.events.is_empty() { "nothing".to_owned() } else { self.events.join("; ") }
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
