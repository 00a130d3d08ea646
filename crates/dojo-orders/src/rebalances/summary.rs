//! The sentences about a rebalance: who left and joined, who reads what now, and which partition had no reader the longest.

use super::{
    readers::{Partition, Pause},
    rebalance::{JoinedMember, LeftMember, Members, Reason},
};
use std::collections::{BTreeMap, BTreeSet};

/// The most sentences of one kind, and the most numbers in one sentence.
const MOST: usize = 10;
/// From so many consecutive partitions on, a sentence names the first and the last one.
const RANGE: usize = 4;

/// What a summary is about.
pub(super) struct Change<'a> {
    pub(super) left: &'a [LeftMember],
    pub(super) joined: &'a [JoinedMember],
    pub(super) before: &'a Members,
    /// `None` while the rebalance is under way.
    pub(super) after: Option<&'a Members>,
    pub(super) pause: Option<&'a Pause>,
    /// Whether a client id is that of an instance of the dojo.
    pub(super) is_instance: &'a dyn Fn(&str) -> bool,
}

impl Change<'_> {
    /// Describes the change in sentences.
    pub(super) fn summary(&self) -> String {
        let mut sentences = capped(self.who(), "members left or joined");
        match self.after {
            None => sentences.push("The group is distributing its partitions.".to_owned()),
            Some(after) => sentences.extend(capped(self.what(after), "members read other partitions")),
        }
        if let Some(Pause { longest, partition: (topic, partition), .. }) = self.pause {
            let time = match longest.num_milliseconds() {
                ..100 => "less than 0.1 s".to_owned(),
                millis => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
            };
            sentences.push(format!("{topic} {partition} had no reader for {time}."));
        }
        sentences.join(" ")
    }

    fn who(&self) -> Vec<String> {
        let is_in = |name: &str, foreign: bool| !foreign && self.joined.iter().any(|new| new.member == name);
        let gone = self.left.iter().map(|LeftMember { member, foreign, reason }| {
            let did = match reason {
                Reason::Left => "left",
                Reason::Crashed => "crashed",
                Reason::SessionExpired => "was silent until its session expired",
                Reason::Unknown => "is gone",
            };
            let back = if is_in(member, *foreign) { " and joined again" } else { "" };
            format!("{member} {did}{back}.")
        });
        let is_back =
            |new: &&JoinedMember| !new.foreign && self.left.iter().any(|old| old.member == new.member);
        let new = self.joined.iter().filter(|new| !is_back(new));
        let new = new.map(|JoinedMember { member, foreign }| match foreign {
            true => format!("{member}, which isn't an instance of this dojo, joined."),
            false => format!("{member} joined."),
        });
        gone.chain(new).collect()
    }

    /// Which partitions have another reader than before, by reader.
    fn what(&self, after: &Members) -> Vec<String> {
        let (old, new) = (self.readers(self.before), self.readers(after));
        let mut moved: BTreeMap<_, BTreeSet<&Partition>> = BTreeMap::new();
        for partition in old.keys().chain(new.keys()) {
            let reader = new.get(partition);
            if reader != old.get(partition) {
                moved.entry(reader).or_default().insert(partition);
            }
        }
        if moved.is_empty() {
            return vec!["Every partition kept its reader.".to_owned()];
        }
        let sentence = |(reader, partitions): (Option<&(&str, &str)>, BTreeSet<&Partition>)| match reader {
            Some((_, name)) => format!("{name} now reads {}.", names(&partitions)),
            None => format!("Nobody reads {}.", names(&partitions)),
        };
        moved.into_iter().map(sentence).collect()
    }

    /// The reader of each partition: what tells it from others, and its name. An instance stays the same reader when it
    /// restarts; foreign members often share a name.
    fn readers<'a>(&self, members: &'a Members) -> BTreeMap<&'a Partition, (&'a str, &'a str)> {
        let readers = members.iter().flat_map(|(id, member)| {
            let name = member.client_id.as_str();
            let identity = if (self.is_instance)(name) { name } else { id.as_str() };
            member.partitions.iter().map(move |partition| (partition, (identity, name)))
        });
        readers.collect()
    }
}

/// At most [`MOST`] sentences, and one that counts the others.
fn capped(mut sentences: Vec<String>, what: &str) -> Vec<String> {
    let more = sentences.len().saturating_sub(MOST);
    if more > 0 {
        sentences.truncate(MOST);
        sentences.push(format!("{more} more {what}."));
    }
    sentences
}

/// The partitions, by topic: `audit 0, orders 1, 2`, or `big 0 to 999`.
fn names(partitions: &BTreeSet<&Partition>) -> String {
    let mut runs: Vec<(&str, i32, i32)> = Vec::new();
    for (topic, partition) in partitions {
        match runs.last_mut() {
            Some((of, _, last)) if *of == topic && last.checked_add(1) == Some(*partition) => {
                *last = *partition
            }
            _ => runs.push((topic, *partition, *partition)),
        }
    }
    let mut names = Vec::new();
    let mut named = None;
    for (topic, first, last) in runs {
        let numbers: Vec<_> = match (first..=last).count() {
            RANGE.. => vec![format!("{first} to {last}")],
            _ => (first..=last).map(|number| number.to_string()).collect(),
        };
        for number in numbers {
            names.push(if named == Some(topic) { number } else { format!("{topic} {number}") });
            named = Some(topic);
        }
    }
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rebalances::tests::at;
    use chrono::TimeDelta;
    use dojo_kafka::Member;

    /// Members by `client id/number`, each with its partitions of `orders`.
    fn members(of: &[(&str, &[i32])]) -> Members {
        let member = |(id, partitions): &(&str, &[i32])| {
            let partitions = partitions.iter().map(|p| ("orders".to_owned(), *p)).collect();
            let (client_id, host) = (id.split('/').next().unwrap().to_owned(), String::new());
            ((*id).to_owned(), Member { client_id, host, partitions })
        };
        of.iter().map(member).collect()
    }

    /// Summarizes what has changed, where the dojo's instances begin with `n`.
    fn summary(
        left: &[(&str, Reason)],
        joined: &[&str],
        before: &Members,
        after: Option<&Members>,
        pause: Option<i64>,
    ) -> String {
        let is_instance = |client_id: &str| client_id.starts_with('n');
        let foreign = |member: &str| !is_instance(member);
        let left: Vec<_> = left
            .iter()
            .map(|(m, reason)| LeftMember { member: (*m).to_owned(), foreign: foreign(m), reason: *reason })
            .collect();
        let joined: Vec<_> =
            joined.iter().map(|m| JoinedMember { member: (*m).to_owned(), foreign: foreign(m) }).collect();
        let pause = pause.map(|millis| Pause {
            longest: TimeDelta::milliseconds(millis),
            partition: ("orders".to_owned(), 1),
            noticed_at: at(0),
        });
        let (left, joined, pause) = (&left[..], &joined[..], pause.as_ref());
        Change { left, joined, before, after, pause, is_instance: &is_instance }.summary()
    }

    #[test]
    fn a_crash_is_described_with_the_partitions_that_moved_and_the_longest_pause() {
        let before = members(&[("n-1/1", &[0]), ("n-2/1", &[1, 2])]);
        let after = members(&[("n-1/1", &[0, 1, 2])]);
        assert_eq!(
            summary(&[("n-2", Reason::Crashed)], &[], &before, Some(&after), Some(6_190)),
            "n-2 crashed. n-1 now reads orders 1, 2. orders 1 had no reader for 6.1 s."
        );
        let nobody = summary(&[("n-1", Reason::Left)], &[], &after, Some(&Members::new()), None);
        assert_eq!(nobody, "n-1 left. Nobody reads orders 0, 1, 2.");
    }

    #[test]
    fn an_instance_that_comes_back_to_its_partitions_is_the_same_reader() {
        let (before, after) = (members(&[("n-1/1", &[0, 1])]), members(&[("n-1/2", &[0, 1])]));
        assert_eq!(
            summary(&[("n-1", Reason::Crashed)], &["n-1"], &before, Some(&after), Some(30)),
            "n-1 crashed and joined again. Every partition kept its reader. orders 1 had no reader for less than 0.1 s."
        );
    }

    #[test]
    fn foreign_members_of_one_name_are_different_readers() {
        let (before, after) = (members(&[("kcat/1", &[0])]), members(&[("kcat/2", &[0])]));
        assert_eq!(
            summary(&[("kcat", Reason::Unknown)], &["kcat"], &before, Some(&after), None),
            "kcat is gone. kcat, which isn't an instance of this dojo, joined. kcat now reads orders 0."
        );
        let begun = summary(&[], &["n-3"], &before, None, None);
        assert_eq!(begun, "n-3 joined. The group is distributing its partitions.");
    }

    #[test]
    fn a_summary_of_many_members_and_partitions_stays_short() {
        let names: Vec<_> = (0..500).map(|n| format!("k{n}")).collect();
        let joined: Vec<_> = names.iter().map(String::as_str).collect();
        let all: Vec<i32> = (0..1_000).collect();
        let even: Vec<i32> = (0..1_000).step_by(2).collect();
        let after = members(&[("n-1/1", &all)]);
        let told = summary(&[], &joined, &Members::new(), Some(&after), None);
        assert!(told.ends_with("490 more members left or joined. n-1 now reads orders 0 to 999."), "{told}");
        let after = members(&[("n-1/1", &even)]);
        let told = summary(&[], &[], &Members::new(), Some(&after), None);
        assert_eq!(told, "n-1 now reads orders 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and 490 more.");
    }
}
