//! Reads a topic once, from a place to its present end: for an answer that needs everything that the log holds.
//!
//! A scan sees committed records of all partitions. It ends at the offsets that were the ends when it began, so that a log
//! that grows doesn't keep it; behind the last record of a partition it doesn't wait for transaction markers, which have
//! offsets but aren't records. A deadline bounds it, also while Kafka is away: then the scan returns where it stopped, and
//! another one can go on there.

use dojo_kafka::{Error, Isolation, KafkaConfig, Record, StartFrom, Tailed, tail};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

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
        let scan = Arc::new(Mutex::new(Scan {
            next: BTreeMap::new(),
            unread: None,
            is_over: false,
            done: Some(done),
            on,
        }));
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
        let unread = scan.unread.as_ref().ok_or(ScanError::NotInTime(topic))?;
        Ok(Scanned { is_complete: unread.is_empty(), next: std::mem::take(&mut scan.next) })
    }
}

/// A scan at work, on the thread of its tail.
struct Scan<F> {
    next: BTreeMap<i32, i64>,
    /// The partitions that aren't read to their ends yet, with these ends. `None` before the ends are known.
    unread: Option<BTreeMap<i32, i64>>,
    is_over: bool,
    done: Option<oneshot::Sender<()>>,
    on: F,
}

impl<F: FnMut(&Record<'_>)> Scan<F> {
    fn take(&mut self, tailed: Tailed<'_>) {
        if self.is_over {
            return;
        }
        match tailed {
            Tailed::Started { starts, ends } => {
                self.next.clone_from(starts);
                self.unread = Some(ends.clone());
                starts.iter().for_each(|(partition, next)| self.comes_to(*partition, *next));
            }
            Tailed::Record(record) if self.is_unread(record.partition) => {
                (self.on)(record);
                self.comes_to(record.partition, record.offset.saturating_add(1));
            }
            Tailed::Gap { partition, resumes, .. } if self.is_unread(partition) => {
                self.comes_to(partition, resumes);
            }
            Tailed::CaughtUp { partition, next } if self.is_unread(partition) => {
                self.comes_to(partition, next);
                self.ends(partition);
            }
            // What has come since the scan began.
            Tailed::Record(_) | Tailed::Gap { .. } | Tailed::CaughtUp { .. } => {}
        }
        if self.unread.as_ref().is_some_and(BTreeMap::is_empty) {
            self.is_over = true;
            // Nobody waits any more after the deadline.
            let _ = self.done.take().map(|done| done.send(()));
        }
    }

    fn is_unread(&self, partition: i32) -> bool {
        self.unread.as_ref().is_some_and(|unread| unread.contains_key(&partition))
    }

    fn comes_to(&mut self, partition: i32, next: i64) {
        self.next.insert(partition, next);
        let end = self.unread.as_ref().and_then(|unread| unread.get(&partition));
        if end.is_some_and(|end| next >= *end) {
            self.ends(partition);
        }
    }

    fn ends(&mut self, partition: i32) {
        if let Some(unread) = &mut self.unread {
            unread.remove(&partition);
        }
    }
}
