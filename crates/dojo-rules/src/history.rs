//! What a fraud rule asks about the orders around the one at hand: `customer.orders(300)`, `everyone.total(3600)`,
//! `customer.recent(600)`.

use crate::{
    EarlierOrder, MAX_EARLIER_ORDERS, MAX_SPAN, OrderHistory, OrdersOf, comparisons,
    vocabulary::{self, EARLIER_ORDER},
};
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT};
use rust_decimal::Decimal;
use std::sync::Arc;

/// The constant's name in a script for the customer of the order at hand.
pub(crate) const CUSTOMER: &str = "customer";
/// The constant's name in a script for all customers.
pub(crate) const EVERYONE: &str = "everyone";

#[derive(Clone)]
struct Customer(Arc<dyn OrderHistory>);

#[derive(Clone)]
struct Everyone(Arc<dyn OrderHistory>);

/// Returns the value for a script's scope.
pub(crate) fn value(of: OrdersOf, history: Arc<dyn OrderHistory>) -> Dynamic {
    match of {
        OrdersOf::Customer => Dynamic::from(Customer(history)),
        OrdersOf::Everyone => Dynamic::from(Everyone(history)),
    }
}

type Answer<T> = Result<T, Box<EvalAltResult>>;

/// Registers both constants' types and functions with an engine.
pub(crate) fn register(engine: &mut Engine) {
    vocabulary::register(engine, &EARLIER_ORDER);
    comparisons::refuse_whole::<Customer>(engine, CUSTOMER);
    comparisons::refuse_whole::<Everyone>(engine, EVERYONE);
    engine
        .register_type_with_name::<Customer>(CUSTOMER)
        .register_fn("orders", |of: &mut Customer, span: INT| orders(&*of.0, OrdersOf::Customer, span))
        .register_fn("total", |of: &mut Customer, span: INT| total(&*of.0, OrdersOf::Customer, span))
        .register_fn("recent", |of: &mut Customer, span: INT| recent(&*of.0, span))
        .register_type_with_name::<Everyone>(EVERYONE)
        .register_fn("orders", |of: &mut Everyone, span: INT| orders(&*of.0, OrdersOf::Everyone, span))
        .register_fn("total", |of: &mut Everyone, span: INT| total(&*of.0, OrdersOf::Everyone, span));
}

fn orders(history: &dyn OrderHistory, of: OrdersOf, span: INT) -> Answer<INT> {
    let number = history.orders(of, checked(span)?);
    Ok(INT::try_from(number).unwrap_or(INT::MAX))
}

fn total(history: &dyn OrderHistory, of: OrdersOf, span: INT) -> Answer<Decimal> {
    Ok(history.total(of, checked(span)?))
}

fn recent(history: &dyn OrderHistory, span: INT) -> Answer<Array> {
    let earlier = history.recent(checked(span)?).into_iter().take(MAX_EARLIER_ORDERS);
    Ok(earlier.map(|order: EarlierOrder| EARLIER_ORDER.value(order)).collect())
}

fn checked(span: INT) -> Answer<u32> {
    match u32::try_from(span) {
        Ok(span @ 1..=MAX_SPAN) => Ok(span),
        _ => Err(comparisons::refusal(format!(
            "a span of {span} seconds: give 1 to {MAX_SPAN} seconds (an hour at most)"
        ))),
    }
}
