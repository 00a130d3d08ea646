//! Writes the end of a transaction into its partitions and groups.

use crate::{log::Marker, node::Node, transaction::Ending};
use std::time::Instant;

/// Writes a marker into each partition of the transaction, and makes its offsets count or forgets them.
/// Topics and groups that were deleted meanwhile are skipped.
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
