//! Exactly once: the records that a handler sends, and the offsets of the records that caused them, are one Kafka
//! transaction.
//!
//! Readers that read committed records see both or neither. A crash leaves an open transaction, which the coordinator
//! aborts when the next producer of the same transactional id begins, or after `transaction.timeout.ms`; the records are
//! then read and handled again, as if for the first time. If the next producer runs in another process, it fences this one,
//! whose commit then fails.
//! See [KIP-98](https://cwiki.apache.org/confluence/display/KAFKA/KIP-98+-+Exactly+Once+Delivery+and+Transactional+Messaging)
//! and, for the offsets, [KIP-447](https://cwiki.apache.org/confluence/display/KAFKA/KIP-447%3A+Producer+scalability+for+exactly+once+semantics).
//!
//! The sends for a record take effect together with its offset only if the handler finishes the records of a partition in
//! their order.

use super::{
    at_least_once::is_permanent,
    delivery::{Consumer, Delivery, Interrupt, POLL, Topics},
    ledger::Ledger,
    options::ConsumerOptions,
};
use crate::{
    Error, KafkaConfig, Outbox, Outgoing, Position,
    config::{TRANSACTION_TIMEOUT, create},
    producer::{base_record, log},
};
use dojo_contract::Guarantee;
use parking_lot::{Mutex, MutexGuard};
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::Consumer as _,
    error::{KafkaError, KafkaResult, RDKafkaError},
    message::DeliveryResult,
    producer::{Producer as _, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How long a transaction stays open; its records are invisible until it commits.
const COMMIT_AFTER: Duration = Duration::from_millis(100);
/// A transaction ends when it holds this many bytes of keys and values.
const TRANSACTION_BYTES: usize = 4 << 20;
/// How long one call of librdkafka may block, so that the loop notices a shutdown in between. A repeated call continues
/// where the last one stopped.
const CALL: Duration = Duration::from_millis(500);
const AGAIN_AFTER: Duration = Duration::from_millis(20);
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(5);
/// How many causes of refused records are remembered; each of them was logged. Beyond it, those with the smallest position
/// are forgotten.
const REFUSED: usize = 1_000;

type Inner = ThreadedProducer<Context>;

/// The causes of records that Kafka refuses however often they are sent.
type Refused = Arc<Mutex<BTreeSet<(usize, i32, i64)>>>;

struct Context {
    refused: Refused,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka transactions");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Position>;

    fn delivery(&self, result: &DeliveryResult<'_>, cause: Box<Position>) {
        if let Err((error, _)) = result
            && is_permanent(error)
        {
            refuse(&self.refused, *cause, error);
        }
    }
}

/// Gives up the records that follow from `cause`: every transaction with them would be aborted.
fn refuse(refused: &Refused, cause: Position, error: &KafkaError) {
    let Position { topic, partition, offset, .. } = cause;
    tracing::error!(partition, offset, %error, "dropped a record produced for this one, because Kafka refuses it");
    let mut refused = refused.lock();
    if refused.len() >= REFUSED {
        refused.pop_first();
    }
    refused.insert((topic, partition, offset));
}

/// A transaction that was begun.
struct Open {
    begun: Instant,
    bytes: usize,
}

pub(super) struct ExactlyOnce {
    kafka: KafkaConfig,
    consume: ConsumerOptions,
    topics: Topics,
    producer: Inner,
    ledger: Mutex<Ledger>,
    open: Option<Open>,
    last_commit: Instant,
    refused: Refused,
    shutdown: CancellationToken,
}

impl ExactlyOnce {
    /// Starts a producer that has its transactional id to itself: it fences every earlier producer with that id, and aborts
    /// their open transaction.
    pub(super) fn start(
        kafka: &KafkaConfig,
        consume: &ConsumerOptions,
        topics: &Topics,
        shutdown: &CancellationToken,
    ) -> Result<Self, Interrupt> {
        let refused = Refused::default();
        let delivery = Self {
            kafka: kafka.clone(),
            consume: consume.clone(),
            topics: topics.clone(),
            producer: producer(kafka, consume, &refused)?,
            ledger: Mutex::default(),
            open: None,
            last_commit: Instant::now(),
            refused,
            shutdown: shutdown.clone(),
        };
        delivery.call("start its transactional producer", |producer, within| {
            producer.init_transactions(within)
        })?;
        Ok(delivery)
    }

    /// Repeats a call while librdkafka reports that a retry can succeed, up to the transaction's timeout.
    fn call(
        &self,
        attempt: &'static str,
        call: impl Fn(&Inner, Duration) -> KafkaResult<()>,
    ) -> Result<(), Interrupt> {
        let until = Instant::now() + TRANSACTION_TIMEOUT;
        loop {
            match call(&self.producer, CALL) {
                Ok(()) => return Ok(()),
                Err(error)
                    if is_retriable(&error) && Instant::now() < until && !self.shutdown.is_cancelled() =>
                {
                    std::thread::sleep(AGAIN_AFTER);
                }
                Err(error) if is_fenced(&error) => return Err(Interrupt::Fenced),
                Err(source) => {
                    let group = self.consume.group.clone();
                    let error = Error::Group { group, attempt, source: Box::new(source) };
                    return Err(Interrupt::Repeat(error.to_string()));
                }
            }
        }
    }

    /// Returns the open transaction, after beginning one if necessary.
    fn open(&mut self) -> Result<&mut Open, Interrupt> {
        if self.open.is_none() {
            self.call("begin a transaction", |producer, _| producer.begin_transaction())?;
        }
        Ok(self.open.get_or_insert(Open { begun: Instant::now(), bytes: 0 }))
    }

    fn send(&mut self, cause: Position, record: &Outgoing) -> Result<(), Interrupt> {
        let key = (cause.topic, cause.partition, cause.offset);
        if self.refused.lock().contains(&key) {
            return Ok(());
        }
        let bytes = [&record.key, &record.value].into_iter().flatten().map(Vec::len).sum::<usize>();
        self.open()?.bytes += bytes;
        let topic = self.kafka.prefix.on_cluster(record.topic);
        let until = Instant::now() + TRANSACTION_TIMEOUT;
        loop {
            match self.producer.send(base_record(record, &topic, Box::new(cause))) {
                Ok(()) => return Ok(()),
                Err((error, _)) if is_permanent(&error) => {
                    refuse(&self.refused, cause, &error);
                    return Ok(());
                }
                Err((error, _))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                        && Instant::now() < until
                        && !self.shutdown.is_cancelled() =>
                {
                    std::thread::sleep(QUEUE_FULL_WAIT);
                }
                Err((error, _)) if is_fenced(&error) => return Err(Interrupt::Fenced),
                Err((error, _)) => return Err(Interrupt::Repeat(error.to_string())),
            }
        }
    }

    /// Commits the transaction: its records and the offsets of what is done become visible together.
    fn commit(&mut self, consumer: &Consumer) -> Result<(), Interrupt> {
        let offsets = self.ledger().take_committable();
        if offsets.is_empty() && self.open.is_none() {
            return Ok(());
        }
        self.open()?;
        if !offsets.is_empty() {
            let offsets = self.topics.list(offsets);
            let member = consumer.group_metadata();
            let member =
                member.ok_or_else(|| Interrupt::Repeat("this member isn't in its group".to_owned()))?;
            self.call("send offsets to its transaction", |producer, within| {
                producer.send_offsets_to_transaction(&offsets, &member, within)
            })?;
        }
        self.call("commit its transaction", |producer, within| producer.commit_transaction(within))?;
        self.open = None;
        self.last_commit = Instant::now();
        Ok(())
    }

    /// Returns whether to commit as soon as no record waits. Offsets alone, as after markers and after records that nothing
    /// follows from, wait a while for the next transaction: a separate transaction would delay it.
    fn is_worth_committing(&self) -> bool {
        self.open.is_some() || self.last_commit.elapsed() >= COMMIT_AFTER && self.ledger().is_committable()
    }

    fn abort(&mut self) -> Result<(), Interrupt> {
        if self.open.take().is_some() {
            self.call("abort its transaction", |producer, within| producer.abort_transaction(within))?;
        }
        Ok(())
    }
}

impl Delivery for ExactlyOnce {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }

    fn post(&mut self, outbox: &mut Outbox) -> Result<(), Interrupt> {
        let (sends, done) = outbox.take();
        for (cause, record) in sends {
            self.send(cause, &record)?;
        }
        let mut ledger = self.ledger();
        done.into_iter().for_each(|cause| ledger.done(cause));
        Ok(())
    }

    fn turn(&mut self, consumer: &Consumer) -> Result<Option<Duration>, Interrupt> {
        let is_due = |open: &Open| open.begun.elapsed() >= COMMIT_AFTER || open.bytes >= TRANSACTION_BYTES;
        if self.open.as_ref().is_some_and(is_due) {
            self.commit(consumer)?;
        }
        // With something to commit, the loop returns as soon as no record waits.
        Ok(Some(if self.is_worth_committing() { Duration::ZERO } else { POLL }))
    }

    fn idle(&mut self, consumer: &Consumer) -> Result<(), Interrupt> {
        if self.is_worth_committing() { self.commit(consumer) } else { Ok(()) }
    }

    fn revoke(&mut self, _: &Consumer) {
        if let Err(interrupt) = self.abort() {
            // The next producer with this transactional id aborts it, or the coordinator does at its timeout.
            tracing::debug!(group = self.consume.group, ?interrupt, "a transaction was not aborted");
        }
    }

    fn finish(&mut self, consumer: &Consumer) {
        if let Err(interrupt) = self.commit(consumer) {
            tracing::debug!(group = self.consume.group, ?interrupt, "the last transaction was not committed");
            self.revoke(consumer);
        }
    }

    fn recover(&mut self) -> Result<(), Interrupt> {
        if self.producer.client().fatal_error().is_some_and(|(code, _)| fences(code)) {
            return Err(Interrupt::Fenced);
        }
        // A producer may be unusable after a failed call without reporting it. The next producer of its transactional id
        // ends what it left open.
        self.open = None;
        self.producer = producer(&self.kafka, &self.consume, &self.refused)?;
        self.call("restart its transactional producer", |producer, within| producer.init_transactions(within))
    }
}

fn producer(kafka: &KafkaConfig, consume: &ConsumerOptions, refused: &Refused) -> Result<Inner, Error> {
    let config = kafka.transactional_producer(&consume.instance);
    let context = Context { refused: Arc::clone(refused) };
    create("transactional producer", &config, config.create_with_context(context))
}

/// Returns whether the same call may succeed later; a commit also waits for the acknowledgement of its records.
fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
        _ => false,
    }
}

/// Returns whether another producer has taken the transactional id, or another member the name in the group.
fn is_fenced(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => fences(RDKafkaError::code(error)),
        error => error.rdkafka_error_code().is_some_and(fences),
    }
}

fn fences(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
            | RDKafkaErrorCode::FencedInstanceId
    )
}
