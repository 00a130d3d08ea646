//! What a topic asks of its logs: how they are cut into segments, and which records can go.

/// The topic configs that apply to stored records. Times are in milliseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Policy {
    /// `segment.bytes`: a segment is sealed before it would outgrow this.
    pub(crate) segment_bytes: usize,
    /// `segment.ms`: a segment is sealed before its records would span more than this.
    pub(crate) segment_ms: i64,
    /// Set if `cleanup.policy` includes `delete`.
    pub(crate) retention: Option<Retention>,
    /// Set if `cleanup.policy` includes `compact`.
    pub(crate) compaction: Option<Compaction>,
}

/// When segments are too old or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retention {
    /// `retention.ms`; `None` for no limit.
    pub(crate) ms: Option<i64>,
    /// `retention.bytes`; `None` for no limit.
    pub(crate) bytes: Option<usize>,
}

/// When records can be replaced by later ones with the same key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Compaction {
    /// `min.cleanable.dirty.ratio`: the part of a log that has to be new before it is compacted.
    pub(crate) min_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: how long a record stays at least.
    pub(crate) min_lag_ms: i64,
    /// `max.compaction.lag.ms`: how long a record waits at most, whatever the ratio.
    pub(crate) max_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone stays after the compaction that met it first.
    pub(crate) tombstone_ms: i64,
}

impl Policy {
    /// Returns how much time the records of one segment can span. The newest segment is never compacted, so a
    /// segment that stays open for too long would delay the compaction of its records.
    pub(super) fn max_segment_ms(&self) -> i64 {
        self.compaction.map_or(self.segment_ms, |compaction| self.segment_ms.min(compaction.max_lag_ms))
    }
}
