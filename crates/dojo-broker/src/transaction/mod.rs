//! A transaction: records in several partitions, and offsets of groups, that count together or not at all.
//!
//! A producer with a `transactional.id` has one transaction after another. For each such id, the coordinator
//! knows which producer may use it and what its transaction has touched. When the transaction ends, a marker
//! goes to each partition and each group in it:
//!
//! ```text
//!             a partition or            commit: markers written
//!             a group is added        ┌──────────────────────────► CompleteCommit ──┐
//!   Empty ──────────────────────► Ongoing                                           ├─ the next is added: Ongoing again
//!                                     └──────────────────────────► CompleteAbort ───┘
//!                                       abort, time-out, or the id
//!                                       is taken over by another
//! ```
//!
//! A producer id and an *epoch* decide who may use the transactional id: a producer that takes the id over
//! ([`Transaction::init`]) raises the epoch. The producer before, which may only have been slow, is then
//! fenced: every request of this *zombie* is refused.
//!
//! In Kafka the markers go to other brokers, which takes time. Meanwhile the state is PrepareCommit or
//! PrepareAbort, and the id answers `CONCURRENT_TRANSACTIONS`. Here they are written under the lock on the
//! id, so no client sees these states.
//!
//! There are two [`Protocol`]s. In the first (KIP-98), the producer names every partition before it writes
//! there, and keeps its epoch from one transaction to the next. In the second (KIP-890, which Kafka 4 and its
//! clients use), writing to a partition adds it, and every end raises the epoch, so that a late request of an
//! ended transaction can't slip into the next.
//!
//! This state machine is pure: it gets the time with every call, in milliseconds since 1970, and returns what
//! has to be written as an [`Ending`]. The [`coordinator`] surrounds it with locks and a timer;
//! [`markers`](crate::markers) writes.

pub(crate) mod coordinator;

use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};

/// The longest timeout of a transaction: Kafka's `transaction.max.timeout.ms`.
pub(crate) const MAX_TIMEOUT_MS: i32 = 15 * 60 * 1000;
/// How long an unused id is remembered: Kafka's `transactional.id.expiration.ms`.
const EXPIRATION_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// How many groups' offsets a transaction can commit. The groups need not exist, so their names have to be
/// bounded.
const MAX_GROUPS: usize = 1000;
/// The epoch of an id before its first use.
const NO_EPOCH: i16 = -1;
/// The last epoch that a client gets. The one behind it is kept for fencing that client.
const LAST_EPOCH: i16 = i16::MAX - 1;
const NO_PRODUCER: i64 = -1;
/// The start of a transaction that hasn't started.
const NO_TIME: i64 = -1;

/// Partitions by their topics.
pub(crate) type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// A producer: an id from the coordinator, and an epoch that fences the producers that had the id before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// The protocol between a client and the broker. A transaction that ends without its client ends by the
/// second protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// KIP-98: one epoch for the lifetime of a producer.
    First,
    /// KIP-890: one epoch for each transaction.
    Second,
}

/// The state of a transactional id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// No transaction has begun since a producer took the id over.
    Empty,
    Ongoing,
    CompleteCommit,
    CompleteAbort,
}

impl State {
    /// Returns Kafka's name for the state.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

/// The markers that end a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// The producer, in the epoch that holds from now on.
    pub(crate) producer: Producer,
    pub(crate) commit: bool,
    pub(crate) partitions: Partitions,
    pub(crate) groups: BTreeSet<String>,
}

/// The outcome for a producer that wants the id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// The producer has the id.
    Granted(Producer),
    /// The transaction of the producer before has to be aborted; then the producer has to ask again.
    Abort(Ending),
}

/// The outcome for a client that ends a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The producer from now on.
    pub(crate) producer: Producer,
    /// The markers to write; `None` if the client repeated its request.
    pub(crate) ending: Option<Ending>,
}

/// One transactional id. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Transaction {
    producer: Producer,
    /// The epoch before, which a client still has if an answer was lost.
    last_epoch: i16,
    /// The producer id before, if its epochs were used up.
    previous_id: i64,
    state: State,
    timeout_ms: i32,
    started_ms: i64,
    updated_ms: i64,
    partitions: Partitions,
    groups: BTreeSet<String>,
}

impl Transaction {
    /// Creates the state of an id that is used for the first time, by a producer that will get `producer_id`.
    pub(crate) fn new(producer_id: i64, now_ms: i64) -> Self {
        Self {
            producer: Producer { id: producer_id, epoch: NO_EPOCH },
            last_epoch: NO_EPOCH,
            previous_id: NO_PRODUCER,
            state: State::Empty,
            timeout_ms: 0,
            started_ms: NO_TIME,
            updated_ms: now_ms,
            partitions: Partitions::new(),
            groups: BTreeSet::new(),
        }
    }

    pub(crate) fn producer(&self) -> Producer {
        self.producer
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn timeout_ms(&self) -> i32 {
        self.timeout_ms
    }

    /// Returns when the transaction, or the last one, began; -1 if there was none.
    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// Returns the partitions of the open transaction.
    pub(crate) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Returns the groups whose offsets belong to the open transaction.
    pub(crate) fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// Gives the id to a producer. A producer that goes on after an error says which producer it was
    /// (`expected`), and is refused if another one has taken the id meanwhile (KIP-360). `fresh_id` returns
    /// an unused producer id, in case the epochs are used up.
    ///
    /// # Errors
    /// `PRODUCER_FENCED`.
    pub(crate) fn init(
        &mut self,
        timeout_ms: i32,
        expected: Option<Producer>,
        fresh_id: impl FnOnce() -> i64,
        now_ms: i64,
    ) -> Result<Init, ResponseError> {
        if expected.is_some_and(|expected| !self.may_go_on(expected)) {
            return Err(ResponseError::ProducerFenced);
        }
        if self.state == State::Ongoing {
            return Ok(Init::Abort(self.complete(false, Protocol::Second, fresh_id, now_ms)));
        }
        match expected {
            _ if self.producer.epoch == NO_EPOCH => self.raise_epoch(),
            Some(expected) if expected.epoch == self.producer.epoch => self.next_epoch(fresh_id),
            // The answer to the producer's last request was lost, so it asks again.
            Some(expected) if expected.epoch == self.last_epoch => {}
            Some(_) => return Err(ResponseError::ProducerFenced),
            None => {
                self.next_epoch(fresh_id);
                self.last_epoch = NO_EPOCH;
            }
        }
        self.state = State::Empty;
        self.timeout_ms = timeout_ms;
        self.started_ms = NO_TIME;
        self.updated_ms = now_ms;
        Ok(Init::Granted(self.producer))
    }

    fn may_go_on(&self, expected: Producer) -> bool {
        self.producer.epoch == NO_EPOCH
            || expected.id == self.producer.id
            || (expected.id == self.previous_id && expected.epoch >= LAST_EPOCH)
    }

    fn raise_epoch(&mut self) {
        self.last_epoch = self.producer.epoch;
        self.producer.epoch = self.producer.epoch.saturating_add(1);
    }

    fn next_epoch(&mut self, fresh_id: impl FnOnce() -> i64) {
        if self.producer.epoch < LAST_EPOCH {
            self.raise_epoch();
        } else {
            self.begin_id(fresh_id());
        }
    }

    /// Goes on under another producer id, since the epochs of this one are used up.
    fn begin_id(&mut self, id: i64) {
        self.previous_id = self.producer.id;
        self.last_epoch = LAST_EPOCH;
        self.producer = Producer { id, epoch: 0 };
    }

    /// Adds partitions to the transaction, which begins with the first of them.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING` or `PRODUCER_FENCED` if the id belongs to another producer.
    pub(crate) fn add_partitions(
        &mut self,
        producer: Producer,
        partitions: impl IntoIterator<Item = (String, i32)>,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        self.check_producer(producer)?;
        self.begin(now_ms);
        for (topic, partition) in partitions {
            self.partitions.entry(topic).or_default().insert(partition);
        }
        Ok(())
    }

    /// Adds a group's offsets to the transaction.
    ///
    /// # Errors
    /// See [`Transaction::add_partitions`]; or `POLICY_VIOLATION` if there are too many groups in it.
    pub(crate) fn add_group(
        &mut self,
        producer: Producer,
        group: &str,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        self.check_producer(producer)?;
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains(group) {
            return Err(ResponseError::PolicyViolation);
        }
        self.begin(now_ms);
        self.groups.insert(group.to_owned());
        Ok(())
    }

    fn begin(&mut self, now_ms: i64) {
        if self.state != State::Ongoing {
            self.state = State::Ongoing;
            self.started_ms = now_ms;
        }
        self.updated_ms = now_ms;
    }

    /// Checks that the producer may write to the partition in the transaction.
    ///
    /// # Errors
    /// `TRANSACTION_ABORTABLE` if the partition wasn't added; see also [`Transaction::add_partitions`].
    pub(crate) fn check_partition(
        &self,
        producer: Producer,
        topic: &str,
        partition: i32,
    ) -> Result<(), ResponseError> {
        self.check_producer(producer)?;
        let added = self.partitions.get(topic).is_some_and(|added| added.contains(&partition));
        if added { Ok(()) } else { Err(ResponseError::TransactionAbortable) }
    }

    /// Checks that the producer may commit a group's offsets in the transaction.
    ///
    /// # Errors
    /// See [`Transaction::check_partition`].
    pub(crate) fn check_group(&self, producer: Producer, group: &str) -> Result<(), ResponseError> {
        self.check_producer(producer)?;
        if self.groups.contains(group) { Ok(()) } else { Err(ResponseError::TransactionAbortable) }
    }

    fn check_producer(&self, producer: Producer) -> Result<(), ResponseError> {
        if producer.id != self.producer.id {
            Err(ResponseError::InvalidProducerIdMapping)
        } else if producer.epoch != self.producer.epoch {
            Err(ResponseError::ProducerFenced)
        } else {
            Ok(())
        }
    }

    /// Ends the producer's transaction.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING` or `PRODUCER_FENCED` if the id belongs to another producer,
    /// `INVALID_TXN_STATE` if there is no transaction that can end like this.
    pub(crate) fn end(
        &mut self,
        producer: Producer,
        commit: bool,
        protocol: Protocol,
        fresh_id: impl FnOnce() -> i64,
        now_ms: i64,
    ) -> Result<Ended, ResponseError> {
        if protocol == Protocol::Second && self.has_ended(producer) {
            return self.end_again(commit);
        }
        self.check_producer(producer)?;
        match (self.state, protocol) {
            (State::Ongoing, _) => {}
            (_, Protocol::First) => return self.end_again(commit),
            // A producer that adds partitions by writing to them may not know whether any write arrived.
            (_, Protocol::Second) if !commit => self.started_ms = now_ms,
            (_, Protocol::Second) => return Err(ResponseError::InvalidTxnState),
        }
        let ending = self.complete(commit, protocol, fresh_id, now_ms);
        Ok(Ended { producer: self.producer, ending: Some(ending) })
    }

    /// Returns whether this is the producer that had the id before its last transaction ended.
    fn has_ended(&self, producer: Producer) -> bool {
        let used_up = producer.id == self.previous_id && self.producer.epoch == 0;
        matches!(self.state, State::CompleteCommit | State::CompleteAbort)
            && (producer.id == self.producer.id || used_up)
            && producer.epoch == self.last_epoch
            && producer.epoch != NO_EPOCH
    }

    /// Answers a client that lost its answer and asks again.
    fn end_again(&self, commit: bool) -> Result<Ended, ResponseError> {
        match (self.state, commit) {
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => {
                Ok(Ended { producer: self.producer, ending: None })
            }
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Ends the transaction. By the second protocol, this fences clients with the present epoch.
    fn complete(
        &mut self,
        commit: bool,
        protocol: Protocol,
        fresh_id: impl FnOnce() -> i64,
        now_ms: i64,
    ) -> Ending {
        if protocol == Protocol::Second {
            self.raise_epoch();
        }
        self.state = if commit { State::CompleteCommit } else { State::CompleteAbort };
        self.updated_ms = now_ms;
        let ending = Ending {
            producer: self.producer,
            commit,
            partitions: std::mem::take(&mut self.partitions),
            groups: std::mem::take(&mut self.groups),
        };
        if self.producer.epoch > LAST_EPOCH {
            self.begin_id(fresh_id());
        }
        ending
    }

    /// Aborts a transaction that has taken too long by `now_ms`, and fences its producer.
    pub(crate) fn tick(&mut self, fresh_id: impl FnOnce() -> i64, now_ms: i64) -> Option<Ending> {
        let overdue = self.state == State::Ongoing && self.deadline_ms() <= now_ms;
        overdue.then(|| self.complete(false, Protocol::Second, fresh_id, now_ms))
    }

    /// Returns when [`Transaction::tick`] has something to do, or when the id is forgotten.
    pub(crate) fn deadline_ms(&self) -> i64 {
        match self.state {
            State::Ongoing => self.started_ms.saturating_add(i64::from(self.timeout_ms)),
            _ => self.updated_ms.saturating_add(EXPIRATION_MS),
        }
    }

    /// Returns whether the id was unused for so long that it can be forgotten.
    pub(crate) fn is_forgotten_at(&self, now_ms: i64) -> bool {
        self.state != State::Ongoing && self.deadline_ms() <= now_ms
    }
}

#[cfg(test)]
mod tests;
