//! DescribeLogDirs: the size of each partition.
//!
//! A broker with disks describes each of them. This broker describes its memory as a single disk, with the
//! size that the records of all partitions can take together.

use super::fields::{text, topic_name};
use crate::{log::Log, node::Node, topics::Topic};
use kafka_protocol::messages::{
    DescribeLogDirsRequest, DescribeLogDirsResponse,
    describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic},
};
use std::collections::{BTreeMap, BTreeSet};

/// Stands for a folder's name.
const MEMORY: &str = "memory";

pub(super) fn describe_log_dirs(node: &Node, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let all = node.topics.all();
    let count: usize = all.iter().map(|topic| topic.partitions.len()).sum();
    let used: usize = all.iter().map(|topic| used(topic)).sum();
    let total = count.saturating_mul(node.config.retention_bytes_per_partition);
    let topics = match request.topics {
        None => all.iter().map(|topic| describe(topic, |_| true)).collect(),
        Some(wanted) => {
            let mut indexes: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
            for wanted in wanted {
                indexes.entry(wanted.topic.to_string()).or_default().extend(wanted.partitions);
            }
            // Unknown partitions are left out, as by a broker that holds other partitions than those asked
            // for.
            all.iter()
                .filter_map(|topic| {
                    let wanted = indexes.get(&topic.name)?;
                    Some(describe(topic, |index| wanted.contains(&index)))
                })
                .collect()
        }
    };
    let result = DescribeLogDirsResult::default()
        .with_log_dir(text(MEMORY))
        .with_topics(topics)
        .with_total_bytes(size(total))
        .with_usable_bytes(size(total.saturating_sub(used)));
    DescribeLogDirsResponse::default().with_results(vec![result])
}

fn used(topic: &Topic) -> usize {
    topic.partitions.iter().map(|partition| partition.look(Log::bytes)).sum()
}

fn describe(topic: &Topic, is_wanted: impl Fn(i32) -> bool) -> DescribeLogDirsTopic {
    let partitions = (0_i32..).zip(&topic.partitions).filter(|(index, _)| is_wanted(*index));
    let partitions = partitions.map(|(index, partition)| {
        DescribeLogDirsPartition::default()
            .with_partition_index(index)
            .with_partition_size(size(partition.look(Log::bytes)))
    });
    DescribeLogDirsTopic::default().with_name(topic_name(&topic.name)).with_partitions(partitions.collect())
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
