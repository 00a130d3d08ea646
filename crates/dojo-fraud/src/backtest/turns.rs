//! The recorded orders in the order in which the service judged them, over all partitions.
//!
//! Pure. The service judges by event time, but an order that arrives late is judged after orders that were placed after it. So
//! windows are the same again only if they count the orders in the order of their verdicts. `audit` has that order, because
//! it has a single partition. There is one exception: a verdict that Kafka didn't acknowledge in time is sent again, and may
//! come after later ones. So after an outage of Kafka, a replay may find changes.
//!
//! An order without a verdict on the part of `audit` that is read has its turn by event time. If no later order of its partition
//! has a verdict either, it wasn't judged yet, and comes after all orders that were.

use super::{
    feed::LoggedOrder,
    recorded_verdicts::{RecordedVerdict, RecordedVerdicts},
};
use crate::window::is_far_ahead;

/// An order whose turn has come.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) partition: i32,
    pub(super) logged: LoggedOrder,
    /// The verdict at the time.
    pub(super) recorded: Option<RecordedVerdict<'a>>,
    /// Whether neither this order nor a later one of its partition has a verdict.
    is_new: bool,
}

/// The orders of all partitions. Getting the next one waits until every partition has one or has ended.
pub(super) struct Turns<'a, I> {
    recorded: &'a RecordedVerdicts,
    partitions: Vec<(i32, I)>,
    /// The next order of each partition that has one.
    next: Vec<Turn<'a>>,
    now: i64,
}

impl<'a, I: Iterator<Item = LoggedOrder>> Turns<'a, I> {
    /// Starts with the first order of each partition. `now` is in milliseconds since 1970.
    pub(super) fn of(
        partitions: impl IntoIterator<Item = (i32, I)>,
        recorded: &'a RecordedVerdicts,
        now: i64,
    ) -> Self {
        let mut turns =
            Self { recorded, partitions: partitions.into_iter().collect(), next: Vec::new(), now };
        turns.next = turns
            .partitions
            .iter_mut()
            .filter_map(|(partition, orders)| Some(turn(recorded, *partition, orders.next()?)))
            .collect();
        turns
    }

    /// Returns the next order of each partition that has one.
    pub(super) fn upcoming(&self) -> &[Turn<'a>] {
        &self.next
    }

    /// Returns the place in `next` of the order whose turn is first.
    fn first(&self) -> Option<usize> {
        let places = || self.next.iter().enumerate();
        let judged = places()
            .filter_map(|(place, turn)| Some((turn.recorded?.rank, place)))
            .min()
            .map(|(_, place)| place);
        let others = places().filter(|(_, turn)| turn.recorded.is_none());
        let other = others.min_by_key(|(_, turn)| (turn.is_new, self.due(turn))).map(|(place, _)| place);
        let (Some(judged), Some(other)) = (judged, other) else { return judged.or(other) };
        let (first, second) = (&self.next[other], &self.next[judged]);
        Some(if !first.is_new && self.due(first) <= second.logged.time { other } else { judged })
    }

    /// An order that is dated far ahead is alone in its window. So it has its turn at once, and holds no other order back.
    fn due(&self, turn: &Turn<'_>) -> i64 {
        if is_far_ahead(turn.logged.time, self.now) { i64::MIN } else { turn.logged.time }
    }
}

fn turn(recorded: &RecordedVerdicts, partition: i32, logged: LoggedOrder) -> Turn<'_> {
    let is_new = recorded.is_after_last(partition, logged.offset);
    Turn { partition, recorded: recorded.on_order(partition, logged.offset), logged, is_new }
}

impl<'a, I: Iterator<Item = LoggedOrder>> Iterator for Turns<'a, I> {
    type Item = Turn<'a>;

    fn next(&mut self) -> Option<Turn<'a>> {
        let place = self.first()?;
        let partition = self.next[place].partition;
        let following = self.partitions.iter_mut().find(|(number, _)| *number == partition);
        match following.and_then(|(_, orders)| orders.next()) {
            Some(logged) => {
                let following = turn(self.recorded, partition, logged);
                Some(std::mem::replace(&mut self.next[place], following))
            }
            None => Some(self.next.remove(place)),
        }
    }
}
