//! How much memory the windows take when they are full: the most orders that they hold, each of another customer and of another item.
//!
//! `cargo bench -p dojo-fraud --bench memory` prints the bytes an order, and the ratio to the same orders in a plain list.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench")]

use chrono::DateTime;
use dojo_contract::{Order, OrderStatus};
use dojo_fraud::window::{MAX_ORDERS, Placed, Windows};
use rust_decimal::Decimal;
use std::hint::black_box;
use uuid::Uuid;

const NOON: i64 = 1_800_000_000_000;
const HOUR: i64 = 3_600_000;

fn main() {
    // The windows come first: after the list, they would get the memory that the allocator keeps of it.
    let before = resident();
    let windows = Windows::holding(HOUR);
    let apart = HOUR / MAX_ORDERS as i64;
    for n in 0..MAX_ORDERS {
        windows.count(Placed::of(&order(n), NOON + n as i64 * apart), NOON + HOUR);
    }
    let full = resident().saturating_sub(before);
    println!("full windows: {}", said(full, windows.held()));
    println!("  while they were filled, the process had {} MiB at the most", peak() >> 20);

    // The windows stay, so that the list gets separate memory.
    let before = resident();
    let list: Vec<_> = (0..MAX_ORDERS).map(order).collect();
    let plain = resident().saturating_sub(before);
    println!("a plain list: {}", said(plain, list.len()));
    println!("ratio:        {:>5.2}", full as f64 / plain as f64);
    black_box((windows, list));
}

fn order(n: usize) -> Order {
    Order {
        id: Uuid::from_u128(n as u128),
        customer_name: format!("Customer {n}"),
        item: format!("Pizza {n}"),
        quantity: 1 + (n % 9) as i64,
        price: Decimal::new(999, 2),
        status: OrderStatus::Created,
        created_at: DateTime::UNIX_EPOCH,
    }
}

fn said(bytes: usize, orders: usize) -> String {
    format!("{:>5} MiB for {orders} orders, {} bytes each", bytes >> 20, bytes / orders)
}

/// Returns the resident memory of this process in bytes; 0 where the system has no `/proc`.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: usize =
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4_096
}

/// Returns the most resident memory that this process has had, in bytes; 0 where the system has no `/proc`.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).unwrap_or_default() << 10
}
