//! Load that tells the truth: sends the orders of a schedule, each at its time, and measures how they were answered.
//!
//! The load is open-loop: an order is sent when it is due, whether or not the orders before it were answered, as customers
//! who don't know one another would send it. Latency is measured from the time at which the order was due, so it includes
//! the wait of an order that was sent late. Otherwise a slow dojo would look fast ("coordinated omission").
//!
//! Nothing here grows with the number of orders: the requests in flight are bounded, latencies go into a histogram, and figures over
//! time have a bounded number of intervals.

mod silence;
pub use silence::{Interval, Silence};

mod shortfall;
pub use shortfall::{Cause, Shortfall};

mod open_files;

mod figures;
pub use figures::{FigureRow, Figures, Latency};

mod measured;
pub use measured::{FloodProgress, LoadReport};

mod send;
pub use send::MAX_IN_FLIGHT;

mod own_thread;
pub use own_thread::send;

mod order_client;
pub use order_client::{OrderClient, POST_ORDERS};
