//! The facts that a rule gets and the decisions that it returns, as far as `dojo-contract` doesn't have them: a fraud rule
//! gets its `WindowStats` and returns its `FraudAlert`s.

use dojo_contract::Order;
use rust_decimal::Decimal;

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
