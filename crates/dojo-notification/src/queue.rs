//! The queue of an instance whose deliveries take time: it delivers one event after another, in the order of their arrival.
//!
//! Pure: the caller says what time it is, and how long a delivery takes.

use crate::read::Attempt;
use dojo_kafka::{OwnedRecord, Position};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// A record whose turn comes later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// The record.
    pub record: OwnedRecord,
    /// Its position, as the loop knows it.
    pub position: Position,
    /// What it says, or why it can't be read.
    pub reading: Result<Attempt, String>,
}

/// The records that wait for their delivery. The first one is being delivered.
#[derive(Debug, Default)]
pub struct DeliveryQueue {
    queued: VecDeque<Queued>,
    /// When the delivery of the first one began.
    begun: Option<Instant>,
}

impl DeliveryQueue {
    /// Returns whether no delivery is in progress.
    pub fn is_empty(&self) -> bool {
        self.queued.is_empty()
    }

    /// Returns how many records of `partition` are queued.
    pub fn count(&self, partition: i32) -> usize {
        self.queued.iter().filter(|queued| queued.position.partition == partition).count()
    }

    /// Adds a record that arrived at `now`. Its delivery begins at once if no other is in progress.
    pub fn push(&mut self, queued: Queued, now: Instant) {
        self.queued.push_back(queued);
        self.begin(now);
    }

    /// Returns when the delivery in progress ends if it takes as long as `takes`. An unreadable record isn't delivered, so it
    /// takes no time.
    pub fn due(&self, takes: Duration) -> Option<Instant> {
        let first = self.queued.front()?;
        self.begun.map(|begun| if first.reading.is_ok() { begun + takes } else { begun })
    }

    /// Returns the record whose delivery has ended by `now`. The next delivery [begins](Self::begin) when this one's outcome
    /// is known.
    pub fn pop(&mut self, now: Instant, takes: Duration) -> Option<Queued> {
        if self.due(takes)? > now {
            return None;
        }
        self.begun = None;
        self.queued.pop_front()
    }

    /// Begins the next delivery, if a record is queued and no delivery is in progress.
    pub fn begin(&mut self, now: Instant) {
        if !self.queued.is_empty() {
            self.begun.get_or_insert(now);
        }
    }

    /// Forgets every record, also the one that is being delivered.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{read, tests::CREATED};
    use dojo_contract::topic;
    use dojo_kafka::Record;

    const TAKES: Duration = Duration::from_millis(50);

    fn queued(partition: i32, offset: i64, value: &[u8]) -> Queued {
        let record = Record {
            topic: topic::ORDERS,
            partition,
            offset,
            timestamp: None,
            key: None,
            value: Some(value),
            headers: Vec::new(),
        };
        Queued {
            record: OwnedRecord::of(&record),
            position: Position::at(partition, offset),
            reading: read(record.value, &record.headers),
        }
    }

    fn order(partition: i32, offset: i64) -> Queued {
        queued(partition, offset, CREATED.as_bytes())
    }

    fn ended(queue: &mut DeliveryQueue, now: Instant, takes: Duration) -> Vec<(i32, i64)> {
        let mut ended = Vec::new();
        while let Some(Queued { position, .. }) = queue.pop(now, takes) {
            ended.push((position.partition, position.offset));
            queue.begin(now);
        }
        ended
    }

    #[test]
    fn one_delivery_follows_the_other() {
        let (start, mut queue) = (Instant::now(), DeliveryQueue::default());
        assert_eq!(queue.due(TAKES), None);
        for (partition, offset) in [(0, 7), (1, 3), (0, 8)] {
            queue.push(order(partition, offset), start);
        }
        assert_eq!((queue.count(0), queue.count(1), queue.count(2)), (2, 1, 0));
        assert_eq!(queue.due(TAKES), Some(start + TAKES));
        assert_eq!(ended(&mut queue, start + TAKES / 2, TAKES), []);
        assert_eq!(ended(&mut queue, start + TAKES, TAKES), [(0, 7)]);
        // The loop was busy and came late: the third delivery begins only now.
        let late = start + 5 * TAKES;
        assert_eq!(ended(&mut queue, late, TAKES), [(1, 3)]);
        assert_eq!(queue.due(TAKES), Some(late + TAKES));
        assert_eq!(ended(&mut queue, late + TAKES, TAKES), [(0, 8)]);
        assert!(queue.is_empty() && queue.due(TAKES).is_none());
    }

    #[test]
    fn a_change_of_the_time_applies_to_the_delivery_in_progress() {
        let (start, mut queue) = (Instant::now(), DeliveryQueue::default());
        for offset in 0..3 {
            queue.push(order(0, offset), start);
        }
        assert_eq!(queue.due(2 * TAKES), Some(start + 2 * TAKES));
        assert_eq!(ended(&mut queue, start + TAKES, TAKES), [(0, 0)]);
        assert_eq!(ended(&mut queue, start + TAKES, Duration::ZERO), [(0, 1), (0, 2)]);
    }

    #[test]
    fn an_unreadable_record_waits_for_its_turn_and_takes_no_time() {
        let (start, mut queue) = (Instant::now(), DeliveryQueue::default());
        queue.push(order(0, 0), start);
        queue.push(queued(0, 1, b"poison"), start);
        queue.push(order(0, 2), start);
        assert_eq!(ended(&mut queue, start, TAKES), []);
        assert_eq!(ended(&mut queue, start + TAKES, TAKES), [(0, 0), (0, 1)]);
    }

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let (start, mut queue) = (Instant::now(), DeliveryQueue::default());
        let headers = vec![("theirs".to_owned(), Some(vec![0xff])), ("none".to_owned(), None)];
        let record = Record {
            topic: topic::ORDERS,
            partition: 2,
            offset: 41,
            timestamp: Some(5),
            key: Some(b"k"),
            value: None,
            headers,
        };
        let reading = read(record.value, &record.headers);
        let position = Position::at(2, 41);
        queue.push(Queued { record: OwnedRecord::of(&record), position, reading }, start);
        assert_eq!(queue.pop(start, TAKES).unwrap().record.record(), record);
    }

    #[test]
    fn a_cleared_queue_begins_again_with_the_next_record() {
        let (start, mut queue) = (Instant::now(), DeliveryQueue::default());
        queue.push(order(0, 0), start);
        queue.clear();
        assert!(queue.is_empty());
        queue.push(order(0, 0), start + TAKES);
        assert_eq!(queue.due(TAKES), Some(start + 2 * TAKES));
    }
}
