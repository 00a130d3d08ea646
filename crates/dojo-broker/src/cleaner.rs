//! The pass over all partitions, every second or so, that drops what is old and compacts what has been replaced.
//!
//! What is to go, each log knows itself, given the time. Compaction takes as long as the records take to read and to write again,
//! so it is done beside the log: nobody who writes or reads waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

use crate::broker::Node;
use crate::clock::now_ms;
use crate::log::Log;
use crate::partition::Partition;
use crate::topics::Topics;

/// The shortest pause between two passes.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// Cleans until it is dropped, which leaves a pass that has begun to end by itself.
pub(crate) async fn keep_clean(node: Arc<Node>) {
    let mut ticks = interval(node.config.cleaning_interval.max(MIN_INTERVAL));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let node = node.clone();
        if let Err(error) = spawn_blocking(move || clean(&node.topics, now_ms())).await {
            tracing::error!("cleaning the logs ended by a fault of the broker: {error}");
        }
    }
}

/// One pass, at `now_ms` by the broker's clock.
pub(crate) fn clean(topics: &Topics, now_ms: i64) {
    for topic in topics.all() {
        for (index, partition) in topic.partitions.iter().enumerate() {
            if clean_partition(partition, now_ms) {
                tracing::debug!(topic = topic.name, partition = index, "cleaned a log");
            }
        }
    }
}

/// Says whether anything was to be done.
fn clean_partition(partition: &Partition, now_ms: i64) -> bool {
    let expired = partition.change(|log| log.drop_expired(now_ms));
    let Some(work) = partition.look(|log: &Log| log.compaction_due(now_ms)) else { return expired };
    let done = work.done(now_ms);
    partition.change(|log| log.install(done));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Checked;
    use crate::log::sample::Sample;
    use crate::topic_config::TopicSettings;

    const DAY: i64 = 24 * 60 * 60 * 1000;

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

    /// How many batches can be read, and from where on.
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
