//! Outcomes that wait: a retry without end after its pause, and the outcomes of the records behind it.
//!
//! The loop takes a partition's outcomes in the order of its records: under exactly-once delivery, a record that was
//! finished before an earlier one could take effect twice. So the outcomes behind a pause wait for it, for
//! [`ENDLESS_RETRY_PAUSE`](crate::decide::ENDLESS_RETRY_PAUSE) at most. Their deliveries don't wait, and other partitions
//! don't, either.
//!
//! Pure: the caller says what time it is.

use dojo_kafka::{Outbox, Outgoing, Position};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

/// What follows from a record that was handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The position of the record.
    pub position: Position,
    /// The records to send.
    pub sends: Vec<Outgoing>,
    /// When they may be sent; `None`: at once.
    pub not_before: Option<Instant>,
}

impl Finished {
    fn is_due(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    fn put(self, out: &mut Outbox) {
        for outgoing in self.sends {
            out.send(self.position, outgoing);
        }
        out.done(self.position);
    }
}

/// The outcomes that wait, by partition, in the order of its records.
#[derive(Debug, Default)]
pub struct HeldOutcomes {
    partitions: BTreeMap<i32, VecDeque<Finished>>,
}

impl HeldOutcomes {
    /// Puts an outcome into `out`, or holds it until its time has come and those before it are sent.
    pub fn finish(&mut self, finished: Finished, out: &mut Outbox) {
        let partition = finished.position.partition;
        if finished.not_before.is_none() && !self.partitions.contains_key(&partition) {
            finished.put(out);
        } else {
            self.partitions.entry(partition).or_default().push_back(finished);
        }
    }

    /// Puts every outcome into `out` that needn't wait any longer at `now`.
    pub fn release(&mut self, now: Instant, out: &mut Outbox) {
        self.partitions.retain(|_, held| {
            let due = held.iter().take_while(|finished| finished.is_due(now)).count();
            held.drain(..due).for_each(|finished| finished.put(out));
            !held.is_empty()
        });
    }

    /// Returns when the next outcome may be sent.
    pub fn due(&self) -> Option<Instant> {
        self.partitions.values().filter_map(|held| held.front()?.not_before).min()
    }

    /// Returns how many outcomes of `partition` are held.
    pub fn count(&self, partition: i32) -> usize {
        self.partitions.get(&partition).map_or(0, VecDeque::len)
    }

    /// Forgets every outcome.
    pub fn clear(&mut self) {
        self.partitions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::topic;
    use std::time::Duration;

    const PAUSE: Duration = Duration::from_millis(100);

    fn finished(partition: i32, offset: i64, not_before: Option<Instant>) -> Finished {
        let record =
            Outgoing { topic: topic::AUDIT, key: None, value: None, headers: Vec::new(), timestamp: None };
        Finished { position: Position::at(partition, offset), sends: vec![record; 2], not_before }
    }

    /// Empties the outbox and returns the records that are done, each of which has its sends.
    fn taken(out: &mut Outbox) -> Vec<(i32, i64)> {
        let (sends, done) = out.take();
        let causes: Vec<_> = sends.iter().map(|(cause, _)| *cause).collect();
        assert_eq!(causes, done.iter().flat_map(|done| [*done; 2]).collect::<Vec<_>>());
        done.iter().map(|done| (done.partition, done.offset)).collect()
    }

    #[test]
    fn an_outcome_without_a_pause_is_sent_at_once() {
        let (mut held, mut out) = (HeldOutcomes::default(), Outbox::new());
        held.finish(finished(0, 7, None), &mut out);
        assert_eq!(taken(&mut out), [(0, 7)]);
        assert_eq!((held.due(), held.count(0)), (None, 0));
    }

    #[test]
    fn outcomes_behind_a_pause_wait_for_it_and_those_of_other_partitions_do_not() {
        let (now, mut held, mut out) = (Instant::now(), HeldOutcomes::default(), Outbox::new());
        held.finish(finished(0, 7, Some(now + PAUSE)), &mut out);
        held.finish(finished(0, 8, None), &mut out);
        held.finish(finished(1, 3, None), &mut out);
        assert_eq!(taken(&mut out), [(1, 3)]);
        assert_eq!((held.due(), held.count(0), held.count(1)), (Some(now + PAUSE), 2, 0));
        held.release(now + PAUSE / 2, &mut out);
        assert_eq!(taken(&mut out), []);
        held.release(now + PAUSE, &mut out);
        assert_eq!(taken(&mut out), [(0, 7), (0, 8)]);
        assert_eq!((held.due(), held.count(0)), (None, 0));
    }

    #[test]
    fn pauses_of_one_partition_pass_side_by_side() {
        let (now, mut held, mut out) = (Instant::now(), HeldOutcomes::default(), Outbox::new());
        for (offset, after) in [(7, PAUSE), (8, PAUSE + PAUSE / 4), (9, PAUSE + PAUSE / 2)] {
            held.finish(finished(0, offset, Some(now + after)), &mut out);
        }
        held.release(now + PAUSE + PAUSE / 4, &mut out);
        assert_eq!(taken(&mut out), [(0, 7), (0, 8)]);
        assert_eq!(held.due(), Some(now + PAUSE + PAUSE / 2));
        held.clear();
        held.release(now + 2 * PAUSE, &mut out);
        assert_eq!(taken(&mut out), []);
    }
}
