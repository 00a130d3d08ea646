//! The hub: the newest events of all feeds in one ring, from which every stream reads at its own pace.
//!
//! There is one copy of an event, however many streams there are, and no queue for each: a stream knows its place in
//! the ring and takes what is behind it when its client can. So a slow client costs nothing; one that is so slow that
//! the ring has moved on reads what it missed from the log ([`crate::catch_up`]). The ring is bounded in number and in
//! bytes.
//!
//! Beside the events the hub knows, for each partition, from which offset on the ring holds everything, and which
//! offset comes next.

use crate::{cursor::Cursor, feed::Feed};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// An event as it goes to every stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) feed: Feed,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// See [`crate::frame::frame`].
    pub(crate) frame: Bytes,
}

/// How much the ring holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Default for Capacity {
    /// With events of half a kilobyte, some 30,000: the better part of a second of 10,000 orders a second, of which each
    /// makes four events; an hour of a quiet workshop. The bytes are the bound that counts; the number bounds what small
    /// events cost beside their bytes.
    fn default() -> Self {
        Self { events: 65_536, bytes: 16 * 1024 * 1024 }
    }
}

#[derive(Debug)]
pub(crate) struct Hub {
    ring: Mutex<Ring>,
    /// Counts changes, so that streams can wait for one.
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    capacity: Capacity,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    /// How many events have left the ring: the place of the first that is in it.
    first: u64,
    /// From where on the ring holds everything.
    start: Cursor,
    /// What comes next.
    end: Cursor,
    /// Counts what makes a place invalid: a partition that was added, a log that begins anew.
    generation: u64,
    /// Every time a partition's log began anew or lost what was not yet read.
    resets: Vec<(Feed, i32)>,
}

/// A stream's place in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    next: u64,
    generation: u64,
    resets: usize,
}

/// What a stream finds at its place.
#[derive(Debug)]
pub(crate) enum Found {
    /// The next events, in order; none where nothing new has come.
    Events(Vec<Arc<Event>>),
    /// The ring cannot go on from there. These partitions' logs were reset since.
    Lost(Vec<(Feed, i32)>),
}

impl Hub {
    pub(crate) fn new(capacity: Capacity) -> Self {
        let ring = Ring {
            capacity,
            events: VecDeque::new(),
            bytes: 0,
            first: 0,
            start: Cursor::default(),
            end: Cursor::default(),
            generation: 0,
            resets: Vec::new(),
        };
        Self { ring: Mutex::new(ring), changed: watch::Sender::new(0) }
    }

    /// A partition will be followed from `offset` on. Says nothing new where it already is.
    pub(crate) fn open(&self, feed: Feed, partition: i32, offset: i64) {
        self.ring().open(feed, partition, offset);
        self.wake();
    }

    /// The next event of a partition. One that was pushed before is left out.
    pub(crate) fn push(&self, event: Event) {
        {
            let mut ring = self.ring();
            let (feed, partition, offset) = (event.feed, event.partition, event.offset);
            match ring.end.get(feed, partition) {
                Some(next) if offset < next => return,
                Some(_) => {}
                None => ring.open(feed, partition, offset),
            }
            ring.end.set(feed, partition, offset.saturating_add(1));
            ring.bytes += event.frame.len();
            ring.events.push_back(Arc::new(event));
            ring.evict();
        }
        self.wake();
    }

    /// The log of a partition does not go on where it ended: `next` is the next offset all the same.
    pub(crate) fn reset(&self, feed: Feed, partition: i32, next: i64) {
        {
            let mut ring = self.ring();
            ring.first += ring.events.len() as u64;
            ring.events.clear();
            ring.bytes = 0;
            ring.end.set(feed, partition, next);
            ring.start = ring.end.clone();
            ring.generation += 1;
            ring.resets.push((feed, partition));
        }
        self.wake();
    }

    /// The next offset of every partition that is followed.
    pub(crate) fn end(&self) -> Cursor {
        self.ring().end.clone()
    }

    /// The next offset of one partition, where it is followed.
    pub(crate) fn next(&self, feed: Feed, partition: i32) -> Option<i64> {
        self.ring().end.get(feed, partition)
    }

    /// The place from which a stream at `cursor` goes on; `None` where the ring does not reach back so far, or the
    /// cursor does not name what the ring holds. A cursor that is ahead of the ring is let in only where `checked`
    /// says that the log reaches so far.
    pub(crate) fn join(&self, cursor: &Cursor, checked: bool) -> Option<Place> {
        let ring = self.ring();
        let all_named = Feed::ALL.into_iter().all(|feed| cursor.names(feed));
        let reaches_back =
            ring.start.iter().all(|(feed, p, start)| cursor.get(feed, p).is_some_and(|next| start <= next));
        let not_ahead =
            cursor.iter().all(|(feed, p, next)| ring.end.get(feed, p).is_some_and(|end| next <= end));
        (all_named && reaches_back && (checked || not_ahead)).then(|| ring.place(ring.first))
    }

    /// The place of a stream from now on, and its cursor; `None` before all feeds are followed.
    pub(crate) fn join_now(&self) -> Option<(Place, Cursor)> {
        let ring = self.ring();
        let all_named = Feed::ALL.into_iter().all(|feed| ring.end.names(feed));
        all_named.then(|| (ring.place(ring.first + ring.events.len() as u64), ring.end.clone()))
    }

    /// Up to `max_bytes` of events (but at least one) from `place` on, which moves behind them.
    pub(crate) fn read(&self, place: &mut Place, max_bytes: usize) -> Found {
        let ring = self.ring();
        if place.generation != ring.generation || place.next < ring.first {
            return Found::Lost(ring.resets.get(place.resets..).unwrap_or_default().to_vec());
        }
        let skip = usize::try_from(place.next - ring.first).unwrap_or(usize::MAX);
        let mut bytes = 0usize;
        let events: Vec<_> = ring
            .events
            .iter()
            .skip(skip)
            .take_while(|event| {
                let fits = bytes == 0 || bytes + event.frame.len() <= max_bytes;
                bytes += event.frame.len();
                fits
            })
            .cloned()
            .collect();
        place.next += events.len() as u64;
        Found::Events(events)
    }

    /// Wakes after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn wake(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn open(&mut self, feed: Feed, partition: i32, offset: i64) {
        if self.end.get(feed, partition).is_none() {
            self.start.set(feed, partition, offset);
            self.end.set(feed, partition, offset);
            self.generation += 1;
        }
    }

    fn evict(&mut self) {
        while self.events.len() > self.capacity.events || self.bytes > self.capacity.bytes {
            let Some(event) = self.events.pop_front() else { return };
            self.first += 1;
            self.bytes -= event.frame.len();
            self.start.set(event.feed, event.partition, event.offset.saturating_add(1));
        }
    }

    fn place(&self, next: u64) -> Place {
        Place { next, generation: self.generation, resets: self.resets.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(feed: Feed, partition: i32, offset: i64) -> Event {
        Event { feed, partition, offset, frame: Bytes::from_static(b"0123456789") }
    }

    /// A hub that follows one partition of each feed from offset 0, and holds ten events.
    fn hub() -> Hub {
        let hub = Hub::new(Capacity { events: 10, bytes: 1_000 });
        Feed::ALL.into_iter().for_each(|feed| hub.open(feed, 0, 0));
        hub
    }

    fn offsets(found: Found) -> Vec<i64> {
        match found {
            Found::Events(events) => events.iter().map(|e| e.offset).collect(),
            Found::Lost(resets) => panic!("lost: {resets:?}"),
        }
    }

    #[test]
    fn a_stream_from_now_gets_what_comes_and_nothing_else() {
        let hub = hub();
        hub.push(event(Feed::Audit, 0, 0));
        let (mut place, cursor) = hub.join_now().unwrap();
        assert_eq!(cursor.get(Feed::Audit, 0), Some(1));
        hub.push(event(Feed::Audit, 0, 1));
        assert_eq!(offsets(hub.read(&mut place, 100)), [1]);
        assert!(offsets(hub.read(&mut place, 100)).is_empty());
    }

    #[test]
    fn an_event_that_comes_again_is_left_out() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        [0, 1, 0, 1, 2].into_iter().for_each(|offset| hub.push(event(Feed::Audit, 0, offset)));
        assert_eq!(offsets(hub.read(&mut place, 100)), [0, 1, 2]);
    }

    #[test]
    fn a_slow_stream_is_lost_and_may_join_again_only_where_the_ring_reaches_back() {
        let hub = hub();
        let (mut place, cursor) = hub.join_now().unwrap();
        (0..11).for_each(|offset| hub.push(event(Feed::Audit, 0, offset)));
        assert!(matches!(hub.read(&mut place, 100), Found::Lost(resets) if resets.is_empty()));
        assert_eq!(hub.join(&cursor, true), None);
        let mut later = cursor;
        later.set(Feed::Audit, 0, 1);
        assert!(hub.join(&later, false).is_some());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let hub = Hub::new(Capacity { events: 100, bytes: 25 });
        (0..3).for_each(|offset| hub.push(event(Feed::Audit, 0, offset)));
        assert_eq!(hub.ring().events.len(), 2);
        assert_eq!(hub.ring().bytes, 20);
    }

    #[test]
    fn a_read_takes_no_more_than_it_was_asked_for_but_always_something() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        (0..5).for_each(|offset| hub.push(event(Feed::Audit, 0, offset)));
        assert_eq!(offsets(hub.read(&mut place, 25)), [0, 1]);
        assert_eq!(offsets(hub.read(&mut place, 1)), [2]);
    }

    #[test]
    fn a_cursor_ahead_of_the_ring_must_have_been_checked() {
        let hub = hub();
        let mut ahead = hub.end();
        ahead.set(Feed::Orders, 0, 5);
        assert_eq!(hub.join(&ahead, false), None);
        assert!(hub.join(&ahead, true).is_some());
    }

    #[test]
    fn a_log_that_begins_anew_is_told_to_every_stream() {
        let hub = hub();
        hub.push(event(Feed::Orders, 0, 0));
        let (mut place, _) = hub.join_now().unwrap();
        hub.reset(Feed::Orders, 0, 0);
        assert!(matches!(hub.read(&mut place, 100), Found::Lost(resets) if resets == [(Feed::Orders, 0)]));
        hub.push(event(Feed::Orders, 0, 0));
        assert_eq!(hub.end().get(Feed::Orders, 0), Some(1));
    }

    #[test]
    fn a_new_partition_makes_streams_look_again() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        hub.push(event(Feed::Orders, 3, 0));
        assert!(matches!(hub.read(&mut place, 100), Found::Lost(_)));
    }
}
