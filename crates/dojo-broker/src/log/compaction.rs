//! Compaction: of all records with the same key, the last one stays.
//!
//! A compacted topic is a table: each record sets its key's value, and a record without a value (a
//! "tombstone") deletes its key. Records that a later one replaces can go, so that the log grows with the
//! number of keys instead of the number of changes, and a reader from its start still learns the present
//! values.
//!
//! As in Kafka, records keep their offsets, between which there are then gaps; the newest segment is left
//! alone; and old records are only looked at again once enough new ones have come. A tombstone, or the marker
//! of a transaction without any other records left, stays for `delete.retention.ms` after the compaction that
//! met it first, so that readers on their way learn of it.
//!
//! The work has three parts: [`Log::compaction_due`] collects the segments, [`Work::done`] compacts them
//! beside the log, which meanwhile grows, and [`Log::install`] puts the result in their place.

use super::{
    Log, Policy, Stored,
    compression::Compression,
    header::{self, Header},
    records::{self, Garbled},
    segment::Segment,
};
use std::{
    collections::{HashMap, HashSet},
    io::{self, Read},
    ops::RangeInclusive,
    sync::Arc,
};

/// The segments to compact.
#[derive(Debug)]
pub(crate) struct Work {
    /// Sealed segments from the oldest on, of which at least one has something new in it.
    segments: Vec<Arc<Segment>>,
    /// The offset where the new part begins.
    dirty_from: i64,
    policy: Policy,
    /// The aborted transactions of each producer, in order.
    aborted: HashMap<i64, Vec<RangeInclusive<i64>>>,
    compactions: u64,
}

/// The result of a compaction.
#[derive(Debug)]
pub(crate) struct Compacted {
    segments: Vec<Segment>,
    /// Everything that the log had before this offset is in these segments or is gone.
    end: i64,
    /// The offsets of the markers that are gone.
    markers_gone: HashSet<i64>,
    compactions: u64,
}

impl Log {
    /// Returns the segments to compact at `now_ms`, in milliseconds since 1970; `None` until enough of the
    /// log is new, or a record has waited for too long.
    pub(crate) fn compaction_due(&self, now_ms: i64) -> Option<Work> {
        self.compactable(now_ms, false)
    }

    /// Seals the newest segment and returns everything there is to compact at `now_ms`, however little: a log
    /// without room for another record has to drop all that it can.
    pub(crate) fn compaction_for_room(&mut self, now_ms: i64) -> Option<Work> {
        if self.segments.back().is_some_and(|newest| !newest.is_empty()) {
            self.begin_segment();
        }
        self.compactable(now_ms, true)
    }

    fn compactable(&self, now_ms: i64, however_little: bool) -> Option<Work> {
        let wanted = self.policy.compaction?;
        let dirty_from = self.clean_to.max(self.start);
        let stable = self.last_stable_offset();
        let may_go = |segment: &Segment| {
            let rested =
                wanted.min_lag_ms == 0 || segment.newest() <= now_ms.saturating_sub(wanted.min_lag_ms);
            segment.ends_before(stable) && (rested || segment.ends_before(dirty_from))
        };
        let sealed = self.segments.range(..self.segments.len().saturating_sub(1));
        let segments: Vec<_> = sealed.take_while(|segment| may_go(segment)).cloned().collect();
        let clean = segments.partition_point(|segment| segment.ends_before(dirty_from));
        let (clean, dirty) = segments.split_at_checked(clean)?;
        let oldest = dirty.iter().map(|segment| segment.first_timestamp()).min()?;
        let bytes =
            |segments: &[Arc<Segment>]| segments.iter().map(|segment| segment.bytes()).sum::<usize>() as f64;
        let is_dirty = bytes(dirty) / (bytes(clean) + bytes(dirty)) > wanted.min_dirty_ratio;
        let is_late = now_ms.saturating_sub(oldest) > wanted.max_lag_ms;
        (is_dirty || is_late || however_little).then(|| Work {
            dirty_from,
            policy: self.policy,
            aborted: self.aborted_by_producer(),
            compactions: self.compactions,
            segments,
        })
    }

    fn aborted_by_producer(&self) -> HashMap<i64, Vec<RangeInclusive<i64>>> {
        let mut aborted: HashMap<_, Vec<_>> = HashMap::new();
        for transaction in self.transactions.aborted(self.start, self.end) {
            let range = transaction.first_offset..=transaction.last_offset;
            aborted.entry(transaction.producer_id).or_default().push(range);
        }
        aborted
    }

    /// Puts the result of a compaction in the place of its input. Records that have left the log meanwhile
    /// stay away.
    pub(crate) fn install(&mut self, done: Compacted) {
        if done.compactions != self.compactions {
            // Another compaction was faster, so the log is no longer the one that this result was made from.
            return;
        }
        while self.segments.front().is_some_and(|oldest| oldest.ends_before(done.end))
            && let Some(oldest) = self.segments.pop_front()
        {
            self.footprint -= oldest.footprint();
        }
        for segment in done.segments.into_iter().rev() {
            self.footprint += segment.footprint();
            self.segments.push_front(Arc::new(segment));
        }
        // A reader that knows of an aborted transaction would wait for its marker.
        self.transactions.forget_marked(&done.markers_gone);
        self.clean_to = done.end;
        self.compactions += 1;
        self.start_at(self.start);
    }
}

impl Work {
    /// Compacts the segments, which takes long. `now_ms` is the broker's clock, in milliseconds since 1970.
    pub(crate) fn done(&self, now_ms: i64) -> Compacted {
        let tombstone_ms = self.policy.compaction.map_or(0, |wanted| wanted.tombstone_ms);
        let mut cleaning = Cleaning {
            work: self,
            latest: self.latest_offsets(),
            now_ms,
            horizon: now_ms.saturating_add(tombstone_ms),
            unmarked: HashSet::new(),
            markers_gone: HashSet::new(),
        };
        let mut segments: Vec<Segment> = Vec::new();
        for source in &self.segments {
            let mut base_offset = source.base_offset();
            for batch in source.batches().filter_map(|batch| cleaning.clean(batch)) {
                match segments.last_mut() {
                    // Small segments are joined.
                    Some(last) if last.has_room_for(&batch, &self.policy) => last.push(batch),
                    _ => {
                        let mut next = Segment::new(base_offset);
                        base_offset = batch.end();
                        next.push(batch);
                        segments.push(next);
                    }
                }
            }
        }
        let markers_gone = cleaning.markers_gone;
        Compacted { segments, end: self.end(), markers_gone, compactions: self.compactions }
    }

    fn end(&self) -> i64 {
        let last = self.segments.last().and_then(|segment| segment.batches().next_back());
        last.map_or(self.dirty_from, Stored::end)
    }

    /// Returns the last offset of each key in the new part. The keys take as much memory as in the log.
    fn latest_offsets(&self) -> HashMap<Box<[u8]>, i64> {
        let mut latest = HashMap::new();
        for batch in self.segments.iter().flat_map(|segment| segment.from(self.dirty_from)) {
            let Some(header) = batch.header().filter(|header| !header.is_control()) else { continue };
            if self.is_aborted(&header) {
                continue;
            }
            // Every batch was read without an error when it came; one that still can't be read is kept as it
            // is.
            let Ok(plain) = plain(&header, batch) else { continue };
            let mut left = plain.as_slice();
            while let Ok(Some(record)) = records::next(&mut left) {
                let offset = batch.base_offset + record.offset_delta;
                let Some(key) = record.key else { continue };
                match latest.get_mut(key) {
                    Some(known) => *known = offset,
                    None => drop(latest.insert(Box::from(key), offset)),
                }
            }
        }
        latest
    }

    fn is_aborted(&self, header: &Header) -> bool {
        let ranges = self.aborted.get(&header.producer_id).filter(|_| header.is_transactional());
        ranges.is_some_and(|ranges| {
            let next = ranges.partition_point(|range| *range.end() < header.base_offset);
            ranges.get(next).is_some_and(|range| range.contains(&header.base_offset))
        })
    }
}

/// A pass through the log from its start.
struct Cleaning<'a> {
    work: &'a Work,
    latest: HashMap<Box<[u8]>, i64>,
    now_ms: i64,
    /// The time from which tombstones that are marked today can go.
    horizon: i64,
    /// Producers of whose transaction a batch was seen, and not yet the marker that ends it.
    unmarked: HashSet<i64>,
    markers_gone: HashSet<i64>,
}

impl Cleaning<'_> {
    /// Returns what is left of a batch.
    fn clean(&mut self, batch: &Stored) -> Option<Stored> {
        let Some(header) = batch.header() else { return Some(batch.clone()) };
        let may_delete = batch.delete_horizon.is_some_and(|horizon| horizon <= self.now_ms);
        if header.is_control() {
            let is_all_that_is_left = !self.unmarked.remove(&header.producer_id);
            if is_all_that_is_left && may_delete {
                self.markers_gone.insert(batch.base_offset);
                return None;
            }
            return Some(if is_all_that_is_left { self.marked(batch.clone()) } else { batch.clone() });
        }
        if header.is_transactional() {
            self.unmarked.insert(header.producer_id);
        }
        if self.work.is_aborted(&header) {
            return None;
        }
        self.rewrite(&header, batch, may_delete).unwrap_or_else(|_| Some(batch.clone()))
    }

    fn rewrite(&self, header: &Header, batch: &Stored, may_delete: bool) -> Result<Option<Stored>, Garbled> {
        let plain = plain(header, batch)?;
        let mut left = plain.as_slice();
        let mut kept = Vec::new();
        let (mut count, mut max_timestamp, mut max_timestamp_offset) = (0, i64::MIN, batch.base_offset);
        let mut has_tombstone = false;
        while let Some(record) = records::next(&mut left)? {
            let offset = batch.base_offset + record.offset_delta;
            let is_latest =
                record.key.is_some_and(|key| self.latest.get(key).is_none_or(|latest| offset >= *latest));
            if !is_latest || (!record.has_value && may_delete) {
                continue;
            }
            has_tombstone |= !record.has_value;
            kept.extend_from_slice(record.bytes);
            count += 1;
            let timestamp = header.timestamp(record.timestamp_delta);
            if timestamp > max_timestamp {
                (max_timestamp, max_timestamp_offset) = (timestamp, offset);
            }
        }
        if count == 0 {
            return Ok(None);
        }
        let stored = if count == header.record_count {
            batch.clone()
        } else {
            let codec = header.codec().ok_or(io::ErrorKind::InvalidData).map_err(io::Error::from)?;
            let compressed = Compression::plain(codec).compress(&kept, usize::MAX)?;
            let header = Header { record_count: count, max_timestamp, ..*header };
            let data = header.seal(&compressed).freeze();
            Stored { data, max_timestamp, max_timestamp_offset, ..batch.clone() }
        };
        Ok(Some(if has_tombstone { self.marked(stored) } else { stored }))
    }

    /// Gives the batch a time from which its tombstones can go, if it has none yet.
    fn marked(&self, batch: Stored) -> Stored {
        Stored { delete_horizon: batch.delete_horizon.or(Some(self.horizon)), ..batch }
    }
}

/// Returns the records of a batch, decompressed.
fn plain(header: &Header, batch: &Stored) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    let codec = header.codec().ok_or(io::ErrorKind::InvalidData)?;
    codec.reader(header::records(&batch.data))?.read_to_end(&mut plain)?;
    Ok(plain)
}

#[cfg(test)]
#[path = "compaction_tests.rs"]
mod tests;
