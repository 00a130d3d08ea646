//! One partition's log: batches in the order in which they came, each record with an offset of its own.
//!
//! The log is what Kafka is about: it only grows at one end, a reader is nothing but an offset, and reading takes nothing away.
//! This one is kept in memory and bounded by bytes: beyond the bound, the oldest batches go, whole, and the log then starts at a
//! later offset. What else may go, [`policy`](Policy) says: old segments (`retention.rs`), and records that a later one with the
//! same key has replaced (`compaction.rs`). Pure: no clock, no lock, no waiting; see [`partition`](crate::partition) for those.

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

/// A full compacted log takes tombstones until it has outgrown its bound by this part of it.
const TOMBSTONE_RESERVE: usize = 16;

/// The records of one partition.
#[derive(Debug)]
pub(crate) struct Log {
    /// Never empty: the last one grows, the others are sealed and may be looked at outside of the log's lock.
    segments: VecDeque<Arc<Segment>>,
    start: i64,
    end: i64,
    footprint: usize,
    max_footprint: usize,
    policy: Policy,
    /// Up to here, compaction has been.
    clean_to: i64,
    /// How often.
    compactions: u64,
    producers: Producers,
    transactions: Transactions,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The log's first offset at that moment.
    pub(crate) log_start: i64,
    /// Whether the oldest batches had to go for this one.
    pub(crate) has_dropped: bool,
}

/// What a reader got.
#[derive(Debug, Default)]
pub(crate) struct Read {
    /// Whole batches; the first may begin before the offset that was asked for, and the reader skips what it knows.
    pub(crate) batches: Vec<Bytes>,
    /// Their length in all.
    pub(crate) bytes: usize,
    pub(crate) log_start: i64,
    pub(crate) high_watermark: i64,
    pub(crate) last_stable_offset: i64,
    /// The offset behind the last batch.
    end: i64,
    /// For a reader of committed records: the transactions it has to skip.
    pub(crate) aborted: Vec<Aborted>,
}

impl Log {
    /// An empty log whose batches may take `max_bytes` of memory.
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

    /// What the topic asks for from now on.
    pub(crate) fn configure(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// The first offset that can be read.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// The offset that the next record will get. With one replica, whatever is written is replicated everywhere at once, so
    /// this is also the offset up to which consumers may read.
    pub(crate) fn high_watermark(&self) -> i64 {
        self.end
    }

    /// Appends a batch, or finds it where an idempotent producer's first copy of it already is.
    ///
    /// # Errors
    /// Where the batch does not fit its producer's sequence.
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
        // Tombstones have a reserve: a full table would else have no way of getting smaller.
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

    /// Says whether the log is compacted and has no room for a batch of this size.
    pub(crate) fn lacks_room_for(&self, bytes: usize) -> bool {
        self.would_outgrow(self.max_footprint, bytes)
    }

    fn would_outgrow(&self, bound: usize, bytes: usize) -> bool {
        self.keeps_every_key() && self.footprint + bytes + BATCH_OVERHEAD + SEGMENT_OVERHEAD > bound
    }

    /// A log that is only compacted is a table of which every row counts: none is dropped for another.
    fn keeps_every_key(&self) -> bool {
        self.policy.compaction.is_some() && self.policy.retention.is_none()
    }

    /// Puts a batch, made for the end of the log, there. Says whether older ones had to go for it.
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

    /// Reads from `offset` on, up to `max_bytes`. With `at_least_one`, a first batch larger than that comes all the same: else
    /// a consumer whose limit is too small could never get past it (KIP-74).
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` where `offset` lies before the start or after the end.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Read, ResponseError> {
        self.read_before(self.end, offset, max_bytes, at_least_one)
    }

    /// As [`Log::read`], but nothing at `end` or behind it.
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

    /// The batches that end at `offset` or later.
    fn batches_from(&self, offset: i64) -> impl Iterator<Item = &Stored> {
        let first = self.segments.partition_point(|segment| segment.ends_before(offset));
        self.segments.range(first..).flat_map(move |segment| segment.from(offset))
    }

    /// The first batch that ends at `offset` or later and holds a record at or after `timestamp`, milliseconds since 1970.
    pub(crate) fn batch_at(&self, timestamp: i64, offset: i64) -> Option<Stored> {
        self.batches_from(offset).find(|batch| batch.max_timestamp >= timestamp).cloned()
    }

    /// Offset and timestamp of the record with the latest timestamp, the first of them where there are several.
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
