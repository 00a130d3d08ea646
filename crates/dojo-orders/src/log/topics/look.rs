//! What a look at a topic's records asks for, and where the next one goes on.

use chrono::{DateTime, Utc};
use dojo_kafka::Isolation;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A place in several partitions: an offset of each. Its text form is `0:12,1:40`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) BTreeMap<i32, i64>);

/// A text that doesn't name positions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoPositions;

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (partition, offset)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{partition}:{offset}")?;
        }
        Ok(())
    }
}

impl FromStr for Positions {
    type Err = NoPositions;

    fn from_str(text: &str) -> Result<Self, NoPositions> {
        let mut positions = BTreeMap::new();
        for one in text.split(',') {
            let (partition, offset) = one.split_once(':').ok_or(NoPositions)?;
            let partition = partition.parse().map_err(|_| NoPositions)?;
            let offset = offset.parse().ok().filter(|offset: &i64| *offset >= 0).ok_or(NoPositions)?;
            if positions.insert(partition, offset).is_some() {
                return Err(NoPositions);
            }
        }
        Ok(Self(positions))
    }
}

/// Where a look begins, and in which direction it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the end of every partition, reading older records.
    Newest,
    /// At this offset of the one partition, reading newer records.
    Offset(i64),
    /// At the first record of each partition with this timestamp or a later one, reading newer records.
    Time(DateTime<Utc>),
    /// Below these offsets, reading older records. Partitions without an offset have nothing more.
    Before(Positions),
    /// At these offsets, reading newer records. Partitions without an offset have nothing more.
    From(Positions),
}

/// A look at the records of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Look {
    pub(crate) topic: String,
    /// The only partition to look at. `None`: all.
    pub(crate) partition: Option<i32>,
    pub(crate) place: Place,
    pub(crate) isolation: Isolation,
    /// The most records of an answer.
    pub(crate) limit: usize,
    /// Only records with this key, from the start of the log on if there is no place.
    pub(crate) key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_as_they_are_read() {
        let positions = Positions(BTreeMap::from([(0, 12), (2, 0)]));
        assert_eq!(positions.to_string(), "0:12,2:0");
        assert_eq!("0:12,2:0".parse(), Ok(positions));
        for wrong in ["", "0", "0:", ":1", "0:-1", "0:1,", "0:1,0:2", "a:1", "0:99999999999999999999"] {
            assert_eq!(wrong.parse::<Positions>(), Err(NoPositions), "{wrong:?}");
        }
    }
}
