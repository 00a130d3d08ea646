//! One client's stream of server-sent events: each event once, in the order of its partition, from a cursor on.
//!
//! The stream owns its cursor. It skips events before the cursor and moves the cursor with every event, so the `id:` of an
//! event always says that everything before it was sent. A stream reads from the ring while it can, and from the log when it
//! must; its client sees no difference.

use crate::{
    event_stream::{
        catch_up::{LogReader, Missed},
        cursor::Cursor,
        data::Gap,
        hub::{Event, Found, Hub, Knowledge, Place},
    },
    log::stream_topic::StreamTopic,
    rebalances::{log::RebalanceLog, rebalance::Rebalance},
};
use bytes::Bytes;
use std::{io::Write as _, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, watch},
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

/// Heartbeat interval of a quiet stream.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// A named event, because a browser hides comments from the page. It has data, because a browser drops an event without
/// data; it has no `id:`, so that it moves no cursor.
const ALIVE: &[u8] = b"event: heartbeat\ndata: {}\n\n";
/// Sent once it is known where the stream begins: everything that happens after this will be on the stream.
const GREETING: &[u8] = b": open\nretry: 1000\n\n";
/// How long the status of an answer waits for the greeting.
pub(crate) const GREETED_WITHIN: Duration = Duration::from_secs(5);
/// The most that is written at once, unless one event is larger.
const CHUNK_BYTES: usize = 64 * 1024;

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begin {
    /// With the next event.
    Now,
    /// With the first event there is.
    Earliest,
    /// After this cursor.
    After(Cursor),
}

/// A stream, as long as its client is there.
pub(crate) struct Stream {
    hub: Arc<Hub>,
    log: LogReader,
    rebalances: Arc<RebalanceLog>,
    /// Number of the last change of the rebalances that this stream has sent.
    told: u64,
    rebalanced: watch::Receiver<u64>,
    cursor: Cursor,
    phase: Phase,
    greeted: bool,
    changes: watch::Receiver<u64>,
    heartbeat: Interval,
    shutdown: CancellationToken,
    /// The stream's place among the bounded number of streams.
    _slot: OwnedSemaphorePermit,
}

enum Phase {
    /// Looks where the logs end that its cursor lacks: what comes after that is "from now on".
    Now,
    /// Looks where to go on.
    Join(Knowledge),
    Live(Place),
    CatchUp {
        missed: mpsc::Receiver<Missed>,
        /// The hub's, when the catching up began.
        generation: u64,
    },
}

impl Stream {
    pub(crate) fn new(
        hub: Arc<Hub>,
        log: LogReader,
        rebalances: Arc<RebalanceLog>,
        begin: Begin,
        shutdown: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        // The first comes after the greeting, for which the status of the answer waits.
        let mut heartbeat = interval_at(Instant::now() + GREETED_WITHIN + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let join = Phase::Join(Knowledge::default());
        let (cursor, phase) = match begin {
            Begin::Now => match hub.join_now() {
                Some((place, cursor)) => (cursor, Phase::Live(place)),
                // The hub doesn't follow every topic yet.
                None => (Cursor::default(), Phase::Now),
            },
            Begin::Earliest => (Cursor::earliest(), join),
            Begin::After(cursor) if StreamTopic::ALL.into_iter().all(|topic| cursor.names(topic)) => {
                (cursor, join)
            }
            Begin::After(cursor) => (cursor, Phase::Now),
        };
        let (changes, rebalanced) = (hub.changes(), rebalances.changes());
        let told = *rebalanced.borrow();
        let greeted = false;
        Self {
            hub,
            log,
            rebalances,
            told,
            rebalanced,
            cursor,
            phase,
            greeted,
            changes,
            heartbeat,
            shutdown,
            _slot: slot,
        }
    }

    /// The next piece of the response; `None` when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted && !matches!(self.phase, Phase::Now) {
            self.greeted = true;
            self.heartbeat.reset();
            return Some(Bytes::from_static(GREETING));
        }
        while !self.shutdown.is_cancelled() {
            let mut out = Vec::new();
            match &mut self.phase {
                Phase::Now => tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return None,
                    cursor = self.log.ends(&self.cursor) => {
                        self.cursor = cursor;
                        self.phase = Phase::Join(Knowledge::default());
                        self.greeted = true;
                        out.extend_from_slice(GREETING);
                    }
                    _ = self.heartbeat.tick() => out.extend_from_slice(ALIVE),
                },
                Phase::Join(known) => {
                    let known = *known;
                    self.phase = match self.hub.join(&mut self.cursor, known) {
                        Some(place) => Phase::Live(place),
                        None => {
                            let to = self.hub.catch_up_to(known);
                            let (generation, is_trusted) = (to.generation, known.generation.is_some());
                            let missed = self.log.catch_up(self.cursor.clone(), is_trusted, to);
                            Phase::CatchUp { missed, generation }
                        }
                    };
                    continue;
                }
                Phase::Live(place) => {
                    // Other tasks go first, so that a burst of events becomes one write, not many.
                    tokio::task::yield_now().await;
                    self.changes.mark_unchanged();
                    if *self.rebalanced.borrow_and_update() > self.told {
                        let (new, told) = self.rebalances.since(self.told);
                        self.told = told;
                        new.iter().for_each(|rebalance| write_rebalance(rebalance, &mut out));
                    }
                    match self.hub.read(place, CHUNK_BYTES) {
                        Found::Lost => {
                            let generation = Some(place.generation);
                            self.phase = Phase::Join(Knowledge { generation, is_checked: false });
                            if out.is_empty() {
                                continue;
                            }
                        }
                        Found::Events(events) if !events.is_empty() => {
                            events.iter().for_each(|event| write_event(&mut self.cursor, event, &mut out));
                            if out.is_empty() {
                                continue;
                            }
                        }
                        Found::Events(_) if !out.is_empty() => {}
                        Found::Events(_) => tokio::select! {
                            biased;
                            () = self.shutdown.cancelled() => return None,
                            changed = self.changes.changed() => changed.ok()?,
                            changed = self.rebalanced.changed() => changed.ok()?,
                            _ = self.heartbeat.tick() => out.extend_from_slice(ALIVE),
                        },
                    }
                }
                Phase::CatchUp { missed, generation } => tokio::select! {
                    biased;
                    () = self.shutdown.cancelled() => return None,
                    missed = missed.recv() => match missed {
                        // Given up half way: the client reconnects with its cursor.
                        None => return None,
                        Some(Missed::Done) => {
                            // The stream is where the hub was. The hub may have moved on; then this starts again.
                            let generation = Some(*generation);
                            self.phase = Phase::Join(Knowledge { generation, is_checked: true });
                        }
                        Some(Missed::Event(event)) => write_event(&mut self.cursor, &event, &mut out),
                        Some(Missed::Until { topic, partition, at }) => {
                            if self.cursor.get(topic, partition).is_none_or(|own| own < at.next) {
                                self.cursor.set(topic, partition, at.next, at.before);
                            }
                        }
                        Some(Missed::Gap { topic, partition, wanted, resumes }) => {
                            self.cursor.set(topic, partition, resumes, None);
                            write_gap(&self.cursor, topic, partition, wanted, resumes, &mut out);
                        }
                    },
                    _ = self.heartbeat.tick() => out.extend_from_slice(ALIVE),
                },
            }
            if !out.is_empty() {
                self.heartbeat.reset();
                return Some(out.into());
            }
        }
        None
    }
}

/// Writes an event the stream has not sent yet, and moves its cursor behind it.
fn write_event(cursor: &mut Cursor, event: &Event, out: &mut Vec<u8>) {
    let Event { topic, partition, offset, timestamp, frame } = event;
    if cursor.get(*topic, *partition).is_some_and(|next| *offset < next) {
        return;
    }
    cursor.set(*topic, *partition, offset.saturating_add(1), *timestamp);
    write_id(cursor, out);
    out.extend_from_slice(frame);
}

fn write_gap(
    cursor: &Cursor,
    topic: StreamTopic,
    partition: i32,
    wanted: i64,
    resumes: i64,
    out: &mut Vec<u8>,
) {
    let gap = Gap { topic: topic.name(), partition, wanted, resumes };
    // A text and numbers: this can't fail.
    let data = serde_json::to_string(&gap).unwrap_or_default();
    write_id(cursor, out);
    out.extend_from_slice(format!("event: gap\ndata: {data}\n\n").as_bytes());
}

/// Writes a rebalance. It isn't a record, so it has no `id:` and moves no cursor.
fn write_rebalance(rebalance: &Rebalance, out: &mut Vec<u8>) {
    // A struct of texts and numbers becomes JSON.
    if let Ok(data) = serde_json::to_string(rebalance) {
        out.extend_from_slice(format!("event: rebalance\ndata: {data}\n\n").as_bytes());
    }
}

fn write_id(cursor: &Cursor, out: &mut Vec<u8>) {
    // Writing into memory does not fail.
    let _ = writeln!(out, "id: {cursor}");
}
