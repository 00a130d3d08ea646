//! Progress of a backtest.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Ranges of offsets by partition.
pub(super) type Ranges = BTreeMap<i32, Range<i64>>;

/// Returns the number of offsets in `ranges`.
pub(super) fn records(ranges: &Ranges) -> u64 {
    ranges
        .values()
        .map(|range| u64::try_from(range.end.saturating_sub(range.start)).unwrap_or_default())
        .sum()
}

/// Progress of a backtest, for a progress bar.
#[derive(Debug, Default)]
pub struct Progress {
    read: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    pub(super) fn add(&self, records: usize) {
        self.read.fetch_add(records as u64, Ordering::Relaxed);
    }

    pub(super) fn expect(&self, topics: &[&Ranges]) {
        let total = topics.iter().map(|ranges| records(ranges)).sum();
        self.total.store(total, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
    }

    /// Returns how many records were read, and how many there are to read.
    pub fn get(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
