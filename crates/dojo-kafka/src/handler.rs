//! What a service is to a [consumer loop](crate::consume()): records in, records to send out.
//!
//! A handler decides and never waits. What it wants sent it puts into the [`Outbox`], naming the record it follows
//! from; the loop sends it, sends it again until it is acknowledged, and then commits.

use crate::{Error, Outgoing, Record};

/// A record that was received, as the cause of what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Which of the loop's topics.
    pub(crate) topic: usize,
    /// Which assignment; what follows from an earlier one is not committed any more.
    pub(crate) generation: u64,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl Position {
    /// A position for tests of a handler, outside any loop.
    pub fn at(partition: i32, offset: i64) -> Self {
        Self { topic: 0, generation: 0, partition, offset }
    }
}

/// What a handler wants done.
#[derive(Debug, Default)]
pub struct Outbox {
    sends: Vec<(Position, Outgoing)>,
    done: Vec<Position>,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends `record`, as a consequence of the record at `cause`. It is sent again until Kafka has acknowledged it.
    pub fn send(&mut self, cause: Position, record: Outgoing) {
        self.sends.push((cause, record));
    }

    /// Nothing more will follow from the record at `cause`; what is sent for it must be sent before. Its offset is
    /// committed once its sends and all records before it are acknowledged. Every received record needs exactly
    /// one of these, at once or later.
    pub fn done(&mut self, cause: Position) {
        self.done.push(cause);
    }

    /// What was sent since the last [`take`](Self::take).
    pub fn sent(&self) -> &[(Position, Outgoing)] {
        &self.sends
    }

    /// What was done since the last [`take`](Self::take).
    pub fn finished(&self) -> &[Position] {
        &self.done
    }

    /// Empties it.
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

/// A partition that this member now owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssignedPartition {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The group's committed offset: the first record that is not done. `None`: nothing was ever committed.
    pub committed: Option<i64>,
}

/// Where to start reading a partition, in place of its committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartAt {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The first offset to read. Records before the committed offset are received again and never commit backwards.
    pub offset: i64,
}

/// Looks into the log beside the stream of records. Every call is bounded by some seconds.
pub trait LogLookup {
    /// How many partitions `topic` has.
    fn partitions(&self, topic: &str) -> Result<usize, Error>;

    /// The timestamp (milliseconds since 1970) of the first record at or after `offset`; `None` at the end.
    fn timestamp_at(&self, topic: &str, partition: i32, offset: i64) -> Result<Option<i64>, Error>;

    /// Hands `on` every record of `topic` that is dated `timestamp` or later and is there now, partition by partition.
    /// Gives up after ten seconds. Returns whether `on` got all of them.
    fn read_since(&self, topic: &str, timestamp: i64, on: &mut dyn FnMut(&Record<'_>))
    -> Result<bool, Error>;

    /// The first offset whose record is dated `timestamp` or later; `None` where there is no such record.
    fn offset_at(&self, topic: &str, partition: i32, timestamp: i64) -> Result<Option<i64>, Error>;
}

/// What a service does with records. All methods are called on one thread, the loop's.
pub trait Handler: Send + 'static {
    /// This member owns `assigned`, and no other partition any more. Answers where to start in each that should not
    /// start at its committed offset (the earliest record, where nothing was committed).
    fn assigned(
        &mut self,
        assigned: &[AssignedPartition],
        log: &dyn LogLookup,
    ) -> Result<Vec<StartAt>, Error> {
        let _ = (assigned, log);
        Ok(Vec::new())
    }

    /// Everything this member owned was taken from it. What was sent has taken effect by now, or was given up and will be
    /// repeated. May be called when this member owns nothing.
    fn revoked(&mut self) {}

    /// The next record of a partition, in its order.
    fn record(&mut self, record: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error>;

    /// There is nothing more to read in this partition at the moment. Only told where the loop reads one topic.
    fn end_of_partition(&mut self, partition: i32, out: &mut Outbox) -> Result<(), Error> {
        let _ = (partition, out);
        Ok(())
    }

    /// How many records of `partition` were received and are not done, because the handler waits for others; a large
    /// one may count for more. The loop pauses a partition that has too many.
    fn buffered(&self, partition: i32) -> usize {
        let _ = partition;
        0
    }
}
