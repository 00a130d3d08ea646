//! The two passes over all partitions: retention drops what is too old or too much, compaction drops records
//! that later ones have replaced.
//!
//! Each log knows what is to go, given the time. Compaction reads and writes every record, which takes long,
//! so it works beside the log: no producer or consumer waits for it.

use crate::{clock::now_ms, node::Node, topics::Topics};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{Instant, MissedTickBehavior, interval_at},
};
use tracing::{debug, error, info};

/// The shortest pause between two passes.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// Cleans until it is dropped. A pass that has begun then still ends by itself.
pub(crate) async fn keep_clean(node: Arc<Node>) {
    let config = &node.config;
    tokio::join!(
        repeat(config.retention_check_interval, &node, drop_expired),
        repeat(config.compaction_interval, &node, compact),
    );
}

async fn repeat(every: Duration, node: &Arc<Node>, pass: fn(&Topics, i64)) {
    let every = every.max(MIN_INTERVAL);
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let node = node.clone();
        if let Err(error) = spawn_blocking(move || pass(&node.topics, now_ms())).await {
            error!("cleaning the logs failed by a fault of the broker: {error}");
        }
    }
}

/// Drops the segments that `retention.ms` and `retention.bytes` no longer keep at `now_ms`, by the broker's
/// clock.
fn drop_expired(topics: &Topics, now_ms: i64) {
    for topic in topics.all() {
        let dropped = topic.partitions.iter().map(|log| log.change(|log| log.drop_expired(now_ms)));
        let records: u64 = dropped.sum();
        if records > 0 {
            info!(
                topic = topic.name,
                "retention dropped {records} records of topic `{}`, by its retention.ms or retention.bytes",
                topic.name
            );
        }
    }
}

/// Compacts the logs of which enough is new.
fn compact(topics: &Topics, now_ms: i64) {
    for topic in topics.all() {
        for (index, partition) in topic.partitions.iter().enumerate() {
            if partition.compact(now_ms) {
                debug!(topic = topic.name, partition = index, "compacted a log");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        log::{Checked, sample::Sample},
        partition::Partition,
        topic_config::TopicSettings,
    };

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn clean(topics: &Topics, now_ms: i64) {
        drop_expired(topics, now_ms);
        compact(topics, now_ms);
    }

    fn topic(topics: &Topics, name: &str, set: &[(&str, &str)]) -> Arc<Partition> {
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = TopicSettings::new(set).unwrap();
        let topic = topics.create(name, 1, settings, 1 << 20).unwrap();
        for day in 0..3 {
            let batch = Sample::at(&[day * DAY, day * DAY]).bytes();
            let batch = Checked::check(batch, topic.settings.rules(), day * DAY).unwrap();
            topic.partitions[0].append(batch).unwrap();
        }
        topic.partitions[0].clone()
    }

    /// Returns how many batches can be read, and where the log starts.
    fn left(partition: &Partition) -> (usize, i64) {
        partition.look(|log| (log.read(log.start(), usize::MAX, true).unwrap().batches.len(), log.start()))
    }

    #[test]
    fn each_topic_is_cleaned_as_its_configs_say() {
        let topics = Topics::default();
        let daily = ("segment.ms", "1000");
        let deleted = topic(&topics, "deleted", &[daily, ("retention.ms", "86400000")]);
        let compacted = topic(&topics, "compacted", &[daily, ("cleanup.policy", "compact")]);
        let both = topic(&topics, "both", &[daily, ("cleanup.policy", "compact,delete")]);
        let kept = topic(&topics, "kept", &[daily, ("retention.ms", "-1")]);
        clean(&topics, 2 * DAY);
        assert_eq!(left(&deleted), (2, 2));
        assert_eq!(left(&compacted), (2, 0));
        assert_eq!(left(&both), (2, 0));
        assert_eq!(left(&kept), (3, 0));
        clean(&topics, 100 * DAY);
        assert_eq!(left(&deleted), (0, 6));
        assert_eq!(left(&compacted), (2, 0));
        assert_eq!(left(&both), (0, 6));
    }

    #[test]
    fn other_configs_hold_from_the_next_pass_on() {
        let topics = Topics::default();
        let partition = topic(&topics, "orders", &[("segment.ms", "1000"), ("retention.ms", "-1")]);
        clean(&topics, i64::MAX);
        assert_eq!(left(&partition), (3, 0));
        let set = [("retention.bytes".to_owned(), "0".to_owned())].into();
        topics.configure("orders", |_| TopicSettings::new(set)).unwrap();
        clean(&topics, 0);
        assert_eq!(left(&partition), (0, 6));
    }
}
