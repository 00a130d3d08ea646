//! Drops records at the old end of a log: segments that are too old or too many, and records that an operator
//! deletes.
//!
//! Segments go whole, as in Kafka, so a record can stay longer than `retention.ms`, by the time that its
//! segment takes to fill. The newest segment goes, too, once every record in it is old enough; the log is
//! then empty and goes on at the same offset.

use super::{BATCH_OVERHEAD, Log, Stored};
use crate::refusal::Refusal;
use kafka_protocol::ResponseError;
use std::sync::Arc;

impl Log {
    /// Drops the segments that `retention.ms` and `retention.bytes` no longer keep at `now_ms`, milliseconds
    /// since 1970. Returns how many records were in them.
    pub(crate) fn drop_expired(&mut self, now_ms: i64) -> u64 {
        let Some(retention) = self.policy.retention else { return 0 };
        let mut records = 0;
        let mut bytes = self.bytes();
        while let Some(oldest) = self.segments.front().filter(|oldest| !oldest.is_empty()) {
            let too_old = retention.ms.is_some_and(|limit| now_ms.saturating_sub(oldest.newest()) > limit);
            // Without this segment, the log still has as much as it has to keep.
            let left = bytes.saturating_sub(oldest.bytes());
            let too_many = retention.bytes.is_some_and(|limit| left >= limit);
            if !too_old && !too_many {
                break;
            }
            bytes = left;
            records += oldest.records();
            self.drop_oldest_segment();
        }
        records
    }

    /// Returns the size of the log as it would be on a disk.
    pub(crate) fn bytes(&self) -> usize {
        self.segments.iter().map(|segment| segment.bytes()).sum()
    }

    /// Makes the log start at `offset`, or at its end if `offset` is `None`. A log that starts later stays as
    /// it is. A batch goes once its last record lies before the start. Returns where the log starts now.
    ///
    /// # Errors
    /// `OFFSET_OUT_OF_RANGE` if `offset` lies after the end.
    pub(crate) fn delete_before(&mut self, offset: Option<i64>) -> Result<i64, Refusal> {
        let offset = offset.unwrap_or(self.end);
        if offset < 0 || offset > self.end {
            return Err(Refusal::new(
                ResponseError::OffsetOutOfRange,
                format!("offset {offset} is not in the log, which goes from {} to {}", self.start, self.end),
            ));
        }
        self.start_at(offset);
        Ok(self.start)
    }

    /// Drops everything before `offset`, if the log starts earlier.
    pub(super) fn start_at(&mut self, offset: i64) {
        while self.segments.front().is_some_and(|oldest| oldest.ends_before(offset)) {
            self.drop_oldest_segment();
        }
        while self.oldest().is_some_and(|oldest| oldest.end() <= offset) {
            self.drop_oldest();
        }
        self.start = self.start.max(offset);
    }

    fn oldest(&self) -> Option<&Stored> {
        self.segments.front()?.batches().next()
    }

    /// Drops the oldest batch; the log then starts behind it.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(oldest) = self.segments.front_mut()
            && let Some(batch) = Arc::make_mut(oldest).pop_front()
        {
            let is_empty = oldest.is_empty();
            self.footprint -= batch.data.len() + BATCH_OVERHEAD;
            self.start = self.start.max(batch.end());
            if is_empty {
                self.drop_oldest_segment();
            }
        }
    }

    /// Drops the oldest segment; the log then starts at the next one, or goes on in an empty one.
    fn drop_oldest_segment(&mut self) {
        if let Some(oldest) = self.segments.pop_front() {
            self.footprint -= oldest.footprint();
        }
        if self.segments.is_empty() {
            self.begin_segment();
        }
        let next = self.segments.front().map_or(self.end, |segment| segment.base_offset());
        self.start = self.start.max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            segment::SEGMENT_OVERHEAD,
            tests::{POLICY, batch},
        },
        *,
    };
    use crate::log::{Policy, Retention};

    /// Segments of one batch each, since the batches are a minute apart.
    fn minutes(retention: Retention) -> Log {
        let mut log = Log::new(1 << 20, Policy { retention: Some(retention), ..POLICY });
        for minute in 1..=5 {
            log.append(batch(&[minute * 60_000, minute * 60_000 - 30_000])).unwrap();
        }
        log
    }

    #[test]
    fn a_segment_goes_when_its_newest_record_is_too_old() {
        let mut log = minutes(Retention { ms: Some(60_000), bytes: None });
        assert_eq!(log.drop_expired(120_000), 0);
        assert_eq!(log.start(), 0);
        assert_eq!(log.drop_expired(180_001), 4);
        assert_eq!((log.start(), log.high_watermark()), (4, 10));
        assert_eq!(log.drop_expired(180_001), 0);
        assert_eq!(log.read(0, 1, true).unwrap_err(), ResponseError::OffsetOutOfRange);
    }

    #[test]
    fn a_segment_stays_for_as_long_as_the_newest_of_its_records() {
        let policy = Policy { retention: Some(Retention { ms: Some(60_000), bytes: None }), ..POLICY };
        let mut log = Log::new(1 << 20, policy);
        for timestamp in [0, 900, 300] {
            log.append(batch(&[timestamp])).unwrap();
        }
        assert_eq!(log.drop_expired(60_900), 0);
        assert_eq!(log.drop_expired(60_901), 3);
        assert_eq!(log.start(), 3);
    }

    #[test]
    fn the_newest_segment_goes_too_and_the_log_goes_on_at_the_same_offset() {
        let mut log = minutes(Retention { ms: Some(60_000), bytes: None });
        assert_eq!(log.drop_expired(i64::MAX), 10);
        assert_eq!(
            (log.start(), log.high_watermark(), log.footprint, log.bytes()),
            (10, 10, SEGMENT_OVERHEAD, 0)
        );
        assert_eq!(log.append(batch(&[1])).unwrap().base_offset, 10);
        assert_eq!(log.read(10, 1, true).unwrap().batches.len(), 1);
    }

    #[test]
    fn records_without_a_time_age_from_when_they_came() {
        let policy = Policy { retention: Some(Retention { ms: Some(1000), bytes: None }), ..POLICY };
        let mut log = Log::new(1 << 20, policy);
        log.append(batch(&[-1])).unwrap();
        assert_eq!(log.drop_expired(1000), 0, "it came at 0");
        assert_eq!(log.drop_expired(1001), 1);
    }

    #[test]
    fn as_many_segments_go_as_leave_what_is_to_be_kept() {
        let size = minutes(Retention { ms: None, bytes: None }).bytes() / 5;
        for (keep, start) in [(5 * size, 0), (5 * size - 1, 0), (4 * size, 2), (2 * size, 6), (1, 8), (0, 10)]
        {
            let mut log = minutes(Retention { ms: None, bytes: Some(keep) });
            log.drop_expired(0);
            assert_eq!(log.start(), start, "{keep} of {}", 5 * size);
            assert_eq!(log.bytes(), size * usize::try_from((10 - start) / 2).unwrap());
        }
    }

    #[test]
    fn a_topic_that_is_only_compacted_keeps_everything_however_old() {
        let mut log = minutes(Retention { ms: Some(0), bytes: Some(0) });
        log.configure(Policy { retention: None, ..POLICY });
        assert_eq!(log.drop_expired(i64::MAX), 0);
    }

    #[test]
    fn records_are_deleted_up_to_an_offset_and_batches_with_their_last_record() {
        let mut log = minutes(Retention { ms: None, bytes: None });
        let whole = log.bytes();
        assert_eq!(log.delete_before(Some(5)).unwrap(), 5);
        assert_eq!(log.bytes(), whole / 5 * 3, "the batch of records 4 and 5 is still there");
        assert_eq!(log.read(4, 1, true).unwrap_err(), ResponseError::OffsetOutOfRange);
        assert_eq!(log.read(5, 1, true).unwrap().batches.len(), 1);
        assert_eq!(log.delete_before(Some(3)).unwrap(), 5, "what is deleted does not come back");
        for offset in [-2, 11] {
            let refusal = log.delete_before(Some(offset)).unwrap_err();
            assert_eq!(refusal.error, ResponseError::OffsetOutOfRange);
        }
        assert_eq!(log.delete_before(None).unwrap(), 10);
        assert_eq!((log.footprint, log.high_watermark()), (SEGMENT_OVERHEAD, 10));
    }
}
