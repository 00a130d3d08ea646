//! What is measured while a flood is sent, and the report at its end.

use super::{
    figures::Figures,
    shortfall::{Cause, Shortfall},
    silence::{Silence, Silences},
};
use crate::RunError;
use dojo_scenario::schedule::Schedule;
use hdrhistogram::{Histogram, errors::CreationError};
use std::{fmt, time::Duration};

/// One order in this many may be late.
const LATE_ONE_IN: u64 = 20;
/// Latencies are recorded in microseconds up to this one; the histogram takes 200 kB.
const LONGEST_LATENCY_US: u64 = 120_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A running flood, for those who watch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodProgress {
    /// Orders of the schedule.
    pub orders: u64,
    /// Orders sent.
    pub sent: u64,
    /// Orders accepted.
    pub accepted: u64,
    /// Orders that were not accepted.
    pub failed: u64,
    /// For how long nothing has been answered, though requests are in flight.
    pub silent_for: Duration,
}

impl FloodProgress {
    /// Returns that nothing is answered, in words, if that has been so for long enough to be told.
    pub fn silence(&self) -> Option<String> {
        let is_told = self.silent_for >= Silence::SHORTEST;
        is_told.then(|| format!("nothing answered for {:.1} s", self.silent_for.as_secs_f64()))
    }
}

/// Writes the counts, such as "300 of 1000 sent, 298 accepted".
impl fmt::Display for FloodProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, sent, accepted, .. } = self;
        write!(f, "{sent} of {orders} sent, {accepted} accepted")?;
        self.silence().iter().try_for_each(|silence| write!(f, ", {silence}"))
    }
}

/// The figures of a flood that held its rate, and in which every order was accepted.
#[derive(Debug, Clone)]
pub struct LoadReport {
    /// Orders accepted.
    pub accepted: u64,
    /// Orders per second that the schedule asks for on average, or `None` if all are due at one moment.
    pub asked_rate: Option<f64>,
    /// Orders per second that were sent on average.
    pub held_rate: Option<f64>,
    /// Latencies in microseconds, from the time at which an order was due to its answer.
    pub latencies: Histogram<u64>,
    /// The longest time in which nothing was answered, if it is worth telling.
    pub longest_silence: Option<Silence>,
}

impl LoadReport {
    /// Returns the median latency.
    pub fn p50(&self) -> Duration {
        self.quantile(0.50)
    }

    /// Returns the 90th percentile of the latency.
    pub fn p90(&self) -> Duration {
        self.quantile(0.90)
    }

    /// Returns the 99th percentile of the latency.
    pub fn p99(&self) -> Duration {
        self.quantile(0.99)
    }

    /// Returns the longest latency.
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.latencies.max())
    }

    fn quantile(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.latencies.value_at_quantile(quantile))
    }
}

/// Writes the figures on one line, such as "1000 accepted, 200.0/s, answered after 3ms (p50), 9ms (p99), 12ms at most".
impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} accepted", self.accepted)?;
        if let Some(rate) = self.held_rate {
            write!(f, ", {rate:.1}/s")?;
        }
        write!(
            f,
            ", answered after {:.1?} (p50), {:.1?} (p99), {:.1?} at most",
            self.p50(),
            self.p99(),
            self.max()
        )?;
        if let Some(silence) = &self.longest_silence {
            write!(f, "; {silence}")?;
        }
        Ok(())
    }
}

/// Why an order is sent after it was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// As many requests were in flight as are allowed.
    Answers,
    /// The process did not get to it.
    Process,
}

/// Counts a running flood.
pub(super) struct Measured {
    /// How late an order may be sent.
    tolerance: Duration,
    orders: u64,
    asked_rate: Option<f64>,
    max_in_flight: usize,
    pub sent: u64,
    first_sent: Duration,
    last_sent: Duration,
    late_for_answers: u64,
    late_for_process: u64,
    latest: Duration,
    latencies: Histogram<u64>,
    failed: u64,
    first_failure: Option<RunError>,
    pub silences: Silences,
    figures: Figures,
}

impl Measured {
    pub fn new(schedule: &Schedule, max_in_flight: usize, figures: Figures) -> Result<Self, CreationError> {
        Ok(Self {
            orders: schedule.orders(),
            asked_rate: schedule.average_rate(),
            tolerance: schedule.tolerance(),
            max_in_flight,
            sent: 0,
            first_sent: Duration::ZERO,
            last_sent: Duration::ZERO,
            late_for_answers: 0,
            late_for_process: 0,
            latest: Duration::ZERO,
            latencies: Histogram::new_with_bounds(1, LONGEST_LATENCY_US, SIGNIFICANT_DIGITS)?,
            failed: 0,
            first_failure: None,
            silences: Silences::default(),
            figures,
        })
    }

    /// Counts an order that was due at `due`, is sent at `now`, and waited for `wait` in between.
    pub fn count_sent(&mut self, due: Duration, now: Duration, wait: Wait) {
        if self.sent == 0 {
            self.first_sent = now;
        }
        self.sent += 1;
        self.last_sent = now;
        self.count_lateness(1, due, now, wait);
        self.silences.sent(now);
        self.figures.sent(now);
    }

    /// Counts orders that were due from `due` on, and are not sent at all.
    pub fn count_unsent(&mut self, due: Duration, now: Duration, wait: Wait) {
        self.count_lateness(self.orders - self.sent, due, now, wait);
    }

    fn count_lateness(&mut self, orders: u64, due: Duration, now: Duration, wait: Wait) {
        let lateness = now.saturating_sub(due);
        self.latest = self.latest.max(lateness);
        if lateness > self.tolerance {
            match wait {
                Wait::Answers => self.late_for_answers += orders,
                Wait::Process => self.late_for_process += orders,
            }
        }
    }

    /// Counts the answer to an order that was due at `due`; `more` says whether other requests are in flight.
    pub fn count_answer(&mut self, due: Duration, now: Duration, result: Result<(), RunError>, more: bool) {
        self.silences.answered(now, more);
        match result {
            Ok(()) => {
                let micros = u64::try_from(now.saturating_sub(due).as_micros()).unwrap_or(u64::MAX);
                self.latencies.saturating_record(micros.max(1));
                self.figures.accepted(now, micros.max(1));
            }
            Err(error) => {
                self.failed += 1;
                self.figures.failed(now);
                self.first_failure.get_or_insert(error);
            }
        }
    }

    pub fn has_failed(&self) -> bool {
        self.first_failure.is_some()
    }

    pub fn moment(&self, now: Duration) -> FloodProgress {
        FloodProgress {
            orders: self.orders,
            sent: self.sent,
            accepted: self.latencies.len(),
            failed: self.failed,
            silent_for: self.silences.current(now).length(),
        }
    }

    /// Returns the report of a flood that is over.
    pub fn report(self) -> Result<LoadReport, RunError> {
        let gaps = self.sent.saturating_sub(1);
        let span = self.last_sent.saturating_sub(self.first_sent).as_secs_f64();
        let held_rate = if self.orders == 1 {
            self.asked_rate
        } else {
            (gaps > 0 && span > 0.0).then_some(gaps as f64 / span)
        };
        if let Some(first) = self.first_failure {
            return Err(RunError::OrdersFailed {
                failed: self.failed,
                sent: self.sent,
                asked: self.asked_rate,
                held: held_rate,
                first: Box::new(first),
                silence: self.silences.longest(),
            });
        }
        let late = self.late_for_answers + self.late_for_process;
        if late * LATE_ONE_IN > self.orders {
            return Err(RunError::RateNotHeld(Box::new(Shortfall {
                orders: self.orders,
                late,
                tolerance: self.tolerance,
                latest: self.latest,
                asked: self.asked_rate,
                held: held_rate,
                cause: self.cause(),
            })));
        }
        Ok(LoadReport {
            accepted: self.latencies.len(),
            asked_rate: self.asked_rate,
            held_rate,
            latencies: self.latencies,
            longest_silence: self.silences.longest(),
        })
    }

    /// Returns what kept most of the late orders.
    fn cause(&self) -> Cause {
        let in_flight = self.max_in_flight;
        if self.late_for_process > self.late_for_answers {
            let did_not_run = self.silences.longest_own();
            return Cause::ThisMachine { late: self.late_for_process, in_flight, did_not_run };
        }
        match self.silences.longest() {
            // A silence makes no order later than it is long itself. If orders were later, the dojo was slow throughout.
            Some(silence) if self.latest <= silence.0.length() + self.tolerance => {
                Cause::Silence { silence, in_flight }
            }
            _ => Cause::SlowAnswers { in_flight },
        }
    }
}
