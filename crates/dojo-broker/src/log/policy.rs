//! What a topic asks of its logs: how they are cut into segments, and what of them may go, and when.

/// The configs of a topic that decide about records that are already stored. Times are in milliseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Policy {
    /// `segment.bytes`: a segment that would outgrow it is sealed, and the next one begun.
    pub(crate) segment_bytes: usize,
    /// `segment.ms`: so is one whose records would lie further apart.
    pub(crate) segment_ms: i64,
    /// Set where `cleanup.policy` has `delete` in it.
    pub(crate) retention: Option<Retention>,
    /// Set where `cleanup.policy` has `compact` in it.
    pub(crate) compaction: Option<Compaction>,
}

/// When segments are old, or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// `retention.ms`; `None`: no record is ever too old.
    pub(crate) ms: Option<i64>,
    /// `retention.bytes`; `None`: there are never too many.
    pub(crate) bytes: Option<usize>,
}

/// When records may be replaced by later ones with the same key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Compaction {
    /// `min.cleanable.dirty.ratio`: what part of a log is to be new before it is worth the work.
    pub(crate) min_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: a record may at least be read for so long.
    pub(crate) min_lag_ms: i64,
    /// `max.compaction.lag.ms`: a record may at most wait for so long, whatever the ratio.
    pub(crate) max_lag_ms: i64,
    /// `delete.retention.ms`: how long a record without a value, which deletes its key, stays after it was compacted first.
    pub(crate) tombstone_ms: i64,
}

impl Policy {
    /// How far apart the records of one segment may lie. The newest segment is never compacted, so one that waited for too
    /// long would keep its records from being compacted in time.
    pub(super) fn max_segment_ms(&self) -> i64 {
        self.compaction.map_or(self.segment_ms, |compaction| self.segment_ms.min(compaction.max_lag_ms))
    }
}
