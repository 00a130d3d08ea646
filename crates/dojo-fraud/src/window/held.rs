//! The orders that windows are made of: which are held, and for how long.

use super::{line::Line, names::Names};
use dojo_contract::Order;
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
/// The most orders that are held.
pub const MAX_ORDERS: usize = 1_000_000;
pub(super) const MAX_NAME_BYTES: usize = 32 << 20;

/// What a window needs to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a> {
    /// The order's id, which counts once.
    pub id: Uuid,
    /// Name of the customer.
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

/// Returns a span of seconds, in which rules ask, in the milliseconds of event time.
pub fn millis(seconds: u32) -> i64 {
    i64::from(seconds) * 1_000
}

/// Whether an event time is too far ahead of `now`, the time of its arrival, to be plausible.
pub fn is_far_ahead(time: i64, now: i64) -> bool {
    time > now.saturating_add(WINDOW)
}

/// The orders that are held, by customer and together. A clone is another handle to the same orders, so that a rule can ask about
/// them while it runs.
#[derive(Debug, Clone)]
pub struct Windows(pub(super) Arc<Mutex<Held>>);

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

    /// Takes in `order`, which was judged before a restart. Event time doesn't move on, so that no order is forgotten before
    /// those that are still to be judged have found it.
    pub fn recall(&self, order: Placed<'_>, now: i64) {
        self.0.lock().recall(order, now);
    }

    /// Notes that orders up to an event time may be missing, as if they had been held and forgotten.
    pub fn missing_until(&self, time: Option<i64>) {
        let mut held = self.0.lock();
        held.forgotten = held.forgotten.max(time);
    }

    /// Returns how many orders are held.
    pub fn held(&self) -> usize {
        self.0.lock().orders.len()
    }
}

/// The orders that are held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) span: i64,
    /// In the order of arrival, which is the order of forgetting. Numbers are consecutive, and `first` is that of the front.
    pub(super) orders: VecDeque<Arrival>,
    first: u64,
    pub(super) numbers: HashMap<Uuid, u64>,
    pub(super) everyone: Line,
    pub(super) customers: HashMap<Arc<str>, Line>,
    pub(super) names: Names,
    /// The latest event time counted; it never goes back.
    stream_time: Option<i64>,
    /// The latest event time of an order that was forgotten.
    pub(super) forgotten: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Arrival {
    id: Uuid,
    pub(super) customer: Arc<str>,
    pub(super) item: Arc<str>,
    pub(super) quantity: u32,
    pub(super) cents: i64,
    pub(super) time: i64,
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
            forgotten: None,
        }
    }

    /// Returns the order's number; `None` if it is dated too far ahead to be held.
    pub(super) fn count(&mut self, order: Placed<'_>, now: i64) -> Option<u64> {
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
        let own = self.customers.entry(Arc::clone(&customer)).or_insert_with(Line::of_one);
        own.insert(order.time, order.cents, number);
        self.everyone.insert(order.time, order.cents, number);
        self.numbers.insert(order.id, number);
        let Placed { id, quantity, cents, time, .. } = order;
        self.orders.push_back(Arrival { id, customer, item, quantity, cents, time, stream_time });
        number
    }

    /// Returns the number of the next order to arrive.
    pub(super) fn next_number(&self) -> u64 {
        self.first + self.orders.len() as u64
    }

    pub(super) fn order(&self, number: u64) -> Option<&Arrival> {
        self.orders.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn forget(&mut self, stream_time: i64) {
        while let Some(oldest) = self.orders.front() {
            let is_over = oldest.stream_time < stream_time.saturating_sub(self.span).saturating_sub(MARGIN);
            let is_too_much = self.orders.len() >= MAX_ORDERS || self.names.bytes() > MAX_NAME_BYTES;
            if !is_over && !is_too_much {
                break;
            }
            self.forgotten = self.forgotten.max(Some(oldest.time));
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
