//! Catching up from the log: what a stream missed and the hub's ring no longer holds.
//!
//! A task reads each topic from the stream's cursor up to where the hub is, and hands the events over in the order of their
//! partition; then the stream goes on from the ring. If the log no longer reaches back to the cursor, or isn't the log that
//! the cursor belongs to, the stream reports a gap, and reading goes on at the log's first record. A log is another one if
//! its cluster is another one, if it ends before the cursor, or if the record before the cursor isn't the one that the
//! cursor's client saw there.
//!
//! The number of tasks is bounded, and the channel to a stream is short. A client that reads slowly keeps its place among
//! them; a client that takes nothing for [`TAKEN_WITHIN`] loses it. Its stream ends, and the client resumes from its cursor.

use crate::{
    event_stream::{
        cursor::{At, Cursor, cluster_name},
        frame::frame,
        hub::{CatchUpTo, Event},
    },
    log::{decode::why_unreadable, stream_topic::StreamTopic},
};
use dojo_kafka::{Isolation, KafkaConfig, Producer, StartFrom, Tailed, tail};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Events on their way to one stream. An event can have 2 MiB.
const BUFFER: usize = 8;
const AT_A_TIME: usize = 16;
/// How long a client may take nothing while others wait for its place.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// A look at one record of each partition takes milliseconds.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// What a stream gets while it catches up.
#[derive(Debug)]
pub(crate) enum Missed {
    Event(Event),
    /// The log doesn't have `wanted`; it goes on at `resumes`.
    Gap {
        topic: StreamTopic,
        partition: i32,
        wanted: i64,
        resumes: i64,
    },
    /// Everything before that place was sent.
    Until {
        topic: StreamTopic,
        partition: i32,
        at: At,
    },
    /// Everything was sent. A channel that ends without this was given up.
    Done,
}

/// Reads the log for streams.
#[derive(Clone)]
pub(crate) struct LogReader {
    kafka: KafkaConfig,
    producer: Producer,
    client_id: String,
    at_a_time: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl LogReader {
    pub(crate) fn new(
        kafka: KafkaConfig,
        producer: Producer,
        instance: &str,
        shutdown: CancellationToken,
    ) -> Self {
        let client_id = format!("{instance}-catch-up");
        Self { kafka, producer, client_id, at_a_time: Arc::new(Semaphore::new(AT_A_TIME)), shutdown }
    }

    /// Returns `cursor` with the log's end for each topic that it lacks. Asks until Kafka answers.
    pub(crate) async fn ends(&self, cursor: &Cursor) -> Cursor {
        let mut ends = cursor.clone();
        for topic in StreamTopic::ALL.into_iter().filter(|topic| !cursor.names(*topic)) {
            for (partition, (_, high)) in self.watermarks(topic).await {
                ends.set(topic, partition, high, None);
            }
        }
        ends
    }

    /// Sends the events between `cursor` and the hub's own. In a partition whose log was reset, the cursor's offset means
    /// nothing. A cursor that isn't `trusted` is compared with the log. Ends with [`Missed::Done`], or without it if the log
    /// can't be read or the stream is gone.
    pub(crate) fn catch_up(&self, cursor: Cursor, trusted: bool, to: CatchUpTo) -> mpsc::Receiver<Missed> {
        let CatchUpTo { cursor: ring, mut resets, .. } = to;
        let (missed, listener) = mpsc::channel(BUFFER);
        let log = self.clone();
        tokio::spawn(async move {
            let shutdown = log.shutdown.clone();
            let work = async {
                let Ok(_permit) = log.at_a_time.acquire().await else { return };
                if !trusted {
                    let Some(foreign) = log.foreign(&cursor).await else { return };
                    resets.extend(foreign);
                }
                for topic in StreamTopic::ALL {
                    if log.catch_up_one(topic, &cursor, &ring, &resets, &missed).await.is_none() {
                        return;
                    }
                }
                let _ = send(&missed, Missed::Done, TAKEN_WITHIN).await;
            };
            tokio::select! {
                () = work => {}
                () = missed.closed() => {}
                () = shutdown.cancelled() => {}
            }
        });
        listener
    }

    /// Returns the partitions in which `cursor` belongs to another log; `None` if the log can't be read.
    async fn foreign(&self, cursor: &Cursor) -> Option<Vec<(StreamTopic, i32)>> {
        if let Some(cluster) = cursor.cluster()
            && *cluster != self.cluster().await
        {
            return Some(cursor.iter().map(|(topic, partition, _)| (topic, partition)).collect());
        }
        let mut foreign = Vec::new();
        for topic in StreamTopic::ALL {
            let marks = self.watermarks(topic).await;
            let seen = |(partition, (low, high)): (i32, (i64, i64))| {
                let At { next, before } = cursor.at(topic, partition)?;
                // Beyond the log's ends the offset itself says that it is another log.
                before.filter(|_| low < next && next <= high).map(|before| (partition, (next - 1, before)))
            };
            let expected: BTreeMap<_, _> = marks.into_iter().filter_map(seen).collect();
            let gone = cursor.iter().filter(|(of, partition, at)| {
                *of == topic && at.before.is_some() && !expected.contains_key(partition)
            });
            foreign.extend(gone.map(|(topic, partition, _)| (topic, partition)));
            if !expected.is_empty() {
                foreign.extend(self.unlike(topic, expected).await?.into_iter().map(|p| (topic, p)));
            }
        }
        Some(foreign)
    }

    /// Returns the partitions whose record at the expected offset is missing or has another timestamp; `None` if the log can't
    /// be read in time.
    async fn unlike(&self, topic: StreamTopic, expected: BTreeMap<i32, (i64, i64)>) -> Option<BTreeSet<i32>> {
        let from = StartFrom::Offsets(
            expected.iter().map(|(partition, (offset, _))| (*partition, *offset)).collect(),
        );
        let mut unseen: BTreeSet<_> = expected.keys().copied().collect();
        let mut unlike = BTreeSet::new();
        let (done, mut found) = mpsc::channel(1);
        let isolation = Isolation::ReadCommitted;
        let look = move |tailed: Tailed<'_>| {
            let (partition, alike) = match tailed {
                Tailed::Record(record) => {
                    let seen = record.timestamp.map(|timestamp| (record.offset, timestamp));
                    (record.partition, seen.is_some() && seen == expected.get(&record.partition).copied())
                }
                Tailed::CaughtUp { partition, .. } | Tailed::Gap { partition, .. } => (partition, false),
                Tailed::Started { .. } => return,
            };
            if unseen.remove(&partition) && !alike {
                unlike.insert(partition);
            }
            if unseen.is_empty() {
                // The caller waits for the first answer alone.
                let _ = done.try_send(unlike.clone());
            }
        };
        let tail = tail(&self.kafka, &self.client_id, topic.name(), from, isolation, &self.shutdown, look);
        match tail {
            Ok(_tail) => timeout(LOOK_WITHIN, found.recv()).await.ok().flatten(),
            Err(error) => {
                tracing::warn!(%error, "a stream cannot look into the log");
                None
            }
        }
    }

    /// Asks until Kafka answers.
    async fn cluster(&self) -> Arc<str> {
        loop {
            if let Some(cluster) = self.producer.cluster_id() {
                return cluster_name(&cluster);
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Returns `None` if it was given up.
    async fn catch_up_one(
        &self,
        topic: StreamTopic,
        cursor: &Cursor,
        ring: &Cursor,
        resets: &[(StreamTopic, i32)],
        missed: &mpsc::Sender<Missed>,
    ) -> Option<()> {
        let (mut from, mut until) = (BTreeMap::new(), BTreeMap::new());
        for (partition, (low, high)) in self.watermarks(topic).await {
            // All records of a partition that was added later are new.
            let at = cursor.at(topic, partition).unwrap_or(At { next: low, before: None });
            let wanted = at.next;
            let mut next = wanted;
            if !(low..=high).contains(&wanted) || resets.contains(&(topic, partition)) {
                send(missed, Missed::Gap { topic, partition, wanted, resumes: low }, TAKEN_WITHIN).await?;
                next = low;
            }
            let end = |end: At| if end.next <= high { end } else { At { next: high, before: None } };
            match ring.at(topic, partition).map(end) {
                Some(end) if next < end.next => {
                    from.insert(partition, next);
                    until.insert(partition, end);
                }
                _ => {
                    // Nothing is missing; the reader of the other partitions begins at this one's end.
                    from.insert(partition, high);
                    let at = if next == wanted { at } else { At { next, before: None } };
                    send(missed, Missed::Until { topic, partition, at }, TAKEN_WITHIN).await?;
                }
            }
        }
        if until.is_empty() { Some(()) } else { self.read(topic, from, until, missed).await }
    }

    async fn read(
        &self,
        topic: StreamTopic,
        from: BTreeMap<i32, i64>,
        mut until: BTreeMap<i32, At>,
        missed: &mpsc::Sender<Missed>,
    ) -> Option<()> {
        enum Read {
            Event(Event),
            Gap { partition: i32, wanted: i64, resumes: i64 },
            CaughtUp(i32),
        }
        let (sender, mut read) = mpsc::channel(BUFFER);
        let hand_over = move |tailed: Tailed<'_>| {
            // If the receiver is gone, the tail is about to be stopped.
            let _ = match tailed {
                Tailed::Record(record) => {
                    let frame = frame(topic, record, why_unreadable(topic, record).as_deref());
                    sender.blocking_send(Read::Event(Event::of(topic, record, frame)))
                }
                Tailed::CaughtUp { partition, .. } => sender.blocking_send(Read::CaughtUp(partition)),
                Tailed::Gap { partition, wanted, resumes } => {
                    sender.blocking_send(Read::Gap { partition, wanted, resumes })
                }
                Tailed::Started { .. } => Ok(()),
            };
        };
        let (from, isolation) = (StartFrom::Offsets(from), Isolation::ReadCommitted);
        let started =
            tail(&self.kafka, &self.client_id, topic.name(), from, isolation, &self.shutdown, hand_over);
        let _tail = match started {
            Ok(tail) => tail,
            Err(error) => {
                tracing::warn!(%error, "a stream cannot catch up from the log");
                tokio::time::sleep(AGAIN_AFTER).await;
                return None;
            }
        };
        while !until.is_empty() {
            let (partition, done) = match read.recv().await? {
                Read::CaughtUp(partition) => (partition, true),
                // Retention was faster than this client.
                Read::Gap { partition, wanted, resumes } => {
                    let Some(end) = until.get(&partition).copied() else { continue };
                    send(missed, Missed::Gap { topic, partition, wanted, resumes }, TAKEN_WITHIN).await?;
                    (partition, resumes >= end.next)
                }
                Read::Event(event) => {
                    let Some(end) = until.get(&event.partition).copied() else { continue };
                    let (partition, offset) = (event.partition, event.offset);
                    if offset < end.next {
                        send(missed, Missed::Event(event), TAKEN_WITHIN).await?;
                    }
                    (partition, offset.saturating_add(1) >= end.next)
                }
            };
            if done && let Some(at) = until.remove(&partition) {
                send(missed, Missed::Until { topic, partition, at }, TAKEN_WITHIN).await?;
            }
        }
        Some(())
    }

    /// Asks until Kafka answers: a stream has nothing else to do, and its heartbeat goes on.
    async fn watermarks(&self, topic: StreamTopic) -> BTreeMap<i32, (i64, i64)> {
        loop {
            match self.producer.watermarks(topic.name()).await {
                Ok(marks) if !marks.is_empty() => return marks,
                Ok(_) => tracing::debug!(topic = topic.name(), "no such topic yet"),
                Err(error) => tracing::debug!(%error, "a stream waits for Kafka"),
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// Sends `what`; returns `None` if the client doesn't take it `within` that time, or is gone.
async fn send(missed: &mpsc::Sender<Missed>, what: Missed, within: Duration) -> Option<()> {
    match timeout(within, missed.send(what)).await {
        Ok(sent) => sent.ok(),
        Err(_) => {
            tracing::debug!("a client is too slow; its catch-up place is given to another");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (missed, mut listener) = mpsc::channel(1);
        let soon = Duration::from_millis(20);
        assert_eq!(send(&missed, Missed::Done, soon).await, Some(()));
        assert_eq!(send(&missed, Missed::Done, soon).await, None);
        assert!(matches!(listener.recv().await, Some(Missed::Done)));
        assert_eq!(send(&missed, Missed::Done, soon).await, Some(()));
        drop(listener);
        assert_eq!(send(&missed, Missed::Done, Duration::from_secs(60)).await, None);
    }
}
