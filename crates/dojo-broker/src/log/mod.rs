//! One partition's log: batches in the order in which they came, each record with an offset of its own.
//!
//! The log is what Kafka is about: it only grows at one end, a reader is nothing but an offset, and reading takes nothing away.
//! This one is kept in memory and bounded by bytes: beyond the bound, the oldest batches go, whole, and the log then starts at a
//! later offset. Pure: no clock, no lock, no waiting; see [`partition`](crate::partition) for those.

mod batch;
mod compression;
mod producers;
mod records;

use std::collections::VecDeque;

use bytes::Bytes;
use kafka_protocol::ResponseError;

pub(crate) use batch::{Checked, LEADER_EPOCH, Refused, Rules, Stored};

use crate::refusal::Refusal;
use producers::{Producers, Verdict};

/// What a batch takes in memory beside its bytes, so that a million tiny batches are bounded, too.
const BATCH_OVERHEAD: usize = 128;

/// The records of one partition.
#[derive(Debug)]
pub(crate) struct Log {
    batches: VecDeque<Stored>,
    start: i64,
    end: i64,
    footprint: usize,
    max_footprint: usize,
    producers: Producers,
}

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    pub(crate) base_offset: i64,
    /// The log's first offset at that moment.
    pub(crate) log_start: i64,
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
}

impl Log {
    /// An empty log whose batches may take `max_bytes` of memory.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            start: 0,
            end: 0,
            footprint: 0,
            max_footprint: max_bytes,
            producers: Producers::default(),
        }
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

    /// The offset up to which no transaction is open: without transactions, the end.
    pub(crate) fn last_stable_offset(&self) -> i64 {
        self.end
    }

    /// Appends a batch, or finds it where an idempotent producer's first copy of it already is.
    ///
    /// # Errors
    /// Where the batch does not fit its producer's sequence.
    pub(crate) fn append(&mut self, batch: &Checked) -> Result<Appended, Refusal> {
        let sequence = batch.sequence();
        if let Some(sequence) = &sequence
            && let Verdict::Duplicate(base_offset) = self.producers.judge(sequence)?
        {
            return Ok(Appended { base_offset, log_start: self.start });
        }
        let stored = batch.stored_at(self.end);
        let base_offset = stored.base_offset;
        if let Some(sequence) = &sequence {
            self.producers.appended(sequence, base_offset);
        }
        self.end = stored.last_offset + 1;
        self.footprint += stored.data.len() + BATCH_OVERHEAD;
        self.batches.push_back(stored);
        self.drop_oldest();
        Ok(Appended { base_offset, log_start: self.start })
    }

    fn drop_oldest(&mut self) {
        while self.footprint > self.max_footprint
            && self.batches.len() > 1
            && let Some(oldest) = self.batches.pop_front()
        {
            self.footprint -= oldest.data.len() + BATCH_OVERHEAD;
            self.start = oldest.last_offset + 1;
        }
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
        if offset < self.start || offset > self.end {
            return Err(ResponseError::OffsetOutOfRange);
        }
        let mut read = Read {
            log_start: self.start,
            high_watermark: self.high_watermark(),
            last_stable_offset: self.last_stable_offset(),
            ..Read::default()
        };
        let first = self.batches.partition_point(|batch| batch.last_offset < offset);
        for batch in self.batches.range(first..) {
            let must = at_least_one && read.bytes == 0;
            if !must && read.bytes + batch.data.len() > max_bytes {
                break;
            }
            read.bytes += batch.data.len();
            read.batches.push(batch.data.clone());
        }
        Ok(read)
    }

    /// The first batch that holds a record at or after `timestamp`, milliseconds since 1970.
    pub(crate) fn batch_at(&self, timestamp: i64) -> Option<Stored> {
        self.batches.iter().find(|batch| batch.max_timestamp >= timestamp).cloned()
    }

    /// Offset and timestamp of the record with the latest timestamp, the first of them where there are several.
    pub(crate) fn latest_timestamp(&self) -> Option<(i64, i64)> {
        let later = |best: Option<&Stored>, batch: &Stored| {
            best.is_none_or(|best| batch.max_timestamp > best.max_timestamp)
        };
        let best = self
            .batches
            .iter()
            .fold(None, |best, batch| if later(best, batch) { Some(batch) } else { best })?;
        Some((best.max_timestamp_offset, best.max_timestamp))
    }
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
