//! Kafka's words, each with a sentence for a participant who has never seen a consumer group. The page shows them on hover and
//! focus, and WORKSHOP.md has the same ones.

use serde::Serialize;

/// A word and what it means.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Entry {
    pub(super) term: &'static str,
    pub(super) meaning: &'static str,
}

const fn entry(term: &'static str, meaning: &'static str) -> Entry {
    Entry { term, meaning }
}

/// The words, in an order in which each builds on those before it.
pub(super) const GLOSSARY: &[Entry] = &[
    entry(
        "topic",
        "A named log of records. Reading takes nothing away: any number of readers can read it, as often as they like.",
    ),
    entry(
        "partition",
        "A part of a topic, with its own order. It is read by one member of a group at a time.",
    ),
    entry(
        "offset",
        "The number of a record in its partition. It never changes, and the next record gets a higher one.",
    ),
    entry(
        "key",
        "The part of a record that decides its partition. Records with the same key go to the same partition, so they stay in order; here the key is the order's id.",
    ),
    entry(
        "group",
        "Consumers that share the work: each partition goes to one member. Every other group reads all records again, at its own pace.",
    ),
    entry(
        "lag",
        "The distance from a group's position to the end of a partition: how many records the group hasn't handled yet.",
    ),
    entry(
        "rebalance",
        "The group distributes its partitions again, because a member joined or left. While it lasts, partitions have no reader.",
    ),
    entry(
        "generation",
        "The number of a group's current distribution of partitions. Each rebalance starts a new one, and Kafka refuses commits from an older one.",
    ),
    entry(
        "dead letter",
        "A record that couldn't be handled after all retries. It waits on its own topic for a person to decide.",
    ),
    entry("redrive", "Sending a dead letter back to its topic, where its delivery is tried again."),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_workshop_has_the_same_sentences() {
        let workshop = include_str!("../../../../WORKSHOP.md");
        for Entry { term, meaning } in GLOSSARY {
            let row = format!("| {term} | {meaning} |");
            assert!(workshop.contains(&row), "WORKSHOP.md lacks the row `{row}`");
        }
    }

    #[test]
    fn the_page_explains_each_word_of_the_glossary_and_no_other() {
        let page = crate::page::template::BUILT_IN.map(|(_, source)| source).concat();
        let named = page.split("term(\"").skip(1).filter_map(|rest| rest.split('"').next());
        let named: BTreeSet<_> = named.collect();
        assert_eq!(named, GLOSSARY.iter().map(|entry| entry.term).collect());
    }
}
