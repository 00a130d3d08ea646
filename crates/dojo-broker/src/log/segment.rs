//! A segment: a part of a log that is sealed, aged out and compacted as a whole.
//!
//! On a disk, a segment is a file. Here it is a queue of batches, with the size and the times that rolling and
//! retention ask for, so that they needn't read records.

use super::{policy::Policy, stored::Stored};
use std::collections::VecDeque;

/// How much memory a batch takes beside its bytes, so that a million tiny batches are bounded, too.
pub(super) const BATCH_OVERHEAD: usize = 192;
/// How much memory a segment takes beside its batches, so that tiny segments are bounded, too.
pub(super) const SEGMENT_OVERHEAD: usize = 512;
/// How many offsets a segment spans at most: a batch on disk has 31 bits for its place in a segment.
const MAX_OFFSETS: i64 = i32::MAX as i64;

/// Batches in order. Offsets can be missing between and within them after a compaction.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    base_offset: i64,
    batches: VecDeque<Stored>,
    bytes: usize,
    /// The largest timestamp of the batch that opened the segment; the age of a growing segment counts from it.
    first_timestamp: i64,
    /// The largest [`Stored::time`] of the batches that it has had.
    newest: i64,
}

impl Segment {
    /// Creates an empty segment whose first offset is at least `base_offset`.
    pub(super) fn new(base_offset: i64) -> Self {
        Self { base_offset, batches: VecDeque::new(), bytes: 0, first_timestamp: 0, newest: i64::MIN }
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns the size of its batches as it would be on a disk.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many records its batches have, without transaction markers. Reads every batch's header.
    pub(super) fn records(&self) -> u64 {
        let headers = self.batches.iter().filter_map(Stored::header).filter(|header| !header.is_control());
        headers.map(|header| u64::from(header.record_count.unsigned_abs())).sum()
    }

    /// Returns how much memory the segment takes.
    pub(super) fn footprint(&self) -> usize {
        SEGMENT_OVERHEAD + self.bytes + self.batches.len() * BATCH_OVERHEAD
    }

    /// Returns the time of its newest batch.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    /// Returns the largest timestamp of the batch that opened the segment.
    pub(super) fn first_timestamp(&self) -> i64 {
        self.first_timestamp
    }

    pub(super) fn batches(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        self.batches.iter()
    }

    /// Returns whether the whole segment lies before `offset`. An empty segment never does, since the log
    /// goes on in it.
    pub(super) fn ends_before(&self, offset: i64) -> bool {
        self.batches.back().is_some_and(|last| last.last_offset < offset)
    }

    /// Returns the batches that end at `offset` or later.
    pub(super) fn from(&self, offset: i64) -> impl Iterator<Item = &Stored> {
        let first = self.batches.partition_point(|batch| batch.last_offset < offset);
        self.batches.range(first..)
    }

    /// Returns whether `batch` must start a new segment. These are Kafka's rules for rolling a log.
    pub(super) fn is_full_for(&self, batch: &Stored, policy: &Policy) -> bool {
        !self.is_empty()
            && (!self.has_room_for(batch, policy)
                || batch.max_timestamp.saturating_sub(self.first_timestamp) > policy.max_segment_ms())
    }

    /// Returns whether the segment's size and offset span allow `batch`. Compaction asks only this, because a
    /// sealed segment can span any time.
    pub(super) fn has_room_for(&self, batch: &Stored, policy: &Policy) -> bool {
        self.bytes.saturating_add(batch.data.len()) <= policy.segment_bytes
            && batch.last_offset.saturating_sub(self.base_offset) <= MAX_OFFSETS
    }

    pub(super) fn push(&mut self, batch: Stored) {
        if self.batches.is_empty() {
            self.first_timestamp = batch.max_timestamp;
        }
        self.newest = self.newest.max(batch.time());
        self.bytes += batch.data.len();
        self.batches.push_back(batch);
    }

    /// Takes the oldest batch out.
    pub(super) fn pop_front(&mut self) -> Option<Stored> {
        let oldest = self.batches.pop_front()?;
        self.bytes -= oldest.data.len();
        self.base_offset = oldest.last_offset + 1;
        Some(oldest)
    }
}
