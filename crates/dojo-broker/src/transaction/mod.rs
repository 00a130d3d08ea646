//! A transaction: records in several partitions, and offsets of groups, that count all together or not at all.
//!
//! A producer with a `transactional.id` has one transaction after another. The coordinator knows, for each such id, who may use it
//! and what its transaction has touched; when it ends, a marker goes to each partition and each group in it:
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
//! Who may use the id is decided by producer id and *epoch*: whoever takes the id over ([`Transaction::init`]) raises the epoch, and
//! the producer before, which may only have been slow, is fenced: a *zombie* whose every request is refused from then on.
//!
//! In Kafka the markers go to other brokers and take their time, during which the state is PrepareCommit or PrepareAbort and the id
//! answers `CONCURRENT_TRANSACTIONS`. Here they are written before the lock on the id is given back, so nobody sees these states.
//!
//! There are two [`Protocol`]s. The first (KIP-98) names every partition before it writes there, and keeps its epoch from one
//! transaction to the next. The second (KIP-890, what Kafka 4 and its clients use) adds partitions by writing to them, and gets a new
//! epoch with every end, so that a request of an ended transaction, late on the wire, cannot slip into the next.
//!
//! Pure: it is given the time with every call, in milliseconds since 1970, and what has to be written elsewhere is its answer, an
//! [`Ending`]. [`coordinator`] surrounds it with locks and a clock, [`markers`](crate::markers) writes.

pub(crate) mod coordinator;

use kafka_protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet};

/// The longest a transaction may take: Kafka's `transaction.max.timeout.ms`.
pub(crate) const MAX_TIMEOUT_MS: i32 = 15 * 60 * 1000;
/// An id that is not used for so long is forgotten: Kafka's `transactional.id.expiration.ms`.
const EXPIRATION_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// How many groups a transaction may commit offsets of; names need not exist, so they have to be bounded.
const MAX_GROUPS: usize = 1000;
/// The epoch of an id that nobody has used yet.
const NO_EPOCH: i16 = -1;
/// The last epoch a client gets to see; the one behind it is kept for fencing it.
const LAST_EPOCH: i16 = i16::MAX - 1;
const NO_PRODUCER: i64 = -1;
/// The start of what has not started.
const NO_TIME: i64 = -1;

/// Partitions by their topics.
pub(crate) type Partitions = BTreeMap<String, BTreeSet<i32>>;

/// Who writes: an id that the coordinator gives out, and an epoch that fences whoever had it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
}

/// How a client and the broker go about transactions. What ends without a client, the broker ends by the second protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// KIP-98: an epoch for a producer's lifetime.
    First,
    /// KIP-890: an epoch for each transaction.
    Second,
}

/// What a transactional id is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has had no transaction since it was taken over.
    Empty,
    Ongoing,
    CompleteCommit,
    CompleteAbort,
}

impl State {
    /// Kafka's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }
}

/// What has to be written to end a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// In the epoch that holds from now on.
    pub(crate) producer: Producer,
    pub(crate) commit: bool,
    pub(crate) partitions: Partitions,
    pub(crate) groups: BTreeSet<String>,
}

/// What becomes of a producer that wants the id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Init {
    /// It has the id, as this producer.
    Granted(Producer),
    /// First, the transaction of the one before has to be aborted; then the producer has to come again.
    Abort(Ending),
}

/// What becomes of a transaction that a client ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Who the producer is from now on.
    pub(crate) producer: Producer,
    /// What is to be written, unless the request was a repetition.
    pub(crate) ending: Option<Ending>,
}

/// What is known of one transactional id. See the module's documentation.
#[derive(Debug)]
pub(crate) struct Transaction {
    producer: Producer,
    /// The epoch before, which a client has whose answer was lost on the way.
    last_epoch: i16,
    /// The id before, where its epochs were used up.
    previous_id: i64,
    state: State,
    timeout_ms: i32,
    started_ms: i64,
    updated_ms: i64,
    partitions: Partitions,
    groups: BTreeSet<String>,
}

impl Transaction {
    /// For an id that is used for the first time, by a producer that will get `producer_id`.
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

    /// When the transaction, or the one that has ended, began; -1 where there is none.
    pub(crate) fn started_ms(&self) -> i64 {
        self.started_ms
    }

    /// Those of the transaction; none once it has ended.
    pub(crate) fn partitions(&self) -> &Partitions {
        &self.partitions
    }

    /// Groups whose offsets belong to the transaction.
    pub(crate) fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// A producer takes the id over. One that goes on after an error says who it was (`expected`), and is refused where another
    /// one has taken the id meanwhile (KIP-360). `fresh_id` gives a producer id that nobody had, for when the epochs are used up.
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
            // The answer to its last request was lost, and it asks again.
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

    /// The epochs of the producer id are used up; it goes on as another.
    fn begin_id(&mut self, id: i64) {
        self.previous_id = self.producer.id;
        self.last_epoch = LAST_EPOCH;
        self.producer = Producer { id, epoch: 0 };
    }

    /// Adds partitions to the transaction, which begins with the first of them.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING` or `PRODUCER_FENCED`: the id belongs to another producer.
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
    /// As [`Transaction::add_partitions`], or `POLICY_VIOLATION` where there are too many groups in it.
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

    /// Says why the producer may not write to the partition inside of the transaction, where that is so.
    ///
    /// # Errors
    /// `TRANSACTION_ABORTABLE` where it was not added, or as [`Transaction::add_partitions`].
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

    /// As [`Transaction::check_partition`], for a group's offsets.
    ///
    /// # Errors
    /// As there.
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

    /// The producer ends its transaction.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_ID_MAPPING` or `PRODUCER_FENCED` where the id belongs to another producer, `INVALID_TXN_STATE` where there
    /// is no transaction that could end like this.
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
            // A producer that adds partitions by writing to them may not know whether it came to write.
            (_, Protocol::Second) if !commit => self.started_ms = now_ms,
            (_, Protocol::Second) => return Err(ResponseError::InvalidTxnState),
        }
        let ending = self.complete(commit, protocol, fresh_id, now_ms);
        Ok(Ended { producer: self.producer, ending: Some(ending) })
    }

    /// Whether the producer is the one that this id belonged to before its last transaction ended.
    fn has_ended(&self, producer: Producer) -> bool {
        let used_up = producer.id == self.previous_id && self.producer.epoch == 0;
        matches!(self.state, State::CompleteCommit | State::CompleteAbort)
            && (producer.id == self.producer.id || used_up)
            && producer.epoch == self.last_epoch
            && producer.epoch != NO_EPOCH
    }

    /// A client whose answer was lost asks again, and is answered again.
    fn end_again(&self, commit: bool) -> Result<Ended, ResponseError> {
        match (self.state, commit) {
            (State::CompleteCommit, true) | (State::CompleteAbort, false) => {
                Ok(Ended { producer: self.producer, ending: None })
            }
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Ends the transaction; by the second protocol, whoever is in its epoch is fenced thereby.
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

    /// The time has come to `now_ms`: a transaction that has taken too long is aborted, and its producer fenced.
    pub(crate) fn tick(&mut self, fresh_id: impl FnOnce() -> i64, now_ms: i64) -> Option<Ending> {
        let overdue = self.state == State::Ongoing && self.deadline_ms() <= now_ms;
        overdue.then(|| self.complete(false, Protocol::Second, fresh_id, now_ms))
    }

    /// When [`Transaction::tick`] has something to do, or the id is forgotten.
    pub(crate) fn deadline_ms(&self) -> i64 {
        match self.state {
            State::Ongoing => self.started_ms.saturating_add(i64::from(self.timeout_ms)),
            _ => self.updated_ms.saturating_add(EXPIRATION_MS),
        }
    }

    /// Whether nobody has used the id for so long that nobody will miss it.
    pub(crate) fn is_forgotten_at(&self, now_ms: i64) -> bool {
        self.state != State::Ongoing && self.deadline_ms() <= now_ms
    }
}

#[cfg(test)]
mod tests;
