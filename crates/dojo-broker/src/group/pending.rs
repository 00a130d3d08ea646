//! Offsets that were committed in transactions that are still open.
//!
//! An application that reads, transforms and writes can commit its offsets together with what it wrote: both
//! count or neither. Until the transaction ends, the group's old offsets hold, and a consumer that asks for
//! stable offsets has to ask again (KIP-447).

use super::committed::Committed;
use std::collections::BTreeMap;

/// What the open transactions of each producer have committed for one group.
#[derive(Debug, Default)]
pub(super) struct Pending {
    by_producer: BTreeMap<i64, BTreeMap<String, BTreeMap<i32, Offset>>>,
}

#[derive(Debug)]
struct Offset {
    committed: Committed,
    /// The partition's offset was later committed without a transaction, which counts instead.
    superseded: bool,
}

impl Pending {
    pub(super) fn add(&mut self, producer_id: i64, topic: &str, partition: i32, committed: Committed) {
        let topics = self.by_producer.entry(producer_id).or_default();
        let offset = Offset { committed, superseded: false };
        topics.entry(topic.to_owned()).or_default().insert(partition, offset);
    }

    /// Notes that the partition's offset was committed without a transaction.
    pub(super) fn supersede(&mut self, topic: &str, partition: i32) {
        for topics in self.by_producer.values_mut() {
            if let Some(offset) = topics.get_mut(topic).and_then(|offsets| offsets.get_mut(&partition)) {
                offset.superseded = true;
            }
        }
    }

    /// Returns whether the partition's offset depends on an open transaction.
    pub(super) fn contains(&self, topic: &str, partition: i32) -> bool {
        let holds = |offsets: &BTreeMap<i32, Offset>| offsets.contains_key(&partition);
        self.by_producer.values().any(|topics| topics.get(topic).is_some_and(holds))
    }

    /// Takes the offsets of a producer's transaction, except those that no longer count.
    pub(super) fn take(
        &mut self,
        producer_id: i64,
    ) -> impl Iterator<Item = (String, i32, Committed)> + use<> {
        let topics = self.by_producer.remove(&producer_id).unwrap_or_default();
        topics.into_iter().flat_map(|(topic, offsets)| {
            let valid = offsets.into_iter().filter(|(_, offset)| !offset.superseded);
            valid.map(move |(partition, offset)| (topic.clone(), partition, offset.committed))
        })
    }

    pub(super) fn forget_topic(&mut self, topic: &str) {
        self.by_producer.retain(|_, topics| {
            topics.remove(topic);
            !topics.is_empty()
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_producer.is_empty()
    }
}
