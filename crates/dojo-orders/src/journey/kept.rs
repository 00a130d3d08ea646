//! As many records of a journey as one answer has room for: of each partition the first and the newest.
//!
//! An answer shows the first [`FIRST`] and the newest [`NEWEST`] steps. A journey keeps the order of each partition, so
//! these steps are among the first and the newest records of their partitions, and the others needn't be kept.

use crate::{journey::found::Found, log::stream_topic::StreamTopic};
use std::collections::{BTreeMap, VecDeque};

/// The first steps that an answer shows.
pub(crate) const FIRST: usize = 100;
/// The newest steps that an answer shows.
pub(crate) const NEWEST: usize = 900;

/// The records of a journey.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    partitions: BTreeMap<(StreamTopic, i32), Partition>,
    count: usize,
}

#[derive(Debug, Default)]
struct Partition {
    first: Vec<Found>,
    newest: VecDeque<Found>,
}

impl Kept {
    /// Keeps a record. The records of a partition come in its order.
    pub(crate) fn push(&mut self, found: Found) {
        self.count += 1;
        let partition = self.partitions.entry((found.topic, found.partition)).or_default();
        if partition.first.len() < FIRST {
            partition.first.push(found);
            return;
        }
        if partition.newest.len() == NEWEST {
            partition.newest.pop_front();
        }
        partition.newest.push_back(found);
    }

    /// The number of all records, also of those that weren't kept.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The records that were kept, a partition after the other.
    pub(crate) fn into_found(self) -> Vec<Found> {
        self.partitions
            .into_values()
            .flat_map(|partition| partition.first.into_iter().chain(partition.newest))
            .collect()
    }
}
