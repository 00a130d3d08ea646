//! The idempotent producers that a partition remembers, so that a batch that is sent twice is stored once.
//!
//! A producer that got no answer sends its batch again, since it can't know whether the first copy arrived.
//! It therefore has an id, and numbers the records that it sends to each partition. The partition keeps the
//! numbers of each producer's last five batches (a client has at most five requests in flight): a batch among
//! them is answered with its first offset and not stored again, a batch that continues the sequence is
//! stored, and any other is refused. See KIP-98, and KIP-360 for producers that were forgotten.
//!
//! A client that takes over a producer's id gets the next *epoch*: batches of the epoch before are refused
//! from then on. With transactions, an epoch can begin with a marker (see
//! [`transactions`](super::transactions)) before its first batch comes.

use super::{
    batch::{Sequence, add_to_sequence},
    transactions::Marker,
};
use crate::refusal::Refusal;
use kafka_protocol::ResponseError;
use std::collections::{HashMap, VecDeque};

/// How many batches of one producer are remembered.
const REMEMBERED_BATCHES: usize = 5;
/// How many producers are remembered. Beyond that, the producer that has been silent longest is forgotten,
/// unless it has an open transaction.
const REMEMBERED_PRODUCERS: usize = 10_000;
/// How long a silent producer is remembered, unless it has an open transaction: Kafka's
/// `producer.id.expiration.ms`.
const EXPIRATION_MS: i64 = 24 * 60 * 60 * 1000;
/// Stands for a number that doesn't exist yet.
const NONE: i32 = -1;

/// The producers that a partition remembers.
#[derive(Debug, Default)]
pub(super) struct Producers {
    known: HashMap<i64, Producer>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// The batches of its epoch, the oldest first.
    batches: VecDeque<Remembered>,
    /// The start of its open transaction.
    transaction: Option<i64>,
    /// Whether a marker ended a transaction of the producer.
    marked: bool,
    /// When the producer wrote last, by the broker's clock, in milliseconds since 1970.
    heard_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    first: i32,
    last: i32,
    base_offset: i64,
}

/// The verdict on a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    /// The batch was stored before, at this offset.
    Duplicate(i64),
}

/// A producer as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActiveProducer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// -1 if its epoch has no batch yet.
    pub(crate) last_sequence: i32,
    /// In milliseconds since 1970.
    pub(crate) heard_ms: i64,
    /// The epoch of the coordinator that wrote its last marker: 0, as there has been one coordinator, or -1
    /// without a marker.
    pub(crate) coordinator_epoch: i32,
    /// The start of its open transaction.
    pub(crate) transaction: Option<i64>,
}

impl Producer {
    fn new(epoch: i16, heard_ms: i64) -> Self {
        Self { epoch, batches: VecDeque::new(), transaction: None, marked: false, heard_ms }
    }

    fn is_forgotten_at(&self, now_ms: i64) -> bool {
        self.transaction.is_none() && now_ms.saturating_sub(self.heard_ms) >= EXPIRATION_MS
    }

    fn begin_epoch(&mut self, epoch: i16) {
        if epoch > self.epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    /// Returns the sequence number that is due.
    fn next(&self) -> i32 {
        self.batches.back().map_or(0, |newest| add_to_sequence(newest.last, 1))
    }
}

impl Producers {
    /// Judges a batch before it is appended.
    ///
    /// # Errors
    /// `INVALID_PRODUCER_EPOCH`, `OUT_OF_ORDER_SEQUENCE_NUMBER`, or `INVALID_TXN_STATE` for a batch outside
    /// its producer's open transaction.
    pub(super) fn judge(&self, batch: &Sequence) -> Result<Verdict, Refusal> {
        let known = self.known.get(&batch.producer_id);
        let Some(producer) = known.filter(|producer| !producer.is_forgotten_at(batch.received_ms)) else {
            // A producer that was forgotten goes on where it was (KIP-360).
            return Ok(Verdict::Append);
        };
        if batch.epoch < producer.epoch {
            return Err(Refusal::new(
                ResponseError::InvalidProducerEpoch,
                format!(
                    "producer {} writes in epoch {}, and {} has begun",
                    batch.producer_id, batch.epoch, producer.epoch
                ),
            ));
        }
        let mut due = 0;
        if batch.epoch == producer.epoch {
            let same = |known: &&Remembered| known.first == batch.first && known.last == batch.last;
            if let Some(known) = producer.batches.iter().find(same) {
                return Ok(Verdict::Duplicate(known.base_offset));
            }
            due = producer.next();
        }
        if batch.first != due {
            return Err(out_of_order(batch, due));
        }
        if producer.transaction.is_some() && !batch.transactional {
            return Err(Refusal::new(
                ResponseError::InvalidTxnState,
                format!(
                    "producer {} writes outside of the transaction that it has open here",
                    batch.producer_id
                ),
            ));
        }
        Ok(Verdict::Append)
    }

    /// Notes an appended batch. Returns whether it begins a transaction.
    pub(super) fn appended(&mut self, batch: &Sequence, base_offset: i64) -> bool {
        let producer = self.producer(batch.producer_id, batch.epoch, batch.received_ms);
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered { first: batch.first, last: batch.last, base_offset });
        let begins = batch.transactional && producer.transaction.is_none();
        if begins {
            producer.transaction = Some(base_offset);
        }
        begins
    }

    /// Notes the end of a producer's transaction. Returns where it began, if it has records here.
    pub(super) fn end_transaction(&mut self, marker: &Marker) -> Option<i64> {
        let producer = self.producer(marker.producer_id, marker.epoch, marker.now_ms);
        producer.marked = true;
        producer.transaction.take()
    }

    /// Returns the remembered producers, by id.
    pub(super) fn active(&self, now_ms: i64) -> Vec<ActiveProducer> {
        let known = self.known.iter().filter(|(_, producer)| !producer.is_forgotten_at(now_ms));
        let mut active: Vec<ActiveProducer> = known
            .map(|(id, producer)| ActiveProducer {
                id: *id,
                epoch: producer.epoch,
                last_sequence: producer.batches.back().map_or(NONE, |newest| newest.last),
                heard_ms: producer.heard_ms,
                coordinator_epoch: if producer.marked { 0 } else { NONE },
                transaction: producer.transaction,
            })
            .collect();
        active.sort_unstable_by_key(|producer| producer.id);
        active
    }

    /// Returns whether the producer has an open transaction here.
    pub(super) fn in_transaction(&self, producer_id: i64) -> bool {
        self.known.get(&producer_id).is_some_and(|producer| producer.transaction.is_some())
    }

    /// Returns the producer, with at least this epoch.
    fn producer(&mut self, id: i64, epoch: i16, now_ms: i64) -> &mut Producer {
        match self.known.get(&id) {
            Some(producer) if producer.is_forgotten_at(now_ms) => {
                self.known.remove(&id);
            }
            None if self.known.len() >= REMEMBERED_PRODUCERS => self.make_room(now_ms),
            _ => {}
        }
        let producer = self.known.entry(id).or_insert_with(|| Producer::new(epoch, now_ms));
        producer.begin_epoch(epoch);
        producer.heard_ms = now_ms;
        producer
    }

    fn make_room(&mut self, now_ms: i64) {
        self.known.retain(|_, producer| !producer.is_forgotten_at(now_ms));
        if self.known.len() >= REMEMBERED_PRODUCERS {
            let idle = self.known.iter().filter(|(_, producer)| producer.transaction.is_none());
            let silent = idle.min_by_key(|(_, producer)| producer.heard_ms).map(|(id, _)| *id);
            silent.and_then(|id| self.known.remove(&id));
        }
    }
}

fn out_of_order(batch: &Sequence, expected: i32) -> Refusal {
    Refusal::new(
        ResponseError::OutOfOrderSequenceNumber,
        format!("producer {} sent sequence {}, and {expected} was due", batch.producer_id, batch.first),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, first: i32, last: i32) -> Sequence {
        Sequence { producer_id: 7, epoch, first, last, transactional: false, received_ms: 0 }
    }

    fn in_transaction(epoch: i16, first: i32, last: i32) -> Sequence {
        Sequence { transactional: true, ..batch(epoch, first, last) }
    }

    fn marker(epoch: i16) -> Marker {
        Marker { producer_id: 7, epoch, commit: true, now_ms: 0 }
    }

    fn refused(producers: &Producers, batch: &Sequence) -> ResponseError {
        producers.judge(batch).unwrap_err().error
    }

    #[test]
    fn a_batch_sent_again_is_found_at_its_first_offset() {
        let mut producers = Producers::default();
        for n in 0..6 {
            let next = batch(0, n * 10, n * 10 + 9);
            assert_eq!(producers.judge(&next), Ok(Verdict::Append));
            producers.appended(&next, i64::from(n) * 100);
        }
        assert_eq!(producers.judge(&batch(0, 50, 59)), Ok(Verdict::Duplicate(500)));
        assert_eq!(producers.judge(&batch(0, 10, 19)), Ok(Verdict::Duplicate(100)));
        assert_eq!(refused(&producers, &batch(0, 0, 9)), ResponseError::OutOfOrderSequenceNumber);
    }

    #[test]
    fn a_gap_in_the_sequence_is_refused() {
        let mut producers = Producers::default();
        producers.appended(&batch(0, 0, 0), 0);
        assert_eq!(refused(&producers, &batch(0, 2, 2)), ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(producers.judge(&batch(0, 1, 1)), Ok(Verdict::Append));
    }

    #[test]
    fn an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero() {
        let mut producers = Producers::default();
        producers.appended(&batch(3, 0, 4), 0);
        assert_eq!(refused(&producers, &batch(2, 5, 5)), ResponseError::InvalidProducerEpoch);
        assert_eq!(refused(&producers, &batch(4, 5, 5)), ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(producers.judge(&batch(4, 0, 0)), Ok(Verdict::Append));
    }

    #[test]
    fn a_marker_begins_an_epoch_in_which_the_sequence_starts_at_zero() {
        let mut producers = Producers::default();
        assert!(producers.appended(&in_transaction(0, 0, 4), 30));
        assert!(!producers.appended(&in_transaction(0, 5, 5), 35));
        assert_eq!(producers.end_transaction(&marker(1)), Some(30));
        assert_eq!(producers.end_transaction(&marker(1)), None);
        assert_eq!(refused(&producers, &in_transaction(0, 6, 6)), ResponseError::InvalidProducerEpoch);
        assert_eq!(refused(&producers, &in_transaction(1, 6, 6)), ResponseError::OutOfOrderSequenceNumber);
        assert_eq!(producers.judge(&in_transaction(1, 0, 0)), Ok(Verdict::Append));
    }

    #[test]
    fn a_marker_of_the_same_epoch_leaves_the_sequence_as_it_is() {
        let mut producers = Producers::default();
        producers.appended(&in_transaction(0, 0, 4), 30);
        producers.end_transaction(&marker(0));
        assert_eq!(producers.judge(&in_transaction(0, 0, 4)), Ok(Verdict::Duplicate(30)));
        assert_eq!(producers.judge(&in_transaction(0, 5, 5)), Ok(Verdict::Append));
    }

    #[test]
    fn nothing_may_be_written_beside_an_open_transaction() {
        let mut producers = Producers::default();
        producers.appended(&in_transaction(0, 0, 4), 30);
        assert_eq!(refused(&producers, &batch(0, 5, 5)), ResponseError::InvalidTxnState);
        producers.end_transaction(&marker(0));
        assert_eq!(producers.judge(&batch(0, 5, 5)), Ok(Verdict::Append));
    }

    #[test]
    fn the_sequence_goes_round_at_its_end() {
        let mut producers = Producers::default();
        producers.appended(&batch(0, i32::MAX - 1, add_to_sequence(i32::MAX - 1, 1)), 0);
        assert_eq!(producers.judge(&batch(0, 0, 3)), Ok(Verdict::Append));
    }

    #[test]
    fn a_producer_that_has_been_silent_for_a_day_is_forgotten_unless_its_transaction_is_open() {
        let mut producers = Producers::default();
        producers.appended(&batch(3, 0, 4), 0);
        let later = |batch: Sequence, received_ms| Sequence { received_ms, ..batch };
        let fenced = later(batch(2, 9, 9), EXPIRATION_MS - 1);
        assert_eq!(refused(&producers, &fenced), ResponseError::InvalidProducerEpoch);
        assert_eq!(producers.active(EXPIRATION_MS - 1).len(), 1);
        assert_eq!(producers.active(EXPIRATION_MS), []);
        let back = later(batch(2, 9, 9), EXPIRATION_MS);
        assert_eq!(producers.judge(&back), Ok(Verdict::Append));
        producers.appended(&later(in_transaction(2, 9, 9), EXPIRATION_MS), 50);
        assert_eq!(
            refused(&producers, &later(batch(1, 0, 0), i64::MAX)),
            ResponseError::InvalidProducerEpoch
        );
    }

    #[test]
    fn the_number_of_producers_remembered_is_bounded() {
        let mut producers = Producers::default();
        producers.appended(&in_transaction(0, 0, 0), 0);
        for id in 0..=REMEMBERED_PRODUCERS as i64 {
            let received_ms = id + 1;
            let sequence = Sequence { producer_id: 100 + id, received_ms, ..batch(0, 0, 0) };
            producers.appended(&sequence, id);
        }
        assert_eq!(producers.known.len(), REMEMBERED_PRODUCERS);
        assert!(!producers.known.contains_key(&100), "the one that was silent longest goes first");
        assert!(producers.in_transaction(7), "an open transaction is not forgotten");
    }
}
