//! Merging partitions by event time: the earliest next record first, over all partitions of this instance.
//!
//! Pure. Records go in by partition, in each partition's order; they come out in one order for all. Kafka keeps an
//! order within a partition only, so a reader that is behind may get an hour of one partition before the first record
//! of the next. Whoever counts in event time wants them side by side.
//!
//! A record goes out when no earlier one can be on its way: when every other partition either has a record waiting or
//! is at its end for the moment. A partition that is merely quiet is not waited for, nor is one of which nothing was
//! heard for ten seconds while others had something to say: its leader may be away, and theirs is not.
//!
//! Time is given with every call, in milliseconds since 1970.

use std::collections::{BTreeMap, VecDeque};

/// How long a partition is waited for that neither brings a record nor says that it has none.
const PATIENCE: i64 = 10_000;

/// When a record is due, the earliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// As soon as it is the next of its partition: it has no place among the others' times, so it waits for nobody
    /// and holds nobody back.
    AtOnce,
    /// In its turn by this time, but ahead of every record that is [`Due::At`] a time: a replay repeats it, and the
    /// records that were not handled before the restart come after all that were.
    Replayed(i64),
    /// In its turn by this time.
    At(i64),
}

/// A record that came out of the merge.
#[derive(Debug, PartialEq, Eq)]
pub struct Merged<T> {
    /// Its partition.
    pub partition: i32,
    /// What was put in.
    pub record: T,
}

/// The records that wait for their turn.
#[derive(Debug)]
pub struct Merge<T> {
    partitions: BTreeMap<i32, Partition<T>>,
}

#[derive(Debug)]
struct Partition<T> {
    waiting: VecDeque<(Due, T)>,
    at_end: bool,
    heard: i64,
}

impl<T> Default for Merge<T> {
    fn default() -> Self {
        Self { partitions: BTreeMap::new() }
    }
}

impl<T> Merge<T> {
    /// A merge of `partitions`, of none of which anything is known yet.
    pub fn of(partitions: impl IntoIterator<Item = i32>, now: i64) -> Self {
        let unknown = || Partition { waiting: VecDeque::new(), at_end: false, heard: now };
        Self { partitions: partitions.into_iter().map(|partition| (partition, unknown())).collect() }
    }

    /// The next record of `partition`, which arrived at `now`.
    pub fn push(&mut self, partition: i32, due: Due, record: T, now: i64) {
        self.heard(partition, false, now).waiting.push_back((due, record));
    }

    /// A record of `partition` went by that is not to be merged; more may follow it.
    pub fn passed(&mut self, partition: i32, now: i64) {
        self.heard(partition, false, now);
    }

    /// `partition` has no more records at the moment.
    pub fn end(&mut self, partition: i32, now: i64) {
        self.heard(partition, true, now);
    }

    /// The next record in the order of time; `None` where none is there, or an earlier one may still come.
    pub fn next(&mut self, now: i64) -> Option<Merged<T>> {
        let mut first: Option<(Due, i32)> = None;
        let mut may_come = false;
        for (number, partition) in &self.partitions {
            match partition.waiting.front() {
                // The lowest partition goes first among equals, so that a replay gives the same order.
                Some((due, _)) if first.is_none_or(|(earliest, _)| *due < earliest) => {
                    first = Some((*due, *number))
                }
                Some(_) => {}
                None => may_come |= !partition.at_end && now.saturating_sub(partition.heard) <= PATIENCE,
            }
        }
        let (due, partition) = first?;
        if may_come && due != Due::AtOnce {
            return None;
        }
        let (_, record) = self.partitions.get_mut(&partition)?.waiting.pop_front()?;
        Some(Merged { partition, record })
    }

    /// How many records of `partition` wait.
    pub fn waiting(&self, partition: i32) -> usize {
        self.partitions.get(&partition).map_or(0, |p| p.waiting.len())
    }

    fn heard(&mut self, partition: i32, at_end: bool, now: i64) -> &mut Partition<T> {
        let entry = self.partitions.entry(partition);
        let partition = entry.or_insert_with(|| Partition { waiting: VecDeque::new(), at_end, heard: now });
        partition.at_end = at_end;
        partition.heard = now;
        partition
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain<T>(merge: &mut Merge<T>, now: i64) -> Vec<T> {
        std::iter::from_fn(|| merge.next(now).map(|merged| merged.record)).collect()
    }

    #[test]
    fn the_earliest_goes_first() {
        let mut merge = Merge::of([0, 1], 0);
        merge.push(0, Due::At(20), "b", 0);
        assert_eq!(merge.next(0), None, "partition 1 may have an earlier one");
        merge.push(1, Due::At(10), "a", 0);
        assert_eq!(merge.next(0), Some(Merged { partition: 1, record: "a" }));
        assert_eq!(merge.next(0), None, "partition 1 may have another before 20");
        merge.end(1, 0);
        assert_eq!(drain(&mut merge, 0), ["b"]);
    }

    #[test]
    fn a_quiet_partition_is_not_waited_for() {
        let mut merge = Merge::of([0, 1, 2], 0);
        merge.end(1, 0);
        merge.end(2, 0);
        for n in 0..3 {
            merge.push(0, Due::At(n), n, 0);
            assert_eq!(drain(&mut merge, 0), [n]);
        }
    }

    #[test]
    fn a_partition_that_went_on_is_waited_for_again() {
        let mut merge = Merge::of([0, 1], 0);
        merge.end(1, 0);
        merge.passed(1, 0);
        merge.push(0, Due::At(5), "late", 0);
        assert_eq!(merge.next(0), None);
        merge.push(1, Due::At(1), "early", 0);
        merge.end(1, 0);
        assert_eq!(drain(&mut merge, 0), ["early", "late"]);
    }

    #[test]
    fn a_partition_that_says_nothing_is_not_waited_for_without_end() {
        let mut merge = Merge::of([0, 1], 0);
        merge.push(0, Due::At(5), "a", 0);
        assert_eq!(merge.next(PATIENCE), None);
        assert_eq!(drain(&mut merge, PATIENCE + 1), ["a"]);
    }

    #[test]
    fn one_that_is_due_at_once_neither_waits_nor_holds_back() {
        let mut merge = Merge::of([0, 1], 0);
        merge.push(0, Due::AtOnce, "2099", 0);
        assert_eq!(drain(&mut merge, 0), ["2099"], "nothing is known of partition 1");
        merge.push(0, Due::AtOnce, "2099", 0);
        merge.push(0, Due::At(1), "a", 0);
        merge.push(1, Due::At(2), "b", 0);
        merge.push(1, Due::AtOnce, "2099", 0);
        merge.end(0, 0);
        merge.end(1, 0);
        assert_eq!(drain(&mut merge, 0), ["2099", "a", "b", "2099"]);
    }

    #[test]
    fn replayed_records_of_every_partition_go_before_new_ones() {
        let mut merge = Merge::of([0, 1], 0);
        merge.push(0, Due::At(1), "new", 0);
        assert_eq!(merge.next(0), None, "partition 1 may still have a replayed one");
        merge.push(1, Due::Replayed(9), "replayed", 0);
        merge.end(1, 0);
        assert_eq!(drain(&mut merge, 0), ["replayed", "new"]);
    }

    proptest! {
        /// Each partition in the order of time, cut into whatever pieces arrive in whatever order.
        #[test]
        fn a_log_comes_out_in_the_order_of_time_however_its_partitions_arrive(
            mut logs in prop::collection::vec(prop::collection::vec(0..1_000i64, 0..30), 1..4),
            turns in prop::collection::vec(any::<prop::sample::Index>(), 100),
        ) {
            logs.iter_mut().for_each(|log| log.sort());
            let mut expected: Vec<(i64, usize)> =
                logs.iter().enumerate().flat_map(|(p, log)| log.iter().map(move |t| (*t, p))).collect();
            expected.sort();

            let mut merge = Merge::of(0..logs.len() as i32, 0);
            let mut out = Vec::new();
            let mut left: Vec<(usize, VecDeque<i64>)> =
                logs.into_iter().map(VecDeque::from).enumerate().collect();
            for turn in turns.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let at = turn.index(left.len());
                let (partition, log) = &mut left[at];
                let partition = *partition;
                match log.pop_front() {
                    Some(time) => merge.push(partition as i32, Due::At(time), (time, partition), 0),
                    None => {
                        merge.end(partition as i32, 0);
                        left.remove(at);
                    }
                }
                out.extend(drain(&mut merge, 0));
            }
            prop_assert_eq!(out, expected);
        }
    }
}
