//! The records that are done and acknowledged, and so the offsets that may be committed. Pure bookkeeping, no Kafka.
//!
//! A partition's offset is committable when every record up to it is done and everything sent for it is
//! acknowledged, in whatever order the acknowledgements arrive.

use crate::Position;
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug)]
struct Pending {
    offset: i64,
    unacknowledged: u32,
    done: bool,
}

#[derive(Debug, Default)]
struct Partition {
    pending: VecDeque<Pending>,
    /// The lowest offset that the next record can have; `None` before the first one.
    next: Option<i64>,
    /// The offset after the last record up to which all is complete.
    complete: Option<i64>,
    /// The group's committed offset, below which nothing is ever committed.
    committed: Option<i64>,
}

/// The ledger of one assignment; partitions are named by the index of their topic and their number.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    generation: u64,
    partitions: BTreeMap<(usize, i32), Partition>,
    in_flight: usize,
}

impl Ledger {
    /// Begins a new assignment. Records of the last one no longer count.
    pub(crate) fn assign(&mut self, partitions: impl IntoIterator<Item = ((usize, i32), Option<i64>)>) {
        self.generation += 1;
        self.in_flight = 0;
        self.partitions = partitions
            .into_iter()
            .map(|(key, committed)| (key, Partition { committed, ..Partition::default() }))
            .collect();
    }

    /// Enters a received record, unless its partition isn't (or no longer) assigned.
    pub(crate) fn received(&mut self, topic: usize, partition: i32, offset: i64) -> Option<Position> {
        let generation = self.generation;
        let entry = self.partitions.get_mut(&(topic, partition))?;
        if entry.next.is_some_and(|next| offset < next) {
            // The log was lost and another one begins: entries of the old one don't count.
            let unacknowledged: u32 = entry.pending.iter().map(|pending| pending.unacknowledged).sum();
            self.in_flight = self.in_flight.saturating_sub(unacknowledged as usize);
            *entry = Partition::default();
        }
        entry.next = Some(offset.saturating_add(1));
        entry.pending.push_back(Pending { offset, unacknowledged: 0, done: false });
        Some(Position { topic, generation, partition, offset })
    }

    /// Notes that every record of the partition below `next` was received. What lies between records, such as the marker that
    /// ends a transaction, counts as done.
    pub(crate) fn reached(&mut self, topic: usize, partition: i32, next: i64) {
        let Some(entry) = self.partitions.get_mut(&(topic, partition)) else { return };
        if entry.next.is_none_or(|known| known < next) {
            entry.next = Some(next);
            entry.pending.push_back(Pending { offset: next - 1, unacknowledged: 0, done: true });
            entry.advance();
        }
    }

    pub(crate) fn sent(&mut self, cause: Position) {
        if let Some(pending) = self.pending(cause) {
            pending.unacknowledged += 1;
            self.in_flight += 1;
        }
    }

    pub(crate) fn acknowledged(&mut self, cause: Position) {
        if let Some(pending) = self.pending(cause) {
            pending.unacknowledged = pending.unacknowledged.saturating_sub(1);
            self.in_flight = self.in_flight.saturating_sub(1);
            self.advance(cause);
        }
    }

    pub(crate) fn done(&mut self, cause: Position) {
        if let Some(pending) = self.pending(cause) {
            pending.done = true;
            self.advance(cause);
        }
    }

    /// Returns the number of sends that aren't acknowledged.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns whether records that follow from `cause` still count.
    pub(crate) fn is_current(&self, cause: Position) -> bool {
        cause.generation == self.generation
    }

    /// Returns the offsets that may be committed and aren't yet. They count as committed from now on.
    pub(crate) fn take_committable(&mut self) -> Vec<((usize, i32), i64)> {
        let mut offsets = Vec::new();
        for (key, partition) in &mut self.partitions {
            if let Some(complete) = partition.committable() {
                partition.committed = Some(complete);
                offsets.push((*key, complete));
            }
        }
        offsets
    }

    /// Returns whether there are offsets that may be committed and aren't yet.
    pub(crate) fn is_committable(&self) -> bool {
        self.partitions.values().any(|p| p.committable().is_some())
    }

    /// Returns how far each assigned partition is done and acknowledged; `None` before anything is known.
    pub(crate) fn positions(&self) -> impl Iterator<Item = ((usize, i32), Option<i64>)> {
        self.partitions.iter().map(|(key, p)| (*key, p.complete.max(p.committed)))
    }

    fn pending(&mut self, at: Position) -> Option<&mut Pending> {
        if at.generation != self.generation {
            return None;
        }
        let pending = &mut self.partitions.get_mut(&(at.topic, at.partition))?.pending;
        let index = pending.binary_search_by_key(&at.offset, |p| p.offset).ok()?;
        pending.get_mut(index)
    }

    fn advance(&mut self, at: Position) {
        if let Some(partition) = self.partitions.get_mut(&(at.topic, at.partition)) {
            partition.advance();
        }
    }
}

impl Partition {
    fn committable(&self) -> Option<i64> {
        self.complete.filter(|complete| self.committed.is_none_or(|committed| *complete > committed))
    }

    fn advance(&mut self) {
        while let Some(first) = self.pending.front()
            && first.done
            && first.unacknowledged == 0
        {
            self.complete = Some(first.offset + 1);
            self.pending.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assigned(committed: Option<i64>) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.assign([((0, 0), committed)]);
        ledger
    }

    #[test]
    fn an_offset_waits_for_every_record_before_it() {
        let mut ledger = assigned(None);
        let [a, b] = [0, 1].map(|offset| ledger.received(0, 0, offset).unwrap());
        for cause in [a, b] {
            ledger.sent(cause);
            ledger.done(cause);
        }
        ledger.acknowledged(b);
        assert_eq!(ledger.take_committable(), []);
        ledger.acknowledged(a);
        assert_eq!(ledger.take_committable(), [((0, 0), 2)]);
        assert_eq!(ledger.take_committable(), [], "what was taken is not offered again");
    }

    #[test]
    fn an_acknowledged_record_that_is_not_done_holds_the_commit_back() {
        let mut ledger = assigned(None);
        let a = ledger.received(0, 0, 7).unwrap();
        ledger.sent(a);
        ledger.acknowledged(a);
        assert_eq!(ledger.take_committable(), []);
        ledger.done(a);
        assert_eq!(ledger.take_committable(), [((0, 0), 8)]);
    }

    #[test]
    fn records_read_again_never_commit_backwards() {
        let mut ledger = assigned(Some(10));
        let again = ledger.received(0, 0, 4).unwrap();
        ledger.done(again);
        assert_eq!(ledger.take_committable(), []);
        assert_eq!(ledger.positions().collect::<Vec<_>>(), [((0, 0), Some(10))]);
    }

    #[test]
    fn acknowledgements_of_an_earlier_assignment_do_not_count() {
        let mut ledger = assigned(None);
        let old = ledger.received(0, 0, 0).unwrap();
        ledger.sent(old);
        ledger.assign([((0, 0), None)]);
        let new = ledger.received(0, 0, 0).unwrap();
        ledger.sent(new);
        ledger.done(new);
        ledger.acknowledged(old);
        assert_eq!((ledger.in_flight(), ledger.take_committable()), (1, vec![]));
        assert_eq!(ledger.received(0, 1, 0), None, "a partition that is not assigned");
    }

    #[test]
    fn a_marker_is_passed_once_every_record_before_it_is_done() {
        let mut ledger = assigned(None);
        let a = ledger.received(0, 0, 0).unwrap();
        ledger.reached(0, 0, 2);
        assert_eq!(ledger.take_committable(), []);
        ledger.done(a);
        assert_eq!(ledger.take_committable(), [((0, 0), 2)]);
        ledger.reached(0, 0, 2);
        ledger.reached(0, 0, 3);
        assert_eq!(ledger.take_committable(), [((0, 0), 3)], "a partition that ends in markers alone");
    }

    #[test]
    fn another_log_is_noticed_when_nothing_is_pending() {
        let mut ledger = assigned(None);
        let old = ledger.received(0, 0, 9).unwrap();
        ledger.done(old);
        assert_eq!(ledger.take_committable(), [((0, 0), 10)]);
        let new = ledger.received(0, 0, 0).unwrap();
        ledger.done(new);
        assert_eq!(ledger.take_committable(), [((0, 0), 1)]);
    }

    #[test]
    fn a_log_that_begins_anew_is_followed_from_its_start() {
        let mut ledger = assigned(Some(5));
        let old = ledger.received(0, 0, 9).unwrap();
        ledger.sent(old);
        let new = ledger.received(0, 0, 0).unwrap();
        ledger.done(new);
        assert_eq!((ledger.in_flight(), ledger.take_committable()), (0, vec![((0, 0), 1)]));
    }

    proptest! {
        /// Whatever the order of acknowledgements, the committable offset is that of the first incomplete record.
        #[test]
        fn commits_follow_the_first_incomplete_record(order in Just((0usize..20).collect::<Vec<_>>()).prop_shuffle()) {
            let mut ledger = assigned(None);
            let causes: Vec<_> = (0..20).map(|i| ledger.received(0, 0, i * 3).unwrap()).collect();
            for cause in &causes {
                ledger.sent(*cause);
                ledger.done(*cause);
            }
            let mut acknowledged = [false; 20];
            for i in order {
                ledger.acknowledged(causes[i]);
                acknowledged[i] = true;
                let complete = acknowledged.iter().take_while(|a| **a).count();
                let expected = (complete > 0).then(|| causes[complete - 1].offset + 1);
                prop_assert_eq!(ledger.positions().next().unwrap().1, expected);
            }
            prop_assert_eq!(ledger.in_flight(), 0);
        }
    }
}
