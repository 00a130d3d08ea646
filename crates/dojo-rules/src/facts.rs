//! The facts that a rule gets and the decisions that it returns: plain values, so that a caller needs to know nothing about
//! rules, and a rule nothing about events.
//!
//! The services make the facts from the records on Kafka, and turn the decisions into events.

use rust_decimal::Decimal;
use std::fmt;

/// An order, as a rule sees it under the name `order`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFacts {
    /// The order's id.
    pub id: String,
    /// Who ordered.
    pub customer_name: String,
    /// What was ordered.
    pub item: String,
    /// How many of it.
    pub quantity: i64,
    /// Price of one, in dollars.
    pub price: Decimal,
    /// Quantity times price, in dollars.
    pub total: Decimal,
    /// How far the order is, for example `created`.
    pub status: String,
}

/// What came in the same window of time, as a rule sees it under the name `window`. Both counts include the order at
/// hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowFacts {
    /// Orders of the same customer.
    pub customer_orders_in_window: u64,
    /// Orders of everybody.
    pub global_orders_in_window: u64,
}

/// An attempt to notify a customer about an order, as a rule sees it under the name `delivery`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFacts {
    /// What happened to the order: `created`, `updated` or `deleted`.
    pub action: String,
    /// How many attempts failed before this one.
    pub retry_count: u32,
    /// The share of attempts that are meant to fail, 0 to 1.
    pub fail_rate: Decimal,
    /// The instance that makes the attempt.
    pub instance_id: String,
}

/// A suspicion of the fraud rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The type of fraud, such as `VELOCITY` or one of the rule's own. Not empty, and at most [`Alert::MAX_KIND`]
    /// characters.
    pub kind: String,
    /// The reason, for a person; at most [`Alert::MAX_REASON`] characters.
    pub reason: String,
    /// How bad.
    pub severity: Severity,
}

impl Alert {
    /// Longest [`Alert::kind`], in characters.
    pub const MAX_KIND: usize = 64;
    /// Longest [`Alert::reason`], in characters.
    pub const MAX_REASON: usize = 1_000;
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity, self.kind, self.reason)
    }
}

/// How bad an [`Alert`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a look.
    Low,
    /// Suspicious.
    Medium,
    /// Almost certainly fraud.
    High,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// As rules and events write it: `HIGH`, `MEDIUM` or `LOW`.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }

    /// The severity with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The result of an attempt to notify a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The customer was notified.
    Delivered,
    /// The attempt failed.
    Failed {
        /// The reason, in the rule's words; at most [`Delivery::MAX_REASON`] characters.
        reason: String,
    },
}

impl Delivery {
    /// Longest reason, in characters; a longer one is cut.
    pub const MAX_REASON: usize = 1_000;
}
