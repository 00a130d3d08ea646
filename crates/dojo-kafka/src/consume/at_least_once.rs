//! At least once: records are sent without waiting, and an offset is committed once everything up to it is done and
//! acknowledged. A crash repeats the uncommitted records and loses nothing.

use super::{
    delivery::{Consumer, Delivery, Interrupt, Key, POLL, Topics},
    ledger::Ledger,
    options::ConsumerOptions,
};
use crate::{Error, Outbox, Outgoing, Position, Producer};
use dojo_contract::Guarantee;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rdkafka::{
    consumer::{CommitMode, Consumer as _},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const RESEND_AFTER: Duration = Duration::from_millis(500);

/// The state that acknowledgements change, on librdkafka's thread.
#[derive(Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    acknowledged: Condvar,
    undelivered: Mutex<Vec<(Position, Outgoing)>>,
}

impl Shared {
    /// Keeps a record for another try. Gives up a record that Kafka will never accept, so that it doesn't block its
    /// partition.
    fn failed(&self, cause: Position, record: Outgoing, error: &KafkaError) {
        if is_permanent(error) {
            let Position { partition, offset, .. } = cause;
            let topic = record.topic;
            tracing::error!(topic, partition, offset, %error, "dropped a record produced for this one, because Kafka refuses it");
            self.ledger.lock().acknowledged(cause);
            self.acknowledged.notify_one();
        } else {
            tracing::debug!(topic = record.topic, %error, "not acknowledged");
            self.undelivered.lock().push((cause, record));
        }
    }

    /// Waits up to `within` until fewer than `below` sends are in flight; returns whether that is so.
    fn wait(&self, below: usize, within: Duration) -> bool {
        let mut ledger = self.ledger.lock();
        self.acknowledged.wait_while_for(&mut ledger, |ledger| ledger.in_flight() >= below, within);
        ledger.in_flight() < below
    }
}

pub(super) struct AtLeastOnce {
    consume: ConsumerOptions,
    topics: Topics,
    producer: Producer,
    shared: Arc<Shared>,
    last_commit: Instant,
    resend_at: Option<Instant>,
}

impl AtLeastOnce {
    pub(super) fn new(consume: &ConsumerOptions, topics: &Topics, producer: &Producer) -> Self {
        Self {
            consume: consume.clone(),
            topics: topics.clone(),
            producer: producer.clone(),
            shared: Arc::default(),
            last_commit: Instant::now(),
            resend_at: None,
        }
    }

    fn send(&self, cause: Position, record: Outgoing) {
        let shared = Arc::clone(&self.shared);
        let sent = self.producer.enqueue(
            &record,
            Box::new(move |result| match result {
                Ok(_) => {
                    shared.ledger.lock().acknowledged(cause);
                    shared.acknowledged.notify_one();
                }
                Err((error, undelivered)) => shared.failed(cause, undelivered.0, &error),
            }),
        );
        if let Err(Error::Send { source, .. }) = sent {
            self.shared.failed(cause, record, &source);
        }
    }

    fn resend_if_due(&mut self) {
        // While Kafka is away, sends would only fail again.
        if self.producer.is_away() || self.resend_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let undelivered = std::mem::take(&mut *self.shared.undelivered.lock());
        self.resend_at = None;
        if undelivered.is_empty() {
            return;
        }
        self.resend_at = Some(Instant::now() + RESEND_AFTER);
        tracing::warn!(
            group = self.consume.group,
            records = undelivered.len(),
            "not acknowledged by Kafka; sending again"
        );
        for (cause, record) in undelivered {
            if self.shared.ledger.lock().is_current(cause) {
                self.send(cause, record);
            }
        }
    }

    fn commit_if_due(&mut self, consumer: &Consumer) {
        if self.last_commit.elapsed() < self.consume.commit_every {
            return;
        }
        self.last_commit = Instant::now();
        let again = consumer.context().take_failed_commit();
        let mut ledger = self.shared.ledger.lock();
        let fresh = ledger.take_committable();
        let offsets = if again { known(ledger.positions()) } else { fresh };
        drop(ledger);
        self.commit(consumer, offsets, CommitMode::Async);
    }

    fn commit(&self, consumer: &Consumer, offsets: Vec<(Key, i64)>, mode: CommitMode) {
        if offsets.is_empty() {
            return;
        }
        if let Err(error) = consumer.commit(&self.topics.list(offsets), mode) {
            tracing::debug!(group = self.consume.group, %error, "offsets not committed");
            consumer.context().note_failed_commit();
        }
    }

    /// Waits for the sends in flight, within the bound, and commits what is complete.
    fn drain(&mut self, consumer: &Consumer) {
        let until = Instant::now() + self.consume.drain;
        while !self.shared.wait(1, POLL) && Instant::now() < until && !self.producer.is_away() {
            self.resend_if_due();
        }
        let (left, offsets) = {
            let ledger = self.shared.ledger.lock();
            (ledger.in_flight(), known(ledger.positions()))
        };
        if left > 0 {
            tracing::warn!(
                group = self.consume.group,
                left,
                "reading ends before every record was acknowledged; the records that were not will be handled again"
            );
        }
        if !self.producer.is_away() {
            self.commit(consumer, offsets, CommitMode::Sync);
        }
    }
}

impl Delivery for AtLeastOnce {
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.shared.ledger.lock()
    }

    fn post(&mut self, outbox: &mut Outbox) -> Result<(), Interrupt> {
        let (mut sends, done) = outbox.drain();
        {
            // Entered before they are sent: an acknowledgement may come before this thread continues.
            let mut ledger = self.shared.ledger.lock();
            sends.as_slice().iter().for_each(|(cause, _)| ledger.sent(*cause));
            done.for_each(|cause| ledger.done(cause));
        }
        for (cause, record) in sends.by_ref() {
            self.send(cause, record);
        }
        Ok(())
    }

    fn turn(&mut self, consumer: &Consumer) -> Result<Option<Duration>, Interrupt> {
        self.commit_if_due(consumer);
        self.resend_if_due();
        Ok(self.shared.wait(self.consume.max_in_flight, POLL).then_some(POLL))
    }

    fn idle(&mut self, _: &Consumer) -> Result<(), Interrupt> {
        Ok(())
    }

    fn revoke(&mut self, consumer: &Consumer) {
        self.drain(consumer);
    }

    fn finish(&mut self, consumer: &Consumer) {
        self.drain(consumer);
    }

    fn recover(&mut self) -> Result<(), Interrupt> {
        Ok(())
    }
}

fn known(positions: impl Iterator<Item = (Key, Option<i64>)>) -> Vec<(Key, i64)> {
    positions.filter_map(|(key, offset)| Some((key, offset?))).collect()
}

/// Returns whether no try will ever succeed: Kafka refuses the record itself.
pub(super) fn is_permanent(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidTimestamp
        )
    )
}
