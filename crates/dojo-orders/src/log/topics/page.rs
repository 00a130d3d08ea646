//! One page of records out of several partitions: merged by their timestamps, without a change to the order of a partition.
//!
//! A partition's records are known for a range of its offsets. As soon as the next record of one partition isn't known, no
//! other record can be said to come before it, and the page ends.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

/// In which direction a page reads the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the newest record to older ones.
    Older,
    /// From a place to newer records.
    Newer,
}

/// A record's place on the log, and when it was made.
pub(crate) trait Placed {
    fn offset(&self) -> i64;
    fn millis(&self) -> Option<i64>;
}

/// What is known of a partition.
#[derive(Debug, Clone)]
pub(crate) struct Slice<R> {
    /// The offsets whose records are known.
    pub(crate) known: Range<i64>,
    /// The offsets that the page may show.
    pub(crate) wanted: Range<i64>,
    /// The records of `known`, by offset.
    pub(crate) records: VecDeque<R>,
}

/// A page of records.
#[derive(Debug)]
pub(crate) struct Page<R> {
    /// Records with their partitions, as the direction has them.
    pub(crate) records: Vec<(i32, R)>,
    /// The offsets that each partition has on this page, with or without a record.
    pub(crate) covered: BTreeMap<i32, Range<i64>>,
    /// Whether there is nothing more of `wanted` in any partition.
    pub(crate) is_complete: bool,
}

impl<R: Placed> Slice<R> {
    fn next(&self, direction: Direction) -> Option<&R> {
        match direction {
            Direction::Older => self.records.back(),
            Direction::Newer => self.records.front(),
        }
    }

    fn take(&mut self, direction: Direction) -> Option<R> {
        match direction {
            Direction::Older => self.records.pop_back(),
            Direction::Newer => self.records.pop_front(),
        }
    }

    /// Whether no offset is left to become known.
    pub(crate) fn is_known(&self, direction: Direction) -> bool {
        match direction {
            Direction::Older => self.known.start <= self.wanted.start,
            Direction::Newer => self.known.end >= self.wanted.end,
        }
    }

    /// The offsets up to the next record that wasn't taken.
    fn covered(&self, direction: Direction) -> Range<i64> {
        match (direction, self.next(direction)) {
            (_, None) => self.known.clone(),
            (Direction::Older, Some(next)) => next.offset() + 1..self.known.end,
            (Direction::Newer, Some(next)) => self.known.start..next.offset(),
        }
    }
}

/// Takes up to `limit` records out of the partitions.
pub(crate) fn page<R: Placed>(
    mut slices: BTreeMap<i32, Slice<R>>,
    direction: Direction,
    limit: usize,
) -> Page<R> {
    let mut records = Vec::new();
    while records.len() < limit {
        let all_next_are_known =
            slices.values().all(|slice| slice.next(direction).is_some() || slice.is_known(direction));
        if !all_next_are_known {
            break;
        }
        let candidates = slices.iter().filter_map(|(partition, slice)| {
            Some((slice.next(direction)?.millis().unwrap_or(i64::MIN), *partition))
        });
        let first = match direction {
            Direction::Older => candidates.max_by_key(|(millis, partition)| (*millis, Reverse(*partition))),
            Direction::Newer => candidates.min(),
        };
        let Some((_, partition)) = first else { break };
        let taken = slices.get_mut(&partition).and_then(|slice| slice.take(direction));
        records.extend(taken.map(|record| (partition, record)));
    }
    let is_complete = slices.values().all(|slice| slice.records.is_empty() && slice.is_known(direction));
    let covered = slices.iter().map(|(partition, slice)| (*partition, slice.covered(direction))).collect();
    Page { records, covered, is_complete }
}

/// Offsets of a range without one of `offsets`, which ascend: the runs of them.
pub(crate) fn missing(range: Range<i64>, offsets: impl IntoIterator<Item = i64>) -> Vec<Range<i64>> {
    let mut runs = Vec::new();
    let mut next = range.start;
    for offset in offsets {
        if next < offset {
            runs.push(next..offset);
        }
        next = offset + 1;
    }
    if next < range.end {
        runs.push(next..range.end);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct At(i64, i64);

    impl Placed for At {
        fn offset(&self) -> i64 {
            self.0
        }
        fn millis(&self) -> Option<i64> {
            Some(self.1)
        }
    }

    fn slice(known: Range<i64>, wanted: Range<i64>, records: &[(i64, i64)]) -> Slice<At> {
        Slice {
            known,
            wanted,
            records: records.iter().map(|(offset, millis)| At(*offset, *millis)).collect(),
        }
    }

    fn places(page: &Page<At>) -> Vec<(i32, i64)> {
        page.records.iter().map(|(partition, at)| (*partition, at.0)).collect()
    }

    #[test]
    fn the_newest_records_of_all_partitions_come_first_and_the_next_page_goes_on_below_them() {
        let slices = || {
            BTreeMap::from([
                (0, slice(0..3, 0..3, &[(0, 10), (1, 30), (2, 50)])),
                (1, slice(5..7, 5..7, &[(5, 20), (6, 40)])),
            ])
        };
        let first = page(slices(), Direction::Older, 3);
        assert_eq!(places(&first), [(0, 2), (1, 6), (0, 1)]);
        assert_eq!((first.covered[&0].start, first.covered[&1].start, first.is_complete), (1, 6, false));
        let all = page(slices(), Direction::Older, 9);
        assert_eq!((all.records.len(), all.is_complete), (5, true));
        let oldest = page(slices(), Direction::Newer, 2);
        assert_eq!(places(&oldest), [(0, 0), (1, 5)]);
        assert_eq!((oldest.covered[&0].end, oldest.covered[&1].end), (1, 6));
    }

    #[test]
    fn a_page_ends_where_the_next_record_of_a_partition_is_not_known() {
        let slices =
            BTreeMap::from([(0, slice(8..9, 0..9, &[(8, 50)])), (1, slice(0..2, 0..2, &[(0, 10), (1, 20)]))]);
        let page = page(slices, Direction::Older, 9);
        assert_eq!(places(&page), [(0, 8)], "a record of partition 0 may be newer than those of partition 1");
        assert_eq!((page.covered[&0].clone(), page.covered[&1].clone()), (8..9, 2..2));
        assert!(!page.is_complete);
    }

    #[test]
    fn a_partition_keeps_its_order_also_where_its_timestamps_do_not() {
        let slices = BTreeMap::from([(0, slice(0..3, 0..3, &[(0, 90), (1, 10), (2, 50)]))]);
        assert_eq!(places(&page(slices, Direction::Older, 9)), [(0, 2), (0, 1), (0, 0)]);
    }

    #[test]
    fn offsets_without_a_record_are_named_in_runs() {
        assert_eq!(missing(3..10, [4, 5, 8]), [3..4, 6..8, 9..10]);
        assert_eq!(missing(3..6, [3, 4, 5]), []);
        assert_eq!(missing(3..6, []).first(), Some(&(3..6)));
    }

    proptest! {
        #[test]
        fn pages_together_show_every_record_once(
            partitions in prop::collection::vec(prop::collection::vec((any::<bool>(), 0i64..50), 0..30), 1..4),
            limit in 1usize..7,
            older in any::<bool>(),
        ) {
            let direction = if older { Direction::Older } else { Direction::Newer };
            let mut wanted: BTreeMap<i32, Range<i64>> =
                partitions.iter().zip(0..).map(|(log, p)| (p, 0..log.len() as i64)).collect();
            let mut seen = Vec::new();
            loop {
                let slices = wanted.iter().map(|(p, range)| {
                    let log = &partitions[*p as usize];
                    let known = match direction {
                        Direction::Older => (range.end - 4).max(range.start)..range.end,
                        Direction::Newer => range.start..(range.start + 4).min(range.end),
                    };
                    let records = known.clone().filter(|o| log[*o as usize].0).map(|o| At(o, log[o as usize].1));
                    (*p, Slice { records: records.collect(), known, wanted: range.clone() })
                });
                let page = page(slices.collect(), direction, limit);
                seen.extend(page.records.iter().map(|(p, at)| (*p, at.0)));
                if page.is_complete {
                    break;
                }
                let mut moved = false;
                for (p, covered) in page.covered {
                    moved |= !covered.is_empty();
                    let range = &wanted[&p];
                    let left = if older { range.start..covered.start } else { covered.end..range.end };
                    wanted.insert(p, left);
                }
                prop_assert!(moved);
            }
            let mut expected: Vec<(i32, i64)> = partitions.iter().zip(0..).flat_map(|(log, p)| {
                log.iter().zip(0..).filter(|(at, _)| at.0).map(move |(_, o)| (p, o)).collect::<Vec<_>>()
            }).collect();
            seen.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(seen, expected);
        }
    }
}
