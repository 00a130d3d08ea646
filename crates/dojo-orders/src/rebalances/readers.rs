//! Which member reads each partition of a group, and how long a partition had no reader. The dojo's instances report it; of a
//! foreign member only its assignment is known, once a second.
//!
//! Pauses are measured with the clocks of the instances. Between two machines whose clocks differ, a pause is wrong by the
//! difference.

use super::processes::SILENT_AFTER;
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{InstanceState, InstanceStatus};
use std::collections::BTreeMap;

/// More partitions than any lesson has. Those beyond aren't watched.
const MAX_PARTITIONS: usize = 10_000;

/// Topic and number of a partition.
pub(super) type Partition = (String, i32);

/// The readers of a group's partitions. Bounded in the number of partitions.
#[derive(Debug, Default)]
pub(super) struct Readers {
    partitions: BTreeMap<Partition, Reading>,
    pause: Option<Pause>,
}

/// Who reads a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reader {
    /// A process of an instance of the dojo.
    Instance { id: String, started_at: DateTime<Utc> },
    /// A foreign member, by its member id.
    Foreign(String),
}

#[derive(Debug)]
struct Reading {
    /// `None` since the reader reported that it doesn't read the partition any more, or was replaced by another process.
    reader: Option<Reader>,
    /// When the partition was last known to be read.
    at: DateTime<Utc>,
}

/// The time for which partitions had no reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pause {
    /// The longest one.
    pub(super) longest: TimeDelta,
    /// The partition that had no reader for that long.
    pub(super) partition: Partition,
    /// When this service learned that the last one had ended.
    pub(super) noticed_at: DateTime<Utc>,
}

impl Readers {
    /// Takes the report of an instance of this group, which was read at `now`.
    pub(super) fn report(&mut self, status: &InstanceStatus, now: DateTime<Utc>) {
        let at = status.timestamp;
        // The last report of a process still lists the partitions that it has given back.
        let is_stopped = status.state == InstanceState::Stopped;
        let read = || status.partitions.iter().filter(|_| !is_stopped);
        for ((topic, partition), reading) in &mut self.partitions {
            let Some(Reader::Instance { id, started_at }) = &reading.reader else { continue };
            if *id == status.instance_id && !read().any(|p| p.topic == *topic && p.partition == *partition) {
                // A process that was silent, or another one, doesn't know until when the partition was read.
                let knows = *started_at == status.started_at && at - reading.at < SILENT_AFTER;
                *reading = Reading { reader: None, at: if knows { at } else { reading.at } };
            }
        }
        let reader = Reader::Instance { id: status.instance_id.clone(), started_at: status.started_at };
        for partition in read() {
            self.reads(reader.clone(), (partition.topic.clone(), partition.partition), at, now);
        }
    }

    /// Takes the assignment of a foreign member, as a look at `now` has shown it.
    pub(super) fn foreign<'a>(
        &mut self,
        member_id: &str,
        partitions: impl IntoIterator<Item = &'a Partition>,
        now: DateTime<Utc>,
    ) {
        for partition in partitions {
            self.reads(Reader::Foreign(member_id.to_owned()), partition.clone(), now, now);
        }
    }

    fn reads(&mut self, reader: Reader, partition: Partition, at: DateTime<Utc>, now: DateTime<Utc>) {
        if self.partitions.len() >= MAX_PARTITIONS && !self.partitions.contains_key(&partition) {
            return;
        }
        let is_same = |known: &Reading| known.reader.as_ref() == Some(&reader);
        let paused = self.partitions.get(&partition).filter(|known| !is_same(known)).map(|known| known.at);
        if let Some(from) = paused {
            let pause = (at - from).max(TimeDelta::zero());
            let longest = self.pause.take().filter(|known| known.longest >= pause);
            let longest = longest.unwrap_or_else(|| Pause {
                longest: pause,
                partition: partition.clone(),
                noticed_at: now,
            });
            self.pause = Some(Pause { noticed_at: now, ..longest });
        }
        self.partitions.insert(partition, Reading { reader: Some(reader), at });
    }

    /// Returns whether the instance was the last that is known to read the partition.
    pub(super) fn is_read_by(&self, partition: &Partition, instance: &str) -> bool {
        let reader = self.partitions.get(partition).and_then(|reading| reading.reader.as_ref());
        matches!(reader, Some(Reader::Instance { id, .. }) if id == instance)
    }

    /// The pause since the last [`take_pause`](Self::take_pause).
    pub(super) fn pause(&self) -> Option<&Pause> {
        self.pause.as_ref()
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

    struct Reported(Readers);

    impl Reported {
        fn report(&mut self, id: &str, partitions: &[i32], second: i64) {
            self.0.report(&status(id, partitions, second), at(second));
        }

        /// Takes the report of a process that started then.
        fn restarted(&mut self, id: &str, partitions: &[i32], started: i64, second: i64) {
            let status = InstanceStatus { started_at: at(started), ..status(id, partitions, second) };
            self.0.report(&status, at(second));
        }

        fn pause(&mut self) -> Option<i64> {
            self.0.take_pause().map(|pause| pause.longest.num_seconds())
        }
    }

    fn reported() -> Reported {
        Reported(Readers::default())
    }

    #[test]
    fn a_pause_lasts_from_the_last_report_of_a_reader_to_the_first_one_of_the_next() {
        let mut readers = reported();
        readers.report("a", &[0, 1], 10);
        assert_eq!(readers.pause(), None, "nobody read them before");
        readers.report("a", &[0, 1], 12);
        readers.report("b", &[1], 15);
        assert_eq!(readers.pause(), Some(3));
        readers.report("a", &[0], 16);
        let partition = ("orders".to_owned(), 1);
        assert!(readers.0.is_read_by(&partition, "b"), "a's late report takes nothing from b");
        readers.report("a", &[], 17);
        readers.report("a", &[0], 19);
        assert_eq!(readers.pause(), Some(2), "all members give their partitions back in a rebalance");
        assert_eq!(readers.pause(), None);
    }

    #[test]
    fn a_pause_begins_with_the_last_report_of_the_process_that_crashed() {
        let mut readers = reported();
        readers.report("a", &[0], 10);
        readers.restarted("a", &[], 12, 12);
        readers.report("b", &[0], 16);
        assert_eq!(readers.pause(), Some(6), "the successor's first report doesn't shorten it");
        readers.restarted("b", &[0], 18, 19);
        assert_eq!(readers.pause(), Some(3), "another process of the same name is another reader");
    }

    #[test]
    fn a_process_that_has_stopped_reads_nothing_whatever_its_last_report_lists() {
        let mut readers = reported();
        readers.report("a", &[0], 10);
        readers.report("b", &[], 10);
        readers.report("b", &[0], 12);
        readers.0.take_pause();
        let stopped = InstanceStatus { state: InstanceState::Stopped, ..status("a", &[0], 13) };
        readers.0.report(&stopped, at(13));
        assert!(readers.0.is_read_by(&("orders".to_owned(), 0), "b"));
        assert_eq!(readers.pause(), None);
    }

    #[test]
    fn the_longest_pause_counts_and_clocks_that_differ_make_none_negative() {
        let mut readers = reported();
        readers.report("a", &[0, 1], 10);
        readers.report("b", &[0], 14);
        readers.report("b", &[0, 1], 11);
        let longest = TimeDelta::seconds(4);
        let partition = ("orders".to_owned(), 0);
        assert_eq!(readers.0.pause(), Some(&Pause { longest, partition, noticed_at: at(11) }));
        readers.0.take_pause();
        readers.report("a", &[0], 5);
        assert_eq!(readers.pause(), Some(0));
    }

    #[test]
    fn a_foreign_member_that_replaces_another_one_of_the_same_name_pauses() {
        let mut readers = reported();
        let partition = ("orders".to_owned(), 0);
        readers.0.foreign("rdkafka-1", [&partition], at(1));
        readers.0.foreign("rdkafka-1", [&partition], at(2));
        assert_eq!(readers.pause(), None);
        readers.0.foreign("rdkafka-2", [&partition], at(5));
        assert_eq!(readers.pause(), Some(3));
    }
}
