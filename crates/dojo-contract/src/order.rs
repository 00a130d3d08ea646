//! What an order is, and which orders are accepted.
//!
//! The limits are checked here, once: for the API, for a client that wants to know before it asks, and for everyone who
//! reads `orders`, where any producer can write. Money is exact: a decimal in memory, a JSON number on the wire, and
//! never a binary fraction in between.

use crate::{
    name::{self, Name},
    price::{self, PRICE_DECIMALS, PRICE_MAX, Price},
    schema::whole_number,
    time,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::Uuid;

const QUANTITY_MAX: i64 = 1_000;

/// Describes how many of an item are ordered.
struct Quantity;

impl ToSchema for Quantity {}
impl PartialSchema for Quantity {
    fn schema() -> RefOr<Schema> {
        whole_number(1, QUANTITY_MAX).description(Some("How many of the item.")).into()
    }
}

/// Where an order stands in the kitchen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum OrderStatus {
    Created,
    Preparing,
    Delivering,
    Delivered,
    Cancelled,
}

impl OrderStatus {
    /// Every status, in the order an order goes through them.
    pub const ALL: [Self; 5] =
        [Self::Created, Self::Preparing, Self::Delivering, Self::Delivered, Self::Cancelled];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Preparing => "preparing",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }
}

/// An order for food, as the API answers it and as it travels in an [`OrderEvent`](crate::OrderEvent).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Also the key of every record about this order, so that they share a partition and keep their order.
    pub id: Uuid,
    /// Name of the customer; fraud windows count by it.
    #[schema(value_type = Name)]
    pub customer_name: String,
    /// What was ordered.
    #[schema(value_type = Name)]
    pub item: String,
    /// How many, 1 to 1,000.
    #[schema(value_type = Quantity)]
    pub quantity: i64,
    /// Unit price in dollars, at most two decimals.
    #[serde(with = "price")]
    #[schema(value_type = Price)]
    pub price: Decimal,
    /// Where the order stands in the kitchen.
    pub status: OrderStatus,
    /// When the order service accepted it.
    #[serde(with = "time")]
    pub created_at: DateTime<Utc>,
}

impl Order {
    /// Returns `quantity * price` in dollars, exact; saturates where hostile values would overflow.
    pub fn total(&self) -> Decimal {
        Decimal::from(self.quantity).saturating_mul(self.price)
    }

    /// Returns the order with its names normalized, or everything about it that the API would refuse.
    pub fn validated(mut self) -> Result<Self, Vec<FieldError>> {
        check(&mut self.customer_name, &mut self.item, self.quantity, self.price)?;
        Ok(self)
    }
}

/// One thing that is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The JSON field, as the sender spelled it.
    pub field: String,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl FieldError {
    /// An error about `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// An error about a quantity, which was sent as `sent`.
    pub fn quantity(sent: impl fmt::Display) -> Self {
        Self::new("quantity", format!("is {sent}: give a whole number from 1 to {QUANTITY_MAX}"))
    }

    /// An error about a price, which was sent as `sent`.
    pub fn price(sent: impl fmt::Display) -> Self {
        let message =
            format!("is {sent}: give dollars from 0 to {PRICE_MAX} with at most {PRICE_DECIMALS} decimals");
        Self::new("price", message)
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.message)
    }
}

/// What a customer asks for, before it is an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of Order")]
pub struct NewOrder {
    #[schema(value_type = Name)]
    pub customer_name: String,
    #[schema(value_type = Name)]
    pub item: String,
    #[schema(value_type = Quantity)]
    pub quantity: i64,
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    #[schema(value_type = Price)]
    pub price: Decimal,
}

impl NewOrder {
    /// Returns the request with its names normalized, or everything that is wrong with it.
    pub fn validated(mut self) -> Result<Self, Vec<FieldError>> {
        check(&mut self.customer_name, &mut self.item, self.quantity, self.price)?;
        Ok(self)
    }

    /// Returns the order that this request becomes.
    pub fn into_order(self, id: Uuid, created_at: DateTime<Utc>) -> Order {
        Order {
            id,
            customer_name: self.customer_name,
            item: self.item,
            quantity: self.quantity,
            price: self.price.normalize(),
            status: OrderStatus::Created,
            created_at: time::to_millis(created_at),
        }
    }
}

/// What a PUT changes; an absent field stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the fields are those of Order")]
pub struct OrderChange {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Name)]
    pub customer_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Name)]
    pub item: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Quantity)]
    pub quantity: Option<i64>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "rust_decimal::serde::arbitrary_precision_option"
    )]
    #[schema(value_type = Price)]
    pub price: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OrderStatus)]
    pub status: Option<OrderStatus>,
}

impl OrderChange {
    /// Returns `order` with this change made, or everything that is wrong with the change.
    pub fn applied_to(self, order: &Order) -> Result<Order, Vec<FieldError>> {
        let asked = NewOrder {
            customer_name: self.customer_name.unwrap_or_else(|| order.customer_name.clone()),
            item: self.item.unwrap_or_else(|| order.item.clone()),
            quantity: self.quantity.unwrap_or(order.quantity),
            price: self.price.unwrap_or(order.price),
        }
        .validated()?;
        Ok(Order {
            status: self.status.unwrap_or(order.status),
            ..asked.into_order(order.id, order.created_at)
        })
    }
}

/// Normalizes the names, and checks every field against its limits.
fn check(
    customer: &mut String,
    item: &mut String,
    quantity: i64,
    price: Decimal,
) -> Result<(), Vec<FieldError>> {
    let check_name = |field: &str, name: &mut String| match name::normalized(name) {
        Ok(normalized) => {
            *name = normalized;
            None
        }
        Err(message) => Some(FieldError::new(field, message)),
    };
    let errors = [
        check_name("customerName", customer),
        check_name("item", item),
        check_quantity(quantity),
        check_price(price),
    ];
    let errors: Vec<_> = errors.into_iter().flatten().collect();
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

fn check_quantity(quantity: i64) -> Option<FieldError> {
    (!(1..=QUANTITY_MAX).contains(&quantity)).then(|| FieldError::quantity(quantity))
}

fn check_price(price: Decimal) -> Option<FieldError> {
    let out_of_range = price.is_sign_negative() && !price.is_zero() || price > PRICE_MAX;
    (out_of_range || price.normalize().scale() > PRICE_DECIMALS).then(|| FieldError::price(price))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pizza() -> NewOrder {
        NewOrder {
            customer_name: " Ada ".into(),
            item: "Pizza".into(),
            quantity: 2,
            price: Decimal::new(1999, 2),
        }
    }

    #[test]
    fn names_are_trimmed_and_composed() {
        let decomposed = NewOrder { customer_name: " Jose\u{301}\n".into(), ..pizza() };
        assert_eq!(decomposed.clone().validated().unwrap().customer_name, "Jos\u{e9}");
        let order = decomposed.into_order(Uuid::nil(), DateTime::UNIX_EPOCH);
        assert_eq!(order.validated().unwrap().customer_name, "Jos\u{e9}");
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let wrong = NewOrder {
            customer_name: "  ".into(),
            item: "x".repeat(101),
            quantity: 0,
            price: Decimal::new(-1, 2),
        };
        let fields: Vec<_> = wrong.validated().unwrap_err().into_iter().map(|e| e.field).collect();
        assert_eq!(fields, ["customerName", "item", "quantity", "price"]);
    }

    #[test]
    fn limits_are_inclusive_and_count_characters_not_bytes() {
        let edge = NewOrder {
            customer_name: "ä".repeat(100),
            item: "x".into(),
            quantity: 1_000,
            price: Decimal::from(100_000),
        };
        assert!(edge.clone().validated().is_ok());
        assert!(NewOrder { price: "100000.01".parse().unwrap(), ..edge.clone() }.validated().is_err());
        assert!(NewOrder { price: "0.001".parse().unwrap(), ..edge.clone() }.validated().is_err());
        assert!(NewOrder { price: "0.100".parse().unwrap(), ..edge }.validated().is_ok());
    }

    #[test]
    fn a_price_stays_exact_through_json() {
        let order = pizza().into_order(Uuid::nil(), DateTime::UNIX_EPOCH);
        let json = serde_json::to_string(&order).unwrap();
        assert!(json.contains(r#""price":19.99,"#), "{json}");
        assert_eq!(serde_json::from_str::<Order>(&json).unwrap(), order);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::from_value::<Order>(value).unwrap(), order);
    }

    #[test]
    fn hostile_totals_do_not_overflow() {
        let order = Order {
            quantity: i64::MAX,
            price: Decimal::MAX,
            ..pizza().into_order(Uuid::nil(), DateTime::UNIX_EPOCH)
        };
        assert_eq!(order.total(), Decimal::MAX);
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let order = pizza().validated().unwrap().into_order(Uuid::nil(), DateTime::UNIX_EPOCH);
        let change = OrderChange { status: Some(OrderStatus::Delivered), ..Default::default() };
        let changed = change.applied_to(&order).unwrap();
        assert_eq!(changed, Order { status: OrderStatus::Delivered, ..order });
    }

    proptest! {
        #[test]
        fn every_price_in_cents_is_accepted_and_comes_back_the_same(cents in 0i64..=10_000_000) {
            let price = Decimal::new(cents, 2);
            let order = NewOrder { price, ..pizza() }.validated().unwrap().into_order(Uuid::nil(), DateTime::UNIX_EPOCH);
            let back: Order = serde_json::from_str(&serde_json::to_string(&order).unwrap()).unwrap();
            prop_assert_eq!(back.price, price);
        }
    }
}
