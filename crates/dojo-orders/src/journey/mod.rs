//! Everything that happened to one order: every record about it on `orders`, `audit` and `orders-dlq`, in the order in which
//! it happened.
//!
//! A journey is read from the log when a client asks for it, so it is complete for every order whose records are still
//! there, also for orders that this service no longer lists. An id of version 7 tells when it was made, and reading begins
//! a minute before that. The process that makes an id also stamps the first records of the order, and everything else about
//! the order comes behind these; only dead letters are stamped by another process, whose clock may be up to a minute slow.
//! Any other id tells no time, so reading begins at the start of the log.
//!
//! [`found`] says which records are about the order, [`kept`] how many of them are kept, [`arrange`] in which order they
//! stand, and [`steps`] what is said of each.

pub(crate) mod arrange;
pub(crate) mod found;
pub(crate) mod kept;
pub(crate) mod steps;

use crate::{
    event_stream::cursor::{Cursor, cluster_name},
    log::{
        scan::{CLOCKS_APART, LogScanner, ScanError, Scanned},
        stream_topic::StreamTopic,
    },
};
use arrange::arrange;
use chrono::{DateTime, Utc};
use dojo_contract::time;
use dojo_kafka::{Connectivity, KafkaConfig, Producer, StartFrom};
use found::Subject;
use kept::Kept;
use parking_lot::Mutex;
use std::{sync::Arc, time::Duration};
use steps::{Step, steps};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long reading may take where the configuration doesn't say.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);
/// Journeys that are read at a time. Each has three consumers.
pub(crate) const AT_A_TIME: usize = 4;
/// How long a request may wait until one of those before it is done.
const PLACE_WITHIN: Duration = Duration::from_secs(1);
/// The topics with records about orders.
const TOPICS: [StreamTopic; 3] = [StreamTopic::Orders, StreamTopic::Audit, StreamTopic::DeadLetters];

/// Reads journeys.
pub(crate) struct JourneyReader {
    scanner: LogScanner,
    producer: Producer,
    within: Duration,
    places: Semaphore,
}

/// What was found of a journey.
#[derive(Debug)]
pub(crate) struct Journey {
    /// In the order in which they happened.
    pub(crate) steps: Vec<Step>,
    /// Steps that were left out after the first ones.
    pub(crate) omitted: usize,
    /// Where reading goes on. `None`: it came to the end of the log.
    pub(crate) next: Option<Cursor>,
}

/// Why a journey can't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JourneyError {
    #[error("{AT_A_TIME} journeys are being read already; try again later")]
    Busy,
    #[error("{0}")]
    Away(String),
    #[error("belongs to another log, which this Kafka doesn't have: begin again without it")]
    OtherLog,
    #[error(transparent)]
    Scan(#[from] ScanError),
}

impl JourneyReader {
    /// Creates a reader that takes up to `within` for a journey.
    pub(crate) fn new(
        kafka: KafkaConfig,
        producer: Producer,
        instance: &str,
        within: Duration,
        shutdown: CancellationToken,
    ) -> Self {
        let scanner = LogScanner::new(kafka, format!("{instance}-journey"), shutdown);
        Self { scanner, producer, within, places: Semaphore::new(AT_A_TIME) }
    }

    /// Reads the journey of an order, or what comes of it after the place where an earlier reading stopped. Ends early
    /// when Kafka goes away.
    pub(crate) async fn read(&self, id: Uuid, after: Option<&Cursor>) -> Result<Journey, JourneyError> {
        let cluster = self.producer.cluster_id().map(|id| cluster_name(&id));
        if let Some((theirs, ours)) = after.and_then(Cursor::cluster).zip(cluster.as_ref())
            && theirs != ours
        {
            return Err(JourneyError::OtherLog);
        }
        let begun = Instant::now();
        let place = timeout_at(begun + PLACE_WITHIN.min(self.within), self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(JourneyError::Busy) };
        let mut connectivity = self.producer.connectivity();
        let away = connectivity.wait_for(|kafka| matches!(kafka, Connectivity::Away { .. }));
        tokio::select! {
            journey = self.scan(id, after, begun + self.within) => {
                let mut journey = journey?;
                if let Some(next) = &mut journey.next {
                    next.set_cluster(cluster);
                }
                Ok(journey)
            }
            Ok(away) = away => Err(JourneyError::Away(away.to_string())),
        }
    }

    async fn scan(
        &self,
        id: Uuid,
        after: Option<&Cursor>,
        deadline: Instant,
    ) -> Result<Journey, JourneyError> {
        let (subject, kept) = (Subject::new(id), Arc::new(Mutex::new(Kept::default())));
        let scan = |topic: StreamTopic| {
            let (subject, kept) = (subject.clone(), Arc::clone(&kept));
            self.scanner.scan(topic.name(), start(id, topic, after), deadline, move |record| {
                if let Some(found) = subject.read(topic, record) {
                    kept.lock().push(found);
                }
            })
        };
        let scanned = futures::future::try_join_all(TOPICS.map(scan)).await?;
        let kept = std::mem::take(&mut *kept.lock());
        let unshown = kept.count();
        let found = kept.into_found();
        let arranged = arrange(&found);
        let (steps, _) = steps(&found, &arranged);
        Ok(Journey { omitted: unshown - steps.len(), steps, next: next(&scanned) })
    }
}

/// Returns where reading begins on a topic.
fn start(id: Uuid, topic: StreamTopic, after: Option<&Cursor>) -> StartFrom {
    if let Some(after) = after.filter(|after| after.names(topic)) {
        let offsets = after.iter().filter(|(of, ..)| *of == topic);
        return StartFrom::Offsets(offsets.map(|(_, partition, at)| (partition, at.next)).collect());
    }
    made_at(id).map_or(StartFrom::Earliest, |made_at| StartFrom::Time(made_at - CLOCKS_APART))
}

/// Returns when an id was made, if it tells.
fn made_at(id: Uuid) -> Option<DateTime<Utc>> {
    let (seconds, _) = id.get_timestamp().filter(|_| id.get_version_num() == 7)?.to_unix();
    time::from_kafka(i64::try_from(seconds).ok()?.checked_mul(1_000)?)
}

/// Returns where all scans stopped, unless all came to the end.
fn next(scanned: &[Scanned]) -> Option<Cursor> {
    if scanned.iter().all(|scanned| scanned.is_complete) {
        return None;
    }
    let mut cursor = Cursor::default();
    for (topic, scanned) in TOPICS.iter().zip(scanned) {
        scanned.next.iter().for_each(|(partition, next)| cursor.set(*topic, *partition, *next, None));
    }
    Some(cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> JourneyReader {
        let kafka = KafkaConfig::new("127.0.0.1:1");
        let producer = Producer::new(&kafka, "test", Duration::from_secs(1)).unwrap();
        JourneyReader::new(kafka, producer, "test", Duration::from_millis(100), CancellationToken::new())
    }

    #[tokio::test]
    async fn the_journeys_that_are_read_at_a_time_are_bounded_in_number() {
        let reader = reader();
        let under_way = reader.places.acquire_many(AT_A_TIME as u32).await.unwrap();
        let refused = reader.read(Uuid::nil(), None).await;
        assert!(matches!(refused, Err(JourneyError::Busy)), "{refused:?}");
        drop(under_way);
        let refused = reader.read(Uuid::nil(), None).await;
        assert!(matches!(refused, Err(JourneyError::Scan(_) | JourneyError::Away(_))), "{refused:?}");
    }

    #[test]
    fn only_an_id_of_version_7_tells_when_it_was_made() {
        let now = Utc::now();
        let made_at = made_at(Uuid::now_v7()).unwrap();
        assert!((now - made_at).abs() < chrono::TimeDelta::minutes(1), "{made_at}");
        for id in [Uuid::nil(), Uuid::max(), Uuid::new_v4(), Uuid::new_v5(&Uuid::NAMESPACE_URL, b"k")] {
            assert_eq!(super::made_at(id), None);
        }
    }

    #[test]
    fn reading_goes_on_at_the_offsets_of_a_cursor_and_else_where_the_id_says() {
        let (timed, timeless) = (Uuid::now_v7(), Uuid::nil());
        let cursor = "o12..7-a3".parse().unwrap();
        let start = |id, topic| start(id, topic, Some(&cursor));
        assert_eq!(start(timed, StreamTopic::Orders), StartFrom::Offsets([(0, 12), (2, 7)].into()));
        assert_eq!(start(timeless, StreamTopic::Audit), StartFrom::Offsets([(0, 3)].into()));
        assert_eq!(start(timeless, StreamTopic::DeadLetters), StartFrom::Earliest);
        assert!(matches!(start(timed, StreamTopic::DeadLetters), StartFrom::Time(_)));
    }
}
