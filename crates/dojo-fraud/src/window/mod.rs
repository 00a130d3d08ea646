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

mod held;
mod line;
mod names;
mod view;

#[cfg(test)]
mod tests;

pub use held::{MAX_ORDERS, Placed, WINDOW, Windows, is_far_ahead, millis};
pub use view::OrderWindow;
