//! The schedule of a flood: which order is due when. Pure: times are counted from the start of the flood.
//!
//! A schedule is open-loop: an order is due at its time, whether or not the orders before it were answered. The phases
//! add up to one curve, the number of orders due until a time, and order `n` is due when the curve passes `n`. Each due
//! time is computed from the curve and not from the order before, so rounding errors don't add up, and a phase that ends
//! in the middle between two orders passes its fraction on to the next phase.

use std::time::Duration;

/// The most orders of a schedule.
pub const MAX_ORDERS: u64 = 2_000_000;
/// The longest schedule: ten minutes of load, and a minute of pauses in between.
pub const LONGEST: Duration = Duration::from_secs(660);
/// How late an order may be sent by default: longer than a busy laptop stalls, shorter than a room notices.
pub const TOLERANCE: Duration = Duration::from_millis(500);
/// The highest rate, in orders per second.
pub const HIGHEST_RATE: f64 = 10_000.0;

/// How close to a whole number a sum of orders counts as that number. Larger than the rounding error of any schedule
/// within the limits, and smaller than any fraction that a person writes.
const ROUNDING_ERROR: f64 = 1e-6;

/// A part of a schedule. Rates are in orders per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Orders at a constant rate, until `length` is reached.
    Steady {
        /// Orders per second.
        rate: f64,
        /// When the phase ends.
        length: Length,
    },
    /// Orders at a rate that changes evenly.
    Ramp {
        /// The rate at the start.
        from: f64,
        /// The rate at the end.
        to: f64,
        /// The time between the two.
        lasts: Duration,
    },
    /// Orders that are all due at one moment.
    Spike {
        /// Number of orders.
        orders: u64,
    },
    /// No orders for this time.
    Pause(Duration),
}

/// The length of a steady phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Length {
    /// The phase has this number of orders.
    Orders(u64),
    /// The phase lasts for this time.
    Lasts(Duration),
}

/// Why phases don't make a schedule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScheduleError {
    /// A rate outside the limits.
    #[error("a rate must be more than 0/s and at most {HIGHEST_RATE}/s; {0}/s isn't")]
    Rate(f64),
    /// No phase has an order.
    #[error("the schedule has no orders; give a phase a longer time or a higher rate")]
    Empty,
    /// More than [`MAX_ORDERS`].
    #[error("the schedule has {0} orders; the most are {MAX_ORDERS}")]
    TooManyOrders(u64),
    /// Longer than [`LONGEST`].
    #[error("the schedule lasts {} s; the longest lasts {} s", .0.as_secs_f64().ceil(), LONGEST.as_secs())]
    TooLong(Duration),
}

/// When each order of a flood is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The phases that have orders, in order of time.
    segments: Vec<Segment>,
    orders: u64,
    lasts: Duration,
    tolerance: Duration,
}

/// A phase that has orders. Times are seconds; orders are counted from the start of the schedule, in fractions.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment {
    starts: f64,
    lasts: f64,
    orders_before: f64,
    orders_until_end: f64,
    from: f64,
    to: f64,
}

impl Schedule {
    /// Returns the schedule of these phases, one after another.
    ///
    /// # Errors
    /// A rate is outside the limits, the schedule has no orders, or it is too long.
    pub fn new(phases: &[Phase]) -> Result<Self, ScheduleError> {
        let (mut segments, mut starts, mut orders_before) = (Vec::new(), 0.0, 0.0);
        for phase in phases {
            let (from, to, lasts, orders) = phase.curve()?;
            let orders_until_end = without_rounding_error(orders_before + orders);
            if orders_until_end > orders_before {
                segments.push(Segment { starts, lasts, orders_before, orders_until_end, from, to });
            }
            (starts, orders_before) = (starts + lasts, orders_until_end);
        }
        // The curve passes every whole number below its end.
        let orders = orders_before.ceil() as u64;
        let lasts = Duration::try_from_secs_f64(starts).unwrap_or(Duration::MAX);
        if orders == 0 {
            return Err(ScheduleError::Empty);
        }
        if orders > MAX_ORDERS {
            return Err(ScheduleError::TooManyOrders(orders));
        }
        if lasts > LONGEST {
            return Err(ScheduleError::TooLong(lasts));
        }
        Ok(Self { segments, orders, lasts, tolerance: TOLERANCE })
    }

    /// Returns the schedule with another tolerance.
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self { tolerance, ..self }
    }

    /// Returns how late an order may be sent.
    pub fn tolerance(&self) -> Duration {
        self.tolerance
    }

    /// Returns the number of orders.
    pub fn orders(&self) -> u64 {
        self.orders
    }

    /// Returns the time of all phases together.
    pub fn lasts(&self) -> Duration {
        self.lasts
    }

    /// Returns when the order with this index, from 0, is due. An index past the end is due at the end.
    pub fn due(&self, index: u64) -> Duration {
        let order = index as f64;
        let at = self.segments.partition_point(|segment| segment.orders_until_end <= order);
        let seconds = self.segments.get(at).map_or(f64::INFINITY, |segment| segment.due(order));
        Duration::try_from_secs_f64(seconds).unwrap_or(self.lasts)
    }

    /// Returns the average rate in orders per second between the first and the last order, or `None` if all orders are due
    /// at one moment.
    pub fn average_rate(&self) -> Option<f64> {
        let last = self.orders.saturating_sub(1);
        let span = self.due(last).saturating_sub(self.due(0)).as_secs_f64();
        match (last, &self.segments[..]) {
            // A single order has no gap to measure; its rate is the one asked for.
            (0, [Segment { from, to, lasts, .. }, ..]) => (*lasts > 0.0).then_some((from + to) / 2.0),
            _ => (span > 0.0).then_some(last as f64 / span),
        }
    }
}

impl Segment {
    fn due(&self, order: f64) -> f64 {
        let wanted = order - self.orders_before;
        if wanted <= 0.0 {
            return self.starts;
        }
        // Solves from·t + (to - from) / (2·lasts) · t² = wanted, in the form that stays exact if the slope is close to 0.
        let slope = if self.lasts > 0.0 { (self.to - self.from) / self.lasts } else { 0.0 };
        let rate_then = (self.from * self.from + 2.0 * slope * wanted).max(0.0).sqrt();
        let after = 2.0 * wanted / (self.from + rate_then);
        // A spike has the rate 0 and no length: all of it is due at its start.
        self.starts + if after < self.lasts { after } else { self.lasts }
    }
}

impl Phase {
    /// Returns the rate at the start and at the end, the length in seconds, and the number of orders, which may have a
    /// fraction.
    fn curve(&self) -> Result<(f64, f64, f64, f64), ScheduleError> {
        match *self {
            Self::Steady { rate, length } => {
                let rate = checked(rate)?;
                let (lasts, orders) = match length {
                    Length::Orders(orders) => (orders as f64 / rate, orders as f64),
                    Length::Lasts(lasts) => (lasts.as_secs_f64(), rate * lasts.as_secs_f64()),
                };
                Ok((rate, rate, lasts, orders))
            }
            Self::Ramp { from, to, lasts } => {
                // One end may be 0, but not both.
                if let Some(rate) =
                    [from, to].into_iter().find(|rate| *rate != 0.0 && checked(*rate).is_err())
                {
                    return Err(ScheduleError::Rate(rate));
                }
                checked(from.max(to))?;
                let lasts = lasts.as_secs_f64();
                Ok((from, to, lasts, (from + to) / 2.0 * lasts))
            }
            Self::Spike { orders } => Ok((0.0, 0.0, 0.0, orders as f64)),
            Self::Pause(lasts) => Ok((0.0, 0.0, lasts.as_secs_f64(), 0.0)),
        }
    }
}

fn checked(rate: f64) -> Result<f64, ScheduleError> {
    if rate > 0.0 && rate <= HIGHEST_RATE { Ok(rate) } else { Err(ScheduleError::Rate(rate)) }
}

fn without_rounding_error(orders: f64) -> f64 {
    let whole = orders.round();
    if (orders - whole).abs() < ROUNDING_ERROR { whole } else { orders }
}

#[cfg(test)]
mod tests;
