//! A cursor: how far a stream is in every partition of every feed, small enough for an SSE `id:`.
//!
//! As text, `o12.5.7-a93-d0-s3-t812`: a letter for each feed, then the next offset of partition 0, 1, 2, with nothing
//! between the dots where a partition is not known. Only characters that need no escaping in a URL. A feed that is
//! not named is followed from now on, so that a newer service can add feeds without breaking older cursors.

use crate::feed::Feed;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// Longer texts are no cursors of ours: a hundred partitions with the largest offsets fit.
const MAX_LEN: usize = 2_048;

/// The next offset to read of each partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    next: BTreeMap<Feed, Vec<Option<i64>>>,
}

impl Cursor {
    /// Names every feed and knows no partition: each is read from its first record.
    pub(crate) fn earliest() -> Self {
        Self { next: Feed::ALL.map(|feed| (feed, vec![None])).into() }
    }

    /// The next offset of a partition, where it is known.
    pub(crate) fn get(&self, feed: Feed, partition: i32) -> Option<i64> {
        let index = usize::try_from(partition).ok()?;
        self.next.get(&feed)?.get(index).copied().flatten()
    }

    /// Whether anything is known of a feed.
    pub(crate) fn names(&self, feed: Feed) -> bool {
        self.next.contains_key(&feed)
    }

    /// Moves a partition, forwards or backwards.
    pub(crate) fn set(&mut self, feed: Feed, partition: i32, offset: i64) {
        let Ok(index) = usize::try_from(partition) else { return };
        let partitions = self.next.entry(feed).or_default();
        if partitions.len() <= index {
            partitions.resize(index + 1, None);
        }
        if let Some(next) = partitions.get_mut(index) {
            *next = Some(offset);
        }
    }

    /// Every known partition.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Feed, i32, i64)> {
        self.next.iter().flat_map(|(feed, partitions)| {
            (0i32..).zip(partitions).filter_map(|(partition, next)| Some((*feed, partition, (*next)?)))
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (feed, partitions)) in self.next.iter().enumerate() {
            if i > 0 {
                f.write_str("-")?;
            }
            write!(f, "{}", feed.letter())?;
            for (p, next) in partitions.iter().enumerate() {
                if p > 0 {
                    f.write_str(".")?;
                }
                if let Some(next) = next {
                    write!(f, "{next}")?;
                }
            }
        }
        Ok(())
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no cursor of this service: give the `id` of an event as it was received")]
pub(crate) struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    /// The empty text is the cursor that knows nothing: everything from now on.
    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let mut cursor = Self::default();
        if text.len() > MAX_LEN {
            return Err(NoCursor);
        }
        for part in text.split('-').filter(|_| !text.is_empty()) {
            let mut chars = part.chars();
            let feed = chars.next().and_then(Feed::of_letter).ok_or(NoCursor)?;
            let partitions = chars.as_str().split('.').map(offset).collect::<Result<_, _>>()?;
            if cursor.next.insert(feed, partitions).is_some() {
                return Err(NoCursor);
            }
        }
        Ok(cursor)
    }
}

fn offset(text: &str) -> Result<Option<i64>, NoCursor> {
    match text {
        "" => Ok(None),
        // `parse` would take a sign.
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| NoCursor)
        }
        _ => Err(NoCursor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_reads_as_the_docs_say() {
        let mut cursor = Cursor::default();
        cursor.set(Feed::Audit, 0, 93);
        cursor.set(Feed::Orders, 2, 7);
        cursor.set(Feed::Orders, 0, 12);
        assert_eq!(cursor.to_string(), "o12..7-a93");
        assert_eq!("o12..7-a93".parse(), Ok(cursor));
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
            "o1\n",
            &"o1.".repeat(1000),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_comes_back_from_its_text(entries in prop::collection::vec((0usize..5, 0i32..12, 0i64..), 0..20)) {
            let mut cursor = Cursor::default();
            for (feed, partition, next) in entries {
                cursor.set(Feed::ALL[feed], partition, next);
            }
            prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
        }

        #[test]
        fn no_text_panics_and_what_is_read_stays_readable(text in "[oadst0-9.x-]{0,40}|.{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string().parse::<Cursor>(), Ok(cursor));
            }
        }
    }
}
