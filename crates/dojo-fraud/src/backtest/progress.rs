//! How far a backtest is.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// Ranges of offsets by partition.
pub(super) type Ranges = BTreeMap<i32, Range<i64>>;

/// How far a backtest is, for a progress bar.
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
        let ranges = topics.iter().flat_map(|topic| topic.values());
        let records = ranges.map(|range| range.end.saturating_sub(range.start)).sum::<i64>();
        self.total.store(u64::try_from(records).unwrap_or_default(), Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
    }

    /// Returns how many records were read, and how many there are to read.
    pub fn get(&self) -> (u64, u64) {
        (self.read.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}
