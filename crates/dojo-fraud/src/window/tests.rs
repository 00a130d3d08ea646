//! What windows answer, whatever the order of arrival.

use super::{held::MAX_NAME_BYTES, *};
use dojo_rules::{EarlierOrder, MAX_EARLIER_ORDERS, OrderHistory as _, OrdersOf};
use proptest::prelude::*;
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use uuid::Uuid;

const NOON: i64 = 1_800_000_000_000;

const LATER: i64 = NOON + 5 * WINDOW;

fn placed(n: u128, customer: &str, time: i64) -> Placed<'_> {
    Placed { id: Uuid::from_u128(n), customer, item: "Pizza", quantity: 1, cents: 950, time }
}

fn count(windows: &Windows, n: u128, customer: &str, time: i64) -> (u64, u64) {
    let stats = windows.count(placed(n, customer, time), LATER).stats();
    (stats.customer_orders_in_window, stats.global_orders_in_window)
}

#[test]
fn an_order_leaves_the_window_after_exactly_a_minute() {
    let windows = Windows::default();
    assert_eq!(count(&windows, 1, "ada", NOON), (1, 1));
    assert_eq!(count(&windows, 2, "ada", NOON + WINDOW - 1), (2, 2));
    assert_eq!(count(&windows, 3, "ada", NOON + WINDOW), (2, 2));
}

#[test]
fn customers_are_counted_apart_and_together() {
    let windows = Windows::default();
    count(&windows, 1, "ada", NOON);
    assert_eq!(count(&windows, 2, "bob", NOON + 1), (1, 2));
    assert_eq!(count(&windows, 3, "ada", NOON + 2), (2, 3));
}

#[test]
fn an_order_more_than_a_minute_late_finds_its_own_time() {
    let windows = Windows::default();
    count(&windows, 1, "ada", NOON);
    for n in 10..20 {
        count(&windows, n, "ada", NOON + 2 * WINDOW);
    }
    assert_eq!(count(&windows, 2, "ada", NOON + 1), (2, 2));
}

#[test]
fn the_same_order_again_gets_the_counts_of_its_first_time() {
    let windows = Windows::default();
    count(&windows, 1, "ada", NOON);
    count(&windows, 2, "ada", NOON + 1);
    assert_eq!(count(&windows, 1, "ada", NOON + 2), (1, 1));
    assert_eq!(count(&windows, 3, "ada", NOON + 3), (3, 3));
}

#[test]
fn a_recalled_order_is_there_for_one_that_is_counted_ten_minutes_before_the_last() {
    let windows = Windows::default();
    for (n, time) in [(1, NOON), (2, NOON + 1), (3, NOON + 10 * WINDOW)] {
        windows.recall(placed(n, "ada", time), NOON + 10 * WINDOW);
    }
    assert_eq!(count(&windows, 4, "ada", NOON + 2), (3, 3));
    assert_eq!(count(&windows, 2, "ada", NOON + 1), (2, 2), "a recalled order keeps its counts");
}

#[test]
fn what_is_over_is_forgotten_without_a_trace() {
    let windows = Windows::default();
    for n in 0..1_000 {
        count(&windows, n, &format!("customer {n}"), NOON - 10 * WINDOW);
    }
    count(&windows, 1_000, "ada", NOON);
    let held = windows.0.lock();
    assert_eq!((held.orders.len(), held.customers.len(), held.numbers.len()), (1, 1, 1));
    assert_eq!(held.names.bytes(), "ada".len() + "Pizza".len());
}

#[test]
fn memory_is_bounded_in_number_and_in_names() {
    let windows = Windows::default();
    for n in 0..MAX_ORDERS as u128 + 10 {
        count(&windows, n, "ada", NOON);
    }
    assert_eq!(windows.held(), MAX_ORDERS);
    let windows = Windows::default();
    for n in 0..1_100 {
        count(&windows, n, &format!("{n:0>32768}"), NOON);
    }
    let bytes = windows.0.lock().names.bytes();
    assert!(bytes <= MAX_NAME_BYTES + (1 << 15) + 5, "{bytes}");
    assert!(windows.held() >= 1_000);
}

#[test]
fn no_time_is_too_strange() {
    let windows = Windows::default();
    for (n, time) in [i64::MIN, i64::MAX, 0, -1, i64::MIN + 1, NOON].into_iter().enumerate() {
        count(&windows, n as u128, "ada", time);
        windows.count(placed(100 + n as u128, "", time), i64::MAX).stats();
    }
}

/// An order of a test: who, and how many milliseconds after [`NOON`].
type Order = (usize, i64);

/// The customer's counts of `orders` in the given order of arrival, one for each order.
fn customer_counts(orders: &[(u128, Order)]) -> Vec<(u128, usize, u64)> {
    let windows = Windows::default();
    let counted = orders.iter().map(|(id, (customer, after))| {
        let (own, _) = count(&windows, *id, &format!("customer {customer}"), NOON + after);
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
    (own, others).prop_map(|(own, others)| own.into_iter().map(|after| (0, after)).chain(others).collect())
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
        let windows = Windows::default();
        for (expected, (id, (customer, after))) in (1..).zip(orders) {
            prop_assert_eq!(count(&windows, id, &customer.to_string(), NOON + after).1, expected);
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
        let windows = Windows::default();
        let mut mixed = Vec::new();
        for (n, order) in orders.iter().enumerate() {
            for (m, _) in ahead.iter().enumerate().filter(|(_, at)| at.index(orders.len()) == n) {
                let counts = count(&windows, 1_000 + m as u128, "customer 0", NOON + 1_000_000 * WINDOW);
                prop_assert_eq!(counts, (1, 1));
            }
            let (id, (customer, after)) = *order;
            mixed.push((id, customer, count(&windows, id, &format!("customer {customer}"), NOON + after).0));
        }
        prop_assert_eq!(mixed, customer_counts(&orders));
    }
}

/// An order of the reference: its customer, milliseconds after [`NOON`], and cents.
type Priced = (usize, i64, i64);

const HOUR: i64 = 60 * WINDOW;

/// Answers by looking at every order that had arrived by the one at `index`: how many, how many cents, and the earlier ones.
fn reference(orders: &[Priced], index: usize, of: OrdersOf, span: i64) -> (u64, i64, Vec<(i64, u32)>) {
    let (customer, time, _) = orders[index];
    let candidates =
        orders.iter().enumerate().take(index + 1).filter(|(_, (other, at, _))| {
            (of == OrdersOf::Everyone || *other == customer) && *at < time + span
        });
    let latest = candidates.clone().map(|(_, (_, at, _))| *at).max().unwrap();
    let mut window: Vec<_> = candidates.filter(|(_, (_, at, _))| *at > latest - span).collect();
    let (count, cents) = (window.len() as u64, window.iter().map(|(_, (_, _, cents))| cents).sum());
    window.sort_by_key(|(n, (_, at, _))| (*at, *n));
    let earlier = window.into_iter().rev().filter(|(n, _)| *n != index);
    let ago = |at: i64| u32::try_from((time - at) / 1_000).unwrap_or(0);
    (count, cents, earlier.take(MAX_EARLIER_ORDERS).map(|(_, (_, at, cents))| (*cents, ago(*at))).collect())
}

proptest! {
    #[test]
    fn every_answer_is_that_of_a_look_at_all_orders(
        orders in prop::collection::vec((0..3_usize, 0..HOUR, 0..10_000_i64), 1..120),
        spans in prop::collection::vec(1..=3_600_u32, 1..4),
        comes_again: bool,
    ) {
        let windows = Windows::holding(HOUR);
        let customers = ["ada", "bob", "cleo"];
        let counted: Vec<_> = (0..).zip(&orders).map(|(n, (customer, after, cents))| {
            let order = Placed { cents: *cents, ..placed(n, customers[*customer], NOON + after) };
            (order, windows.count(order, NOON + HOUR))
        }).collect();
        for (index, (order, window)) in counted.iter().enumerate() {
            // Asked late, or about an order that comes again, a window answers as at its first time.
            let again = windows.count(*order, NOON + HOUR);
            let window = if comes_again { &again } else { window };
            for span in &spans {
                for of in [OrdersOf::Customer, OrdersOf::Everyone] {
                    let (count, cents, earlier) = reference(&orders, index, of, i64::from(*span) * 1_000);
                    prop_assert_eq!(window.orders(of, *span), count);
                    prop_assert_eq!(window.total(of, *span), Decimal::new(cents, 2));
                    if of == OrdersOf::Customer {
                        let said: Vec<_> = window.recent(*span).into_iter().map(|EarlierOrder { total, seconds_ago, .. }| {
                            ((total * Decimal::ONE_HUNDRED).to_i64().unwrap(), seconds_ago)
                        }).collect();
                        prop_assert_eq!(said, earlier);
                    }
                }
            }
            prop_assert!(!window.is_partial());
        }
    }

    #[test]
    fn a_window_asked_at_once_is_that_of_a_look_at_all_orders(
        orders in prop::collection::vec((0..3_usize, 0..10 * WINDOW, 0..10_000_i64), 1..120),
        span in 1..=600_u32,
    ) {
        let windows = Windows::holding(HOUR);
        for (index, (customer, after, cents)) in orders.iter().enumerate() {
            let order = Placed { cents: *cents, ..placed(index as u128, ["ada", "bob", "cleo"][*customer], NOON + after) };
            let window = windows.count(order, NOON + HOUR);
            for of in [OrdersOf::Customer, OrdersOf::Everyone] {
                let (count, cents, earlier) = reference(&orders, index, of, i64::from(span) * 1_000);
                prop_assert_eq!((window.orders(of, span), window.total(of, span)), (count, Decimal::new(cents, 2)));
                if of == OrdersOf::Customer {
                    prop_assert_eq!(window.recent(span).len(), earlier.len());
                }
            }
        }
    }
}

#[test]
fn sums_stay_right_when_orders_are_forgotten() {
    let windows = Windows::holding(WINDOW);
    for n in 0..2_000 {
        let order = Placed { cents: 100, ..placed(n, "ada", NOON + n as i64 * 1_000) };
        let window = windows.count(order, NOON + HOUR);
        let expected = Decimal::from((n + 1).min(60) as i64);
        assert_eq!(
            (window.total(OrdersOf::Customer, 60), window.total(OrdersOf::Everyone, 60)),
            (expected, expected)
        );
    }
    assert!(windows.held() < 400, "{}", windows.held());
}

#[test]
fn a_span_beyond_what_is_held_is_partial() {
    let windows = Windows::holding(WINDOW);
    let window = windows.count(placed(1, "ada", NOON), NOON);
    window.orders(OrdersOf::Customer, 60);
    assert!(!window.is_partial());
    window.orders(OrdersOf::Customer, 61);
    assert!(window.is_partial());
    assert_eq!(window.longest_asked(), 61);
}

#[test]
fn an_order_that_comes_again_once_its_neighbours_are_forgotten_gets_a_partial_answer() {
    let windows = Windows::default();
    for n in 0..5 {
        count(&windows, n, "ada", NOON);
    }
    assert_eq!(count(&windows, 5, "ada", NOON + WINDOW / 2), (6, 6));
    // A later order moves event time on: the first five are forgotten, and the sixth is still held.
    count(&windows, 6, "bob", NOON + 5 * WINDOW + 1);
    assert_eq!(windows.held(), 2);
    let again = windows.count(placed(5, "ada", NOON + WINDOW / 2), LATER).stats();
    assert_eq!((again.customer_orders_in_window, again.partial), (1, true));
}

#[test]
fn an_order_later_than_anything_held_gets_a_partial_answer() {
    let windows = Windows::default();
    count(&windows, 1, "ada", NOON - 10 * WINDOW);
    assert!(!windows.count(placed(2, "ada", NOON), LATER).stats().partial, "it is forgotten by now");
    assert!(windows.count(placed(3, "ada", NOON - 10 * WINDOW), LATER).stats().partial);
}

#[test]
fn a_span_that_reaches_orders_forgotten_for_lack_of_room_is_partial() {
    let windows = Windows::holding(HOUR);
    for n in 0..MAX_ORDERS as u128 + 10 {
        windows.count(placed(n, "ada", NOON + n as i64), NOON + HOUR);
    }
    let end = NOON + MAX_ORDERS as i64;
    let window = windows.count(placed(u128::MAX, "ada", end + 100_000), NOON + HOUR);
    window.orders(OrdersOf::Customer, 1_000);
    assert!(!window.is_partial(), "the window starts after the last order that was forgotten");
    window.orders(OrdersOf::Customer, 1_200);
    assert!(window.is_partial());
}
