//! The transactions of a partition: where the open ones begin, and which records of the ended ones were
//! aborted.
//!
//! A producer writes the records of a transaction where they belong, between those of other producers, before
//! it is known how the transaction ends. At the end, the coordinator writes a *marker* behind them: one
//! record, which consumers never show, that says commit or abort. The records themselves don't change. A
//! consumer with `isolation.level=read_committed` gets two things:
//!
//! - it gets no record at or behind the *last stable offset*, where the first open transaction begins;
//! - it gets a list of the aborted transactions among its records, each with producer and first offset, and
//!   drops the records of that producer from there to its next abort marker.
//!
//! ```text
//!   offset      0    1    2    3        4    5        6    7
//!   producer    A    B    A    A abort  B    B commit B    A
//!                                                     └─ last stable offset: B and A are open, B since 6
//!   a consumer of committed records sees 1 and 4, and is told of one aborted transaction: A from 0 on
//! ```
//!
//! See KIP-98, and for the markers <https://kafka.apache.org/documentation/#controlbatch>.

use super::{
    header::{CONTROL_BIT, Header, TRANSACTIONAL_BIT},
    stored::Stored,
};
use std::collections::{BTreeSet, HashSet, VecDeque};

/// The record of a marker, without the type in its key: an attribute byte and two deltas, a key of four bytes
/// (version and type), a value of six bytes (version and epoch of the coordinator, of which there has been
/// one), no headers.
pub(super) const MARKER_BEFORE_TYPE: [u8; 7] = [32, 0, 0, 0, 8, 0, 0];
const MARKER_AFTER_TYPE: [u8; 8] = [12, 0, 0, 0, 0, 0, 0, 0];
pub(super) const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// Markers aren't part of their producer's sequence.
const NO_SEQUENCE: i32 = -1;

/// The end of a transaction, as it is written into each of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    /// The producer's epoch from now on. Batches of an older epoch are too late.
    pub(crate) epoch: i16,
    pub(crate) commit: bool,
    /// When the marker is written, in milliseconds since 1970.
    pub(crate) now_ms: i64,
}

impl Marker {
    /// Returns the marker as a batch at `offset`.
    pub(super) fn stored_at(&self, offset: i64) -> Stored {
        let header = Header {
            base_offset: offset,
            length: 0,
            magic: 2,
            crc: 0,
            attributes: TRANSACTIONAL_BIT | CONTROL_BIT,
            last_offset_delta: 0,
            base_timestamp: self.now_ms,
            max_timestamp: self.now_ms,
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            base_sequence: NO_SEQUENCE,
            record_count: 1,
        };
        let kind = if self.commit { COMMIT } else { ABORT }.to_be_bytes();
        let record = [MARKER_BEFORE_TYPE.as_slice(), &kind, &MARKER_AFTER_TYPE].concat();
        Stored {
            base_offset: offset,
            last_offset: offset,
            max_timestamp: self.now_ms,
            max_timestamp_offset: offset,
            received: self.now_ms,
            delete_horizon: None,
            data: header.seal(&record).freeze(),
        }
    }
}

/// A transaction whose records a reader has to skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// The offset of its marker.
    pub(crate) last_offset: i64,
    /// The last stable offset behind the marker. Transactions that end later begin there or behind it.
    stable_offset: i64,
}

/// The transactions of a partition.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// The first offset of each open transaction.
    pub(super) open: BTreeSet<i64>,
    /// In the order of their markers.
    pub(super) aborted: VecDeque<Aborted>,
}

impl Transactions {
    /// Notes that a transaction begins at `offset`.
    pub(super) fn begin(&mut self, offset: i64) {
        self.open.insert(offset);
    }

    /// Notes that the transaction that began at `first_offset` has ended with `marker` at `offset`.
    pub(super) fn end(&mut self, first_offset: i64, offset: i64, marker: &Marker) {
        self.open.remove(&first_offset);
        if !marker.commit {
            self.aborted.push_back(Aborted {
                producer_id: marker.producer_id,
                first_offset,
                last_offset: offset,
                stable_offset: self.first_open().unwrap_or(offset + 1),
            });
        }
    }

    /// Returns where the first open transaction begins.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.open.first().copied()
    }

    /// Returns the aborted transactions that have records or their marker at `from` or later, and begin
    /// before `to`.
    pub(super) fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = &Aborted> {
        let first = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        let mut later = false;
        self.aborted
            .range(first..)
            .take_while(move |aborted| !std::mem::replace(&mut later, aborted.stable_offset >= to))
            .filter(move |aborted| aborted.first_offset < to)
    }

    /// Forgets the aborted transactions whose markers lie before the log's `start`, since all their records
    /// are gone.
    pub(super) fn forget_before(&mut self, start: i64) {
        while self.aborted.front().is_some_and(|oldest| oldest.last_offset < start) {
            self.aborted.pop_front();
        }
    }

    /// Forgets the aborted transactions whose `markers` compaction has dropped; it has dropped their records
    /// before.
    pub(super) fn forget_marked(&mut self, markers: &HashSet<i64>) {
        if !markers.is_empty() {
            self.aborted.retain(|aborted| !markers.contains(&aborted.last_offset));
        }
    }
}
