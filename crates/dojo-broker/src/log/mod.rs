//! One partition's log: batches in the order in which they came, each record with its own offset.
//!
//! The log is what Kafka is about: it only grows at one end, a reader is nothing but an offset, and reading
//! takes nothing away. This log is in memory and bounded: beyond the bound, the oldest batches go, whole, and
//! the log then starts at a later offset. The [`policy`](Policy) decides what else can go: old segments
//! (`retention.rs`), and records that a later one with the same key replaces (`compaction.rs`). The log is
//! pure: it has no clock, takes no lock and never waits; see [`partition`](crate::partition) for those.

mod batch;
mod header;
mod stored;

mod compression;
mod records;

mod policy;
mod segment;

pub(crate) mod compaction;
mod retention;

mod producers;
mod transactions;

mod committed;

use crate::refusal::Refusal;
pub(crate) use batch::{Checked, RecordFault, Refused, Rules, Sequence, codec, refuse};
use bytes::Bytes;
pub(crate) use compression::{Codec, Compression};
pub(crate) use header::LEADER_EPOCH;
use kafka_protocol::ResponseError;
pub(crate) use policy::{Compaction, Policy, Retention};
pub(crate) use producers::ActiveProducer;
use producers::{Producers, Verdict};
use segment::{BATCH_OVERHEAD, SEGMENT_OVERHEAD, Segment};
use std::{collections::VecDeque, sync::Arc};
pub(crate) use stored::Stored;
use transactions::Transactions;
pub(crate) use transactions::{Aborted, Marker};

/// A full compacted log takes tombstones until it exceeds its bound by this part of it.
const TOMBSTONE_RESERVE: usize = 16;

/// The records of one partition.
#[derive(Debug)]
pub(crate) struct Log {
    /// Never empty. The last segment grows; the others are sealed and can be read outside the log's lock.
    segments: VecDeque<Arc<Segment>>,
    start: i64,
    end: i64,
    footprint: usize,
    max_footprint: usize,
    policy: Policy,
    /// The offset up to which the log is compacted.
    clean_to: i64,
    /// The number of compactions so far.
    compactions: u64,
    producers: Producers,
    transactions: Transactions,
}

/// Where a batch was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The log's first offset at that moment.
    pub(crate) log_start: i64,
    /// Whether the oldest batches were dropped for this one.
    pub(crate) has_dropped: bool,
}

/// The result of a read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Whole batches. The first can begin before the requested offset; the reader skips what it knows.
    pub(crate) batches: Vec<Bytes>,
    /// The total length of the batches.
    pub(crate) bytes: usize,
    pub(crate) log_start: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    /// The offset behind the last batch.
    end: i64,
    /// For a reader of committed records: the transactions that it has to skip.
    pub(crate) aborted: Vec<Aborted>,
}

impl Log {
    /// Creates an empty log whose batches can take `max_bytes` of memory.
    pub(crate) fn new(max_bytes: usize, policy: Policy) -> Self {
        Self {
            segments: [Arc::new(Segment::new(0))].into(),
            start: 0,
            end: 0,
            footprint: SEGMENT_OVERHEAD,
            max_footprint: max_bytes,
            policy,
            clean_to: 0,
            compactions: 0,
            producers: Producers::default(),
            transactions: Transactions::default(),
        }
    }

    /// Sets what the topic's configs ask for.
    pub(crate) fn configure(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Returns the first offset that can be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// Returns the offset that the next record will get. With one replica, a record is replicated as soon as
    /// it is written, so this is also the offset up to which consumers can read.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.end
    }

    /// Appends a batch. If an idempotent producer sent it before, returns where the first copy is.
    ///
    /// # Errors
    /// If the batch doesn't fit its producer's sequence, the segment size or the bound.
    pub(crate) fn append(&mut self, batch: Checked) -> Result<Appended, Refusal> {
        let sequence = batch.sequence();
        if let Some(sequence) = &sequence
            && let Verdict::Duplicate(base_offset) = self.producers.judge(sequence)?
        {
            return Ok(Appended { base_offset, log_start: self.start, has_dropped: false });
        }
        if batch.bytes() > self.policy.segment_bytes {
            return Err(Refusal::new(
                ResponseError::RecordListTooLarge,
                format!(
                    "a batch of {} bytes exceeds segment.bytes, {}",
                    batch.bytes(),
                    self.policy.segment_bytes
                ),
            ));
        }
        // Tombstones have a reserve: without it, a full table could never get smaller.
        let reserve = if batch.is_all_tombstones() { self.max_footprint / TOMBSTONE_RESERVE } else { 0 };
        if self.would_outgrow(self.max_footprint + reserve, batch.bytes()) {
            return Err(Refusal::new(
                ResponseError::PolicyViolation,
                format!(
                    "the partition is full: its records take the {} bytes of retention.bytes, and compaction finds none \
                     that a later one replaces; delete keys, or start the broker with a larger BROKER_RETENTION_BYTES",
                    self.max_footprint
                ),
            ));
        }
        let base_offset = self.end;
        if let Some(sequence) = &sequence
            && self.producers.appended(sequence, base_offset)
        {
            self.transactions.begin(base_offset);
        }
        let has_dropped = self.push(batch.stored_at(base_offset));
        Ok(Appended { base_offset, log_start: self.start, has_dropped })
    }

    fn begin_segment(&mut self) {
        self.segments.push_back(Arc::new(Segment::new(self.end)));
        self.footprint += SEGMENT_OVERHEAD;
    }

    /// Returns whether the log is compacted and has no room for a batch of this size.
    pub(crate) fn lacks_room_for(&self, bytes: usize) -> bool {
        self.would_outgrow(self.max_footprint, bytes)
    }

    fn would_outgrow(&self, bound: usize, bytes: usize) -> bool {
        self.keeps_every_key() && self.footprint + bytes + BATCH_OVERHEAD + SEGMENT_OVERHEAD > bound
    }

    /// A log that is only compacted is a table: no row is dropped for another.
    fn keeps_every_key(&self) -> bool {
        self.policy.compaction.is_some() && self.policy.retention.is_none()
    }

    /// Adds a batch that was made for the end of the log. Returns whether older batches were dropped for it.
    fn push(&mut self, batch: Stored) -> bool {
        if self.segments.back().is_none_or(|newest| newest.is_full_for(&batch, &self.policy)) {
            self.begin_segment();
        }
        self.end = batch.last_offset + 1;
        self.footprint += batch.data.len() + BATCH_OVERHEAD;
        if let Some(newest) = self.segments.back_mut() {
            Arc::make_mut(newest).push(batch);
        }
        let start = self.start;
        while !self.keeps_every_key()
            && self.footprint > self.max_footprint
            && self.batches_from(self.start).nth(1).is_some()
        {
            self.drop_oldest();
        }
        self.start > start
    }

    /// Reads from `offset` on, up to `max_bytes`. With `at_least_one`, the first batch comes even if it is
    /// larger: without it, a consumer whose limit is too small could never get past that batch (KIP-74).
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` if `offset` lies before the start or after the end.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Read, ResponseError> {
        self.read_before(self.end, offset, max_bytes, at_least_one)
    }

    /// Reads like [`Log::read`], but only before `end`.
    fn read_before(
        &self,
        end: i64,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Read, ResponseError> {
        if offset < self.start || offset > self.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let mut read = Read {
            log_start: self.start,
            high_watermark: self.high_watermark(),
            last_stable_offset: self.last_stable_offset(),
            end: offset,
            ..Read::default()
        };
        for batch in self.batches_from(offset).take_while(|batch| batch.base_offset < end) {
            let must = at_least_one && read.bytes == 0;
            if !must && read.bytes + batch.data.len() > max_bytes {
                break;
            }
            read.bytes += batch.data.len();
            read.batches.push(batch.data.clone());
            read.end = batch.end();
        }
        Ok(read)
    }

    /// Returns the batches that end at `offset` or later.
    fn batches_from(&self, offset: i64) -> impl Iterator<Item = &Stored> {
        let first = self.segments.partition_point(|segment| segment.ends_before(offset));
        self.segments.range(first..).flat_map(move |segment| segment.from(offset))
    }

    /// Returns the first batch that ends at `offset` or later and has a record at or after `timestamp`, in
    /// milliseconds since 1970.
    pub(crate) fn batch_at(&self, timestamp: i64, offset: i64) -> Option<Stored> {
        self.batches_from(offset).find(|batch| batch.max_timestamp >= timestamp).cloned()
    }

    /// Returns the offset and timestamp of the record with the latest timestamp, the first of them if there
    /// are several.
    pub(crate) fn latest_timestamp(&self) -> Option<(i64, i64)> {
        let later = |best: Option<&Stored>, batch: &Stored| {
            best.is_none_or(|best| batch.max_timestamp > best.max_timestamp)
        };
        let best = self
            .batches_from(self.start)
            .fold(None, |best, batch| if later(best, batch) { Some(batch) } else { best })?;
        Some((best.max_timestamp_offset, best.max_timestamp))
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
