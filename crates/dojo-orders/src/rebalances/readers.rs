//! Who reads the partitions of a group, and for how long nobody did. The dojo's instances report it; of a foreign member only its
//! assignment is known, once a second.

use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{InstanceStatus, PartitionStatus};
use std::collections::BTreeMap;

/// More partitions than any lesson has. Those beyond aren't watched.
const MAX_PARTITIONS: usize = 10_000;

/// The readers of a group's partitions. Bounded in the number of partitions.
#[derive(Debug, Default)]
pub(super) struct Readers {
    partitions: BTreeMap<(String, i32), Reader>,
    pause: Option<Pause>,
}

#[derive(Debug)]
struct Reader {
    /// Its client id; `None` since the instance that read the partition reported that it doesn't any more.
    client_id: Option<String>,
    /// When it was last known to read the partition, or reported that it doesn't any more.
    at: DateTime<Utc>,
}

/// The time for which a partition had no reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pause {
    /// The longest one.
    pub(super) longest: TimeDelta,
    /// When the last one ended.
    pub(super) ended_at: DateTime<Utc>,
}

impl Readers {
    /// Takes the report of an instance of this group.
    pub(super) fn report(&mut self, status: &InstanceStatus) {
        let (id, at) = (&status.instance_id, status.timestamp);
        let reads = |topic: &str, partition: i32| {
            status.partitions.iter().any(|p| p.topic == topic && p.partition == partition)
        };
        for ((topic, partition), reader) in &mut self.partitions {
            if reader.client_id.as_ref() == Some(id) && !reads(topic, *partition) {
                *reader = Reader { client_id: None, at };
            }
        }
        for PartitionStatus { topic, partition, .. } in &status.partitions {
            self.reads(id, (topic.clone(), *partition), at);
        }
    }

    /// Notes that `client_id` reads the partition at this time.
    pub(super) fn reads(&mut self, client_id: &str, partition: (String, i32), at: DateTime<Utc>) {
        if self.partitions.len() >= MAX_PARTITIONS && !self.partitions.contains_key(&partition) {
            return;
        }
        let new = Reader { client_id: Some(client_id.to_owned()), at };
        let Some(old) = self.partitions.insert(partition, new) else { return };
        if old.client_id.as_deref() != Some(client_id) {
            self.resumed(old.at, at);
        }
    }

    fn resumed(&mut self, from: DateTime<Utc>, ended_at: DateTime<Utc>) {
        let pause = (ended_at - from).max(TimeDelta::zero());
        let longest = self.pause.map_or(pause, |known| known.longest.max(pause));
        self.pause = Some(Pause { longest, ended_at });
    }

    /// Returns whether `client_id` was the last that is known to read the partition.
    pub(super) fn is_read_by(&self, partition: &(String, i32), client_id: &str) -> bool {
        self.partitions.get(partition).is_some_and(|reader| reader.client_id.as_deref() == Some(client_id))
    }

    /// The pause since the last [`take_pause`](Self::take_pause).
    pub(super) fn pause(&self) -> Option<Pause> {
        self.pause
    }

    /// Returns the pause, and forgets it.
    pub(super) fn take_pause(&mut self) -> Option<Pause> {
        self.pause.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebalances::tests::{at, status};

    fn pause(readers: &mut Readers) -> Option<i64> {
        readers.take_pause().map(|pause| pause.longest.num_seconds())
    }

    #[test]
    fn a_pause_lasts_from_the_last_report_of_a_reader_to_the_first_one_of_the_next() {
        let mut readers = Readers::default();
        readers.report(&status("a", &[0, 1], 10));
        assert_eq!(readers.pause(), None, "nobody read them before");
        readers.report(&status("a", &[0, 1], 12));
        readers.report(&status("b", &[1], 15));
        assert_eq!(pause(&mut readers), Some(3));
        readers.report(&status("a", &[0], 16));
        assert!(readers.is_read_by(&("orders".to_owned(), 1), "b"), "a's late report takes nothing from b");
        readers.report(&status("a", &[], 17));
        readers.report(&status("a", &[0], 19));
        assert_eq!(
            pause(&mut readers),
            Some(2),
            "as when all members give their partitions back and get them again"
        );
        assert_eq!(pause(&mut readers), None);
    }

    #[test]
    fn the_longest_pause_counts_and_clocks_that_differ_make_none_negative() {
        let mut readers = Readers::default();
        readers.report(&status("a", &[0, 1], 10));
        readers.report(&status("b", &[0], 14));
        readers.report(&status("b", &[0, 1], 11));
        assert_eq!(readers.pause(), Some(Pause { longest: TimeDelta::seconds(4), ended_at: at(11) }));
        readers.take_pause();
        readers.report(&status("a", &[0], 5));
        assert_eq!(pause(&mut readers), Some(0));
    }
}
