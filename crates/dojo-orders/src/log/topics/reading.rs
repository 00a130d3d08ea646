//! Reads the ranges of offsets that a page of records needs, and says of each record whether its transaction was committed.
//!
//! The committed records are read first and everything second. A record that compaction removes between the two is missing from
//! the second reading, so a compacted record is never reported as aborted.

use crate::log::topics::{
    look::Look,
    page::{Direction, Page, Placed, Slice, page},
    shown::{MOST_BYTES, MOST_BYTES_OF_ONE, ShownRecord, TransactionState},
};
use dojo_kafka::{Error, Isolation, OffsetBounds, RangeReader, Record};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::{ControlFlow, Range},
    sync::Arc,
    time::Instant,
};

/// Records that are in memory for one page.
const MOST_READ: usize = 2_000;
/// Offsets of a partition that are read at a time where there are few records, and where records are large.
const LONGEST_RANGE: i64 = 100_000;
const SHORTEST_RANGE: i64 = 4;
/// A round that takes longer than this part of the time that is left reads shorter ranges.
const ROUND: u32 = 3;

/// Why a look fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error("there is no topic {0}")]
    NoSuchTopic(String),
    #[error("is {partition}: {topic} has the partitions {first} to {last}")]
    NoSuchPartition { topic: String, partition: i32, first: i32, last: i32 },
    #[error(
        "is {offset}: partition {partition} of {topic} begins at offset {earliest} and ends at {end}; give {earliest} to {end}"
    )]
    OutOfRange { topic: String, partition: i32, offset: i64, earliest: i64, end: i64 },
    #[error("is missing: {topic} has {partitions} partitions; give one of them")]
    TooManyPartitions { topic: String, partitions: usize },
    #[error("the records of {0} could not be read from Kafka in time: ask for fewer, or for one partition")]
    NotInTime(String),
    #[error(transparent)]
    Kafka(#[from] Error),
}

/// A record with the timestamp by which partitions are merged.
pub(crate) struct Found {
    millis: Option<i64>,
    pub(crate) shown: ShownRecord,
}

impl Placed for Found {
    fn offset(&self) -> i64 {
        self.shown.offset
    }

    fn millis(&self) -> Option<i64> {
        self.millis
    }
}

/// A look at work.
pub(crate) struct Reading<'a> {
    pub(crate) reader: &'a RangeReader,
    pub(crate) look: &'a Look,
    pub(crate) bounds: BTreeMap<i32, OffsetBounds>,
    pub(crate) until: Instant,
}

/// What was read of some ranges: the records of each, and how far it was read.
struct Read {
    records: BTreeMap<i32, Kept>,
    read_to: BTreeMap<i32, i64>,
}

/// Which records of a range are kept.
#[derive(Clone, Copy)]
enum Keep<'a> {
    /// This many of each partition: the newest ones if the page reads older records, otherwise the oldest ones.
    Some(Direction, usize),
    /// The first ones of all partitions with this key, up to the page's limit.
    WithKey(&'a str),
}

/// The records of a partition that are kept, by offset.
#[derive(Default)]
struct Kept {
    records: VecDeque<Found>,
    /// Whether the range had more.
    is_cut: bool,
}

impl Kept {
    fn push(&mut self, direction: Direction, most: usize, found: impl FnOnce() -> Found) {
        let is_full = self.records.len() >= most;
        self.is_cut |= is_full;
        if is_full && direction == Direction::Newer {
            return;
        }
        if is_full {
            self.records.pop_front();
        }
        self.records.push_back(found());
    }
}

/// Offsets by partition.
pub(crate) type Ranges = BTreeMap<i32, Range<i64>>;

impl Reading<'_> {
    /// Reads a page next to one end of `wanted`.
    pub(crate) async fn page(&self, direction: Direction, wanted: &Ranges) -> Result<Page<Found>, LookError> {
        let some = self.look.limit.min(MOST_READ / wanted.len().max(1)).max(1);
        // Twice as long as it needs to be, for the markers between the records.
        let first_length = i64::try_from(2 * some).unwrap_or(LONGEST_RANGE);
        let at = |range: &Range<i64>| match direction {
            Direction::Older => range.end..range.end,
            Direction::Newer => range.start..range.start,
        };
        let slice =
            |range: &Range<i64>| Slice { known: at(range), wanted: range.clone(), records: VecDeque::new() };
        let mut slices: BTreeMap<_, _> =
            wanted.iter().map(|(partition, range)| (*partition, slice(range))).collect();
        let mut length = first_length;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            let ranges: Ranges = slices
                .iter()
                .filter(|(_, slice)| slice.records.is_empty() && !slice.is_known(direction))
                .map(|(partition, Slice { known, wanted, .. })| {
                    let range = match direction {
                        Direction::Older => (known.start - length).max(wanted.start)..known.start,
                        Direction::Newer => known.end..(known.end + length).min(wanted.end),
                    };
                    (*partition, range)
                })
                .collect();
            if ranges.is_empty() || left.is_zero() {
                break;
            }
            let round = Instant::now() + left / ROUND;
            let mut read = self.read(&ranges, Keep::Some(direction, some), round).await?;
            let mut is_late = false;
            for (partition, range) in ranges {
                let Some(slice) = slices.get_mut(&partition) else { continue };
                let read_to = read.read_to.get(&partition).copied().unwrap_or(range.start);
                let Kept { records, is_cut } = read.records.remove(&partition).unwrap_or_default();
                match direction {
                    // The newest records of the range are missing, so none of them may be shown.
                    Direction::Older if read_to < range.end => {
                        is_late = true;
                        continue;
                    }
                    Direction::Older => {
                        let first = records.front().filter(|_| is_cut).map(Placed::offset);
                        slice.known.start = first.unwrap_or(range.start);
                    }
                    Direction::Newer => {
                        let last = records.back().filter(|_| is_cut).map(Placed::offset);
                        slice.known.end = last.map_or(read_to, |last| last + 1);
                    }
                }
                slice.records = records;
            }
            // Markers, aborted records and what compaction has removed leave holes of any length. Large records want short ranges.
            length = match is_late {
                true => (length / 16).max(SHORTEST_RANGE),
                false => length.saturating_mul(4).min(LONGEST_RANGE),
            };
        }
        self.refuse_nothing(wanted, |partition| slices.get(partition).map(|slice| slice.known.clone()))?;
        Ok(page(slices, direction, self.look.limit))
    }

    /// Refuses a page of which no offset could be read, as while Kafka is away: its `next` would lead back to it.
    fn refuse_nothing(
        &self,
        wanted: &Ranges,
        known: impl Fn(&i32) -> Option<Range<i64>>,
    ) -> Result<(), LookError> {
        let mut unread = wanted.iter().filter(|(_, range)| !range.is_empty()).peekable();
        let is_nothing = unread.peek().is_some()
            && unread.all(|(partition, _)| known(partition).is_none_or(|known| known.is_empty()));
        if is_nothing { Err(LookError::NotInTime(self.look.topic.clone())) } else { Ok(()) }
    }

    /// Reads the first records with that key. They are merged by timestamp, each partition in its order.
    pub(crate) async fn search(&self, key: &str, wanted: &Ranges) -> Result<Page<Found>, LookError> {
        let mut read = self.read(wanted, Keep::WithKey(key), self.until).await?;
        let mut found = Vec::new();
        while let Some(kept) = read
            .records
            .values_mut()
            .filter(|kept| !kept.records.is_empty())
            .min_by_key(|kept| kept.records.front().map(|first| (first.millis, first.shown.partition)))
        {
            found.extend(kept.records.pop_front());
        }
        let covered = |(partition, range): (&i32, &Range<i64>)| {
            (*partition, range.start..read.read_to.get(partition).copied().unwrap_or(range.start))
        };
        let covered: Ranges = wanted.iter().map(covered).collect();
        self.refuse_nothing(wanted, |partition| covered.get(partition).cloned())?;
        Ok(Page {
            records: found.into_iter().map(|found| (found.shown.partition, found)).collect(),
            is_complete: wanted.iter().all(|(partition, range)| covered[partition].end >= range.end),
            covered,
        })
    }

    /// Reads ranges, and keeps some of their records.
    async fn read(&self, ranges: &Ranges, keep: Keep<'_>, until: Instant) -> Result<Read, LookError> {
        if self.look.isolation == Isolation::ReadCommitted {
            return self.records(ranges.clone(), Isolation::ReadCommitted, keep, until).await;
        }
        // Offsets below the last stable offset are read twice, and each reading has its part of the time.
        let decided: Ranges = ranges
            .iter()
            .filter_map(|(partition, range)| {
                let stable = self.bounds.get(partition)?.stable;
                (range.start < stable).then(|| (*partition, range.start..range.end.min(stable)))
            })
            .collect();
        let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
        let (committed, read_to) = self.places(decided.clone(), keep, half).await?;
        let mut ranges = ranges.clone();
        for (partition, range) in &mut ranges {
            if let Some((decided, read_to)) = decided.get(partition).zip(read_to.get(partition))
                && *read_to < decided.end
            {
                range.end = *read_to;
            }
        }
        let mut read = self.records(ranges, Isolation::ReadUncommitted, keep, until).await?;
        for found in read.records.values_mut().flat_map(|kept| &mut kept.records) {
            let ShownRecord { partition, offset, .. } = found.shown;
            let stable = self.bounds.get(&partition).map_or(i64::MAX, |bounds| bounds.stable);
            found.shown.transaction = Some(match offset {
                _ if committed.contains(&(partition, offset)) => TransactionState::Committed,
                decided if decided < stable => TransactionState::Aborted,
                first if first == stable => TransactionState::Open,
                _ => TransactionState::OpenOrBehind,
            });
        }
        Ok(read)
    }

    /// Reads records to show.
    async fn records(
        &self,
        ranges: Ranges,
        isolation: Isolation,
        keep: Keep<'_>,
        until: Instant,
    ) -> Result<Read, LookError> {
        let limit = self.look.limit;
        let is_one_record = limit == 1 && self.bounds.len() == 1;
        let most_bytes = if is_one_record { MOST_BYTES_OF_ONE } else { MOST_BYTES };
        let (wanted_key, direction, most) = match keep {
            Keep::Some(direction, most) => (None, direction, most),
            Keep::WithKey(key) => (Some(key.as_bytes().to_vec()), Direction::Newer, limit),
        };
        let kept = Arc::new(Mutex::new(BTreeMap::<i32, Kept>::new()));
        let (keeping, mut matches) = (Arc::clone(&kept), 0);
        let mut not_full = ranges.len();
        let take = move |record: &Record<'_>| {
            if wanted_key.is_some() && record.key != wanted_key.as_deref() {
                return ControlFlow::Continue(());
            }
            matches += 1;
            let found = || Found { millis: record.timestamp, shown: ShownRecord::of(record, most_bytes) };
            let mut keeping = keeping.lock();
            let kept = keeping.entry(record.partition).or_default();
            let had = kept.records.len();
            kept.push(direction, most, found);
            not_full -= usize::from(had + 1 == most && kept.records.len() == most);
            let is_enough = match wanted_key {
                Some(_) => matches >= most,
                None => direction == Direction::Newer && not_full == 0,
            };
            if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let read_to = self.reader.read(&self.look.topic, ranges, isolation, until, take).await?;
        let records = std::mem::take(&mut *kept.lock());
        Ok(Read { records, read_to })
    }

    /// Returns where committed records stand, and how far each range was read.
    async fn places(
        &self,
        ranges: Ranges,
        keep: Keep<'_>,
        until: Instant,
    ) -> Result<(BTreeSet<(i32, i64)>, BTreeMap<i32, i64>), LookError> {
        let key = match keep {
            Keep::Some(..) => None,
            Keep::WithKey(key) => Some(key.as_bytes().to_vec()),
        };
        let limit = self.look.limit;
        let found = Arc::new(Mutex::new(BTreeSet::new()));
        let finding = Arc::clone(&found);
        let note = move |record: &Record<'_>| {
            if key.is_some() && record.key != key.as_deref() {
                return ControlFlow::Continue(());
            }
            let mut found = finding.lock();
            found.insert((record.partition, record.offset));
            match key.is_some() && found.len() >= limit {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let isolation = Isolation::ReadCommitted;
        let read_to = self.reader.read(&self.look.topic, ranges, isolation, until, note).await?;
        let places = std::mem::take(&mut *found.lock());
        Ok((places, read_to))
    }
}
