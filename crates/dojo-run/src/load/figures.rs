//! The figures of a flood over time: orders sent and answered in each interval, and how long the answers took. Pure: times are
//! counted from the start of the flood.
//!
//! The flood's thread writes them, and the report reads them, also when the flood failed. Memory is bounded: the longer the flood,
//! the longer an interval.

use dojo_scenario::schedule::Schedule;
use hdrhistogram::{Histogram, errors::CreationError};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// The lengths that an interval can have, in milliseconds.
const LENGTHS: [u64; 6] = [100, 200, 500, 1_000, 2_000, 3_000];
/// Most intervals of a flood that keeps its schedule.
const SCHEDULED_ROWS: f64 = 300.0;
/// Most intervals of any flood. What happens after that counts in the last one.
const MAX_ROWS: usize = 400;
/// Fewest orders of an interval that is shorter than a second: with less, the rate would jump from one to the next.
const FEWEST_ORDERS: f64 = 10.0;
const LONGEST_LATENCY_US: u64 = 120_000_000;
/// Two digits take 20 kB, and are more than a chart shows.
const SIGNIFICANT_DIGITS: u8 = 2;

/// What happened in one interval of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FigureRow {
    /// When it began.
    pub from: Duration,
    /// How long it lasted.
    pub length: Duration,
    /// Orders sent.
    pub sent: u64,
    /// Orders accepted.
    pub accepted: u64,
    /// Orders that were not accepted, or not answered.
    pub failed: u64,
    /// Latency of the accepted orders; `None` if no order was accepted.
    pub latency: Option<Latency>,
}

/// How long answers took, from the time at which an order was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// The 90th percentile.
    pub p90: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Latency {
    /// Returns the quantiles of a histogram of microseconds; `None` if it is empty.
    pub fn of(micros: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| Duration::from_micros(micros.value_at_quantile(quantile));
        let max = Duration::from_micros(micros.max());
        (!micros.is_empty()).then(|| Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), max })
    }
}

/// The figures of a flood, shared between its thread and its readers.
#[derive(Debug, Clone)]
pub struct Figures(Arc<Mutex<Recorded>>);

#[derive(Debug)]
struct Recorded {
    over: Vec<FigureRow>,
    current: FigureRow,
    /// The latencies of the current interval, in microseconds.
    latencies: Histogram<u64>,
}

impl Figures {
    /// No figures yet, of a flood with this schedule.
    ///
    /// # Errors
    /// The histogram can't be made.
    pub fn new(schedule: &Schedule) -> Result<Self, CreationError> {
        let length = interval(schedule.orders(), schedule.lasts());
        let latencies = Histogram::new_with_bounds(1, LONGEST_LATENCY_US, SIGNIFICANT_DIGITS)?;
        let recorded = Recorded { over: Vec::new(), current: empty(Duration::ZERO, length), latencies };
        Ok(Self(Arc::new(Mutex::new(recorded))))
    }

    /// Counts an order that is sent at `now`.
    pub fn sent(&self, now: Duration) {
        self.at(now, |recorded| recorded.current.sent += 1);
    }

    /// Counts an order that is accepted at `now`, after this time.
    pub fn accepted(&self, now: Duration, micros: u64) {
        self.at(now, |recorded| {
            recorded.current.accepted += 1;
            recorded.latencies.saturating_record(micros);
        });
    }

    /// Counts an order that isn't accepted.
    pub fn failed(&self, now: Duration) {
        self.at(now, |recorded| recorded.current.failed += 1);
    }

    /// Returns the intervals so far, one after another and without a gap.
    pub fn rows(&self) -> Vec<FigureRow> {
        // A thread that panicked has left numbers that are still right.
        let recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = FigureRow { latency: Latency::of(&recorded.latencies), ..recorded.current };
        let is_empty = current.sent + current.accepted + current.failed == 0;
        recorded.over.iter().copied().chain((!is_empty).then_some(current)).collect()
    }

    fn at(&self, now: Duration, count: impl FnOnce(&mut Recorded)) {
        let mut recorded = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.begin_intervals_until(now);
        count(&mut recorded);
    }
}

impl Recorded {
    fn begin_intervals_until(&mut self, now: Duration) {
        while self.current.from + self.current.length <= now && self.over.len() + 1 < MAX_ROWS {
            let latency = Latency::of(&self.latencies);
            self.over.push(FigureRow { latency, ..self.current });
            self.latencies.reset();
            self.current = empty(self.current.from + self.current.length, self.current.length);
        }
    }
}

fn empty(from: Duration, length: Duration) -> FigureRow {
    FigureRow { from, length, sent: 0, accepted: 0, failed: 0, latency: None }
}

/// Returns the length of an interval: a second, less if a short flood has enough orders, and more if the flood is long.
fn interval(orders: u64, lasts: Duration) -> Duration {
    let lasts = lasts.as_secs_f64();
    let fits = |length: &Duration| {
        let length = length.as_secs_f64();
        let has_enough = length >= 1.0 || orders as f64 * length >= FEWEST_ORDERS * lasts;
        has_enough && lasts <= SCHEDULED_ROWS * length
    };
    let longest = Duration::from_millis(LENGTHS.last().copied().unwrap_or(1_000));
    LENGTHS.map(Duration::from_millis).into_iter().find(fits).unwrap_or(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_scenario::schedule::{LONGEST, Length, Phase};

    fn steady(rate: f64, lasts: Duration) -> Schedule {
        Schedule::new(&[Phase::Steady { rate, length: Length::Lasts(lasts) }]).unwrap()
    }

    #[test]
    fn an_interval_is_a_second_unless_the_flood_is_short_or_long() {
        let seconds = Duration::from_secs;
        assert_eq!(interval(600, seconds(10)), Duration::from_millis(200));
        assert_eq!(interval(20, seconds(10)), seconds(1));
        assert_eq!(interval(60_000, seconds(60)), Duration::from_millis(200));
        assert_eq!(interval(300_000, seconds(300)), seconds(1));
        assert_eq!(interval(300_000, seconds(600)), seconds(2));
        assert_eq!(interval(2_000_000, LONGEST), seconds(3));
        assert_eq!(interval(200, Duration::ZERO), Duration::from_millis(100));
    }

    #[test]
    fn every_order_is_in_one_interval_and_a_silence_has_intervals_too() {
        let figures = Figures::new(&steady(1.0, Duration::from_secs(10))).unwrap();
        for second in [0, 0, 4] {
            figures.sent(Duration::from_millis(second * 1_000 + 500));
        }
        figures.accepted(Duration::from_millis(4_600), 2_000);
        figures.failed(Duration::from_millis(4_700));
        let rows = figures.rows();
        let counted: Vec<_> = rows.iter().map(|row| (row.sent, row.accepted, row.failed)).collect();
        assert_eq!(counted, [(2, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (1, 1, 1)]);
        assert_eq!(rows[4].from, Duration::from_secs(4));
        let millis = rows[4].latency.unwrap().p99.as_millis();
        assert!((1..=2).contains(&millis) && rows[3].latency.is_none(), "{rows:?}");
    }

    #[test]
    fn a_flood_of_any_length_has_a_bounded_number_of_intervals() {
        let figures = Figures::new(&steady(1.0, Duration::from_secs(10))).unwrap();
        (0..100_000).for_each(|second| figures.sent(Duration::from_secs(second)));
        let rows = figures.rows();
        assert_eq!((rows.len(), rows.iter().map(|row| row.sent).sum::<u64>()), (MAX_ROWS, 100_000));
    }
}
