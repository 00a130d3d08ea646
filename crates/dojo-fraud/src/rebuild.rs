//! Where to begin reading, so that the windows hold what they held before a restart.
//!
//! Windows are kept nowhere but in memory; the log has everything to fill them again. Reading begins, in every
//! partition, two minutes before the earliest record that was not judged: one minute is the longest window, the other
//! is for orders that stand on the log behind later ones. What lies before the committed offsets is counted and not
//! judged again.

use crate::{detector::Start, window::WINDOW};
use dojo_kafka::{AssignedPartition, Error, LogLookup};

/// How long before the earliest record that was not judged the reading begins, in milliseconds.
const BEFORE: i64 = 2 * WINDOW;

/// Where to begin in each of `assigned` at `now`, in milliseconds since 1970.
///
/// Fails where the log cannot be asked: to go on with windows that are not full would give wrong verdicts.
pub fn starts(assigned: &[AssignedPartition], log: &dyn LogLookup, now: i64) -> Result<Vec<Start>, Error> {
    let from = if assigned.iter().all(|p| p.committed.is_none()) {
        // A cold group reads everything anyway.
        None
    } else {
        // The next order that anybody places is dated from now on, whatever else waits on the log.
        let mut earliest = now;
        for AssignedPartition { topic, partition, committed } in assigned {
            let first = log.timestamp_at(topic, *partition, committed.unwrap_or(0))?;
            earliest = earliest.min(first.unwrap_or(now));
        }
        Some(earliest.saturating_sub(BEFORE).max(0))
    };
    assigned
        .iter()
        .map(|AssignedPartition { topic, partition, committed }| {
            let judge_from = committed.unwrap_or(0);
            let read_from = match (committed, from) {
                (Some(_), Some(from)) => log.offset_at(topic, *partition, from)?.unwrap_or(judge_from),
                _ => judge_from,
            };
            Ok(Start { partition: *partition, read_from: read_from.min(judge_from), judge_from })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const NOW: i64 = 1_800_000_000_000;
    const SECOND: i64 = 1_000;

    /// Timestamps by partition; an offset is an index.
    struct Log(BTreeMap<i32, Vec<i64>>);

    impl LogLookup for Log {
        fn partitions(&self, _: &str) -> Result<usize, Error> {
            Ok(self.0.len())
        }

        fn timestamp_at(&self, _: &str, partition: i32, offset: i64) -> Result<Option<i64>, Error> {
            Ok(self.0[&partition].get(offset as usize).copied())
        }

        fn offset_at(&self, _: &str, partition: i32, timestamp: i64) -> Result<Option<i64>, Error> {
            Ok(self.0[&partition].iter().position(|t| *t >= timestamp).map(|offset| offset as i64))
        }
    }

    /// One record a second, ten minutes up to now, but none in partition 2 for the last five.
    fn log() -> Log {
        let times = |until: i64| (0..600).map(|n| NOW - (600 - n) * SECOND).filter(|t| *t < until).collect();
        Log([(0, times(NOW)), (1, times(NOW)), (2, times(NOW - 300 * SECOND))].into())
    }

    fn starts_at(committed: [Option<i64>; 3]) -> Vec<(i64, i64)> {
        let assigned: Vec<_> = (0..)
            .zip(committed)
            .map(|(partition, committed)| AssignedPartition {
                topic: "orders".to_owned(),
                partition,
                committed,
            })
            .collect();
        let starts = starts(&assigned, &log(), NOW).unwrap();
        starts.into_iter().map(|s| (s.read_from, s.judge_from)).collect()
    }

    #[test]
    fn every_partition_begins_two_minutes_before_the_earliest_record_not_judged() {
        assert_eq!(starts_at([Some(500), Some(590), Some(300)]), [(380, 500), (380, 590), (300, 300)]);
    }

    #[test]
    fn where_all_was_judged_the_last_two_minutes_count() {
        assert_eq!(starts_at([Some(600), Some(600), Some(300)]), [(480, 600), (480, 600), (300, 300)]);
    }

    #[test]
    fn a_partition_never_committed_is_read_and_judged_from_its_start() {
        assert_eq!(starts_at([None, None, None]), [(0, 0), (0, 0), (0, 0)]);
        assert_eq!(starts_at([Some(600), None, Some(300)]), [(0, 600), (0, 0), (0, 300)]);
    }
}
