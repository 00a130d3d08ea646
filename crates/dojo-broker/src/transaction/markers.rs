//! Writing the end of a transaction where it counts: into its partitions, and into its groups.

use std::time::Instant;

use super::Ending;
use crate::broker::Node;
use crate::log::Marker;

/// Writes a marker into each partition of the transaction, and lets its offsets count or forgets them. A topic or group that
/// has been deleted meanwhile has nothing left to end.
pub(crate) fn write(node: &Node, ending: &Ending, now_ms: i64) {
    let producer = ending.producer;
    let marker = Marker { producer_id: producer.id, epoch: producer.epoch, commit: ending.commit, now_ms };
    for (topic, partitions) in &ending.partitions {
        let Some(topic) = node.topics.get(topic) else { continue };
        for partition in partitions.iter().filter_map(|index| topic.partition(*index)) {
            partition.end_transaction(&marker);
        }
    }
    for group in &ending.groups {
        node.groups
            .with_known(group, |group| group.end_transaction(producer.id, ending.commit, Instant::now()));
    }
}
