use super::{
    super::{
        Checked, Compaction, Policy,
        header::{self, Header},
        sample::Sample,
        tests::{POLICY, RULES, batch, log},
        transactions::{ABORT, MARKER_BEFORE_TYPE},
    },
    *,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn in_transaction(producer_id: i64, epoch: i16, sequence: i32, count: usize) -> Checked {
    let sample = Sample::at(&vec![0; count]).in_transaction(producer_id, epoch, sequence);
    Checked::check(sample.bytes(), &RULES, 0).unwrap()
}

fn marker(producer_id: i64, epoch: i16, commit: bool) -> Marker {
    Marker { producer_id, epoch, commit, now_ms: 7 }
}

/// Returns the offsets that a consumer of committed records shows, decided as clients do: an aborted
/// transaction counts from the offset where it begins to its abort marker.
fn shown(read: &Read, from: i64) -> Vec<i64> {
    let mut waiting: BTreeSet<(i64, i64)> =
        read.aborted.iter().map(|aborted| (aborted.first_offset, aborted.producer_id)).collect();
    let mut skipped = BTreeSet::new();
    let mut shown = Vec::new();
    for data in &read.batches {
        let header = Header::parse(data).unwrap();
        assert!(header.checksum_matches(data));
        let last = header.base_offset + i64::from(header.last_offset_delta);
        while let Some((first, producer_id)) = waiting.first().copied().filter(|(first, _)| *first <= last) {
            waiting.remove(&(first, producer_id));
            skipped.insert(producer_id);
        }
        if header.is_control() {
            let kind = &header::records(data)[MARKER_BEFORE_TYPE.len()..][..2];
            if kind == ABORT.to_be_bytes() {
                skipped.remove(&header.producer_id);
            }
        } else if !(header.is_transactional() && skipped.contains(&header.producer_id)) {
            shown.extend((header.base_offset..=last).filter(|offset| *offset >= from));
        }
    }
    shown
}

#[test]
fn nothing_behind_the_first_open_transaction_is_read_as_committed() {
    let mut log = log(1 << 20);
    log.append(batch(&[1, 2])).unwrap();
    log.append(in_transaction(7, 0, 0, 2)).unwrap();
    log.append(batch(&[1])).unwrap();
    assert_eq!((log.last_stable_offset(), log.high_watermark()), (2, 5));
    let read = log.read_committed(0, usize::MAX, true).unwrap();
    assert_eq!((read.batches.len(), read.last_stable_offset, read.high_watermark), (1, 2, 5));
    assert_eq!(log.read(0, usize::MAX, true).unwrap().batches.len(), 3);
    assert_eq!(log.read_committed(4, usize::MAX, true).unwrap().batches.len(), 0);
    assert_eq!(log.read_committed(6, 1, true).unwrap_err(), ResponseError::OffsetOutOfRange);
    log.end_transaction(&marker(7, 1, true));
    assert_eq!((log.last_stable_offset(), log.high_watermark()), (6, 6));
    let read = log.read_committed(0, usize::MAX, true).unwrap();
    assert_eq!((read.batches.len(), read.aborted.as_slice()), (4, [].as_slice()));
}

#[test]
fn every_reader_of_a_part_of_an_aborted_transaction_learns_of_it() {
    let mut log = log(1 << 20);
    log.append(in_transaction(7, 0, 0, 2)).unwrap();
    log.append(in_transaction(8, 0, 0, 2)).unwrap();
    log.end_transaction(&marker(7, 1, false));
    assert_eq!(log.last_stable_offset(), 2, "the other is open");
    log.end_transaction(&marker(8, 1, true));
    let told = |from| {
        let read = log.read_committed(from, usize::MAX, true).unwrap();
        read.aborted.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect::<Vec<_>>()
    };
    assert_eq!(told(0), [(7, 0)]);
    assert_eq!(told(4), [(7, 0)], "its marker is there");
    assert_eq!(told(5), []);
    assert_eq!(shown(&log.read_committed(0, usize::MAX, true).unwrap(), 0), [2, 3]);
}

#[test]
fn a_marker_looks_like_one_that_apache_kafka_wrote() {
    let mut log = log(1 << 20);
    log.end_transaction(&marker(7, 4, true));
    let read = log.read(0, usize::MAX, true).unwrap();
    let header = Header::parse(&read.batches[0]).unwrap();
    assert_eq!((header.attributes, header.producer_id, header.producer_epoch), (0x30, 7, 4));
    assert_eq!((header.base_sequence, header.record_count, header.max_timestamp), (-1, 1, 7));
    // Seen on Apache Kafka 4.3.1.
    let record = [0x20, 0, 0, 0, 8, 0, 0, 0, 1, 0x0c, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(header::records(&read.batches[0]), record);
}

#[test]
fn transactions_whose_records_are_gone_are_forgotten() {
    let mut log = log(4000);
    for epoch in 0..100 {
        log.append(in_transaction(7, epoch, 0, 2)).unwrap();
        log.end_transaction(&marker(7, epoch + 1, false));
    }
    assert!(log.start() > 0);
    let start = log.start();
    assert!(log.transactions.aborted.iter().all(|aborted| aborted.last_offset >= start));
    assert!(log.transactions.open.is_empty());
}

#[test]
fn an_open_transaction_that_has_lost_its_first_records_begins_where_the_log_does() {
    let mut log = log(4000);
    log.append(in_transaction(7, 0, 0, 2)).unwrap();
    for _ in 0..100 {
        log.append(batch(&[1])).unwrap();
    }
    assert!(log.start() > 2);
    assert_eq!(log.last_stable_offset(), log.start());
    log.end_transaction(&marker(7, 1, true));
    assert_eq!(log.last_stable_offset(), log.high_watermark());
}

#[derive(Debug, Clone)]
enum Step {
    Plain(usize),
    Write { producer: i64, count: usize },
    End { producer: i64, commit: bool, raises_epoch: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_usize..4).prop_map(Step::Plain),
        (0_i64..4, 1_usize..4).prop_map(|(producer, count)| Step::Write { producer, count }),
        (0_i64..4, any::<bool>(), any::<bool>()).prop_map(|(producer, commit, raises_epoch)| Step::End {
            producer,
            commit,
            raises_epoch
        }),
    ]
}

/// What the test knows of a producer that it plays.
#[derive(Debug, Default)]
struct Played {
    epoch: i16,
    sequence: i32,
    written: Vec<i64>,
}

proptest! {
    /// A consumer of committed records shows exactly the committed records before the first open transaction,
    /// however the transactions are interleaved, and however small the pieces in which it reads.
    #[test]
    fn a_consumer_of_committed_records_sees_exactly_those(
        steps in prop::collection::vec(step(), 1..60),
        from in 0_i64..80,
        max_bytes in 1_usize..1000,
    ) {
        let mut log = log(1 << 20);
        let mut producers: BTreeMap<i64, Played> = BTreeMap::new();
        let mut committed = BTreeSet::new();
        for step in steps {
            match step {
                Step::Plain(count) => {
                    let base = log.append(batch(&vec![1; count])).unwrap().base_offset;
                    committed.extend(base..log.high_watermark());
                }
                Step::Write { producer, count } => {
                    let played = producers.entry(producer).or_default();
                    let batch = in_transaction(producer, played.epoch, played.sequence, count);
                    let base = log.append(batch).unwrap().base_offset;
                    played.sequence += i32::try_from(count).unwrap();
                    played.written.extend(base..log.high_watermark());
                }
                Step::End { producer, commit, raises_epoch } => {
                    let played = producers.entry(producer).or_default();
                    if raises_epoch {
                        played.epoch += 1;
                        played.sequence = 0;
                    }
                    log.end_transaction(&marker(producer, played.epoch, commit));
                    let written = std::mem::take(&mut played.written);
                    committed.extend(written.into_iter().filter(|_| commit));
                }
            }
        }
        let open = producers.values().filter_map(|played| played.written.first().copied()).min();
        let stable = open.unwrap_or(log.high_watermark());
        prop_assert_eq!(log.last_stable_offset(), stable);
        let from = from.min(log.high_watermark());
        let mut seen = Vec::new();
        let mut position = from;
        loop {
            let read = log.read_committed(position, max_bytes, true).unwrap();
            seen.extend(shown(&read, position));
            if read.batches.is_empty() {
                break;
            }
            position = read.end;
        }
        let expected: Vec<i64> = committed.into_iter().filter(|offset| (from..stable).contains(offset)).collect();
        prop_assert_eq!(seen, expected);
    }
}

#[test]
fn markers_alone_do_not_outgrow_the_bound_of_a_compacted_log() {
    let compaction =
        Compaction { min_dirty_ratio: 0.5, min_lag_ms: 0, max_lag_ms: i64::MAX, tombstone_ms: 0 };
    let policy = Policy { compaction: Some(compaction), retention: None, ..POLICY };
    let mut log = Log::new(10_000, policy);
    for producer_id in 0..1000 {
        log.end_transaction(&Marker { producer_id, epoch: 0, commit: true, now_ms: 0 });
    }
    assert!(
        log.footprint <= 10_000 && log.high_watermark() > 10,
        "{} {}",
        log.footprint,
        log.high_watermark()
    );
}
