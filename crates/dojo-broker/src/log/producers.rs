//! What a partition remembers of idempotent producers, so that a batch sent twice is stored once.
//!
//! A producer that got no answer sends its batch again; it cannot know whether the first copy arrived. It therefore has an id,
//! and numbers what it sends to each partition. The partition keeps the numbers of the last five batches of each producer (a
//! client has at most five requests in flight): a batch among them is answered with its first offset and not stored again, one
//! that continues the sequence is stored, and any other is refused. See KIP-98, and KIP-360 for producers that are forgotten.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::ResponseError;

use super::batch::{Sequence, add_to_sequence};
use crate::refusal::Refusal;

/// How many batches of one producer are remembered.
const REMEMBERED_BATCHES: usize = 5;
/// How many producers are remembered; beyond it, the one that has been silent longest is forgotten. It stands in for Kafka's
/// `producer.id.expiration.ms`, which bounds the same memory by time.
const REMEMBERED_PRODUCERS: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Producers {
    known: HashMap<i64, Producer>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// Never empty, the oldest first.
    batches: VecDeque<Remembered>,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    first: i32,
    last: i32,
    base_offset: i64,
}

/// What is to become of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    /// It was stored before, at this offset.
    Duplicate(i64),
}

impl Producers {
    /// Judges a batch before it is appended.
    pub(super) fn judge(&self, batch: &Sequence) -> Result<Verdict, Refusal> {
        let Some(producer) = self.known.get(&batch.producer_id) else {
            // A producer whose past was dropped goes on where it was (KIP-360).
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
        if batch.epoch > producer.epoch {
            return if batch.first == 0 { Ok(Verdict::Append) } else { Err(out_of_order(batch, 0)) };
        }
        let same = |known: &&Remembered| known.first == batch.first && known.last == batch.last;
        if let Some(known) = producer.batches.iter().find(same) {
            return Ok(Verdict::Duplicate(known.base_offset));
        }
        match producer.batches.back().map(|newest| add_to_sequence(newest.last, 1)) {
            Some(next) if next != batch.first => Err(out_of_order(batch, next)),
            _ => Ok(Verdict::Append),
        }
    }

    /// Notes a batch that was appended.
    pub(super) fn appended(&mut self, batch: &Sequence, base_offset: i64) {
        if !self.known.contains_key(&batch.producer_id) && self.known.len() >= REMEMBERED_PRODUCERS {
            let newest = |producer: &Producer| producer.batches.back().map(|batch| batch.base_offset);
            let silent = self.known.iter().min_by_key(|(_, producer)| newest(producer)).map(|(id, _)| *id);
            silent.and_then(|id| self.known.remove(&id));
        }
        let producer = self
            .known
            .entry(batch.producer_id)
            .or_insert_with(|| Producer { epoch: batch.epoch, batches: VecDeque::new() });
        if batch.epoch != producer.epoch {
            producer.epoch = batch.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered { first: batch.first, last: batch.last, base_offset });
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
        Sequence { producer_id: 7, epoch, first, last }
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
    fn the_sequence_goes_round_at_its_end() {
        let mut producers = Producers::default();
        producers.appended(&batch(0, i32::MAX - 1, add_to_sequence(i32::MAX - 1, 1)), 0);
        assert_eq!(producers.judge(&batch(0, 0, 3)), Ok(Verdict::Append));
    }

    #[test]
    fn the_number_of_producers_remembered_is_bounded() {
        let mut producers = Producers::default();
        for id in 0..=REMEMBERED_PRODUCERS as i64 {
            producers.appended(&Sequence { producer_id: id, epoch: 0, first: 0, last: 0 }, id);
        }
        assert_eq!(producers.known.len(), REMEMBERED_PRODUCERS);
        assert!(!producers.known.contains_key(&0), "the one that was silent longest goes first");
    }
}
