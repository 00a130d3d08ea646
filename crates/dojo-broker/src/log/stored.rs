//! A batch in its place in a log.

use super::{
    header::{self, Header, NO_TIMESTAMP},
    records,
};
use bytes::Bytes;
use std::ops::ControlFlow;

/// A batch that has its offsets. What it keeps beside the bytes is what would else have to be read from them again and again.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(super) base_offset: i64,
    /// Of the last record there was: compaction may have taken it.
    pub(super) last_offset: i64,
    /// The largest timestamp of its records, in milliseconds since 1970; -1 where they have none.
    pub(super) max_timestamp: i64,
    /// The first record that has it.
    pub(super) max_timestamp_offset: i64,
    /// When it came, by the broker's clock.
    pub(super) received: i64,
    /// From when on its tombstones may be dropped; set by the compaction that meets them first.
    pub(super) delete_horizon: Option<i64>,
    pub(super) data: Bytes,
}

impl Stored {
    /// The offset behind it.
    pub(crate) fn end(&self) -> i64 {
        self.last_offset + 1
    }

    /// By which its age counts: its records' own time or, where they have none, when it came.
    pub(super) fn time(&self) -> i64 {
        if self.max_timestamp == NO_TIMESTAMP { self.received } else { self.max_timestamp }
    }

    pub(super) fn header(&self) -> Option<Header> {
        Header::parse(&self.data)
    }

    /// The first record at or after `timestamp` (milliseconds since 1970) whose offset is at least `from`, as offset and
    /// timestamp. Reads the records, so it belongs outside of the log's lock.
    pub(crate) fn first_at(&self, timestamp: i64, from: i64) -> Option<(i64, i64)> {
        let header = self.header()?;
        let mut found = None;
        // What is in a log was walked before without an error.
        let _ = records::walk(header.codec()?, header::records(&self.data), header.record_count, |record| {
            let time = header.timestamp(record.timestamp_delta);
            let offset = self.base_offset + record.offset_delta;
            if time < timestamp || offset < from {
                return ControlFlow::Continue(());
            }
            found = Some((offset, time));
            ControlFlow::Break(())
        });
        found
    }
}
