//! A batch in its place in a log.

use super::{
    header::{self, Header, NO_TIMESTAMP},
    records,
};
use bytes::Bytes;
use std::ops::ControlFlow;

/// A batch with its offsets, and a few values that would otherwise be read from its bytes again and again.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(super) base_offset: i64,
    /// The offset of the last record that the batch had; compaction may have dropped that record.
    pub(super) last_offset: i64,
    /// The largest timestamp of its records, in milliseconds since 1970; -1 if they have none.
    pub(super) max_timestamp: i64,
    /// The offset of the first record with that timestamp.
    pub(super) max_timestamp_offset: i64,
    /// When the batch arrived, by the broker's clock.
    pub(super) received: i64,
    /// The time from which its tombstones can be dropped. The compaction that meets them first sets it.
    pub(super) delete_horizon: Option<i64>,
    pub(super) data: Bytes,
}

impl Stored {
    /// Returns the offset behind the batch.
    pub(crate) fn end(&self) -> i64 {
        self.last_offset + 1
    }

    /// Returns the time from which its age is counted: its records' own time, or when it arrived if they have
    /// none.
    pub(super) fn time(&self) -> i64 {
        if self.max_timestamp == NO_TIMESTAMP { self.received } else { self.max_timestamp }
    }

    pub(super) fn header(&self) -> Option<Header> {
        Header::parse(&self.data)
    }

    /// Finds the first record at or after `timestamp` (in milliseconds since 1970) whose offset is at least
    /// `from`. Returns its offset and timestamp. This reads the records, so it belongs outside the log's
    /// lock.
    pub(crate) fn first_at(&self, timestamp: i64, from: i64) -> Option<(i64, i64)> {
        let header = self.header()?;
        let mut found = None;
        // Every batch in a log was read without an error when it came.
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
