//! Pausing partitions: a handler that holds back too many records of a partition gets no more of it until it has caught up.
//!
//! So the records wait on the log and not in memory, and the lag shows how many they are.

use super::{delivery::Topics, member::Member};
use crate::Handler;
use rdkafka::{TopicPartitionList, consumer::Consumer as _};
use std::time::{Duration, Instant};

/// How often the ends of paused partitions are asked for: as often as the statistics bring those of the others.
const ENDS_EVERY: Duration = Duration::from_secs(1);
/// How long a fetch that was under way at a pause may last: `fetch.wait.max.ms`. Requests wait behind it.
const FETCH_LASTS: Duration = Duration::from_millis(100);
/// How long the loop waits for an answer.
const ASK_WITHIN: Duration = Duration::from_millis(200);

impl<H: Handler> Member<H> {
    /// Pauses a partition of which the handler holds back too many records, until it holds back half as many. `fetched` has
    /// just been read.
    pub(super) fn pause_or_resume(&mut self, fetched: Option<i32>) {
        let [topic] = self.topics.names[..] else { return };
        let list = |partition| one_partition(&self.topics, topic, partition);
        if let Some(partition) = fetched
            && !self.paused.contains(&partition)
        {
            let mut unfetched = self.consumer.context().unfetched();
            let is_full = self.handler.buffered(partition) > self.job.consume.max_buffered;
            if is_full && self.consumer.pause(&list(partition)).is_ok() {
                self.paused.insert(partition);
                self.last_pause = Instant::now();
                unfetched.insert(partition);
            } else {
                unfetched.remove(&partition);
            }
        }
        let is_asleep = self.paused.len() == self.owned.count() && self.last_pause.elapsed() >= FETCH_LASTS;
        let before = self.paused.len();
        let (handler, half) = (&self.handler, self.job.consume.max_buffered / 2);
        let consumer = &self.consumer;
        self.paused.retain(|p| handler.buffered(*p) > half || consumer.resume(&list(*p)).is_err());
        if self.paused.len() < before && is_asleep {
            self.wake(topic);
        }
    }

    /// Makes librdkafka fetch at once. While every partition is paused and no fetch is under way, its thread sleeps, and it
    /// would notice only within a second that one was resumed; any request to the broker wakes it.
    fn wake(&self, topic: &str) {
        let on_cluster = self.topics.prefix.on_cluster(topic);
        if let Some(partition) = self.owned.elements().first().map(|element| element.partition())
            && !self.job.producer.is_away()
            && let Err(error) = self.consumer.fetch_watermarks(&on_cluster, partition, ASK_WITHIN)
        {
            tracing::debug!(topic, partition, %error, "a resumed partition may be read a second late");
        }
    }

    /// Resumes every partition. A pause outlasts an assignment: a partition paused in the last one would never be read in
    /// the next.
    pub(super) fn resume_all(&mut self) {
        let [topic] = self.topics.names[..] else { return };
        self.consumer.context().unfetched().clear();
        for partition in std::mem::take(&mut self.paused) {
            if let Err(error) = self.consumer.resume(&one_partition(&self.topics, topic, partition)) {
                tracing::warn!(group = self.job.consume.group, %error, "a paused partition was not resumed");
            }
        }
    }

    /// Asks for the ends that the statistics don't know, if that is due, so that the lag of a paused partition grows. Another
    /// connection asks: on the consumer's, the answer would wait behind that of a fetch.
    pub(super) fn note_ends_if_due(&mut self) {
        let [topic] = self.topics.names[..] else { return };
        let unfetched = self.consumer.context().unfetched().clone();
        if unfetched.is_empty() || self.last_ends.elapsed() < ENDS_EVERY || self.job.producer.is_away() {
            return;
        }
        self.last_ends = Instant::now();
        for partition in unfetched {
            match self.lookup.end(topic, partition, ASK_WITHIN) {
                Ok(end) => self.job.progress.ends(topic, [(partition, end)]),
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
