//! Reads a topic once, from a place to its present end: for an answer that needs everything that the log holds.
//!
//! A scan sees committed records of all partitions. It ends at the offsets that were the ends when it began, so that a log
//! that grows doesn't keep it; behind the last record of a partition it doesn't wait for transaction markers, which have
//! offsets but aren't records. A deadline bounds it, also while Kafka is away: then the scan returns where it stopped, and
//! another one can go on there.

use chrono::TimeDelta;
use dojo_kafka::{Error, Isolation, KafkaConfig, Record, StartFrom, Tailed, tail};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// How far the clocks of the services may be apart: a scan from a time begins so much earlier.
pub(crate) const CLOCKS_APART: TimeDelta = TimeDelta::minutes(1);

/// Scans topics. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogScanner {
    kafka: KafkaConfig,
    client_id: String,
    shutdown: CancellationToken,
}

/// How far a scan came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// The next offset of each partition that the scan didn't give to its closure.
    pub(crate) next: BTreeMap<i32, i64>,
    /// Whether the scan came to the end of every partition.
    pub(crate) is_complete: bool,
}

/// Why a topic can't be scanned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    #[error(transparent)]
    Kafka(#[from] Error),
    #[error("the topic {0} could not be read from Kafka in time")]
    NotInTime(&'static str),
    #[error("the service is shutting down")]
    ShuttingDown,
}

impl LogScanner {
    pub(crate) fn new(kafka: KafkaConfig, client_id: String, shutdown: CancellationToken) -> Self {
        Self { kafka, client_id, shutdown }
    }

    /// Gives every committed record of `topic`, from `from` to the present end, to `on`. Returns at `deadline` at the latest;
    /// after that `on` isn't called any more. Dropping the future ends the scan, too.
    ///
    /// # Errors
    /// Not even the ends of the topic were known by the deadline, or the service is shutting down.
    pub(crate) async fn scan(
        &self,
        topic: &'static str,
        from: StartFrom,
        deadline: Instant,
        on: impl FnMut(&Record<'_>) + Send + 'static,
    ) -> Result<Scanned, ScanError> {
        let (done, finished) = oneshot::channel();
        let scan =
            Arc::new(Mutex::new(Scan { partitions: None, unread: 0, is_over: false, done: Some(done), on }));
        let scanning = Arc::clone(&scan);
        let _tail = tail(
            &self.kafka,
            &self.client_id,
            topic,
            from,
            Isolation::ReadCommitted,
            &self.shutdown,
            move |tailed| scanning.lock().take(tailed),
        )?;
        tokio::select! {
            _ = timeout_at(deadline, finished) => {}
            () = self.shutdown.cancelled() => return Err(ScanError::ShuttingDown),
        }
        let mut scan = scan.lock();
        // The tail's thread may be at the next record already.
        scan.is_over = true;
        let partitions = scan.partitions.take().ok_or(ScanError::NotInTime(topic))?;
        let next = partitions.into_iter().map(|(partition, at)| (partition, at.next)).collect();
        Ok(Scanned { next, is_complete: scan.unread == 0 })
    }
}

/// A scan at work, on the thread of its tail.
struct Scan<F> {
    /// `None` before the ends of the partitions are known.
    partitions: Option<BTreeMap<i32, Partition>>,
    /// How many partitions aren't read to their ends yet.
    unread: usize,
    is_over: bool,
    done: Option<oneshot::Sender<()>>,
    on: F,
}

struct Partition {
    next: i64,
    /// `None` once the partition is read to its end.
    end: Option<i64>,
}

impl<F: FnMut(&Record<'_>)> Scan<F> {
    fn take(&mut self, tailed: Tailed<'_>) {
        if self.is_over {
            return;
        }
        match tailed {
            Tailed::Started { starts, ends } => self.start(starts, ends),
            Tailed::Record(record) => {
                let Some(partition) = unread(&mut self.partitions, record.partition) else { return };
                (self.on)(record);
                self.unread -= usize::from(partition.comes_to(record.offset.saturating_add(1)));
            }
            Tailed::Gap { partition, resumes, .. } => {
                let Some(partition) = unread(&mut self.partitions, partition) else { return };
                self.unread -= usize::from(partition.comes_to(resumes));
            }
            Tailed::CaughtUp { partition, next } => {
                let Some(partition) = unread(&mut self.partitions, partition) else { return };
                (partition.next, partition.end) = (next, None);
                self.unread -= 1;
            }
        }
        if self.unread == 0 {
            self.is_over = true;
            // Nobody waits any more after the deadline.
            let _ = self.done.take().map(|done| done.send(()));
        }
    }

    fn start(&mut self, starts: &BTreeMap<i32, i64>, ends: &BTreeMap<i32, i64>) {
        let partition = |(partition, next): (&i32, &i64)| {
            let end = ends.get(partition).copied().filter(|end| next < end);
            (*partition, Partition { next: *next, end })
        };
        let partitions: BTreeMap<_, _> = starts.iter().map(partition).collect();
        self.unread = partitions.values().filter(|partition| partition.end.is_some()).count();
        self.partitions = Some(partitions);
    }
}

/// Returns a partition that isn't read to its end yet. What comes of the others has come since the scan began.
fn unread(partitions: &mut Option<BTreeMap<i32, Partition>>, partition: i32) -> Option<&mut Partition> {
    partitions.as_mut()?.get_mut(&partition).filter(|partition| partition.end.is_some())
}

impl Partition {
    /// Moves on; returns whether that is the end.
    fn comes_to(&mut self, next: i64) -> bool {
        self.next = next;
        self.end = self.end.filter(|end| next < *end);
        self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::topic;
    use dojo_kafka::Outgoing;
    use dojo_testbed::{Kafka, PATIENCE, until};
    use std::time::Duration;

    fn scanner(kafka: &KafkaConfig) -> LogScanner {
        LogScanner::new(kafka.clone(), "scan".to_owned(), CancellationToken::new())
    }

    /// A Kafka with that many records on `audit`.
    async fn filled(records: usize) -> Kafka {
        let kafka = Kafka::start().await;
        let record = |n: usize| Outgoing {
            topic: topic::AUDIT,
            key: None,
            value: Some(n.to_string().into_bytes()),
            headers: Vec::new(),
            timestamp: None,
        };
        kafka.flood((0..records).map(record)).await;
        kafka
    }

    type Seen = Arc<Mutex<Vec<i64>>>;

    fn seen() -> (Seen, impl FnMut(&Record<'_>) + Send + 'static) {
        let seen = Seen::default();
        let see = Arc::clone(&seen);
        (seen, move |record: &Record<'_>| see.lock().push(record.offset))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_scan_gives_every_record_once_and_ends_with_the_log() {
        let kafka = filled(500).await;
        let (seen, see) = seen();
        let deadline = || Instant::now() + PATIENCE;
        let scanned =
            scanner(&kafka.config).scan(topic::AUDIT, StartFrom::Earliest, deadline(), see).await.unwrap();
        assert_eq!(scanned, Scanned { next: BTreeMap::from([(0, 500)]), is_complete: true });
        assert_eq!(*seen.lock(), (0..500).collect::<Vec<_>>());
        let empty = scanner(&kafka.config)
            .scan(topic::ORDERS, StartFrom::Earliest, deadline(), |_| {})
            .await
            .unwrap();
        assert!(empty.is_complete && empty.next.len() == 3, "{empty:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_scan_that_its_deadline_ends_says_where_another_one_goes_on() {
        let kafka = filled(500).await;
        let seen = Seen::default();
        let mut from = StartFrom::Earliest;
        let mut unfinished = 0;
        // A scan may not even begin in time on a machine under load.
        loop {
            let deadline = Instant::now() + Duration::from_secs(1);
            let see = Arc::clone(&seen);
            let slow = move |record: &Record<'_>| {
                see.lock().push(record.offset);
                // So slow that one scan isn't enough.
                std::thread::sleep(Duration::from_millis(5));
            };
            match scanner(&kafka.config).scan(topic::AUDIT, from.clone(), deadline, slow).await {
                Ok(scanned) if scanned.is_complete => break,
                Ok(scanned) => from = StartFrom::Offsets(scanned.next),
                Err(ScanError::NotInTime(_)) => {}
                Err(error) => panic!("{error}"),
            }
            unfinished += 1;
        }
        assert!(unfinished > 0);
        assert_eq!(*seen.lock(), (0..500).collect::<Vec<_>>());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_scan_ends_when_its_caller_has_gone() {
        let kafka = filled(500).await;
        let (seen, mut see) = seen();
        let (begun, begins) = oneshot::channel();
        let mut begun = Some(begun);
        let slow = move |record: &Record<'_>| {
            see(record);
            let _ = begun.take().map(|begun| begun.send(()));
            std::thread::sleep(Duration::from_millis(20));
        };
        let scanner = scanner(&kafka.config);
        let scan = scanner.scan(topic::AUDIT, StartFrom::Earliest, Instant::now() + PATIENCE, slow);
        tokio::select! {
            _ = scan => panic!("500 records take ten seconds"),
            _ = begins => {}
        }
        until("the closure to be dropped", async || Arc::strong_count(&seen) == 1).await;
        assert!(seen.lock().len() < 500);
    }

    #[tokio::test]
    async fn a_scan_of_a_kafka_that_is_not_there_is_bounded() {
        let deadline = Instant::now() + Duration::from_millis(200);
        let scan = scanner(&KafkaConfig::new("127.0.0.1:1"));
        let failed = scan.scan(topic::AUDIT, StartFrom::Earliest, deadline, |_| {}).await;
        assert!(matches!(failed, Err(ScanError::NotInTime(topic::AUDIT))), "{failed:?}");
    }
}
