//! The ends of the logs: for readers of everything, and for readers of committed records alone, which an open transaction
//! holds back.
//!
//! Kafka lets a reader of committed records come as far as the last stable offset: the first record of the oldest
//! transaction that is still open. A process that dies in the middle of a transaction leaves it open until it comes
//! back or until the broker aborts the transaction. Until then these readers stand still, which looks like a failure of
//! theirs. So this service looks once a second, and reports which log stands still and since when.

use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::{time, topic};
use dojo_kafka::{Error, Isolation, KafkaConfig, LogEnds, Producer};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// The topics that services write to in transactions.
pub(crate) const WATCHED: [&str; 3] = [topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ];
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A transaction takes a tenth of a second. One that takes this long is reported.
const REPORT_AFTER: TimeDelta = TimeDelta::seconds(3);

/// The offsets of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionOffsets {
    pub(crate) earliest: i64,
    /// The offset that the next record will get.
    pub(crate) end: i64,
    /// The last stable offset.
    pub(crate) stable: i64,
    /// Since when the last stable offset has stood below the end, without moving.
    pub(crate) still_since: Option<DateTime<Utc>>,
}

/// Asks where the logs end, and remembers since when one stands still. Only [`watch`] changes what it remembers.
pub(crate) struct StableOffsets {
    producer: Producer,
    /// As readers of everything see them.
    ends: LogEnds,
    still: Mutex<Still>,
}

/// Last stable offset of each partition where it is below the end, and when it was first seen there. One a partition.
type Still = BTreeMap<(&'static str, i32), (i64, DateTime<Utc>)>;

impl StableOffsets {
    pub(crate) fn new(kafka: &KafkaConfig, producer: Producer, instance: &str) -> Result<Self, Error> {
        let ends = LogEnds::new(kafka, &format!("{instance}-ends"), Isolation::ReadUncommitted)?;
        Ok(Self { producer, ends, still: Mutex::default() })
    }

    /// The end of each partition, behind everything that is on the log.
    pub(crate) async fn ends(&self, topic: &str) -> Result<BTreeMap<i32, i64>, Error> {
        self.ends.of(topic).await
    }

    /// Asks Kafka for the offsets of one of the [`WATCHED`] topics.
    pub(crate) async fn look(&self, topic: &'static str) -> Result<BTreeMap<i32, PartitionOffsets>, Error> {
        let (marks, ends) = tokio::join!(self.producer.watermarks(topic), self.ends(topic));
        let (marks, ends) = (marks?, ends?);
        let still = self.still.lock();
        let mark = |(partition, (earliest, stable))| {
            let end = ends.get(&partition).copied().unwrap_or_default().max(stable);
            let seen = still.get(&(topic, partition)).filter(|(at, _)| *at == stable && stable < end);
            (
                partition,
                PartitionOffsets { earliest, end, stable, still_since: seen.map(|(_, since)| *since) },
            )
        };
        Ok(marks.into_iter().map(mark).collect())
    }

    /// Looks at a topic, and remembers since when its partitions stand still.
    async fn observe(&self, topic: &'static str) -> Result<(), Error> {
        let (marks, now) = (self.look(topic).await?, Utc::now());
        marks.into_iter().for_each(|(partition, mark)| self.remember(topic, partition, mark, now));
        Ok(())
    }

    fn remember(&self, topic: &'static str, partition: i32, mark: PartitionOffsets, now: DateTime<Utc>) {
        let mut still = self.still.lock();
        if mark.stable >= mark.end {
            still.remove(&(topic, partition));
            return;
        }
        let seen = still.entry((topic, partition)).or_insert((mark.stable, now));
        if seen.0 != mark.stable {
            *seen = (mark.stable, now);
        }
    }

    /// A sentence for each topic that has stood still for some time.
    pub(crate) fn notices(&self) -> Vec<String> {
        let now = Utc::now();
        let mut topics = BTreeMap::<_, (Vec<String>, DateTime<Utc>)>::new();
        for ((topic, partition), (_, since)) in self.still.lock().iter() {
            if now - since >= REPORT_AFTER {
                let (partitions, first) = topics.entry(*topic).or_insert_with(|| (Vec::new(), *since));
                partitions.push(partition.to_string());
                *first = (*first).min(*since);
            }
        }
        let notice = |(topic, (partitions, since)): (&str, (Vec<String>, DateTime<Utc>))| {
            format!(
                "a transaction has been open on {topic} (partition {}) since {}: readers of committed records wait until \
                 it ends or the broker aborts it",
                partitions.join(", "),
                time::format(since)
            )
        };
        topics.into_iter().map(notice).collect()
    }
}

/// Looks once a second until `shutdown`.
pub(crate) async fn watch(offsets: Arc<StableOffsets>, shutdown: CancellationToken) {
    let look = async {
        loop {
            if !offsets.producer.is_away() {
                for topic in WATCHED {
                    if let Err(error) = offsets.observe(topic).await {
                        tracing::debug!(%error, "cannot see where a log ends");
                    }
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = look => {}
        () = shutdown.cancelled() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets() -> StableOffsets {
        let kafka = KafkaConfig::new("127.0.0.1:1");
        let producer = Producer::new(&kafka, "test", Duration::from_secs(1)).unwrap();
        StableOffsets::new(&kafka, producer, "test").unwrap()
    }

    fn mark(stable: i64, end: i64) -> PartitionOffsets {
        PartitionOffsets { earliest: 0, end, stable, still_since: None }
    }

    #[tokio::test]
    async fn a_log_stands_still_while_its_stable_offset_is_below_the_end_and_does_not_move() {
        let (offsets, now) = (offsets(), Utc::now());
        let at = |seconds| now + TimeDelta::seconds(seconds);
        let see = |seconds, stable, end| {
            offsets.remember(topic::AUDIT, 0, mark(stable, end), at(seconds));
            offsets.still.lock().get(&(topic::AUDIT, 0)).map(|(_, since)| *since)
        };
        assert_eq!(see(0, 5, 5), None);
        assert_eq!(see(1, 5, 7), Some(at(1)));
        assert_eq!(see(2, 5, 9), Some(at(1)));
        assert_eq!(see(3, 6, 9), Some(at(3)), "it has moved");
        assert_eq!(see(4, 9, 9), None);
        assert_eq!(see(5, 9, 10), Some(at(5)));
    }

    #[tokio::test]
    async fn a_short_transaction_is_not_worth_a_sentence() {
        let offsets = offsets();
        offsets.remember(topic::ORDERS, 1, mark(5, 7), Utc::now());
        assert_eq!(offsets.notices(), [] as [String; 0]);
        let earlier = Utc::now() - REPORT_AFTER;
        offsets.remember(topic::ORDERS, 0, mark(5, 7), earlier);
        offsets.remember(topic::ORDERS, 2, mark(5, 7), earlier);
        let [notice] = &offsets.notices()[..] else { panic!("one sentence a topic") };
        assert!(
            notice.starts_with("a transaction has been open on orders (partition 0, 2) since "),
            "{notice}"
        );
    }
}
