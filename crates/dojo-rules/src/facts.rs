//! The facts that a rule gets and the decisions that it returns, as far as `dojo-contract` doesn't have them: a fraud rule
//! gets its `WindowStats` and returns its `FraudAlert`s.

use chrono::{DateTime, Timelike as _, Utc};
use dojo_contract::{OnExhausted, Order, WindowStats};
use rust_decimal::Decimal;
use std::sync::Arc;

/// The longest span that a rule may ask about, in seconds.
pub const MAX_SPAN: u32 = 3_600;

/// The most earlier orders that a rule gets about a customer.
pub const MAX_EARLIER_ORDERS: usize = 50;

/// Everything that a fraud rule gets about an order.
#[derive(Clone)]
pub struct FraudFacts {
    /// The order.
    pub order: OrderFacts,
    /// The counts of its windows of a minute.
    pub window: WindowStats,
    /// The orders around it.
    pub history: Arc<dyn OrderHistory>,
}

/// Whose orders a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrdersOf {
    /// The customer of the order at hand.
    Customer,
    /// Everyone.
    Everyone,
}

/// What a fraud rule may ask about the orders around the one at hand. The window of a span is the one of the contract: it
/// includes the order at hand, and every order that arrived before it and lies within the span.
///
/// Spans are in seconds, from 1 to [`MAX_SPAN`].
pub trait OrderHistory: Send + Sync {
    /// Returns the number of orders in the window, including the order at hand.
    fn orders(&self, of: OrdersOf, span: u32) -> u64;

    /// Returns the sum of the totals of these orders, in dollars.
    fn total(&self, of: OrdersOf, span: u32) -> Decimal;

    /// Returns the customer's earlier orders in the window, the newest first; at most [`MAX_EARLIER_ORDERS`].
    fn recent(&self, span: u32) -> Vec<EarlierOrder>;
}

/// An order that a customer placed before the one at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlierOrder {
    /// What was ordered.
    pub item: Arc<str>,
    /// How many were ordered.
    pub quantity: i64,
    /// Quantity times price, in dollars.
    pub total: Decimal,
    /// How many seconds it was placed before the order at hand; 0 if it was placed at the same time or later.
    pub seconds_ago: u32,
}

/// A time of day in UTC, since events carry UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeOfDay {
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
}

impl From<DateTime<Utc>> for TimeOfDay {
    fn from(time: DateTime<Utc>) -> Self {
        Self { hour: time.hour(), minute: time.minute(), second: time.second() }
    }
}

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
    /// When it was placed.
    pub placed: TimeOfDay,
}

impl From<&Order> for OrderFacts {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id.to_string(),
            customer_name: order.customer_name.clone(),
            item: order.item.clone(),
            quantity: order.quantity,
            price: with_cents(order.price),
            total: with_cents(order.total()),
            status: order.status.name().to_owned(),
            placed: order.created_at.into(),
        }
    }
}

/// The amount with two decimals at least, as a rule writes it in its texts.
fn with_cents(mut amount: Decimal) -> Decimal {
    if amount.scale() < 2 {
        amount.rescale(2);
    }
    amount
}

/// Everything that a notification rule gets about an attempt to notify a customer.
#[derive(Debug, Clone)]
pub struct NotificationFacts {
    /// The order.
    pub order: OrderFacts,
    /// The attempt.
    pub attempt: AttemptFacts,
    /// The settings of the instance.
    pub settings: SettingsFacts,
}

/// An attempt to notify a customer about an order, as a rule sees it under the name `attempt`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttemptFacts {
    /// What happened to the order: `created`, `updated` or `deleted`.
    pub action: String,
    /// How many attempts failed before this one.
    pub retry_count: u32,
    /// The instance that makes the attempt.
    pub instance_id: String,
    /// When the attempt is made.
    pub at: TimeOfDay,
}

/// The settings of a notification instance, as a rule sees them under the name `settings`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsFacts {
    /// The probability that an attempt fails, 0 to 1.
    pub fail_rate: Decimal,
    /// How many retries an event gets.
    pub max_retries: u32,
    /// What happens to an event after the last retry.
    pub on_exhausted: OnExhausted,
    /// How long a delivery takes, in milliseconds.
    pub delivery_millis: u64,
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
