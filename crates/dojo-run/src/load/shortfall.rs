//! How far a flood fell short of its rate, and what kept it. Pure.

use super::silence::{Interval, Silence};
use std::{fmt, time::Duration};

/// A flood in which too many orders were sent late.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortfall {
    /// Orders of the schedule.
    pub orders: u64,
    /// Orders that were sent more than `tolerance` after they were due, or not at all.
    pub late: u64,
    /// How late an order may be sent.
    pub tolerance: Duration,
    /// How late the latest order was.
    pub latest: Duration,
    /// Orders per second that the schedule asks for, or `None` if all are due at one moment.
    pub asked: Option<f64>,
    /// Orders per second that were sent.
    pub held: Option<f64>,
    /// What kept the orders.
    pub cause: Cause,
}

/// What kept orders from being sent in time.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// The dojo answered nothing for some time, until no more requests could be in flight.
    Silence {
        /// That time.
        silence: Silence,
        /// The most requests in flight.
        in_flight: usize,
    },
    /// The dojo answered all the time, but too slowly.
    SlowAnswers {
        /// The most requests in flight.
        in_flight: usize,
    },
    /// More requests could have been in flight, but this machine did not send them.
    ThisMachine {
        /// Orders that were late for this reason.
        late: u64,
        /// The most requests in flight.
        in_flight: usize,
        /// The longest time in which this process did not run.
        did_not_run: Option<Interval>,
    },
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, late, tolerance, latest, asked, held, cause } = self;
        write!(
            f,
            "rate not held: {late} of {orders} orders were sent more than {tolerance:?} late, the latest {:.1} s late",
            latest.as_secs_f64()
        )?;
        if let (Some(asked), Some(held)) = (asked, held) {
            write!(f, " (asked for {asked:.1}/s, sent {held:.1}/s)")?;
        }
        write!(f, "; {cause}")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silence { silence, in_flight } => write!(
                f,
                "{silence}, until {in_flight} requests were in flight; see the order service's log and GET /status: \
                 did the order service or its Kafka stand still?"
            ),
            Self::SlowAnswers { in_flight } => write!(
                f,
                "the dojo answers slower than orders are due: {in_flight} requests were in flight; lower the `rate`, \
                 or use a release build on a machine with more room"
            ),
            Self::ThisMachine { late, in_flight, did_not_run } => {
                write!(
                    f,
                    "this machine could not send faster: {late} orders were sent late though fewer than {in_flight} \
                     requests were in flight"
                )?;
                if let Some(interval) = did_not_run {
                    write!(f, ", and dojo-run did not run for {interval}")?;
                }
                f.write_str("; lower the `rate`, or end other programs on this machine")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortfall_says_by_how_much_and_what_kept_the_rate() {
        let interval = Interval { from: Duration::from_millis(4_200), to: Duration::from_millis(7_200) };
        let mut shortfall = Shortfall {
            orders: 5_000,
            late: 1_976,
            tolerance: Duration::from_millis(500),
            latest: Duration::from_millis(1_980),
            asked: Some(1_000.0),
            held: Some(833.333),
            cause: Cause::Silence { silence: Silence(interval), in_flight: 1_024 },
        };
        assert_eq!(
            shortfall.to_string(),
            "rate not held: 1976 of 5000 orders were sent more than 500ms late, the latest 2.0 s late (asked for \
             1000.0/s, sent 833.3/s); nothing was answered for 3.0 s (from 4.2 s to 7.2 s after the start), until 1024 \
             requests were in flight; see the order service's log and GET /status: did the order service or its Kafka \
             stand still?"
        );
        shortfall.asked = None;
        shortfall.cause = Cause::ThisMachine { late: 1_900, in_flight: 1_024, did_not_run: Some(interval) };
        assert_eq!(
            shortfall.to_string(),
            "rate not held: 1976 of 5000 orders were sent more than 500ms late, the latest 2.0 s late; this machine \
             could not send faster: 1900 orders were sent late though fewer than 1024 requests were in flight, and \
             dojo-run did not run for 3.0 s (from 4.2 s to 7.2 s after the start); lower the `rate`, or end other \
             programs on this machine"
        );
    }
}
