//! The facts that a rule gets and the decisions that it returns: plain values, so that a caller needs to know nothing about
//! rules, and a rule nothing about events.
//!
//! The facts come from the orders and windows of `dojo-contract`, and the decisions become its events.

use dojo_contract::{FraudAlert, Order, Severity, WindowStats};
use rust_decimal::Decimal;
use std::fmt;

/// An order, as a rule sees it under the name `order`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderFacts {
    /// The order's id.
    pub id: String,
    /// Name of the customer.
    pub customer_name: String,
    /// What was ordered.
    pub item: String,
    /// How many were ordered.
    pub quantity: i64,
    /// Price of one, in dollars.
    pub price: Decimal,
    /// Quantity times price, in dollars.
    pub total: Decimal,
    /// Status of the order, for example `created`.
    pub status: String,
}

impl From<&Order> for OrderFacts {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.to_string(),
            customer_name: order.customer_name.clone(),
            item: order.item.clone(),
            quantity: order.quantity,
            price: order.price,
            total: order.total(),
            status: order.status.name().to_owned(),
        }
    }
}

/// The counts of an order's windows, as a rule sees them under the name `window`. Both include the order itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowFacts {
    /// Orders of the same customer.
    pub customer_orders_in_window: u64,
    /// Orders of all customers.
    pub global_orders_in_window: u64,
}

impl From<WindowStats> for WindowFacts {
    fn from(stats: WindowStats) -> Self {
        Self {
            customer_orders_in_window: stats.customer_orders_in_window,
            global_orders_in_window: stats.global_orders_in_window,
        }
    }
}

/// An attempt to notify a customer about an order, as a rule sees it under the name `delivery`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFacts {
    /// What happened to the order: `created`, `updated` or `deleted`.
    pub action: String,
    /// How many attempts failed before this one.
    pub retry_count: u32,
    /// The probability that an attempt fails, 0 to 1.
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
        write!(f, "{} {}: {}", self.severity.name(), self.kind, self.reason)
    }
}

impl From<Alert> for FraudAlert {
    fn from(Alert { kind, reason, severity }: Alert) -> Self {
        Self { kind, reason, severity }
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
