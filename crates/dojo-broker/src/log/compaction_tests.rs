use super::{
    super::{
        compression::tests::ALL,
        sample::Sample,
        tests::{POLICY, RULES},
    },
    *,
};
use crate::log::{Checked, Compaction, Marker};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const COMPACTION: Compaction =
    Compaction { min_dirty_ratio: 0.0, min_lag_ms: 0, max_lag_ms: i64::MAX, tombstone_ms: 1000 };
const MINUTE: i64 = 60_000;

/// A log in which every minute is a segment of its own.
fn log(compaction: Compaction) -> Log {
    Log::new(1 << 20, Policy { compaction: Some(compaction), retention: None, ..POLICY })
}

type Keyed = (Option<&'static str>, Option<&'static str>);

fn sample(minute: i64, records: &[Keyed]) -> Sample {
    let records = records.iter().map(|(key, value)| (minute * MINUTE, *key, *value)).collect();
    Sample { base_timestamp: minute * MINUTE, records, ..Sample::at(&[]) }
}

fn append(log: &mut Log, sample: &Sample) -> i64 {
    log.append(Checked::check(sample.bytes(), &RULES, 0).unwrap()).unwrap().base_offset
}

/// Compacts what is due. Returns whether anything was.
fn compact(log: &mut Log, now_ms: i64) -> bool {
    let Some(work) = log.compaction_due(now_ms) else { return false };
    log.install(work.done(now_ms));
    true
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    offset: i64,
    key: Option<String>,
    has_value: bool,
    timestamp: i64,
}

/// Returns every record that a reader finds, and checks everything about their batches.
fn contents(log: &Log) -> Vec<Found> {
    let mut found = Vec::new();
    let mut next = 0;
    for data in log.read(log.start(), usize::MAX, true).unwrap().batches {
        let header = Header::parse(&data).unwrap();
        assert!(header.checksum_matches(&data), "its checksum");
        assert_eq!(header.length, data.len());
        assert!(header.base_offset >= next, "batches come in order");
        next = header.base_offset + i64::from(header.last_offset_delta) + 1;
        if header.is_control() {
            continue;
        }
        let mut plain = Vec::new();
        header.codec().unwrap().reader(header::records(&data)).unwrap().read_to_end(&mut plain).unwrap();
        let mut left = plain.as_slice();
        let before = found.len();
        while let Some(record) = records::next(&mut left).unwrap() {
            found.push(Found {
                offset: header.base_offset + record.offset_delta,
                key: record.key.map(|key| String::from_utf8(key.to_vec()).unwrap()),
                has_value: record.has_value,
                timestamp: header.timestamp(record.timestamp_delta),
            });
        }
        let here = &found[before..];
        assert_eq!(usize::try_from(header.record_count).unwrap(), here.len());
        assert_eq!(here.iter().map(|record| record.timestamp).max(), Some(header.max_timestamp));
        assert!(here.iter().all(|record| (header.base_offset..next).contains(&record.offset)));
    }
    assert!(next <= log.high_watermark());
    assert!(found.is_sorted_by_key(|record| record.offset));
    let footprint: usize = log.segments.iter().map(|segment| segment.footprint()).sum();
    assert_eq!(log.footprint, footprint);
    found
}

fn offsets(log: &Log) -> Vec<i64> {
    contents(log).iter().map(|record| record.offset).collect()
}

const A: Keyed = (Some("a"), Some("value"));
const B: Keyed = (Some("b"), Some("value"));
const C: Keyed = (Some("c"), Some("value"));
const A_GONE: Keyed = (Some("a"), None);

#[test]
fn the_last_record_of_a_key_stays_at_its_offset_and_the_newest_segment_as_it_is() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[A, B, A, C]));
    append(&mut log, &sample(2, &[B, A]));
    append(&mut log, &sample(3, &[C, C]));
    assert!(compact(&mut log, 0));
    assert_eq!(offsets(&log), [3, 4, 5, 6, 7]);
    assert_eq!((log.start(), log.high_watermark()), (0, 8));
    assert!(!compact(&mut log, 0), "nothing is new");
    append(&mut log, &sample(4, &[A]));
    assert!(compact(&mut log, 0));
    assert_eq!(offsets(&log), [4, 5, 7, 8]);
    assert_eq!(
        log.read(0, usize::MAX, true).unwrap().batches.len(),
        3,
        "a reader at a gap gets what comes behind"
    );
}

#[test]
fn a_key_that_was_deleted_is_gone_once_readers_had_time_to_learn_of_it() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[A, B]));
    append(&mut log, &sample(2, &[A_GONE]));
    append(&mut log, &sample(3, &[B]));
    assert!(compact(&mut log, 5000));
    assert_eq!(offsets(&log), [1, 2, 3]);
    append(&mut log, &sample(4, &[C]));
    assert!(compact(&mut log, 5999));
    assert_eq!(offsets(&log), [2, 3, 4]);
    append(&mut log, &sample(5, &[C]));
    assert!(compact(&mut log, 6000));
    assert_eq!(offsets(&log), [3, 4, 5]);
}

#[test]
fn records_without_a_key_go_as_from_before_the_topic_was_compacted() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[(None, Some("value")), A]));
    append(&mut log, &sample(2, &[B]));
    assert!(compact(&mut log, 0));
    assert_eq!(offsets(&log), [1, 2]);
}

#[test]
fn a_log_is_compacted_once_enough_of_it_is_new() {
    let mut log = log(Compaction { min_dirty_ratio: 0.5, ..COMPACTION });
    for minute in 1..=3 {
        append(&mut log, &sample(minute, &[A, B]));
    }
    assert!(compact(&mut log, 0), "all of it is new");
    append(&mut log, &sample(4, &[C]));
    append(&mut log, &sample(5, &[C, C]));
    assert!(compact(&mut log, 0), "two segments, and less than one was left");
    assert_eq!(offsets(&log), [4, 5, 6, 7, 8]);
    append(&mut log, &sample(6, &[A]));
    assert!(!compact(&mut log, 0), "one segment as large as that which is left");
}

#[test]
fn what_waited_for_too_long_is_compacted_however_little_it_is() {
    let mut log = log(Compaction { min_dirty_ratio: 1.0, max_lag_ms: 10 * MINUTE, ..COMPACTION });
    append(&mut log, &sample(1, &[A, A]));
    append(&mut log, &sample(12, &[B]));
    assert!(!compact(&mut log, 11 * MINUTE));
    assert!(compact(&mut log, 11 * MINUTE + 1));
    assert_eq!(offsets(&log), [1, 2]);
}

#[test]
fn records_stay_for_as_long_as_the_least_lag() {
    let mut log = log(Compaction { min_lag_ms: 10 * MINUTE, ..COMPACTION });
    for minute in 1..=3 {
        append(&mut log, &sample(minute, &[A, A]));
    }
    assert!(!compact(&mut log, 11 * MINUTE - 1));
    assert!(compact(&mut log, 11 * MINUTE));
    assert_eq!(offsets(&log), [1, 2, 3, 4, 5], "the second minute waits, and does not count either");
    assert!(compact(&mut log, 12 * MINUTE));
    assert_eq!(offsets(&log), [3, 4, 5]);
}

#[test]
fn what_left_or_came_while_the_work_was_done_is_gone_or_there() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[A, B]));
    append(&mut log, &sample(2, &[C, B]));
    append(&mut log, &sample(3, &[A]));
    let work = log.compaction_due(0).unwrap();
    log.delete_before(Some(3)).unwrap();
    append(&mut log, &sample(4, &[C]));
    log.install(work.done(0));
    assert_eq!(log.start(), 3);
    assert_eq!(offsets(&log)[1..], [3, 4, 5], "record 2 is only left because its batch is");
}

#[test]
fn a_compaction_that_another_one_overtook_changes_nothing() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[A, B]));
    append(&mut log, &sample(2, &[C]));
    let late = log.compaction_due(0).unwrap();
    append(&mut log, &sample(3, &[A]));
    assert!(compact(&mut log, 0));
    assert_eq!(log.segments.len(), 2, "what is left of the first two is one now");
    let before = contents(&log);
    log.install(late.done(0));
    assert_eq!(contents(&log), before);
}

#[test]
fn segments_that_became_small_are_joined() {
    let mut log = log(COMPACTION);
    for minute in 1..=50 {
        append(&mut log, &sample(minute, &[A, B]));
    }
    assert_eq!(log.segments.len(), 50);
    assert!(compact(&mut log, 0));
    assert_eq!(log.segments.len(), 2);
}

#[test]
fn a_batch_sent_again_is_known_although_it_was_compacted_away() {
    let mut log = log(COMPACTION);
    let first = Sample { producer: (9, 0, 0), ..sample(1, &[A]) };
    append(&mut log, &first);
    append(&mut log, &sample(2, &[A]));
    append(&mut log, &sample(3, &[B]));
    assert!(compact(&mut log, 0));
    assert_eq!(offsets(&log), [1, 2]);
    assert_eq!(append(&mut log, &first), 0);
    assert_eq!(log.high_watermark(), 3);
}

/// A batch in a transaction of producer 9.
fn in_transaction(minute: i64, sequence: i32, records: &[Keyed]) -> Sample {
    let transactional = header::TRANSACTIONAL_BIT;
    Sample { producer: (9, 0, sequence), attributes: transactional, ..sample(minute, records) }
}

fn end(log: &mut Log, minute: i64, commit: bool) {
    log.end_transaction(&Marker { producer_id: 9, epoch: 0, commit, now_ms: minute * MINUTE });
}

#[test]
fn what_was_aborted_goes_and_replaces_nothing_and_its_marker_goes_later() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[A, B]));
    append(&mut log, &in_transaction(2, 0, &[A, C]));
    end(&mut log, 2, false);
    append(&mut log, &sample(3, &[B]));
    assert!(compact(&mut log, 5000));
    assert_eq!(offsets(&log), [0, 1, 5], "segments 1 and 2");
    let aborted = |log: &Log| log.read_committed(0, usize::MAX, true).unwrap().aborted.len();
    let batches = |log: &Log| log.read(0, usize::MAX, true).unwrap().batches.len();
    assert_eq!((aborted(&log), batches(&log)), (1, 3));
    for (minute, now_ms) in [(4, 10_000), (5, 10_999)] {
        append(&mut log, &sample(minute, &[C]));
        assert!(compact(&mut log, now_ms));
        assert_eq!(aborted(&log), 1, "the marker stays for a while");
    }
    append(&mut log, &sample(6, &[C]));
    assert!(compact(&mut log, 11_000));
    assert_eq!(aborted(&log), 0);
}

#[test]
fn an_open_transaction_keeps_compaction_from_going_on() {
    let mut log = log(COMPACTION);
    append(&mut log, &sample(1, &[A, A]));
    append(&mut log, &in_transaction(2, 0, &[A]));
    append(&mut log, &sample(3, &[A]));
    append(&mut log, &sample(4, &[A]));
    assert!(compact(&mut log, 0));
    assert_eq!(offsets(&log), [1, 2, 3, 4]);
    end(&mut log, 5, true);
    assert!(compact(&mut log, 0));
    assert_eq!(offsets(&log), [4]);
}

proptest! {
    /// A reader of the compacted log finds the last value of every key, all records of the part that isn't
    /// compacted yet, and no record that wasn't written.
    #[test]
    fn a_compacted_log_says_what_the_whole_log_said(
        batches in prop::collection::vec(
            (0_usize..5, 0_i64..2, prop::collection::vec((0_usize..6, any::<bool>(), 0_i64..1000), 1..8)),
            1..20,
        ),
        rounds in prop::collection::vec(any::<bool>(), 20),
    ) {
        let keys = ["a", "b", "c", "d", "e", "f"].map(Some);
        let mut log = log(COMPACTION);
        let mut written = BTreeMap::new();
        let mut minute = 1;
        for ((codec, pause, records), round) in batches.iter().zip(rounds) {
            minute += pause;
            let base_timestamp = minute * MINUTE;
            let records: Vec<_> = records
                .iter()
                .map(|(key, has_value, ms)| (base_timestamp + ms, keys[*key], has_value.then_some("value")))
                .collect();
            let sample = Sample { codec: ALL[*codec], base_timestamp, records, ..Sample::at(&[]) };
            let base = append(&mut log, &sample);
            for (offset, (timestamp, key, value)) in (base..).zip(sample.records) {
                let key = key.map(str::to_owned);
                written.insert(offset, Found { offset, key, has_value: value.is_some(), timestamp });
            }
            if round {
                compact(&mut log, 0);
            }
        }
        compact(&mut log, 0);
        let found = contents(&log);
        let last = |records: &mut dyn Iterator<Item = &Found>| -> BTreeMap<Option<String>, i64> {
            records.map(|record| (record.key.clone(), record.offset)).collect()
        };
        prop_assert_eq!(last(&mut found.iter()), last(&mut written.values()));
        for record in &found {
            prop_assert_eq!(Some(record), written.get(&record.offset));
        }
        let compacted: Vec<&Found> = found.iter().filter(|record| record.offset < log.clean_to).collect();
        let distinct: BTreeSet<_> = compacted.iter().map(|record| &record.key).collect();
        prop_assert_eq!(distinct.len(), compacted.len(), "no key twice in what was compacted");
        let rest = found.iter().filter(|record| record.offset >= log.clean_to);
        prop_assert!(rest.eq(written.range(log.clean_to..).map(|(_, record)| record)));
    }

    /// A look-up by time in the compacted log finds the same record as a scan of every record.
    #[test]
    fn a_point_in_time_is_found_after_compaction(
        minutes in prop::collection::vec(prop::collection::vec((0_usize..3, 0_i64..50), 1..6), 1..8),
        wanted in 0_i64..9,
        deleted in 0_i64..20,
    ) {
        let keys = ["a", "b", "c"].map(Some);
        let mut log = log(COMPACTION);
        for (minute, records) in (1_i64..).zip(&minutes) {
            let base_timestamp = minute * MINUTE;
            let records = records.iter().map(|(key, ms)| (base_timestamp + ms, keys[*key], Some("value")));
            append(&mut log, &Sample { base_timestamp, records: records.collect(), ..Sample::at(&[]) });
        }
        compact(&mut log, 0);
        log.delete_before(Some(deleted.min(log.high_watermark()))).unwrap();
        let wanted = wanted * MINUTE + 25;
        let expected = contents(&log)
            .into_iter()
            .find(|record| record.timestamp >= wanted && record.offset >= log.start())
            .map(|record| (record.offset, record.timestamp));
        let mut from = log.start();
        let mut found = None;
        while let Some(batch) = log.batch_at(wanted, from).filter(|_| found.is_none()) {
            found = batch.first_at(wanted, log.start());
            from = batch.end();
        }
        prop_assert_eq!(found, expected);
    }
}
