//! A cursor: how far a stream is in every partition of every topic, and in which log. It is small enough for an SSE `id:`.
//!
//! As text, `k3f29c01d-o12~18f3a.5.7-a93~18f3b-d0-s3-t812`: `k` and the id of the cluster; then a letter for each topic and
//! the next offset of partition 0, 1, 2, with nothing between the dots where a partition is not known. After `~` stands
//! the timestamp of the record before that offset, in hexadecimal milliseconds, where such a record was seen: an offset
//! means something only on the log that it was read from, and this is how a cursor recognizes its log. Compacted topics
//! have no such timestamps, because the record before may be gone by design.
//!
//! Only characters that need no escaping in a URL. A topic that is not named is followed from now on, so that a newer
//! service can add topics without breaking older cursors.

use crate::log::stream_topic::StreamTopic;
use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

/// A longer text isn't a cursor: a hundred partitions with the largest offsets fit.
const MAX_LEN: usize = 4_096;
/// Before the id of the cluster; no topic has this letter.
const CLUSTER: char = 'k';
/// This many characters of a cluster's id tell two clusters apart.
const CLUSTER_CHARS: usize = 12;

/// A place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    /// The next offset to read.
    pub(crate) next: i64,
    /// The timestamp of the record before it, in milliseconds since 1970, where one was seen.
    pub(crate) before: Option<i64>,
}

/// The next offset to read of each partition, and the log it belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    cluster: Option<Arc<str>>,
    next: BTreeMap<StreamTopic, Vec<Option<At>>>,
}

impl Cursor {
    /// Names every topic and knows no partition: each is read from its first record.
    pub(crate) fn earliest() -> Self {
        Self { cluster: None, next: StreamTopic::ALL.map(|topic| (topic, vec![None])).into() }
    }

    /// The cluster that its offsets belong to, as [`cluster_name`] writes it, where that is known.
    pub(crate) fn cluster(&self) -> Option<&Arc<str>> {
        self.cluster.as_ref()
    }

    pub(crate) fn set_cluster(&mut self, cluster: Option<Arc<str>>) {
        self.cluster = cluster;
    }

    /// The next offset of a partition, where it is known.
    pub(crate) fn get(&self, topic: StreamTopic, partition: i32) -> Option<i64> {
        self.at(topic, partition).map(|at| at.next)
    }

    /// The place in a partition, where it is known.
    pub(crate) fn at(&self, topic: StreamTopic, partition: i32) -> Option<At> {
        let index = usize::try_from(partition).ok()?;
        self.next.get(&topic)?.get(index).copied().flatten()
    }

    /// Whether the cursor has a topic.
    pub(crate) fn names(&self, topic: StreamTopic) -> bool {
        self.next.contains_key(&topic)
    }

    /// Moves a partition, forwards or backwards. `before` is the timestamp of the record before `next`.
    pub(crate) fn set(&mut self, topic: StreamTopic, partition: i32, next: i64, before: Option<i64>) {
        let Ok(index) = usize::try_from(partition) else { return };
        let partitions = self.next.entry(topic).or_default();
        if partitions.len() <= index {
            partitions.resize(index + 1, None);
        }
        if let Some(at) = partitions.get_mut(index) {
            let before = before.filter(|timestamp| *timestamp >= 0 && !topic.is_compacted());
            *at = Some(At { next, before });
        }
    }

    /// Every known partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamTopic, i32, At)> {
        self.next.iter().flat_map(|(topic, partitions)| {
            (0i32..).zip(partitions).filter_map(|(partition, at)| Some((*topic, partition, (*at)?)))
        })
    }
}

/// A cluster's id as a cursor carries it: cluster ids may hold characters that mean something else in a cursor.
pub(crate) fn cluster_name(id: &str) -> Arc<str> {
    id.chars().filter(char::is_ascii_alphanumeric).take(CLUSTER_CHARS).collect::<String>().into()
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        if let Some(cluster) = &self.cluster {
            write!(f, "{CLUSTER}{cluster}")?;
            between = "-";
        }
        for (topic, partitions) in &self.next {
            write!(f, "{between}{}", topic.letter())?;
            between = "-";
            for (p, at) in partitions.iter().enumerate() {
                if p > 0 {
                    f.write_str(".")?;
                }
                if let Some(At { next, before }) = at {
                    write!(f, "{next}")?;
                    if let Some(before) = before {
                        write!(f, "~{before:x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A text that isn't a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("isn't a cursor of this service: give the `id` of an event as it was received")]
pub(crate) struct InvalidCursor;

impl FromStr for Cursor {
    type Err = InvalidCursor;

    /// The empty text is the cursor that knows nothing: everything from now on.
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let mut cursor = Self::default();
        if text.len() > MAX_LEN {
            return Err(InvalidCursor);
        }
        for part in text.split('-').filter(|_| !text.is_empty()) {
            let mut chars = part.chars();
            if let Some(cluster) = part.strip_prefix(CLUSTER) {
                let fits = (1..=CLUSTER_CHARS).contains(&cluster.len());
                let first = cursor == Self::default();
                if !fits || !first || !cluster.bytes().all(|b| b.is_ascii_alphanumeric()) {
                    return Err(InvalidCursor);
                }
                cursor.cluster = Some(cluster.into());
                continue;
            }
            let topic = chars.next().and_then(StreamTopic::of_letter).ok_or(InvalidCursor)?;
            let partitions: Vec<_> = chars.as_str().split('.').map(at).collect::<Result<_, _>>()?;
            let timed = partitions.iter().flatten().any(|at| at.before.is_some());
            if topic.is_compacted() && timed || cursor.next.insert(topic, partitions).is_some() {
                return Err(InvalidCursor);
            }
        }
        Ok(cursor)
    }
}

fn at(text: &str) -> Result<Option<At>, InvalidCursor> {
    if text.is_empty() {
        return Ok(None);
    }
    let (next, before) = match text.split_once('~') {
        None => (text, None),
        Some((next, before)) => (next, Some(number(before, 16)?)),
    };
    Ok(Some(At { next: number(next, 10)?, before }))
}

fn number(text: &str, radix: u32) -> Result<i64, InvalidCursor> {
    // `from_str_radix` would take a sign and capital letters.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    if digits { i64::from_str_radix(text, radix).map_err(|_| InvalidCursor) } else { Err(InvalidCursor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_reads_as_the_docs_say() {
        let mut cursor = Cursor::default();
        cursor.set(StreamTopic::Audit, 0, 93, None);
        cursor.set(StreamTopic::Orders, 2, 7, Some(0x18f3a));
        cursor.set(StreamTopic::Orders, 0, 12, None);
        cursor.set(StreamTopic::Status, 0, 3, Some(1));
        assert_eq!(cursor.to_string(), "o12..7~18f3a-a93-t3");
        cursor.set_cluster(Some(cluster_name("3-F_29c01d8a7e654")));
        assert_eq!(cursor.to_string(), "k3F29c01d8a7e-o12..7~18f3a-a93-t3");
        assert_eq!("k3F29c01d8a7e-o12..7~18f3a-a93-t3".parse(), Ok(cursor));
    }

    #[test]
    fn nothing_known_is_the_empty_text() {
        assert_eq!("".parse(), Ok(Cursor::default()));
        assert_eq!(Cursor::default().to_string(), "");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        for text in [
            "x1",
            "o1-o2",
            "o-1",
            "o+1",
            "o1,2",
            "-",
            "o1-",
            "o99999999999999999999",
            "ö",
            "k",
            "k-o1",
            "o1-k1",
            "k1-k1",
            "o1~",
            "o~1",
            "o1~g",
            "o1~F",
            "t1~1",
            "k3-f",
            "o1\n",
            &"o1.".repeat(2000),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_comes_back_from_its_text(
            entries in prop::collection::vec((0usize..6, 0i32..12, 0i64.., prop::option::of(0i64..)), 0..20),
            cluster in prop::option::of("[0-9a-zA-Z_-]{2,40}x"),
        ) {
            let mut cursor = Cursor::default();
            cursor.set_cluster(cluster.as_deref().map(cluster_name));
            for (topic, partition, next, before) in entries {
                cursor.set(StreamTopic::ALL[topic], partition, next, before);
            }
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn no_text_panics_and_what_is_read_stays_readable(text in "[koadst0-9a-f.~x-]{0,40}|.{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
            }
        }
    }
}
