//! The window of one order, of any span: what a rule asks about.

use super::{
    held::{Held, Placed, WINDOW, Windows, millis},
    line::Point,
};
use dojo_contract::WindowStats;
use dojo_rules::{EarlierOrder, MAX_EARLIER_ORDERS, OrderHistory, OrdersOf};
use rust_decimal::Decimal;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// The window of an order. It also records the longest span that the rule asked about.
#[derive(Debug)]
pub struct OrderWindow {
    windows: Windows,
    customer: Arc<str>,
    time: i64,
    cents: i64,
    /// The order's number; `None` if it is alone in its window.
    number: Option<u64>,
    longest_asked: AtomicU32,
    is_partial: AtomicBool,
}

impl Windows {
    /// Takes in `order`, which arrives at `now` (milliseconds since 1970), and returns its window, which includes it.
    pub fn count(&self, order: Placed<'_>, now: i64) -> OrderWindow {
        let mut held = self.0.lock();
        let number = held.count(order, now);
        // An order that comes again has the time of its first time.
        let first = number.and_then(|number| held.order(number));
        let (customer, time, cents) = first.map_or_else(
            || (order.customer.into(), order.time, order.cents),
            |first| (Arc::clone(&first.customer), first.time, first.cents),
        );
        drop(held);
        OrderWindow {
            windows: self.clone(),
            customer,
            time,
            cents,
            number,
            longest_asked: AtomicU32::new(0),
            is_partial: AtomicBool::new(false),
        }
    }
}

/// Number of orders, and sum of their totals in cents.
type Count = (u64, i64);

impl OrderWindow {
    /// Returns the counts of a minute.
    pub fn stats(&self) -> WindowStats {
        let (held, span) = (self.windows.0.lock(), (WINDOW / 1_000) as u32);
        WindowStats {
            customer_orders_in_window: self.count(&held, OrdersOf::Customer, span).0,
            global_orders_in_window: self.count(&held, OrdersOf::Everyone, span).0,
            partial: self.is_partial(),
        }
    }

    /// Returns whether an answer so far lacks orders that aren't held.
    pub fn is_partial(&self) -> bool {
        self.is_partial.load(Ordering::Relaxed)
    }

    /// Returns the longest span that was asked about so far, in seconds.
    pub fn longest_asked(&self) -> u32 {
        self.longest_asked.load(Ordering::Relaxed)
    }

    fn count(&self, held: &Held, of: OrdersOf, span: u32) -> Count {
        let Some(number) = self.number else { return (1, self.cents) };
        let span = self.asked(held, span);
        let line = match of {
            OrdersOf::Everyone => &held.everyone,
            OrdersOf::Customer => match held.customers.get(&self.customer) {
                Some(line) => line,
                None => return (1, self.cents),
            },
        };
        if number + 1 == held.next_number() {
            let window = line.window(self.time, span);
            return (window.len() as u64, line.sum(&window));
        }
        // The order came again, and others have arrived since it came first.
        let window = line.window_then(self.time, span, number);
        let cents = window.iter().filter_map(|point| held.order(point.number)).map(|order| order.cents).sum();
        (window.len() as u64, cents)
    }

    /// Notes a question, and returns its span in milliseconds.
    fn asked(&self, held: &Held, span: u32) -> i64 {
        self.longest_asked.fetch_max(span, Ordering::Relaxed);
        let span = millis(span);
        let is_cut = held.forgotten.is_some_and(|time| time > self.time.saturating_sub(span));
        if span > held.span || is_cut {
            self.is_partial.store(true, Ordering::Relaxed);
        }
        span
    }
}

impl OrderHistory for OrderWindow {
    fn orders(&self, of: OrdersOf, span: u32) -> u64 {
        self.count(&self.windows.0.lock(), of, span).0
    }

    fn total(&self, of: OrdersOf, span: u32) -> Decimal {
        Decimal::new(self.count(&self.windows.0.lock(), of, span).1, 2)
    }

    fn recent(&self, span: u32) -> Vec<EarlierOrder> {
        let held = self.windows.0.lock();
        let Some(number) = self.number else { return Vec::new() };
        let span = self.asked(&held, span);
        let Some(line) = held.customers.get(&self.customer) else { return Vec::new() };
        let window: Vec<Point> = if number + 1 == held.next_number() {
            // One more than is asked for: the order itself is among them.
            let newest = line.points(line.window(self.time, span)).rev().take(MAX_EARLIER_ORDERS + 1);
            newest.copied().collect()
        } else {
            line.window_then(self.time, span, number).into_iter().rev().collect()
        };
        let earlier = window.iter().filter(|point| point.number != number).take(MAX_EARLIER_ORDERS);
        let earlier = earlier.filter_map(|point| {
            let order = held.order(point.number)?;
            Some(EarlierOrder {
                item: Arc::clone(&order.item),
                quantity: i64::from(order.quantity),
                total: Decimal::new(order.cents, 2),
                seconds_ago: u32::try_from(self.time.saturating_sub(order.time) / 1_000).unwrap_or_default(),
            })
        });
        earlier.collect()
    }
}
