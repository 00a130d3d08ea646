//! What a partition knows of transactions: where the open ones begin, and which records of the ended ones were aborted.
//!
//! A producer writes the records of a transaction where they belong, between everyone else's, before anyone knows what will become
//! of them. At the end, the coordinator writes a *marker* behind them: one record that no consumer ever shows, which says commit
//! or abort. Nothing that was written is changed. A consumer with `isolation.level=read_committed` sees the difference by two things:
//!
//! - it gets nothing from the *last stable offset* on, where the first open transaction begins;
//! - with what it gets comes a list of the aborted transactions in it, each as producer and first offset, and the consumer drops
//!   what that producer wrote from there to its next abort marker.
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

/// The record of a marker, but for the type in its key: an attribute byte and two deltas, a key of four bytes (version and type),
/// a value of six (version and epoch of the coordinator, of which there has been one), no headers.
pub(super) const MARKER_BEFORE_TYPE: [u8; 7] = [32, 0, 0, 0, 8, 0, 0];
const MARKER_AFTER_TYPE: [u8; 8] = [12, 0, 0, 0, 0, 0, 0, 0];
pub(super) const ABORT: i16 = 0;
const COMMIT: i16 = 1;
/// Markers have no place in their producer's sequence.
const NO_SEQUENCE: i32 = -1;

/// The end of a transaction, as it is written into each of its partitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) producer_id: i64,
    /// The producer's epoch from now on: what still comes in an older one comes too late.
    pub(crate) epoch: i16,
    pub(crate) commit: bool,
    /// When it is written, in milliseconds since 1970.
    pub(crate) now_ms: i64,
}

impl Marker {
    /// The batch that the marker is in a log, at `offset`.
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

/// A transaction whose records are to be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    /// Of its marker.
    pub(crate) last_offset: i64,
    /// The last stable offset behind the marker. Transactions that end later begin there or behind.
    stable_offset: i64,
}

/// The transactions of a partition.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// The first offset of each that is open.
    pub(super) open: BTreeSet<i64>,
    /// In the order of their markers.
    pub(super) aborted: VecDeque<Aborted>,
}

impl Transactions {
    /// The first record of a transaction was written, at `offset`.
    pub(super) fn begin(&mut self, offset: i64) {
        self.open.insert(offset);
    }

    /// The transaction that began at `first_offset` has ended with `marker` at `offset`.
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

    /// Where the first open transaction begins.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.open.first().copied()
    }

    /// The aborted transactions that have records or their marker at `from` or later, and begin before `to`.
    pub(super) fn aborted(&self, from: i64, to: i64) -> impl Iterator<Item = &Aborted> {
        let first = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        let mut later = false;
        self.aborted
            .range(first..)
            .take_while(move |aborted| !std::mem::replace(&mut later, aborted.stable_offset >= to))
            .filter(move |aborted| aborted.first_offset < to)
    }

    /// Forgets the aborted transactions whose markers lie before the log's `start`: nothing of theirs is there any more.
    pub(super) fn forget_before(&mut self, start: i64) {
        while self.aborted.front().is_some_and(|oldest| oldest.last_offset < start) {
            self.aborted.pop_front();
        }
    }

    /// Forgets the aborted transactions whose `markers` compaction has dropped, and their records before that.
    pub(super) fn forget_marked(&mut self, markers: &HashSet<i64>) {
        if !markers.is_empty() {
            self.aborted.retain(|aborted| !markers.contains(&aborted.last_offset));
        }
    }
}
