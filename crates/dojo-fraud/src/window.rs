//! Sliding windows in event time: how many orders, of one customer and of all, are in the minute around an order.
//!
//! Pure. Orders come in with their event time and the time at which they arrived; counts go out. There is no clock.
//!
//! # What is counted
//!
//! The window of an order at `t` is the minute `(E - 60 s, E]`, where `E` is the latest event time already seen in
//! `[t, t + 60 s)`: of the customer's own orders for the customer's count, of all orders for the global one. Where
//! orders arrive in the order of their times, `E` is `t`. Where they overtake one another, which records of
//! different partitions do, each order still finds all that came before it, because the window ends at the latest of
//! them. So the k-th arrival of a customer's orders within one minute counts k, in whatever order they arrive.
//!
//! - An order id counts once. One that comes again gets the counts of its first time.
//! - An order more than a minute late finds the orders of its own time, and not those of now.
//! - An order dated more than a minute ahead is alone in its window, and leaves no trace in any other.
//!
//! # What is remembered
//!
//! An order is forgotten when event time has moved on by five windows since it arrived, or when there are too many
//! (300,000, some 50 MB: more than 1,000 orders a second for five minutes, or 5,000 for one), or too much text in
//! customers' names (32 MiB). The oldest arrivals go first. So a window is complete up to 5,000 orders a second, and
//! above that the memory stays bounded while the counts stay far above any sensible threshold.

use dojo_contract::WindowStats;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};
use uuid::Uuid;

/// The length of a window in milliseconds; also how far ahead of its arrival an order may be dated.
pub const WINDOW: i64 = 60_000;
const REMEMBERED: i64 = 5 * WINDOW;
const MAX_ORDERS: usize = 300_000;
const MAX_NAME_BYTES: usize = 32 << 20;

/// What a window needs to know of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed<'a> {
    /// The order's id, which counts once.
    pub id: Uuid,
    /// Whose order.
    pub customer: &'a str,
    /// When it was placed: event time, milliseconds since 1970.
    pub time: i64,
}

/// Whether an event time is too far ahead of `now`, the time of its arrival, to be taken for a time of ours.
pub fn is_far_ahead(time: i64, now: i64) -> bool {
    time > now.saturating_add(WINDOW)
}

/// All orders that count at the moment, by customer and together.
#[derive(Debug, Default)]
pub struct Windows {
    everybody: Times,
    customers: HashMap<Arc<str>, Times>,
    counted: HashMap<Uuid, Counts>,
    /// In the order of arrival, which is the order of forgetting.
    arrivals: VecDeque<Arrival>,
    /// The latest event time counted; it never goes back.
    stream_time: Option<i64>,
    name_bytes: usize,
}

#[derive(Debug)]
struct Arrival {
    id: Uuid,
    customer: Arc<str>,
    time: i64,
    /// The latest event time among this arrival and those before it.
    stream_time: i64,
}

/// [`WindowStats`] in half the space: there may be hundreds of thousands of them.
#[derive(Debug, Clone, Copy)]
struct Counts {
    customer: u32,
    everybody: u32,
}

impl From<Counts> for WindowStats {
    fn from(counts: Counts) -> Self {
        Self {
            customer_orders_in_window: counts.customer.into(),
            global_orders_in_window: counts.everybody.into(),
            partial: false,
        }
    }
}

impl Windows {
    /// Takes in `order`, which arrives at `now` (milliseconds since 1970), and counts its windows; both counts
    /// include it.
    pub fn count(&mut self, order: Placed<'_>, now: i64) -> WindowStats {
        if let Some(counts) = self.counted.get(&order.id) {
            return (*counts).into();
        }
        if is_far_ahead(order.time, now) {
            return Counts { customer: 1, everybody: 1 }.into();
        }
        let stream_time = self.stream_time.map_or(order.time, |latest| latest.max(order.time));
        self.stream_time = Some(stream_time);
        self.forget(stream_time);
        self.insert(order).into()
    }

    /// Takes in `order`, which was counted before a restart. Event time doesn't move on, so that no order is forgotten
    /// before those that are still to be counted have found it.
    pub fn recall(&mut self, order: Placed<'_>, now: i64) {
        if !self.counted.contains_key(&order.id) && !is_far_ahead(order.time, now) {
            self.forget(i64::MIN);
            self.insert(order);
        }
    }

    fn insert(&mut self, order: Placed<'_>) -> Counts {
        let stream_time = self.arrivals.back().map_or(order.time, |last| last.stream_time.max(order.time));
        let customer = self.name(order.customer);
        let own = self.customers.entry(Arc::clone(&customer)).or_default();
        own.insert(order.time);
        self.everybody.insert(order.time);
        let counts =
            Counts { customer: own.around(order.time), everybody: self.everybody.around(order.time) };
        self.counted.insert(order.id, counts);
        self.arrivals.push_back(Arrival { id: order.id, customer, time: order.time, stream_time });
        counts
    }

    /// How many orders are remembered.
    pub fn remembered(&self) -> usize {
        self.arrivals.len()
    }

    /// The customer's name, shared with whoever ordered before under the same.
    fn name(&mut self, customer: &str) -> Arc<str> {
        match self.customers.get_key_value(customer) {
            Some((name, _)) => Arc::clone(name),
            None => {
                self.name_bytes += customer.len();
                Arc::from(customer)
            }
        }
    }

    fn forget(&mut self, stream_time: i64) {
        while let Some(oldest) = self.arrivals.front() {
            let is_over = oldest.stream_time < stream_time.saturating_sub(REMEMBERED);
            let is_too_much = self.arrivals.len() >= MAX_ORDERS || self.name_bytes > MAX_NAME_BYTES;
            if !is_over && !is_too_much {
                break;
            }
            if let Some(arrival) = self.arrivals.pop_front() {
                self.remove(&arrival);
            }
        }
    }

    fn remove(&mut self, arrival: &Arrival) {
        self.counted.remove(&arrival.id);
        self.everybody.remove(arrival.time);
        if let Some(own) = self.customers.get_mut(&arrival.customer) {
            own.remove(arrival.time);
            if own.is_empty() {
                self.customers.remove(&arrival.customer);
                self.name_bytes -= arrival.customer.len();
            }
        }
    }
}

/// Event times in ascending order. Orders arrive nearly in order, so an insertion is nearly always at the end and a
/// removal nearly always at the front.
#[derive(Debug, Default)]
struct Times(VecDeque<i64>);

impl Times {
    fn insert(&mut self, time: i64) {
        let at = self.0.partition_point(|other| *other <= time);
        self.0.insert(at, time);
    }

    fn remove(&mut self, time: i64) {
        let at = self.0.partition_point(|other| *other < time);
        self.0.remove(at);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of times in the minute that ends at the latest of `[time, time + 60 s)`.
    fn around(&self, time: i64) -> u32 {
        let end = self.0.partition_point(|other| *other < time.saturating_add(WINDOW));
        let latest = end.checked_sub(1).and_then(|last| self.0.get(last)).copied().unwrap_or(time);
        let start = self.0.partition_point(|other| *other <= latest.saturating_sub(WINDOW));
        u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOON: i64 = 1_800_000_000_000;

    fn count(windows: &mut Windows, n: u128, customer: &str, time: i64) -> (u64, u64) {
        let stats = windows.count(Placed { id: Uuid::from_u128(n), customer, time }, NOON + REMEMBERED);
        (stats.customer_orders_in_window, stats.global_orders_in_window)
    }

    #[test]
    fn an_order_leaves_the_window_after_exactly_a_minute() {
        let mut windows = Windows::default();
        assert_eq!(count(&mut windows, 1, "ada", NOON), (1, 1));
        assert_eq!(count(&mut windows, 2, "ada", NOON + WINDOW - 1), (2, 2));
        assert_eq!(count(&mut windows, 3, "ada", NOON + WINDOW), (2, 2));
    }

    #[test]
    fn customers_are_counted_apart_and_together() {
        let mut windows = Windows::default();
        count(&mut windows, 1, "ada", NOON);
        assert_eq!(count(&mut windows, 2, "bob", NOON + 1), (1, 2));
        assert_eq!(count(&mut windows, 3, "ada", NOON + 2), (2, 3));
    }

    #[test]
    fn an_order_more_than_a_minute_late_finds_its_own_time() {
        let mut windows = Windows::default();
        count(&mut windows, 1, "ada", NOON);
        for n in 10..20 {
            count(&mut windows, n, "ada", NOON + 2 * WINDOW);
        }
        assert_eq!(count(&mut windows, 2, "ada", NOON + 1), (2, 2));
    }

    #[test]
    fn the_same_order_again_gets_the_counts_of_its_first_time() {
        let mut windows = Windows::default();
        count(&mut windows, 1, "ada", NOON);
        count(&mut windows, 2, "ada", NOON + 1);
        assert_eq!(count(&mut windows, 1, "ada", NOON + 2), (1, 1));
        assert_eq!(count(&mut windows, 3, "ada", NOON + 3), (3, 3));
    }

    #[test]
    fn a_recalled_order_is_there_for_one_that_is_counted_ten_minutes_before_the_last() {
        let mut windows = Windows::default();
        for (n, time) in [(1, NOON), (2, NOON + 1), (3, NOON + 10 * WINDOW)] {
            windows.recall(Placed { id: Uuid::from_u128(n), customer: "ada", time }, NOON + 10 * WINDOW);
        }
        assert_eq!(count(&mut windows, 4, "ada", NOON + 2), (3, 3));
        assert_eq!(count(&mut windows, 2, "ada", NOON + 1), (2, 2), "a recalled order keeps its counts");
    }

    #[test]
    fn what_is_over_is_forgotten_without_a_trace() {
        let mut windows = Windows::default();
        for n in 0..1_000 {
            count(&mut windows, n, &format!("customer {n}"), NOON - 10 * WINDOW);
        }
        count(&mut windows, 1_000, "ada", NOON);
        assert_eq!((windows.remembered(), windows.customers.len(), windows.counted.len()), (1, 1, 1));
        assert_eq!((windows.everybody.0.len(), windows.name_bytes), (1, "ada".len()));
    }

    #[test]
    fn memory_is_bounded_in_number_and_in_names() {
        let mut windows = Windows::default();
        for n in 0..MAX_ORDERS as u128 + 10 {
            count(&mut windows, n, "ada", NOON);
        }
        assert_eq!(windows.remembered(), MAX_ORDERS);
        let mut windows = Windows::default();
        for n in 0..1_100 {
            count(&mut windows, n, &format!("{n:0>32768}"), NOON);
        }
        assert!(windows.name_bytes <= MAX_NAME_BYTES + (1 << 15), "{}", windows.name_bytes);
        assert!(windows.remembered() >= 1_000);
    }

    #[test]
    fn no_time_is_too_strange() {
        let mut windows = Windows::default();
        for (n, time) in [i64::MIN, i64::MAX, 0, -1, i64::MIN + 1, NOON].into_iter().enumerate() {
            count(&mut windows, n as u128, "ada", time);
            windows.count(Placed { id: Uuid::from_u128(100 + n as u128), customer: "", time }, i64::MAX);
        }
    }

    /// An order of a test: who, and how many milliseconds after [`NOON`].
    type Order = (usize, i64);

    /// The customer's counts of `orders` in the given order of arrival, one for each order.
    fn customer_counts(orders: &[(u128, Order)]) -> Vec<(u128, usize, u64)> {
        let mut windows = Windows::default();
        let counted = orders.iter().map(|(id, (customer, after))| {
            let (own, _) = count(&mut windows, *id, &format!("customer {customer}"), NOON + after);
            (*id, *customer, own)
        });
        counted.collect()
    }

    fn shuffled(orders: impl Strategy<Value = Vec<Order>>) -> impl Strategy<Value = Vec<(u128, Order)>> {
        orders.prop_map(|orders| (1..).zip(orders).collect::<Vec<_>>()).prop_shuffle()
    }

    /// Orders of customer 0 within one minute, and of others who push the stream's time on or hold it back.
    fn one_customer_among_others() -> impl Strategy<Value = Vec<Order>> {
        let own = prop::collection::vec(0..WINDOW, 0..40);
        let others = prop::collection::vec((1..4usize, -4 * WINDOW..4 * WINDOW), 0..60);
        (own, others)
            .prop_map(|(own, others)| own.into_iter().map(|after| (0, after)).chain(others).collect())
    }

    proptest! {
        #[test]
        fn in_whatever_order_they_arrive_n_orders_of_a_minute_count_up_to_n(
            orders in shuffled(one_customer_among_others())
        ) {
            let own: Vec<u64> =
                customer_counts(&orders).into_iter().filter(|(_, c, _)| *c == 0).map(|(_, _, n)| n).collect();
            prop_assert_eq!(&own, &(1..=own.len() as u64).collect::<Vec<_>>());
            let alerts = own.iter().filter(|count| **count > 5).count();
            prop_assert_eq!(alerts, own.len().saturating_sub(5));
        }

        #[test]
        fn everybody_counts_up_as_well(orders in shuffled(prop::collection::vec((0..5usize, 0..WINDOW), 0..60))) {
            let mut windows = Windows::default();
            for (expected, (id, (customer, after))) in (1..).zip(orders) {
                prop_assert_eq!(count(&mut windows, id, &customer.to_string(), NOON + after).1, expected);
            }
        }

        #[test]
        fn an_order_that_comes_twice_changes_nothing(
            orders in shuffled(one_customer_among_others()), again in prop::collection::vec(any::<prop::sample::Index>(), 0..30)
        ) {
            let mut doubled = orders.clone();
            for index in again.iter().filter(|_| !orders.is_empty()) {
                let order = orders[index.index(orders.len())];
                doubled.insert(index.index(doubled.len() + 1), order);
            }
            let first_alerts = |orders: &[_]| {
                let alerted = customer_counts(orders).into_iter().filter(|(_, c, n)| *c == 0 && *n > 5);
                alerted.map(|(id, ..)| id).collect::<std::collections::BTreeSet<_>>()
            };
            prop_assert_eq!(first_alerts(&doubled).len(), first_alerts(&orders).len());
        }

        #[test]
        fn orders_dated_far_ahead_change_nothing_for_others(
            orders in shuffled(one_customer_among_others()), ahead in prop::collection::vec(any::<prop::sample::Index>(), 0..30)
        ) {
            let mut windows = Windows::default();
            let mut mixed = Vec::new();
            for (n, order) in orders.iter().enumerate() {
                for (m, _) in ahead.iter().enumerate().filter(|(_, at)| at.index(orders.len()) == n) {
                    let counts = count(&mut windows, 1_000 + m as u128, "customer 0", NOON + 1_000_000 * WINDOW);
                    prop_assert_eq!(counts, (1, 1));
                }
                let (id, (customer, after)) = *order;
                mixed.push((id, customer, count(&mut windows, id, &format!("customer {customer}"), NOON + after).0));
            }
            prop_assert_eq!(mixed, customer_counts(&orders));
        }
    }
}
