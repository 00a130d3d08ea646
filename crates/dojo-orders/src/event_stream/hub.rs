//! The hub: the newest events of all topics in one ring buffer, from which every stream reads at its own pace.
//!
//! There is one copy of an event, however many streams there are, and no queue for each: a stream knows its place in
//! the ring and reads on when its client can. So a slow client costs nothing. A client that is so slow that the ring has
//! moved on reads what it missed from the log ([`crate::event_stream::catch_up`]). The ring is bounded in number and in
//! bytes.
//!
//! The hub also knows, for each partition, from which offset on the ring holds everything, and which offset comes next;
//! and which cluster the events come from. So it can vouch for a cursor that belongs to the same log.

use crate::{
    event_stream::cursor::{At, Cursor},
    log::stream_topic::StreamTopic,
};
use bytes::Bytes;
use dojo_kafka::Record;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};
use tokio::sync::watch;

/// An event as every stream sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) topic: StreamTopic,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// In milliseconds since 1970.
    pub(crate) timestamp: Option<i64>,
    /// See [`crate::event_stream::frame::frame`].
    pub(crate) frame: Bytes,
}

impl Event {
    /// The event that shows `record`.
    pub(crate) fn of(topic: StreamTopic, record: &Record<'_>, frame: Bytes) -> Self {
        let Record { partition, offset, timestamp, .. } = *record;
        Self { topic, partition, offset, timestamp, frame }
    }
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
    /// How many events have left the ring: the place of the first one in it.
    first: u64,
    /// The ring holds everything from here on. One offset a partition.
    start: Cursor,
    /// The next offsets.
    end: Cursor,
    /// Counts what makes a place invalid: a new partition, or a log that starts over.
    generation: u64,
    /// The generation in which a partition's log last started over, or lost records before they were read. One a partition.
    resets: BTreeMap<(StreamTopic, i32), u64>,
}

/// A stream's place in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    next: u64,
    /// The ring's generation in which the place was valid.
    pub(crate) generation: u64,
}

/// What is known of the cursor of a stream that wants to join.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Knowledge {
    /// The cursor belonged to the ring's logs in this generation; `None` for a cursor that its client has sent.
    pub(crate) generation: Option<u64>,
    /// The logs were then seen to reach as far as the cursor says.
    pub(crate) is_checked: bool,
}

/// The hub at the moment at which a stream begins to catch up.
#[derive(Debug)]
pub(crate) struct CatchUpTo {
    pub(crate) cursor: Cursor,
    pub(crate) generation: u64,
    /// Partitions whose log was reset since the stream's cursor was known to belong to it.
    pub(crate) resets: Vec<(StreamTopic, i32)>,
}

/// What a stream finds at its place.
#[derive(Debug)]
pub(crate) enum Found {
    /// The next events, in order; none where nothing new has come.
    Events(Vec<Arc<Event>>),
    /// The ring can't go on from there.
    Lost,
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
            resets: BTreeMap::new(),
        };
        Self { ring: Mutex::new(ring), changed: watch::Sender::new(0) }
    }

    /// Follows a partition from `offset` on. Does nothing if it is followed already.
    pub(crate) fn open(&self, topic: StreamTopic, partition: i32, offset: i64) {
        self.ring.lock().open(topic, partition, offset);
        self.wake();
    }

    /// Appends the next event of a partition. An event that was pushed before is ignored.
    pub(crate) fn push(&self, event: Event) {
        {
            let mut ring = self.ring.lock();
            let (topic, partition, offset) = (event.topic, event.partition, event.offset);
            match ring.end.get(topic, partition) {
                Some(next) if offset < next => return,
                Some(_) => {}
                None => ring.open(topic, partition, offset),
            }
            ring.end.set(topic, partition, offset.saturating_add(1), event.timestamp);
            ring.bytes += event.frame.len();
            ring.events.push_back(Arc::new(event));
            ring.evict();
        }
        self.wake();
    }

    /// Resets a partition whose log doesn't go on where it ended: `next` is its next offset.
    pub(crate) fn reset(&self, topic: StreamTopic, partition: i32, next: i64) {
        {
            let mut ring = self.ring.lock();
            ring.first += ring.events.len() as u64;
            ring.events.clear();
            ring.bytes = 0;
            ring.end.set(topic, partition, next, None);
            ring.start = ring.end.clone();
            ring.generation += 1;
            let generation = ring.generation;
            ring.resets.insert((topic, partition), generation);
        }
        self.wake();
    }

    /// Sets the cluster that the events come from. If it has changed, every stream checks its cursor again.
    pub(crate) fn set_cluster(&self, cluster: Arc<str>) {
        let mut ring = self.ring.lock();
        if ring.end.cluster() == Some(&cluster) {
            return;
        }
        ring.generation += 1;
        ring.end.set_cluster(Some(cluster));
        drop(ring);
        self.wake();
    }

    /// The next offset of every partition that is followed.
    pub(crate) fn end(&self) -> Cursor {
        self.ring.lock().end.clone()
    }

    /// The next offset of one partition, where it is followed.
    pub(crate) fn next(&self, topic: StreamTopic, partition: i32) -> Option<i64> {
        self.ring.lock().end.get(topic, partition)
    }

    /// Returns the place from which a stream at `cursor` goes on; `None` if the ring doesn't reach back that far, or the
    /// cursor lacks a topic, or a log was reset since the cursor was known to belong to it. If the cursor is ahead of the ring,
    /// or the ring can't vouch that it belongs to this log, it joins only if it was checked. From then on the cursor names the
    /// ring's cluster.
    pub(crate) fn join(&self, cursor: &mut Cursor, known: Knowledge) -> Option<Place> {
        let ring = self.ring.lock();
        if ring.resets_since(known.generation).next().is_some() {
            return None;
        }
        let all_named = StreamTopic::ALL.into_iter().all(|topic| cursor.names(topic));
        let reaches_back = ring
            .start
            .iter()
            .all(|(topic, p, start)| cursor.get(topic, p).is_some_and(|next| start.next <= next));
        let not_ahead =
            || cursor.iter().all(|(topic, p, at)| ring.end.get(topic, p).is_some_and(|end| at.next <= end));
        let belongs = known.is_checked || not_ahead() && ring.vouches_for(cursor);
        if !(all_named && reaches_back && belongs) {
            return None;
        }
        cursor.set_cluster(ring.end.cluster().cloned());
        Some(ring.place(ring.first))
    }

    /// Returns up to where a stream has to catch up that can't [`join`](Self::join).
    pub(crate) fn catch_up_to(&self, known: Knowledge) -> CatchUpTo {
        let ring = self.ring.lock();
        CatchUpTo {
            cursor: ring.end.clone(),
            generation: ring.generation,
            resets: ring.resets_since(known.generation).collect(),
        }
    }

    /// Returns the place of a stream from now on, and its cursor; `None` until every topic is followed.
    pub(crate) fn join_now(&self) -> Option<(Place, Cursor)> {
        let ring = self.ring.lock();
        let all_named = StreamTopic::ALL.into_iter().all(|topic| ring.end.names(topic));
        all_named.then(|| (ring.place(ring.first + ring.events.len() as u64), ring.end.clone()))
    }

    /// Reads up to `max_bytes` of events (but at least one) from `place` on, and moves it behind them.
    pub(crate) fn read(&self, place: &mut Place, max_bytes: usize) -> Found {
        let ring = self.ring.lock();
        if place.generation != ring.generation || place.next < ring.first {
            return Found::Lost;
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

    /// Notifies after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn wake(&self) {
        self.changed.send_modify(|n| *n = n.wrapping_add(1));
    }
}

impl Ring {
    fn open(&mut self, topic: StreamTopic, partition: i32, offset: i64) {
        if self.end.get(topic, partition).is_none() {
            self.start.set(topic, partition, offset, None);
            self.end.set(topic, partition, offset, None);
            self.generation += 1;
        }
    }

    fn resets_since(&self, generation: Option<u64>) -> impl Iterator<Item = (StreamTopic, i32)> {
        let since = generation.unwrap_or(self.generation);
        self.resets.iter().filter(move |(_, reset)| **reset > since).map(|(partition, _)| *partition)
    }

    fn evict(&mut self) {
        while self.events.len() > self.capacity.events || self.bytes > self.capacity.bytes {
            let Some(event) = self.events.pop_front() else { return };
            self.first += 1;
            self.bytes -= event.frame.len();
            self.start.set(event.topic, event.partition, event.offset.saturating_add(1), event.timestamp);
        }
    }

    /// Whether the record before each offset of `cursor` is known to be the one that the cursor's client saw there.
    fn vouches_for(&self, cursor: &Cursor) -> bool {
        if cursor.cluster().is_some() && cursor.cluster() != self.end.cluster() {
            return false;
        }
        let known = |topic, p, at: At| [self.end.at(topic, p), self.start.at(topic, p)].contains(&Some(at));
        let seen = cursor.iter().filter(|(_, _, at)| at.before.is_some());
        let unknown = seen.filter(|(topic, p, at)| !known(*topic, *p, *at));
        let mut unknown: BTreeMap<_, _> = unknown.map(|(topic, p, at)| ((topic, p), at)).collect();
        for event in self.events.iter().rev() {
            if unknown.is_empty() {
                break;
            }
            let at = At { next: event.offset.saturating_add(1), before: event.timestamp };
            if unknown.get(&(event.topic, event.partition)) == Some(&at) {
                unknown.remove(&(event.topic, event.partition));
            }
        }
        unknown.is_empty()
    }

    fn place(&self, next: u64) -> Place {
        Place { next, generation: self.generation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(topic: StreamTopic, partition: i32, offset: i64) -> Event {
        let timestamp = Some(1_000 + offset);
        Event { topic, partition, offset, timestamp, frame: Bytes::from_static(b"0123456789") }
    }

    /// A hub that follows one partition of each topic from offset 0, and holds ten events.
    fn hub() -> Hub {
        let hub = Hub::new(Capacity { events: 10, bytes: 1_000 });
        StreamTopic::ALL.into_iter().for_each(|topic| hub.open(topic, 0, 0));
        hub
    }

    const CHECKED: Knowledge = Knowledge { generation: None, is_checked: true };

    /// What a stream knows of its cursor that was at `place`.
    fn was_at(place: Place, is_checked: bool) -> Knowledge {
        Knowledge { generation: Some(place.generation), is_checked }
    }

    fn offsets(found: Found) -> Vec<i64> {
        match found {
            Found::Events(events) => events.iter().map(|e| e.offset).collect(),
            Found::Lost => panic!("lost"),
        }
    }

    #[test]
    fn a_stream_from_now_gets_what_comes_and_nothing_else() {
        let hub = hub();
        hub.push(event(StreamTopic::Audit, 0, 0));
        let (mut place, cursor) = hub.join_now().unwrap();
        assert_eq!(cursor.get(StreamTopic::Audit, 0), Some(1));
        hub.push(event(StreamTopic::Audit, 0, 1));
        assert_eq!(offsets(hub.read(&mut place, 100)), [1]);
        assert!(offsets(hub.read(&mut place, 100)).is_empty());
    }

    #[test]
    fn an_event_that_comes_again_is_left_out() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        [0, 1, 0, 1, 2].into_iter().for_each(|offset| hub.push(event(StreamTopic::Audit, 0, offset)));
        assert_eq!(offsets(hub.read(&mut place, 100)), [0, 1, 2]);
    }

    #[test]
    fn a_slow_stream_is_lost_and_may_join_again_only_where_the_ring_reaches_back() {
        let hub = hub();
        let (mut place, mut cursor) = hub.join_now().unwrap();
        (0..11).for_each(|offset| hub.push(event(StreamTopic::Audit, 0, offset)));
        assert!(matches!(hub.read(&mut place, 100), Found::Lost));
        assert_eq!(hub.catch_up_to(was_at(place, false)).resets, []);
        assert_eq!(hub.join(&mut cursor, CHECKED), None);
        cursor.set(StreamTopic::Audit, 0, 1, Some(1_000));
        assert!(hub.join(&mut cursor, Knowledge::default()).is_some());
    }

    #[test]
    fn bytes_are_bounded_too() {
        let hub = Hub::new(Capacity { events: 100, bytes: 25 });
        (0..3).for_each(|offset| hub.push(event(StreamTopic::Audit, 0, offset)));
        assert_eq!(hub.ring.lock().events.len(), 2);
        assert_eq!(hub.ring.lock().bytes, 20);
    }

    #[test]
    fn a_read_takes_no_more_than_it_was_asked_for_but_always_something() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        (0..5).for_each(|offset| hub.push(event(StreamTopic::Audit, 0, offset)));
        assert_eq!(offsets(hub.read(&mut place, 25)), [0, 1]);
        assert_eq!(offsets(hub.read(&mut place, 1)), [2]);
    }

    #[test]
    fn a_cursor_ahead_of_the_ring_must_have_been_checked() {
        let hub = hub();
        let mut ahead = hub.end();
        ahead.set(StreamTopic::Orders, 0, 5, None);
        assert_eq!(hub.join(&mut ahead, Knowledge::default()), None);
        assert!(hub.join(&mut ahead, CHECKED).is_some());
    }

    #[test]
    fn the_ring_vouches_for_a_cursor_of_its_own_log_alone() {
        let hub = hub();
        hub.set_cluster("this".into());
        (0..14).for_each(|offset| hub.push(event(StreamTopic::Audit, 0, offset)));
        let joins = |next, before, cluster: &str| {
            let mut cursor = hub.end();
            cursor.set(StreamTopic::Audit, 0, next, before);
            cursor.set_cluster((!cluster.is_empty()).then(|| cluster.into()));
            hub.join(&mut cursor, Knowledge::default()).is_some()
        };
        for next in [4, 5, 9, 14] {
            let before = 1_000 + next - 1;
            assert!(joins(next, Some(before), "this") && joins(next, None, "this"), "{next}");
            assert!(joins(next, Some(before), ""), "{next}");
            assert!(!joins(next, Some(before + 1), "this"), "{next}: another record stood there");
            assert!(!joins(next, Some(before), "other"), "{next}: another cluster");
        }
    }

    #[test]
    fn another_cluster_makes_streams_look_again() {
        let hub = hub();
        let (mut place, mut cursor) = hub.join_now().unwrap();
        hub.set_cluster("new".into());
        assert!(matches!(hub.read(&mut place, 100), Found::Lost));
        assert!(hub.join(&mut cursor, was_at(place, true)).is_some());
        assert_eq!(cursor.cluster().unwrap().as_ref(), "new");
        hub.set_cluster("new".into());
        assert_eq!(offsets(hub.read(&mut hub.join(&mut cursor, CHECKED).unwrap(), 100)), [] as [i64; 0]);
    }

    #[test]
    fn resets_are_remembered_once_a_partition() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        for _ in 0..1_000 {
            hub.reset(StreamTopic::Orders, 0, 0);
        }
        assert!(matches!(hub.read(&mut place, 100), Found::Lost));
        assert_eq!(hub.catch_up_to(was_at(place, false)).resets, [(StreamTopic::Orders, 0)]);
        let (place, _) = hub.join_now().unwrap();
        hub.reset(StreamTopic::Audit, 0, 0);
        assert_eq!(hub.catch_up_to(was_at(place, false)).resets, [(StreamTopic::Audit, 0)]);
    }

    #[test]
    fn a_log_that_restarts_while_a_stream_catches_up_is_caught_up_with_in_turn() {
        let hub = hub();
        for topic in [StreamTopic::Orders, StreamTopic::Audit] {
            (0..2).for_each(|offset| hub.push(event(topic, 0, offset)));
        }
        let (place, mut cursor) = hub.join_now().unwrap();
        hub.reset(StreamTopic::Orders, 0, 0);
        let first = hub.catch_up_to(was_at(place, false));
        assert_eq!(first.resets, [(StreamTopic::Orders, 0)]);
        hub.reset(StreamTopic::Audit, 0, 0);
        cursor.set(StreamTopic::Orders, 0, 0, None);
        let known = Knowledge { generation: Some(first.generation), is_checked: true };
        assert_eq!(hub.join(&mut cursor, known), None);
        let second = hub.catch_up_to(known);
        assert_eq!(second.resets, [(StreamTopic::Audit, 0)]);
        cursor.set(StreamTopic::Audit, 0, 0, None);
        let known = Knowledge { generation: Some(second.generation), is_checked: true };
        assert!(hub.join(&mut cursor, known).is_some());
    }

    #[test]
    fn every_stream_learns_that_a_log_has_restarted() {
        let hub = hub();
        hub.push(event(StreamTopic::Orders, 0, 0));
        let (mut place, _) = hub.join_now().unwrap();
        hub.reset(StreamTopic::Orders, 0, 0);
        assert!(matches!(hub.read(&mut place, 100), Found::Lost));
        assert_eq!(hub.catch_up_to(was_at(place, false)).resets, [(StreamTopic::Orders, 0)]);
        hub.push(event(StreamTopic::Orders, 0, 0));
        assert_eq!(hub.end().get(StreamTopic::Orders, 0), Some(1));
    }

    #[test]
    fn a_new_partition_makes_streams_look_again() {
        let hub = hub();
        let (mut place, _) = hub.join_now().unwrap();
        hub.push(event(StreamTopic::Orders, 3, 0));
        assert!(matches!(hub.read(&mut place, 100), Found::Lost));
    }
}
