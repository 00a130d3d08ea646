//! The interface between a service and a [consumer loop](crate::consume()): records in, records to send out.
//!
//! A handler decides and never waits. It puts the records to send into the [`Outbox`], each with the record that it follows
//! from. The loop sends them until they are acknowledged, and then commits.

use crate::{Error, Outgoing, Record};
use std::time::Instant;

/// The position of a received record, as the cause of the records that follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index of the topic in the loop's topics.
    pub(crate) topic: usize,
    /// Number of the assignment. Records that follow from an earlier one are no longer committed.
    pub(crate) generation: u64,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub offset: i64,
}

impl Position {
    /// Returns a position for tests of a handler, outside any loop.
    pub fn at(partition: i32, offset: i64) -> Self {
        Self { topic: 0, generation: 0, partition, offset }
    }
}

/// The records that a handler wants sent, and those that it is done with.
#[derive(Debug, Default)]
pub struct Outbox {
    sends: Vec<(Position, Outgoing)>,
    done: Vec<Position>,
}

impl Outbox {
    /// Creates an empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends `record`, which follows from the record at `cause`. The loop repeats the send until Kafka acknowledges it.
    pub fn send(&mut self, cause: Position, record: Outgoing) {
        self.sends.push((cause, record));
    }

    /// Marks the record at `cause` as done: nothing more will be sent for it. Its offset is committed once its sends and all
    /// records before it are acknowledged. Every received record must be marked exactly once, at once or later.
    pub fn done(&mut self, cause: Position) {
        self.done.push(cause);
    }

    /// Returns the sends since the last [`take`](Self::take).
    pub fn sent(&self) -> &[(Position, Outgoing)] {
        &self.sends
    }

    /// Returns the records that were marked as done since the last [`take`](Self::take).
    pub fn finished(&self) -> &[Position] {
        &self.done
    }

    /// Empties the outbox and returns its contents.
    pub fn take(&mut self) -> (Vec<(Position, Outgoing)>, Vec<Position>) {
        (std::mem::take(&mut self.sends), std::mem::take(&mut self.done))
    }

    pub(crate) fn drain(
        &mut self,
    ) -> (std::vec::Drain<'_, (Position, Outgoing)>, std::vec::Drain<'_, Position>) {
        (self.sends.drain(..), self.done.drain(..))
    }

    pub(crate) fn clear(&mut self) {
        self.sends.clear();
        self.done.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.done.is_empty()
    }
}

/// A partition that the group has assigned to this member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedPartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The group's committed offset: the first record that isn't done. `None`: nothing was ever committed.
    pub committed: Option<i64>,
}

/// An offset at which to start reading a partition, in place of its committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartAt {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The first offset to read. Records before the committed offset are received again; the commit never moves back.
    pub offset: i64,
}

/// Look-ups in the log, beside the stream of records. Every call is bounded by some seconds.
pub trait LogLookup {
    /// Returns the number of partitions of `topic`.
    fn partitions(&self, topic: &str) -> Result<usize, Error>;

    /// Returns the timestamp (milliseconds since 1970) of the first record at or after `offset`; `None` at the end.
    fn timestamp_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<i64>, Error>;

    /// Gives `on` every record of `topic` that exists now and has `timestamp` or a later one, partition by partition. Stops
    /// after ten seconds. Returns whether `on` got all of them.
    fn read_since(&self, topic: &str, timestamp: i64, on: &mut dyn FnMut(&Record<'_>))
    -> Result<bool, Error>;

    /// Returns the first offset whose record has `timestamp` or a later one; `None` without such a record.
    fn offset_at(&self, topic: &str, partition: i32, timestamp: i64) -> Result<Option<i64>, Error>;
}

/// A service's work with records. The loop calls all methods on its own thread.
pub trait Handler: Send + 'static {
    /// Called when the group has assigned `assigned` to this member, which now owns no other partition. Returns the start of
    /// each partition that shouldn't start at its committed offset (or, without one, at its first record).
    fn assigned(
        &mut self,
        assigned: &[AssignedPartition],
        log: &dyn LogLookup,
    ) -> Result<Vec<StartAt>, Error> {
        let _ = (assigned, log);
        Ok(Vec::new())
    }

    /// Called when the group has revoked every partition of this member. By now the sends have taken effect, or were given up
    /// and will be repeated. May be called when this member owns nothing.
    fn revoked(&mut self) {}

    /// Called with the next record of a partition, in its order.
    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error>;

    /// Called when a partition has no more records at the moment, if the loop reads a single topic.
    fn end_of_partition(&mut self, partition: i32, out: &mut Outbox) -> Result<(), Error> {
        let _ = (partition, out);
        Ok(())
    }

    /// Does what is due at `now` without a new record, and returns when it wants to be called again at the latest; `None` if
    /// it waits for nothing but records. The loop calls this before every record and while none comes, some milliseconds late
    /// at times.
    fn proceed(&mut self, now: Instant, out: &mut Outbox) -> Result<Option<Instant>, Error> {
        let _ = (now, out);
        Ok(None)
    }

    /// Returns whether the handler can't go on with the partitions as they were assigned, because it needs earlier records than it
    /// asked for. The loop then commits what is done, as far as Kafka lets it, and calls [`revoked`](Self::revoked) and [`assigned`](Self::assigned)
    /// again with the same partitions.
    fn starts_over(&self) -> bool {
        false
    }

    /// Returns how many records of `partition` were received and aren't done, because the handler waits for others or for a
    /// time. The loop pauses a partition that has too many.
    fn buffered(&self, partition: i32) -> usize {
        let _ = partition;
        0
    }
}
