//! A segment: a stretch of a log that is sealed, aged out and compacted as one.
//!
//! On a disk it is a file. In memory it only needs to be told where it begins, and how new the newest of its records is: what
//! is dropped by age is a whole segment whose every record is old enough, which needs no look at a single record.

use super::{policy::Policy, stored::Stored};
use std::collections::VecDeque;

/// What a batch takes in memory beside its bytes, so that a million tiny batches are bounded, too.
pub(super) const BATCH_OVERHEAD: usize = 192;
/// What a segment takes beside its batches, so that as many tiny segments are, too.
pub(super) const SEGMENT_OVERHEAD: usize = 512;
/// A batch on disk says its place in a segment in 31 bits, so a segment spans no more offsets than that.
const MAX_OFFSETS: i64 = i32::MAX as i64;

/// Batches one after another. Offsets may be missing between and within them once a log was compacted.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    base_offset: i64,
    batches: VecDeque<Stored>,
    bytes: usize,
    /// The largest timestamp of the first batch there was, from which the age of a segment that still grows is counted.
    first_timestamp: i64,
    /// No batch is newer; see [`Stored::time`].
    newest: i64,
}

impl Segment {
    /// An empty one whose first offset is at least `base_offset`.
    pub(super) fn new(base_offset: i64) -> Self {
        Self { base_offset, batches: VecDeque::new(), bytes: 0, first_timestamp: 0, newest: i64::MIN }
    }

    pub(super) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Of its batches, as they would be on a disk.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many records its batches have. Reads every batch's header.
    pub(super) fn records(&self) -> u64 {
        let headers = self.batches.iter().filter_map(Stored::header).filter(|header| !header.is_control());
        headers.map(|header| u64::from(header.record_count.unsigned_abs())).sum()
    }

    /// What it takes in memory.
    pub(super) fn footprint(&self) -> usize {
        SEGMENT_OVERHEAD + self.bytes + self.batches.len() * BATCH_OVERHEAD
    }

    /// When its newest record was written: at most this.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    /// The largest timestamp of its first batch.
    pub(super) fn first_timestamp(&self) -> i64 {
        self.first_timestamp
    }

    pub(super) fn batches(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        self.batches.iter()
    }

    /// Whether all of it lies before `offset`. Nothing lies in an empty segment, but it is where the log goes on.
    pub(super) fn ends_before(&self, offset: i64) -> bool {
        self.batches.back().is_some_and(|last| last.last_offset < offset)
    }

    /// The batches that end at `offset` or later.
    pub(super) fn from(&self, offset: i64) -> impl Iterator<Item = &Stored> {
        let first = self.batches.partition_point(|batch| batch.last_offset < offset);
        self.batches.range(first..)
    }

    /// Whether `batch` has to go into a segment of its own, as Kafka decides when it "rolls" a log.
    pub(super) fn is_full_for(&self, batch: &Stored, policy: &Policy) -> bool {
        !self.is_empty()
            && (!self.has_room_for(batch, policy)
                || batch.max_timestamp.saturating_sub(self.first_timestamp) > policy.max_segment_ms())
    }

    /// Whether compaction may put `batch`, which was in a segment behind this one, into it. What is sealed may span any time.
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
