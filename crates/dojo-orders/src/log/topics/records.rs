//! Reads one page of a topic's records for the topic browser, without a consumer group: bounded in records, bytes and time.
//!
//! A page of committed records has what every consumer of the dojo gets. A page of everything has more, and says what it is:
//!
//! | what the log shows | and what follows from it |
//! |---|---|
//! | a record below the last stable offset that readers of committed records get | `committed`, or sent outside of a transaction |
//! | a record below the last stable offset that they don't get | `aborted` |
//! | a record at the last stable offset, if that is below the end | `open`: the first one of a transaction |
//! | a record behind that one | `openOrBehind`: Kafka tells no reader which |
//! | an offset without a record, on a topic that isn't compacted | a transaction's marker: commit or abort |
//! | the same on a compacted topic | a marker, or a record that compaction has removed |
//!
//! The committed records are read first and everything second. A record that compaction removes between the two is missing from
//! the second reading; so no record is called aborted because it went.

use crate::log::topics::{
    look::{Look, Place, Positions},
    page::{Direction, Page, Placed, Slice, missing, page},
    shown::{MOST_BYTES, MOST_BYTES_OF_ONE, ShownRecord, TransactionState},
};
use dojo_kafka::{Error, Isolation, OffsetBounds, RangeReader, Record, TopicCatalog};
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::{ControlFlow, Range},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a look may take.
const WITHIN: Duration = Duration::from_secs(5);
/// How long Kafka may take to say which partitions a topic has and where they end.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Records that are in memory for one page.
const MOST_READ: usize = 2_000;
/// Offsets of a partition that are read at a time where there are few records.
const LONGEST_RANGE: i64 = 100_000;
/// Partitions of which a page can be merged.
pub(crate) const MOST_PARTITIONS: usize = 1_000;

/// Why a look fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookError {
    #[error("there is no topic {0}")]
    NoSuchTopic(String),
    #[error("{topic} has no partition {partition}; its partitions are {first} to {last}")]
    NoSuchPartition { topic: String, partition: i32, first: i32, last: i32 },
    #[error("is {offset}: partition {partition} of {topic} has the offsets {earliest} to {end}, its end")]
    OutOfRange { topic: String, partition: i32, offset: i64, earliest: i64, end: i64 },
    #[error("{topic} has {partitions} partitions: give one of them")]
    TooManyPartitions { topic: String, partitions: usize },
    #[error("the records of {0} could not be read from Kafka in time: ask for fewer, or for one partition")]
    NotInTime(String),
    #[error(transparent)]
    Kafka(#[from] Error),
}

/// A page of a topic's records.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordsPage {
    pub(crate) topic: String,
    /// `read_committed` or `read_uncommitted`.
    pub(crate) isolation: &'static str,
    /// The partitions that the page is about, and the offsets that they hold.
    pub(crate) partitions: Vec<PartitionBounds>,
    /// Newest first; from an offset or a time on, oldest first. Partitions are merged by timestamp.
    pub(crate) records: Vec<ShownRecord>,
    /// Offsets without a record among those of the page; only with `isolation=read_uncommitted`, and not of a search.
    pub(crate) missing: Vec<MissingOffsets>,
    /// The path of the next page; null if there is nothing more.
    pub(crate) next: Option<String>,
}

/// The offsets that a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartitionBounds {
    partition: i32,
    /// The first offset that is still on the log. Null, as the others: Kafka doesn't say, because the partition has no leader.
    earliest_offset: Option<i64>,
    /// The offset that the next record will get.
    end_offset: Option<i64>,
    /// Where readers of committed records stop: at the first record of the oldest open transaction, or else at the end.
    last_stable_offset: Option<i64>,
}

impl PartitionBounds {
    pub(crate) fn of(partition: i32, bounds: Option<OffsetBounds>) -> Self {
        Self {
            partition,
            earliest_offset: bounds.map(|bounds| bounds.earliest),
            end_offset: bounds.map(|bounds| bounds.end),
            last_stable_offset: bounds.map(|bounds| bounds.stable),
        }
    }
}

/// Offsets without a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MissingOffsets {
    partition: i32,
    first_offset: i64,
    last_offset: i64,
    what: Missing,
}

/// What stands at an offset without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Missing {
    /// A marker, which ends a transaction: its commit or its abort.
    Marker,
    /// A marker, or a record that compaction has removed.
    MarkerOrCompacted,
}

/// A record with the timestamp by which partitions are merged.
struct Found {
    millis: Option<i64>,
    shown: ShownRecord,
}

impl Placed for Found {
    fn offset(&self) -> i64 {
        self.shown.offset
    }

    fn millis(&self) -> Option<i64> {
        self.millis
    }
}

/// Reads pages of records.
pub(crate) struct RecordsReader {
    catalog: TopicCatalog,
    reader: RangeReader,
}

/// A look at work.
struct Reading<'a> {
    reader: &'a RangeReader,
    look: &'a Look,
    bounds: BTreeMap<i32, OffsetBounds>,
    until: Instant,
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

type Ranges = BTreeMap<i32, Range<i64>>;

impl RecordsReader {
    pub(crate) fn new(catalog: TopicCatalog, reader: RangeReader) -> Self {
        Self { catalog, reader }
    }

    /// Reads the page that `look` asks for.
    pub(crate) async fn read(&self, look: &Look) -> Result<RecordsPage, LookError> {
        match self.try_read(look).await {
            // The topic may have gone while it was read.
            Err(LookError::Kafka(_) | LookError::NotInTime(_))
                if matches!(self.catalog.partitions(&look.topic, ASK_WITHIN).await, Ok(None)) =>
            {
                Err(LookError::NoSuchTopic(look.topic.clone()))
            }
            read => read,
        }
    }

    async fn try_read(&self, look: &Look) -> Result<RecordsPage, LookError> {
        let until = Instant::now() + WITHIN;
        let partitions = self.partitions(look).await?;
        let bounds = self.catalog.bounds(&look.topic, &partitions, ASK_WITHIN).await?;
        let (direction, wanted) = self.wanted(look, &bounds).await?;
        let reading = Reading { reader: &self.reader, look, bounds, until };
        let (page, is_search) = match &look.key {
            Some(key) => (reading.search(key, &wanted).await?, true),
            None => (reading.page(direction, &wanted).await?, false),
        };
        let is_everything = look.isolation == Isolation::ReadUncommitted;
        let missing = match is_everything && !is_search {
            true => self.missing(look, &page).await?,
            false => Vec::new(),
        };
        let next = (!page.is_complete).then(|| next(look, direction, &wanted, &page.covered));
        let bounds = reading.bounds.into_iter();
        Ok(RecordsPage {
            topic: look.topic.clone(),
            isolation: if is_everything { "read_uncommitted" } else { "read_committed" },
            partitions: bounds.map(|(partition, bounds)| PartitionBounds::of(partition, Some(bounds))).collect(),
            records: page.records.into_iter().map(|(_, found)| found.shown).collect(),
            missing,
            next,
        })
    }

    /// Returns the partitions to look at.
    async fn partitions(&self, look: &Look) -> Result<Vec<i32>, LookError> {
        let topic = &look.topic;
        let all = self.catalog.partitions(topic, ASK_WITHIN).await?;
        let all = all.ok_or_else(|| LookError::NoSuchTopic(topic.clone()))?;
        let no_such = |partition| LookError::NoSuchPartition {
            topic: topic.clone(),
            partition,
            first: all.first().copied().unwrap_or_default(),
            last: all.last().copied().unwrap_or_default(),
        };
        let named: Vec<i32> = match (&look.place, look.partition) {
            (Place::Before(positions) | Place::From(positions), _) => positions.0.keys().copied().collect(),
            (_, Some(partition)) => vec![partition],
            _ if all.len() > MOST_PARTITIONS => {
                return Err(LookError::TooManyPartitions { topic: topic.clone(), partitions: all.len() });
            }
            _ => return Ok(all),
        };
        match named.iter().find(|partition| all.binary_search(partition).is_err()) {
            Some(partition) => Err(no_such(*partition)),
            None => Ok(named),
        }
    }

    /// Returns the direction of a look, and the offsets of each partition that it may show.
    async fn wanted(
        &self,
        look: &Look,
        bounds: &BTreeMap<i32, OffsetBounds>,
    ) -> Result<(Direction, Ranges), LookError> {
        let times = match &look.place {
            Place::Time(time) => {
                let partitions: Vec<_> = bounds.keys().copied().collect();
                self.catalog.offsets_at(&look.topic, &partitions, *time, ASK_WITHIN).await?
            }
            _ => BTreeMap::new(),
        };
        let direction = match &look.place {
            Place::Newest if look.key.is_none() => Direction::Older,
            Place::Before(_) => Direction::Older,
            _ => Direction::Newer,
        };
        let mut wanted = Ranges::new();
        for (partition, bounds) in bounds {
            let end = visible_end(look.isolation, bounds);
            let all = bounds.earliest.min(end)..end;
            let clamp = |offset: i64| offset.clamp(all.start, all.end);
            let range = match &look.place {
                Place::Newest => all,
                Place::Offset(offset) => {
                    if !(bounds.earliest..=bounds.end).contains(offset) {
                        let (offset, partition) = (*offset, *partition);
                        let OffsetBounds { earliest, end, .. } = *bounds;
                        let topic = look.topic.clone();
                        return Err(LookError::OutOfRange { topic, partition, offset, earliest, end });
                    }
                    clamp(*offset)..all.end
                }
                Place::Time(_) => clamp(times.get(partition).copied().unwrap_or(all.end))..all.end,
                Place::Before(positions) => {
                    let before = positions.0.get(partition).copied().unwrap_or(all.start);
                    all.start..clamp(before)
                }
                Place::From(positions) => {
                    let from = positions.0.get(partition).copied().unwrap_or(all.end);
                    clamp(from)..all.end
                }
            };
            wanted.insert(*partition, range);
        }
        Ok((direction, wanted))
    }

    /// Names the offsets of a page that have no record.
    async fn missing(&self, look: &Look, page: &Page<Found>) -> Result<Vec<MissingOffsets>, LookError> {
        let mut offsets: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
        for (partition, found) in &page.records {
            offsets.entry(*partition).or_default().insert(found.shown.offset);
        }
        let mut all = Vec::new();
        for (partition, covered) in &page.covered {
            let offsets = offsets.remove(partition).unwrap_or_default();
            all.extend(missing(covered.clone(), offsets).into_iter().map(|run| (*partition, run)));
        }
        if all.is_empty() {
            return Ok(Vec::new());
        }
        const POLICY: &str = "cleanup.policy";
        let mut configs = self.catalog.configs(&[&look.topic], &[POLICY], ASK_WITHIN).await?;
        let policy = configs.remove(&look.topic).and_then(|mut configs| configs.remove(POLICY)?.value);
        // A policy that isn't known may be compaction.
        let is_compacted = policy.is_none_or(|policy| policy.contains("compact"));
        let what = if is_compacted { Missing::MarkerOrCompacted } else { Missing::Marker };
        let named = |(partition, run): (i32, Range<i64>)| MissingOffsets {
            partition,
            first_offset: run.start,
            last_offset: run.end - 1,
            what,
        };
        Ok(all.into_iter().map(named).collect())
    }
}

/// Returns the offset where readers of this isolation stop.
fn visible_end(isolation: Isolation, bounds: &OffsetBounds) -> i64 {
    match isolation {
        Isolation::ReadCommitted => bounds.stable,
        Isolation::ReadUncommitted => bounds.end,
    }
}

/// Returns the path of the next page.
fn next(look: &Look, direction: Direction, wanted: &Ranges, covered: &Ranges) -> String {
    let mut positions = BTreeMap::new();
    for (partition, covered) in covered {
        let Some(wanted) = wanted.get(partition) else { continue };
        let (next, has_more) = match direction {
            Direction::Older => (covered.start, covered.start > wanted.start),
            Direction::Newer => (covered.end, covered.end < wanted.end),
        };
        if has_more {
            positions.insert(*partition, next);
        }
    }
    let place = if direction == Direction::Older { "before" } else { "from" };
    let mut path = format!("/topics/{}/records?limit={}&{place}={}", look.topic, look.limit, Positions(positions));
    if look.isolation == Isolation::ReadUncommitted {
        path.push_str("&isolation=read_uncommitted");
    }
    if let Some(key) = &look.key {
        path.push_str(&format!("&key={}", percent_encoded(key)));
    }
    path
}

/// Encodes a text for the query of a path.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte.into()),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

impl Reading<'_> {
    /// Reads a page next to one end of `wanted`.
    async fn page(&self, direction: Direction, wanted: &Ranges) -> Result<Page<Found>, LookError> {
        let some = i64::try_from(self.look.limit.min(MOST_READ / wanted.len().max(1)).max(1)).unwrap_or(1);
        let at = |range: &Range<i64>| match direction {
            Direction::Older => range.end..range.end,
            Direction::Newer => range.start..range.start,
        };
        let slice = |range: &Range<i64>| Slice {
            known: at(range),
            wanted: range.clone(),
            records: VecDeque::new(),
        };
        let mut slices: BTreeMap<_, _> =
            wanted.iter().map(|(partition, range)| (*partition, slice(range))).collect();
        let mut length = some;
        loop {
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
            if ranges.is_empty() || (length > some && Instant::now() >= self.until) {
                break;
            }
            let mut read = self.read(&ranges, Keep::Some(direction, some)).await?;
            for (partition, range) in ranges {
                let Some(slice) = slices.get_mut(&partition) else { continue };
                let read_to = read.read_to.get(&partition).copied().unwrap_or(range.start);
                let Kept { records, is_cut } = read.records.remove(&partition).unwrap_or_default();
                match direction {
                    // The newest ones of the range would be missing.
                    Direction::Older if read_to < range.end => {
                        return Err(LookError::NotInTime(self.look.topic.clone()));
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
            // Markers, aborted records and what compaction has removed leave holes of any length.
            length = length.saturating_mul(4).min(LONGEST_RANGE);
        }
        Ok(page(slices, direction, self.look.limit))
    }

    /// Reads the first records with that key.
    async fn search(&self, key: &str, wanted: &Ranges) -> Result<Page<Found>, LookError> {
        let read = self.read(wanted, Keep::WithKey(key)).await?;
        let mut found: Vec<Found> = read.records.into_values().flat_map(|kept| kept.records).collect();
        found.sort_by_key(|found| (found.millis, found.shown.partition, found.shown.offset));
        let covered = |(partition, range): (&i32, &Range<i64>)| {
            (*partition, range.start..read.read_to.get(partition).copied().unwrap_or(range.start))
        };
        let covered: Ranges = wanted.iter().map(covered).collect();
        Ok(Page {
            records: found.into_iter().map(|found| (found.shown.partition, found)).collect(),
            is_complete: wanted.iter().all(|(partition, range)| covered[partition].end >= range.end),
            covered,
        })
    }

    /// Reads ranges, and keeps some of their records.
    async fn read(&self, ranges: &Ranges, keep: Keep<'_>) -> Result<Read, LookError> {
        if self.look.isolation == Isolation::ReadCommitted {
            return self.records(ranges.clone(), Isolation::ReadCommitted, keep, self.until).await;
        }
        // What is decided is read twice, and each reading has its part of the time.
        let decided: Ranges = ranges
            .iter()
            .filter_map(|(partition, range)| {
                let stable = self.bounds.get(partition)?.stable;
                (range.start < stable).then(|| (*partition, range.start..range.end.min(stable)))
            })
            .collect();
        let half = Instant::now() + self.until.saturating_duration_since(Instant::now()) / 2;
        let (committed, read_to) = self.places(decided.clone(), keep, half).await?;
        let mut ranges = ranges.clone();
        for (partition, range) in &mut ranges {
            if let Some((decided, read_to)) = decided.get(partition).zip(read_to.get(partition))
                && *read_to < decided.end
            {
                range.end = *read_to;
            }
        }
        let mut read = self.records(ranges, Isolation::ReadUncommitted, keep, self.until).await?;
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
        let most_bytes = if limit == 1 { MOST_BYTES_OF_ONE } else { MOST_BYTES };
        let (wanted_key, direction, most) = match keep {
            Keep::Some(direction, most) => (None, direction, most),
            Keep::WithKey(key) => (Some(key.as_bytes().to_vec()), Direction::Newer, limit),
        };
        let kept = Arc::new(Mutex::new(BTreeMap::<i32, Kept>::new()));
        let (keeping, mut matches) = (Arc::clone(&kept), 0);
        let take = move |record: &Record<'_>| {
            if wanted_key.is_some() && record.key != wanted_key.as_deref() {
                return ControlFlow::Continue(());
            }
            matches += 1;
            let found = || Found { millis: record.timestamp, shown: ShownRecord::of(record, most_bytes) };
            keeping.lock().entry(record.partition).or_default().push(direction, most, found);
            match wanted_key.is_some() && matches >= most {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn look(key: Option<&str>, isolation: Isolation) -> Look {
        let (topic, key) = ("orders".to_owned(), key.map(str::to_owned));
        Look { topic, partition: None, place: Place::Newest, isolation, limit: 5, key }
    }

    #[test]
    fn the_next_page_names_only_partitions_that_have_more() {
        let wanted = Ranges::from([(0, 0..9), (1, 4..7)]);
        let covered = Ranges::from([(0, 6..9), (1, 4..7)]);
        let committed = look(None, Isolation::ReadCommitted);
        assert_eq!(
            next(&committed, Direction::Older, &wanted, &covered),
            "/topics/orders/records?limit=5&before=0:6"
        );
        let search = look(Some("a&b ä"), Isolation::ReadUncommitted);
        let covered = Ranges::from([(0, 0..3), (1, 4..5)]);
        assert_eq!(
            next(&search, Direction::Newer, &wanted, &covered),
            "/topics/orders/records?limit=5&from=0:3,1:5&isolation=read_uncommitted&key=a%26b%20%C3%A4"
        );
    }
}
