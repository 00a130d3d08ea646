use super::{sample::Sample, *};
use proptest::prelude::*;

pub(super) const RULES: Rules = Rules {
    max_bytes: 1 << 20,
    max_age_ms: i64::MAX,
    max_ahead_ms: i64::MAX,
    log_append_time: false,
    needs_keys: false,
    compression: None,
};

pub(super) const POLICY: Policy = Policy {
    segment_bytes: 1 << 20,
    segment_ms: 1000,
    retention: Some(Retention { ms: None, bytes: None }),
    compaction: None,
};

pub(super) fn log(max_bytes: usize) -> Log {
    Log::new(max_bytes, POLICY)
}

pub(super) fn batch(timestamps: &[i64]) -> Checked {
    Checked::check(Sample::at(timestamps).bytes(), &RULES, 0).unwrap()
}

fn from_producer(sequence: i32, count: usize) -> Checked {
    let sample = Sample { producer: (9, 0, sequence), ..Sample::at(&vec![0; count]) };
    Checked::check(sample.bytes(), &RULES, 0).unwrap()
}

#[test]
fn every_record_has_an_offset_of_its_own() {
    let mut log = log(1 << 20);
    assert_eq!(log.append(batch(&[1, 2, 3])).unwrap().base_offset, 0);
    assert_eq!(log.append(batch(&[4])).unwrap().base_offset, 3);
    assert_eq!((log.start(), log.high_watermark()), (0, 4));
}

#[test]
fn a_reader_gets_whole_batches_from_the_one_its_offset_is_in() {
    let mut log = log(1 << 20);
    for _ in 0..3 {
        log.append(batch(&[1, 2, 3])).unwrap();
    }
    let size = log.read(0, usize::MAX, false).unwrap().bytes / 3;
    assert_eq!(log.read(4, usize::MAX, false).unwrap().batches.len(), 2);
    assert_eq!(log.read(0, 2 * size, false).unwrap().batches.len(), 2);
    assert_eq!(log.read(0, 2 * size - 1, false).unwrap().batches.len(), 1);
    assert_eq!(log.read(9, usize::MAX, true).unwrap().batches.len(), 0);
    assert_eq!(log.read(10, 1, true).unwrap_err(), ResponseError::OffsetOutOfRange);
    assert_eq!(log.read(-1, 1, true).unwrap_err(), ResponseError::OffsetOutOfRange);
}

#[test]
fn a_batch_beyond_the_readers_limit_still_comes_when_it_is_the_first() {
    let mut log = log(1 << 20);
    log.append(batch(&[1])).unwrap();
    log.append(batch(&[2])).unwrap();
    assert_eq!(log.read(0, 1, true).unwrap().batches.len(), 1);
    assert_eq!(log.read(0, 1, false).unwrap().batches.len(), 0);
}

#[test]
fn a_log_that_outgrows_its_bound_starts_later() {
    let mut log = log(10_000);
    for _ in 0..1000 {
        log.append(batch(&[1, 2])).unwrap();
        assert!(log.footprint <= 10_000);
    }
    assert_eq!(log.high_watermark(), 2000);
    assert!(log.start() > 1800);
    assert_eq!(log.start() % 2, 0, "batches go whole");
    assert_eq!(log.read(0, 1, true).unwrap_err(), ResponseError::OffsetOutOfRange);
    assert!(log.read(log.start(), usize::MAX, true).is_ok());
    let footprint = log.segments.iter().map(|segment| segment.footprint()).sum::<usize>();
    assert_eq!(log.footprint, footprint);
}

#[test]
fn a_batch_larger_than_the_bound_is_kept_until_the_next_comes() {
    let mut log = log(10);
    log.append(batch(&[1])).unwrap();
    assert_eq!(log.start(), 0);
    log.append(batch(&[1])).unwrap();
    assert_eq!((log.start(), log.high_watermark()), (1, 2));
}

/// The base offsets of the log's segments.
fn segments(log: &Log) -> Vec<i64> {
    log.segments.iter().map(|segment| segment.base_offset()).collect()
}

#[test]
fn a_segment_ends_where_it_would_span_too_much_time_or_too_many_bytes() {
    let mut log = log(1 << 20);
    for timestamp in [0, 1000, 500, 1001, 1002, 2001] {
        log.append(batch(&[timestamp])).unwrap();
    }
    assert_eq!(segments(&log), [0, 3]);
    let size = batch(&[0]).bytes();
    log.configure(Policy { segment_bytes: 2 * size, ..POLICY });
    for _ in 0..5 {
        log.append(batch(&[2001])).unwrap();
    }
    assert_eq!(segments(&log), [0, 3, 6, 8, 10]);
    assert_eq!(log.read(0, usize::MAX, true).unwrap().batches.len(), 11);
    assert_eq!(log.read(4, 3 * size, true).unwrap().batches.len(), 3);
    log.configure(Policy { segment_bytes: size - 1, ..POLICY });
    assert_eq!(log.append(batch(&[0])).unwrap_err().error, ResponseError::RecordListTooLarge);
}

#[test]
fn a_segment_that_is_to_be_compacted_soon_spans_no_more_time_than_that() {
    let compaction = Compaction { min_dirty_ratio: 0.5, min_lag_ms: 0, max_lag_ms: 10, tombstone_ms: 0 };
    let mut log = Log::new(1 << 20, Policy { compaction: Some(compaction), ..POLICY });
    for timestamp in [0, 10, 11] {
        log.append(batch(&[timestamp])).unwrap();
    }
    assert_eq!(segments(&log), [0, 2]);
}

#[test]
fn a_batch_that_a_producer_sends_twice_is_stored_once() {
    let mut log = log(1 << 20);
    log.append(batch(&[0])).unwrap();
    assert_eq!(log.append(from_producer(0, 3)).unwrap().base_offset, 1);
    assert_eq!(log.append(from_producer(0, 3)).unwrap().base_offset, 1);
    assert_eq!(log.append(from_producer(3, 1)).unwrap().base_offset, 4);
    assert_eq!(log.append(from_producer(9, 1)).unwrap_err().error, ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(log.high_watermark(), 5);
}

#[test]
fn the_record_with_the_latest_time_is_the_first_that_has_it() {
    let mut log = log(1 << 20);
    assert_eq!(log.latest_timestamp(), None);
    log.append(batch(&[5, 90, 7])).unwrap();
    log.append(batch(&[90, 1])).unwrap();
    assert_eq!(log.latest_timestamp(), Some((1, 90)));
}

proptest! {
    /// The search over batches and within a batch finds the same record as a scan.
    #[test]
    fn a_point_in_time_is_the_first_record_at_or_after_it(
        batches in prop::collection::vec(prop::collection::vec(0_i64..50, 1..6), 0..12),
        wanted in 0_i64..55,
    ) {
        let mut log = log(1 << 20);
        for timestamps in &batches {
            log.append(batch(timestamps)).unwrap();
        }
        let records = (0_i64..).zip(batches.iter().flatten().copied());
        let expected = records.clone().find(|(_, timestamp)| *timestamp >= wanted);
        prop_assert_eq!(log.batch_at(wanted, 0).and_then(|batch| batch.first_at(wanted, 0)), expected);
        let latest = records.fold(None, |best: Option<(i64, i64)>, record| match best {
            Some(best) if best.1 >= record.1 => Some(best),
            _ => Some(record),
        });
        prop_assert_eq!(log.latest_timestamp(), latest);
    }
}
