//! Keeping the topic `audit` complete: for each record of an order on `orders`, one on `audit` that says so.
//!
//! The two are written one after the other, so the second can fail or be lost with the process. What failed is sent
//! again here until it is acknowledged. What was sent to `orders` and never acknowledged may be there all the same, or
//! may yet come: it is told to `audit` when this service reads it ([`Unsure`]). What a dead process left undone is found
//! when its client repeats the request ([`AuditTrail::holds`]).

use crate::unsure::{Pending, Unsure};
use chrono::{DateTime, Utc};
use dojo_contract::{AuditAction, AuditEvent, OrderEvent, topic};
use dojo_kafka::{Error, From, KafkaConfig, Outgoing, Producer, Tailed, tail};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Missing records at a time; Kafka is away by then, so no more orders are taken.
const MOST: usize = 20_000;
const AGAIN_AFTER: Duration = Duration::from_millis(500);
const LOOK_WITHIN: Duration = Duration::from_secs(3);
const LOOKS_AT_A_TIME: usize = 4;

/// Sends what is missing, and looks what is there.
#[derive(Clone)]
pub(crate) struct AuditTrail {
    missing: mpsc::Sender<Outgoing>,
    waiting: Arc<AtomicUsize>,
    unsure: Unsure,
    looks: Arc<Semaphore>,
    kafka: KafkaConfig,
    client_id: String,
    shutdown: CancellationToken,
}

impl AuditTrail {
    pub(crate) fn start(
        kafka: KafkaConfig,
        producer: Producer,
        instance_id: &str,
        shutdown: CancellationToken,
    ) -> Self {
        let (missing, queue) = mpsc::channel(MOST);
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(resend(queue, producer, Arc::clone(&waiting)));
        let looks = Arc::new(Semaphore::new(LOOKS_AT_A_TIME));
        let (unsure, client_id) = (Unsure::default(), format!("{instance_id}-audit-trail"));
        Self { missing, waiting, unsure, looks, kafka, client_id, shutdown }
    }

    /// The record of `orders` that `event` is about is about to be sent. Whoever sends it says what became of it.
    pub(crate) fn begin(&self, event: &AuditEvent) -> Sending<'_> {
        Sending { trail: self, pending: self.unsure.begin(event) }
    }

    /// This service has read `event` on `orders`.
    pub(crate) fn read(&self, event: &OrderEvent, partition: i32, offset: i64) {
        if let Some(audit) = self.unsure.read(event, partition, offset) {
            self.complete(&audit);
        }
    }

    /// Sends `event` again, until it is acknowledged.
    pub(crate) fn complete(&self, event: &AuditEvent) {
        let queued = record(event).map_err(|e| e.to_string()).and_then(|record| {
            self.missing.try_send(record).map_err(|_| "too many are missing already".to_owned())
        });
        match queued {
            // There may be thousands at once.
            Ok(()) if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 => {
                tracing::warn!("no acknowledgement for records of audit; they are sent until there is");
            }
            Ok(()) => {}
            Err(error) => tracing::error!(order = %event.order_id, error, "an audit record is lost"),
        }
    }

    /// How many audit records are still to be acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether `audit` says that the order was created, which it did not do before `since`. `None`: it could not be
    /// found out in time.
    pub(crate) async fn holds(&self, id: Uuid, since: DateTime<Utc>) -> Result<Option<bool>, Error> {
        let Ok(_permit) = self.looks.acquire().await else { return Ok(None) };
        let (found, mut answer) = mpsc::channel(1);
        let mut unread = BTreeSet::new();
        let from = From::Time(since);
        let _tail = tail(&self.kafka, &self.client_id, topic::AUDIT, from, &self.shutdown, move |tailed| {
            let answer = match tailed {
                Tailed::Started { starts, .. } => {
                    unread.extend(starts.keys().copied());
                    None
                }
                Tailed::Record(record) => says_created(record.value, id).then_some(true),
                Tailed::CaughtUp { partition } => {
                    unread.remove(&partition);
                    unread.is_empty().then_some(false)
                }
                Tailed::Gap { .. } => None,
            };
            if let Some(answer) = answer {
                // Only the first answer is waited for.
                let _ = found.try_send(answer);
            }
        })?;
        Ok(timeout(LOOK_WITHIN, answer.recv()).await.ok().flatten())
    }
}

/// A record of `orders` on its way. Dropped: it is known what became of it.
pub(crate) struct Sending<'a> {
    trail: &'a AuditTrail,
    pending: Pending,
}

impl Sending<'_> {
    /// No acknowledgement came. Should the record be on the log, or come there, `event` is sent to `audit`.
    pub(crate) fn unknown(self, event: AuditEvent) {
        if let Some(audit) = self.pending.unknown(event) {
            self.trail.complete(&audit);
        }
    }
}

/// `event`, about the record of `orders` that stands there.
pub(crate) fn about(event: AuditEvent, partition: i32, offset: i64) -> AuditEvent {
    AuditEvent { partition: Some(partition), offset: Some(offset), ..event }
}

/// The record that carries `event`, dated as it says.
pub(crate) fn record(event: &AuditEvent) -> Result<Outgoing, Error> {
    Outgoing::json(topic::AUDIT, event.order_id.to_string(), event, event.timestamp)
}

fn says_created(value: Option<&[u8]>, id: Uuid) -> bool {
    let event = value.and_then(|value| serde_json::from_slice::<AuditEvent>(value).ok());
    event.is_some_and(|event| event.order_id == id && event.action == AuditAction::Created)
}

/// Ends when the service does: what is left then is found when a client repeats its request.
async fn resend(mut queue: mpsc::Receiver<Outgoing>, producer: Producer, waiting: Arc<AtomicUsize>) {
    while let Some(record) = queue.recv().await {
        while let Err(error) = producer.send(record.clone()).await {
            tracing::debug!(%error, "an audit record is sent again");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
        waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
