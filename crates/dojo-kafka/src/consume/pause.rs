//! Pausing partitions: a handler that holds back too many records of a partition gets no more of it until it has caught up.
//!
//! So the records wait on the log and not in memory, and the lag shows how many they are.

use super::{delivery::Topics, member::Member};
use crate::Handler;
use rdkafka::{TopicPartitionList, consumer::Consumer as _};
use std::time::{Duration, Instant};

/// How often the ends of paused partitions are asked for: as often as the statistics bring those of the others.
const ENDS_EVERY: Duration = Duration::from_secs(1);
/// How long the loop waits for the end of one partition.
const END_WITHIN: Duration = Duration::from_millis(200);

impl<H: Handler> Member<H> {
    /// Pauses a partition of which the handler holds back too many records, until it holds back half as many.
    pub(super) fn pause_or_resume(&mut self, received: Option<i32>) {
        let [topic] = self.topics.names[..] else { return };
        let list = |partition| one_partition(&self.topics, topic, partition);
        let mut paused = self.consumer.context().paused();
        if let Some(partition) = received
            && !paused.contains(&partition)
            && self.handler.buffered(partition) > self.job.consume.max_buffered
            && self.consumer.pause(&list(partition)).is_ok()
        {
            paused.insert(partition);
        }
        let (handler, half) = (&self.handler, self.job.consume.max_buffered / 2);
        paused.retain(|p| handler.buffered(*p) > half || self.consumer.resume(&list(*p)).is_err());
    }

    /// Resumes every partition. A pause outlasts an assignment: a partition paused in the last one would never be read in
    /// the next.
    pub(super) fn resume_all(&mut self) {
        let [topic] = self.topics.names[..] else { return };
        let paused = std::mem::take(&mut *self.consumer.context().paused());
        for partition in paused {
            if let Err(error) = self.consumer.resume(&one_partition(&self.topics, topic, partition)) {
                tracing::warn!(group = self.job.consume.group, %error, "a paused partition was not resumed");
            }
        }
    }

    /// Asks for the ends of the paused partitions if that is due, so that their lag grows while they are paused.
    pub(super) fn note_ends_of_paused_if_due(&mut self) {
        let [topic] = self.topics.names[..] else { return };
        if self.last_ends.elapsed() < ENDS_EVERY {
            return;
        }
        let paused = self.consumer.context().paused().clone();
        if paused.is_empty() || self.job.producer.is_away() {
            return;
        }
        self.last_ends = Instant::now();
        let on_cluster = self.topics.prefix.on_cluster(topic);
        for partition in paused {
            match self.consumer.fetch_watermarks(&on_cluster, partition, END_WITHIN) {
                Ok((_, end)) => self.job.progress.ends(topic, [(partition, end)]),
                Err(error) => tracing::debug!(topic, partition, %error, "the partition's end isn't known"),
            }
        }
    }
}

fn one_partition(topics: &Topics, topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition(&topics.prefix.on_cluster(topic), partition);
    list
}
