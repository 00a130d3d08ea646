//! Where to begin reading, so that each order finds the same window as without a restart.
//!
//! Windows are kept nowhere but in memory; the log has everything to fill them again. Reading begins, in every partition,
//! earlier than the first record that was not judged: by the span that the windows hold, and by a minute for orders that
//! stand on the log behind later ones. What lies before the committed offsets is counted and not judged again. A window that
//! reaches further back than the reading, or than the log, is partial.
//!
//! The service takes the same path when a rule asks about a longer span than the windows hold.
//!
//! A crash may come between a verdict and the commit of its offset. So the service also looks on `audit` which of the
//! records behind the committed offsets have their verdict, and judges none of them again. That makes it an idempotent
//! consumer: it recognizes its own work. Judged again, such an order could get another verdict, because orders that had
//! overtaken one another come back in the order of time.

use crate::{detector::Start, window::WINDOW};
use dojo_contract::{AuditEvent, Source, topic};
use dojo_kafka::{AssignedPartition, Error, LogLookup};
use std::collections::HashSet;

/// What has to be known to go on where another process, or an earlier assignment, ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rebuild {
    /// Where to begin in each partition.
    pub starts: Vec<Start>,
    /// Partition and offset of the records that have their verdict, though their offsets were not committed.
    pub judged: HashSet<(i32, i64)>,
    /// The latest event time, in milliseconds since 1970, of the orders that may be missing; `None` if none is.
    pub missing_until: Option<i64>,
}

/// Looks up what `assigned` needs at `now`, in milliseconds since 1970, to fill windows of `span` milliseconds.
///
/// # Errors
/// The log can't be asked: to go on with windows that are not full would give wrong verdicts.
pub fn rebuild(
    assigned: &[AssignedPartition],
    log: &dyn LogLookup,
    span: i64,
    now: i64,
) -> Result<Rebuild, Error> {
    let mut earliest = None;
    for AssignedPartition { topic, partition, committed } in assigned {
        let first = log.timestamp_at(topic, *partition, committed.unwrap_or(0))?;
        earliest = earliest.into_iter().chain(first).min();
    }
    let judged = match earliest {
        Some(earliest) => judged(assigned, log, earliest)?,
        // Everything was judged and committed.
        None => HashSet::new(),
    };
    // The next order that anybody places is dated from now on, whatever else waits on the log.
    let earliest = earliest.map_or(now, |earliest| earliest.min(now));
    let from = earliest.saturating_sub(span).saturating_sub(WINDOW).max(0);
    let starts = starts(assigned, log, from)?;
    let missing_until = missing_until(&starts, log, from)?;
    Ok(Rebuild { starts, judged, missing_until })
}

/// The records behind the committed offsets whose verdict is on `audit`. The first of them is dated `earliest`.
fn judged(
    assigned: &[AssignedPartition],
    log: &dyn LogLookup,
    earliest: i64,
) -> Result<HashSet<(i32, i64)>, Error> {
    let mut judged = HashSet::new();
    let is_behind = |partition, offset| {
        assigned.iter().any(|p| p.partition == partition && offset >= p.committed.unwrap_or(0))
    };
    // A verdict is dated by the clock of this service; the clock of the order may be ahead of it.
    let is_complete =
        log.read_since(topic::AUDIT, earliest.saturating_sub(WINDOW).max(0), &mut |record| {
            let event = record.value.and_then(|value| serde_json::from_slice::<AuditEvent>(value).ok());
            let Some(event) = event.filter(|event| event.source == Source::FraudService) else { return };
            if let (Some(partition), Some(offset)) = (event.partition, event.offset)
                && is_behind(partition, offset)
            {
                judged.insert((partition, offset));
            }
        })?;
    if !is_complete {
        tracing::warn!(
            "too much on audit to find every verdict given before; some orders may be judged twice"
        );
    }
    Ok(judged)
}

fn starts(assigned: &[AssignedPartition], log: &dyn LogLookup, from: i64) -> Result<Vec<Start>, Error> {
    // A cold group reads everything anyway.
    let is_cold = assigned.iter().all(|p| p.committed.is_none());
    let from = (!is_cold).then_some(from);
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

fn missing_until(starts: &[Start], log: &dyn LogLookup, from: i64) -> Result<Option<i64>, Error> {
    let mut latest = None;
    for &Start { partition, read_from, judge_from } in starts {
        let missing = match log.offset_at(topic::ORDERS, partition, 0)? {
            Some(first) if read_from > first => Some(from - 1),
            // Kafka deleted the records before.
            Some(first) if first > 0 => log.timestamp_at(topic::ORDERS, partition, first)?,
            None if judge_from > 0 => Some(from - 1),
            _ => None,
        };
        latest = latest.max(missing);
    }
    Ok(latest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use dojo_contract::AuditAction;
    use dojo_kafka::Record;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    const NOW: i64 = 1_800_000_000_000;
    const SECOND: i64 = 1_000;

    /// Timestamps of `orders` by partition, where an offset is an index; and the verdicts on `audit`.
    struct Log(BTreeMap<i32, Vec<i64>>, Vec<(i64, AuditEvent)>);

    impl LogLookup for Log {
        fn read_since(
            &self,
            topic: &str,
            timestamp: i64,
            on: &mut dyn FnMut(&Record<'_>),
        ) -> Result<bool, Error> {
            assert_eq!(topic, topic::AUDIT);
            for (n, (time, event)) in (0..).zip(&self.1).filter(|(_, (time, _))| *time >= timestamp) {
                let value = serde_json::to_vec(event).unwrap();
                on(&Record {
                    topic: topic::AUDIT,
                    partition: 0,
                    offset: n,
                    timestamp: Some(*time),
                    key: None,
                    value: Some(&value),
                    headers: Vec::new(),
                });
            }
            Ok(true)
        }

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
        let verdict = |source, partition, offset| {
            let event =
                AuditEvent::new(source, AuditAction::FraudCheckPassed, Uuid::nil(), DateTime::UNIX_EPOCH);
            (NOW - SECOND, AuditEvent { partition: Some(partition), offset: Some(offset), ..event })
        };
        let verdicts = vec![
            verdict(Source::FraudService, 0, 590),
            verdict(Source::FraudService, 1, 595),
            verdict(Source::FraudService, 1, 596),
            verdict(Source::NotificationService, 1, 597),
            (NOW - 300 * SECOND, verdict(Source::FraudService, 1, 598).1),
        ];
        Log([(0, times(NOW)), (1, times(NOW)), (2, times(NOW - 300 * SECOND))].into(), verdicts)
    }

    fn assigned(committed: [Option<i64>; 3]) -> Vec<AssignedPartition> {
        let partition = |(partition, committed)| AssignedPartition {
            topic: topic::ORDERS.to_owned(),
            partition,
            committed,
        };
        (0..).zip(committed).map(partition).collect()
    }

    fn starts_at(committed: [Option<i64>; 3]) -> Vec<(i64, i64)> {
        let starts = rebuild(&assigned(committed), &log(), WINDOW, NOW).unwrap().starts;
        starts.into_iter().map(|s| (s.read_from, s.judge_from)).collect()
    }

    #[test]
    fn records_behind_the_committed_offsets_that_have_their_verdict_are_found() {
        let found = rebuild(&assigned([Some(595), Some(596), Some(300)]), &log(), WINDOW, NOW).unwrap();
        assert_eq!(found.judged, [(1, 596)].into());
        let found = rebuild(&assigned([Some(600), Some(600), Some(300)]), &log(), WINDOW, NOW).unwrap();
        assert_eq!(found.judged, HashSet::new(), "nothing is looked for where all was committed");
    }

    #[test]
    fn every_partition_begins_two_minutes_before_the_earliest_record_not_judged() {
        assert_eq!(starts_at([Some(500), Some(590), Some(300)]), [(380, 500), (380, 590), (300, 300)]);
    }

    #[test]
    fn windows_of_a_longer_span_begin_earlier() {
        let found = rebuild(&assigned([Some(500), Some(590), Some(300)]), &log(), 5 * WINDOW, NOW).unwrap();
        let read_from: Vec<_> = found.starts.iter().map(|start| start.read_from).collect();
        assert_eq!(read_from, [140, 140, 140]);
    }

    #[test]
    fn where_all_was_judged_the_last_two_minutes_count() {
        assert_eq!(starts_at([Some(600), Some(600), Some(300)]), [(480, 600), (480, 600), (300, 300)]);
    }

    #[test]
    fn windows_lack_the_orders_from_before_the_reading_or_the_log() {
        let missing = |committed, log: &Log| {
            rebuild(&assigned(committed), log, WINDOW, NOW).unwrap().missing_until.map(|time| NOW - time)
        };
        assert_eq!(missing([None, None, None], &log()), None, "everything is read");
        assert_eq!(missing([Some(600); 3], &log()), Some(2 * WINDOW + 1));
        let mut cut = log();
        // Deleted: no look-up by time finds them.
        cut.0.get_mut(&1).unwrap()[..400].fill(-1);
        assert_eq!(missing([None, None, None], &cut), Some(200 * SECOND));
    }

    #[test]
    fn a_partition_never_committed_is_read_and_judged_from_its_start() {
        assert_eq!(starts_at([None, None, None]), [(0, 0), (0, 0), (0, 0)]);
        assert_eq!(starts_at([Some(600), None, Some(300)]), [(0, 600), (0, 0), (0, 300)]);
    }
}
