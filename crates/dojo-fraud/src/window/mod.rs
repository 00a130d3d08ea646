//! Sliding windows in event time: which orders, of one customer and of all, lie in the span around an order.
//!
//! Pure. Orders come in with their event time and the time at which they arrived; answers go out. There is no clock.
//!
//! # What is counted
//!
//! The window of an order at `t` for a span `S` is `(E - S, E]`, where `E` is the latest event time already seen in
//! `[t, t + S)`: of the customer's own orders for questions about the customer, of all orders for questions about everyone.
//! Where orders arrive in the order of their times, `E` is `t`. Where they overtake one another, which records of different
//! partitions do, each order still finds all that came before it, because the window ends at the latest of them. So the k-th
//! arrival of a customer's orders within a span counts k, in whatever order they arrive.
//!
//! - An order id counts once. An order that comes again gets the answers of its first time: orders that arrived after it are
//!   left out.
//! - An order that is late by more than the span finds the orders of its own time, and not those of now.
//! - An order dated more than a minute ahead is alone in its window, and leaves no trace in any other.
//!
//! # What is held
//!
//! Windows answer for spans up to the one that they hold. An order is forgotten when event time has moved on by that span and
//! four minutes since it arrived, or when there are too many orders (1,000,000) or too much text in names (32 MiB). The
//! oldest arrivals go first. A question that reaches beyond what is held gets a partial answer, and the window says so.

mod line;
mod names;
mod view;

#[cfg(test)]
mod tests;

pub use view::OrderWindow;

use dojo_contract::Order;
use line::Line;
use names::Names;
use parking_lot::Mutex;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use uuid::Uuid;

/// The length of the window in `windowStats`, in milliseconds; also how far ahead of its arrival an order may be dated.
pub const WINDOW: i64 = 60_000;
/// How much longer than the span an order is held, for orders that come late.
const MARGIN: i64 = 4 * WINDOW;
const MAX_ORDERS: usize = 1_000_000;
const MAX_NAME_BYTES: usize = 32 << 20;

/// What a window needs to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a> {
    /// The order's id, which counts once.
    pub id: Uuid,
    /// Whose order.
    pub customer: &'a str,
    /// What was ordered.
    pub item: &'a str,
    /// How many were ordered.
    pub quantity: u32,
    /// Quantity times price, in cents.
    pub cents: i64,
    /// When it was placed: event time, milliseconds since 1970.
    pub time: i64,
}

impl<'a> Placed<'a> {
    /// Returns what a window needs to know of an order that was placed at `time`. The limits of an order make its total a whole
    /// number of cents.
    pub fn of(order: &'a Order, time: i64) -> Self {
        let cents = order.total().saturating_mul(Decimal::ONE_HUNDRED);
        Self {
            id: order.id,
            customer: &order.customer_name,
            item: &order.item,
            quantity: u32::try_from(order.quantity).unwrap_or_default(),
            cents: cents.to_i64().unwrap_or_default(),
            time,
        }
    }
}

/// Whether an event time is too far ahead of `now`, the time of its arrival, to be taken for a time of ours.
pub fn is_far_ahead(time: i64, now: i64) -> bool {
    time > now.saturating_add(WINDOW)
}

/// The orders that are held, by customer and together. A clone is another handle to the same orders, so that a rule can ask about
/// them while it runs.
#[derive(Debug, Clone)]
pub struct Windows(Arc<Mutex<Held>>);

impl Default for Windows {
    fn default() -> Self {
        Self::holding(WINDOW)
    }
}

impl Windows {
    /// Creates windows that answer for spans up to `span`, in milliseconds.
    pub fn holding(span: i64) -> Self {
        Self(Arc::new(Mutex::new(Held::new(span))))
    }

    /// Takes in `order`, which arrives at `now` (milliseconds since 1970), and returns its window, which includes it.
    pub fn count(&self, order: Placed<'_>, now: i64) -> OrderWindow {
        let number = self.0.lock().count(order, now);
        OrderWindow::new(self.clone(), order, number)
    }

    /// Takes in `order`, which was judged before a restart. Event time doesn't move on, so that no order is forgotten before
    /// those that are still to be judged have found it.
    pub fn recall(&self, order: Placed<'_>, now: i64) {
        self.0.lock().recall(order, now);
    }

    /// Returns how many orders are held.
    pub fn held(&self) -> usize {
        self.0.lock().orders.len()
    }
}

/// The orders that are held.
#[derive(Debug)]
struct Held {
    span: i64,
    /// In the order of arrival, which is the order of forgetting. Numbers are consecutive, and `first` is that of the front.
    orders: VecDeque<Arrival>,
    first: u64,
    numbers: HashMap<Uuid, u64>,
    everyone: Line,
    customers: HashMap<Arc<str>, Line>,
    names: Names,
    /// The latest event time counted; it never goes back.
    stream_time: Option<i64>,
    /// The latest event time of an order that was forgotten for lack of room.
    lost: Option<i64>,
}

#[derive(Debug)]
struct Arrival {
    id: Uuid,
    customer: Arc<str>,
    item: Arc<str>,
    quantity: u32,
    cents: i64,
    time: i64,
    /// The latest event time among this arrival and those before it.
    stream_time: i64,
}

impl Held {
    fn new(span: i64) -> Self {
        Self {
            span,
            orders: VecDeque::new(),
            first: 0,
            numbers: HashMap::new(),
            everyone: Line::default(),
            customers: HashMap::new(),
            names: Names::default(),
            stream_time: None,
            lost: None,
        }
    }

    /// Returns the order's number; `None` if it is dated too far ahead to be held.
    fn count(&mut self, order: Placed<'_>, now: i64) -> Option<u64> {
        if let Some(number) = self.numbers.get(&order.id) {
            return Some(*number);
        }
        if is_far_ahead(order.time, now) {
            return None;
        }
        let stream_time = self.stream_time.map_or(order.time, |latest| latest.max(order.time));
        self.stream_time = Some(stream_time);
        self.forget(stream_time);
        Some(self.insert(order))
    }

    fn recall(&mut self, order: Placed<'_>, now: i64) {
        if !self.numbers.contains_key(&order.id) && !is_far_ahead(order.time, now) {
            self.forget(i64::MIN);
            self.insert(order);
        }
    }

    fn insert(&mut self, order: Placed<'_>) -> u64 {
        let number = self.next_number();
        let stream_time = self.orders.back().map_or(order.time, |last| last.stream_time.max(order.time));
        let (customer, item) = (self.names.get(order.customer), self.names.get(order.item));
        self.customers.entry(Arc::clone(&customer)).or_default().insert(order.time, order.cents, number);
        self.everyone.insert(order.time, order.cents, number);
        self.numbers.insert(order.id, number);
        let Placed { id, quantity, cents, time, .. } = order;
        self.orders.push_back(Arrival { id, customer, item, quantity, cents, time, stream_time });
        number
    }

    /// Returns the number of the next order to arrive.
    fn next_number(&self) -> u64 {
        self.first + self.orders.len() as u64
    }

    fn order(&self, number: u64) -> Option<&Arrival> {
        self.orders.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn forget(&mut self, stream_time: i64) {
        while let Some(oldest) = self.orders.front() {
            let is_over = oldest.stream_time < stream_time.saturating_sub(self.span).saturating_sub(MARGIN);
            let is_too_much = self.orders.len() >= MAX_ORDERS || self.names.bytes() > MAX_NAME_BYTES;
            if !is_over && !is_too_much {
                break;
            }
            if !is_over {
                self.lost = self.lost.max(Some(oldest.time));
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(Arrival { id, customer, item, cents, time, .. }) = self.orders.pop_front() else { return };
        let number = self.first;
        self.first += 1;
        // A number that belongs to a later order of the same id stays.
        if self.numbers.get(&id) == Some(&number) {
            self.numbers.remove(&id);
        }
        self.everyone.remove(time, cents, number);
        if let Some(own) = self.customers.get_mut(&customer) {
            own.remove(time, cents, number);
            if own.is_empty() {
                self.customers.remove(&customer);
            }
        }
        self.names.release(customer);
        self.names.release(item);
    }
}
