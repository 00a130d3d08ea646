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

use crate::log::topics::{
    look::{Look, Place, Positions},
    page::{Direction, Page, missing},
    reading::{Found, LookError, Ranges, Reading},
    shown::ShownRecord,
};
use dojo_kafka::{Isolation, OffsetBounds, RangeReader, TopicCatalog};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    time::{Duration, Instant},
};
use utoipa::ToSchema;

/// How long a look may take.
const WITHIN: Duration = Duration::from_secs(5);
/// How long Kafka may take to say which partitions a topic has and where they end.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Partitions of which a page can be merged.
pub(crate) const MOST_PARTITIONS: usize = 1_000;

/// A page of a topic's records.
#[derive(Debug, Serialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MissingOffsets {
    partition: i32,
    first_offset: i64,
    last_offset: i64,
    what: Missing,
}

/// What stands at an offset without a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Missing {
    /// A marker, which ends a transaction: its commit or its abort.
    Marker,
    /// A marker, or a record that compaction has removed.
    MarkerOrCompacted,
}

/// Reads pages of records.
pub(crate) struct RecordsReader {
    catalog: TopicCatalog,
    reader: RangeReader,
}

impl RecordsReader {
    pub(crate) fn new(catalog: TopicCatalog, reader: RangeReader) -> Self {
        Self { catalog, reader }
    }

    /// Reads the page that `look` asks for.
    pub(crate) async fn read(&self, look: &Look) -> Result<RecordsPage, LookError> {
        match self.try_read(look).await {
            // Retention may have removed an offset since the bounds were asked for. Then they are asked for again.
            Err(LookError::Kafka(error)) if error.is_out_of_range() => self.try_read(look).await,
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
        if partitions.iter().any(|partition| !bounds.contains_key(partition)) {
            return Err(LookError::NotInTime(look.topic.clone()));
        }
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
            partitions: bounds
                .map(|(partition, bounds)| PartitionBounds::of(partition, Some(bounds)))
                .collect(),
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
    let mut path =
        format!("/topics/{}/records?limit={}&{place}={}", look.topic, look.limit, Positions(positions));
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
