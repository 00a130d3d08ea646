//! The orders of one customer, or of everyone, in the order of event time.
//!
//! Each point has the sum of all totals up to it, so the sum of any range is one subtraction. Orders arrive nearly in order, so
//! an insertion is nearly always near the end and a removal nearly always near the front. Then few other sums change.

use std::{collections::VecDeque, ops::Range};

#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) time: i64,
    /// Cents up to this point, itself included. It may wrap around: only differences count.
    sum: i64,
    /// The number of the order.
    pub(super) number: u64,
}

/// Points in ascending order of time; those of equal time in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Line {
    points: VecDeque<Point>,
    /// The sum before the first point.
    base: i64,
}

impl Line {
    /// Creates a line with room for a single order, since most customers have no more at a time.
    pub(super) fn of_one() -> Self {
        Self { points: VecDeque::with_capacity(1), base: 0 }
    }

    pub(super) fn insert(&mut self, time: i64, cents: i64, number: u64) {
        let at = self.number_before(|other| other.time <= time);
        let sum = self.sum_before(at).wrapping_add(cents);
        self.points.insert(at, Point { time, sum, number });
        self.points.range_mut(at + 1..).for_each(|later| later.sum = later.sum.wrapping_add(cents));
    }

    pub(super) fn remove(&mut self, time: i64, cents: i64, number: u64) {
        let from = self.points.partition_point(|other| other.time < time);
        let Some(at) = (from..self.points.len()).find(|at| self.points[*at].number == number) else { return };
        // Only differences count: the sums before the order can grow, or those behind it shrink. Those before it are nearly
        // always few, and those behind it may be hundreds of thousands.
        if at < self.points.len() / 2 {
            self.base = self.base.wrapping_add(cents);
            self.points.range_mut(..at).for_each(|earlier| earlier.sum = earlier.sum.wrapping_add(cents));
        } else {
            self.points.range_mut(at + 1..).for_each(|later| later.sum = later.sum.wrapping_sub(cents));
        }
        self.points.remove(at);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Returns the window of `span` milliseconds of an order at `time`.
    pub(super) fn window(&self, time: i64, span: i64) -> Range<usize> {
        let end = self.number_before(|other| other.time < time.saturating_add(span));
        let latest = end.checked_sub(1).and_then(|last| self.points.get(last)).map_or(time, |last| last.time);
        let start = self.points.partition_point(|other| other.time <= latest.saturating_sub(span));
        start.min(end)..end
    }

    /// Returns the sum of a range, in cents.
    pub(super) fn sum(&self, range: &Range<usize>) -> i64 {
        self.sum_before(range.end).wrapping_sub(self.sum_before(range.start))
    }

    /// Returns the points of a range.
    pub(super) fn points(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = &Point> {
        self.points.range(range)
    }

    /// Returns the window as it was when the order with this number had just arrived.
    pub(super) fn window_then(&self, time: i64, span: i64, number: u64) -> Vec<Point> {
        let end = self.number_before(|other| other.time < time.saturating_add(span));
        let before = self.points.range(..end).rev().filter(|point| point.number <= number);
        let latest = before.clone().next().map_or(time, |latest| latest.time);
        let mut window: Vec<_> =
            before.take_while(|point| point.time > latest.saturating_sub(span)).copied().collect();
        window.reverse();
        window
    }

    /// Returns the number of points that are before a time, which are nearly always all.
    fn number_before(&self, is_before: impl Fn(&Point) -> bool) -> usize {
        match self.points.back() {
            Some(last) if !is_before(last) => self.points.partition_point(is_before),
            _ => self.points.len(),
        }
    }

    fn sum_before(&self, at: usize) -> i64 {
        at.checked_sub(1).and_then(|last| self.points.get(last)).map_or(self.base, |last| last.sum)
    }
}
