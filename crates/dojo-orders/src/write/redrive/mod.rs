//! Redrives: dead letters go back to `orders`.
//!
//! For each letter an audit record `REDRIVEN` goes to `audit`, and once Kafka has acknowledged it, the event goes back to
//! `orders`, as with every other change (see `write/orders.rs`). Many letters are on their way at a time, in the order of their
//! offsets.
//!
//! A letter is redriven once. Redrives take turns, and each one first reads `orders` to its end, where every earlier redrive
//! stands. So the same request twice at once sends each letter once; so does a request after one whose outcome is unknown.
//! Only two replicas that are asked at the same moment can send a letter twice, and then both redrives are shown.
//!
//! What can't be redriven is refused with its reason, and the others go. A request takes up to [`wanted::MOST`] letters, as many
//! as there is time for, and says how many are left.

mod letter;
mod wanted;
pub(crate) use wanted::Refused;

use crate::{
    log::{
        dead_letters::{DeadLetterLog, Found, Letter, PARTITION, Reading},
        stable_offsets::StableOffsets,
    },
    read_models::ReadModels,
    write::{VISIBLE_WITHIN, WriteError, read_to_the_logs_end, refuse_unless_ready},
};
use chrono::Utc;
use dojo_contract::topic;
use dojo_kafka::{Delivered, Error, Producer};
use futures::{StreamExt as _, stream::FuturesOrdered};
use letter::{Redriven, redriven};
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    pin::pin,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::task::TaskTracker;
use wanted::{MOST, Pending, Plan, Wanted};

/// A client gets its answer within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// For so long letters are taken; the rest of the time is for those on their way.
const TAKE_WITHIN: Duration = Duration::from_secs(7);
/// Letters on their way to Kafka, and their bytes, which must leave room in the producer's queue for other changes.
const IN_FLIGHT: usize = 1_000;
const BYTES_IN_FLIGHT: usize = 16 * 1024 * 1024;

/// Redrives dead letters. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Redriver {
    producer: Producer,
    models: Arc<ReadModels>,
    offsets: Arc<StableOffsets>,
    log: DeadLetterLog,
    instance_id: String,
    turn: Arc<Mutex<()>>,
    running: TaskTracker,
}

/// What became of the letters that a request asked for.
#[derive(Debug, Default)]
pub(crate) struct Redrove {
    /// The offsets of the dead letters, and where their records stand on `orders`.
    pub(crate) redriven: Vec<(i64, Delivered)>,
    pub(crate) refused: Vec<Refused>,
    /// Letters for which there was no time or no room.
    pub(crate) left: usize,
}

impl Redriver {
    pub(crate) fn new(
        producer: Producer,
        models: Arc<ReadModels>,
        offsets: Arc<StableOffsets>,
        log: DeadLetterLog,
        instance_id: String,
    ) -> Self {
        let (turn, running) = (Arc::default(), TaskTracker::new());
        Self { producer, models, offsets, log, instance_id, turn, running }
    }

    /// Redrives the letters that `body` asks for. Goes on in its own task if the client goes away.
    pub(crate) async fn redrive(&self, body: &Value) -> Result<Redrove, WriteError> {
        let wanted = Wanted::read(body)?;
        refuse_unless_ready(&self.producer, &self.models)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        let this = self.clone();
        let work = self.running.spawn(async move { this.take_turn(wanted, deadline).await });
        match timeout_at(deadline, work).await {
            Ok(Ok(result)) => result,
            Ok(Err(panicked)) => Err(WriteError::Defect(panicked.to_string())),
            Err(_) => Err(WriteError::OutcomeUnknown("not done within 10 s".to_owned())),
        }
    }

    /// Waits for redrives whose clients have gone away; at the end of the service, which also ends their reading.
    pub(crate) async fn drain(&self) {
        self.running.close();
        if timeout(ANSWER_WITHIN - TAKE_WITHIN, self.running.wait()).await.is_err() {
            tracing::warn!(left = self.running.len(), "redrives were still under way at the end");
        }
    }

    async fn take_turn(&self, wanted: Wanted, deadline: Instant) -> Result<Redrove, WriteError> {
        let take_until = Instant::now() + TAKE_WITHIN;
        let _turn = timeout_at(take_until, self.turn.lock()).await.map_err(|_| WriteError::TooLate)?;
        refuse_unless_ready(&self.producer, &self.models)?;
        read_to_the_logs_end(&self.offsets, &self.models).await.map_err(WriteError::NotReady)?;
        let log = self.offsets.look(topic::ORDERS_DLQ).await;
        let log = log.map_err(|error| WriteError::NotReady(error.to_string()))?.remove(&PARTITION);
        let log =
            log.ok_or_else(|| WriteError::NotReady(format!("there is no topic {}", topic::ORDERS_DLQ)))?;
        let plan = wanted.plan(log, &self.models.redrives());
        let mut work = Work::new(self, plan, deadline);
        work.run(take_until).await;
        let redrove = work.end()?;
        self.wait_until_visible(&redrove).await?;
        Ok(redrove)
    }

    async fn wait_until_visible(&self, redrove: &Redrove) -> Result<(), WriteError> {
        let mut last = BTreeMap::new();
        for (_, to) in &redrove.redriven {
            last.entry(to.partition).and_modify(|last| *last = to.offset.max(*last)).or_insert(to.offset);
        }
        let applied = &self.models.applied_orders;
        let all = last.into_iter().map(|(partition, offset)| applied.wait(partition, offset));
        let late = |_| WriteError::RedrivesNotVisibleYet(redrove.redriven.len());
        timeout(VISIBLE_WITHIN, futures::future::join_all(all)).await.map(drop).map_err(late)
    }

    /// Sends the audit record. Returns the rest, or why there is no such record.
    async fn report(&self, redriven: Redriven) -> Result<Redriven, Error> {
        self.producer.send(redriven.report.clone()).await.map(|_| redriven)
    }

    /// Sends the record for `orders`; returns also its size.
    async fn send(&self, redriven: Redriven) -> (i64, usize, Result<Delivered, Error>) {
        let bytes = redriven.record.size_on_log();
        (redriven.offset, bytes, self.producer.send(redriven.record).await)
    }
}

/// Letters as they are read, one part of the log after another.
struct Letters {
    runs: VecDeque<Range<i64>>,
    reading: Option<Reading>,
}

impl Letters {
    /// What is found next; [`Found::End`] at the end of all, and `None` if the log can't be read to its end.
    async fn next(
        &mut self,
        log: &DeadLetterLog,
        wanted: &(impl Fn(i64) -> bool + Clone + Send + 'static),
    ) -> Option<Found> {
        loop {
            let Some(reading) = &mut self.reading else {
                let Some(run) = self.runs.pop_front() else { return Some(Found::End) };
                let started = log.read(run, wanted.clone());
                let failed = |error| tracing::warn!(%error, "the dead letters can't be read");
                self.reading = Some(started.map_err(failed).ok()?);
                continue;
            };
            match reading.next().await? {
                Found::End => self.reading = None,
                found => return Some(found),
            }
        }
    }
}

/// One request at work.
struct Work<'a> {
    redriver: &'a Redriver,
    deadline: Instant,
    runs: VecDeque<Range<i64>>,
    pending: Pending,
    /// Where the log begins, as far as reading has shown it.
    earliest: i64,
    /// Letters that go back.
    taken: usize,
    takes: bool,
    /// Everything was read.
    is_complete: bool,
    redrove: Redrove,
    /// The first audit record that wasn't acknowledged, and the first record of `orders`.
    unreported: Option<Error>,
    unknown: Option<Error>,
}

impl<'a> Work<'a> {
    fn new(redriver: &'a Redriver, plan: Plan, deadline: Instant) -> Self {
        let Plan { runs, pending, refused, left } = plan;
        Self {
            redriver,
            deadline,
            runs,
            pending,
            earliest: 0,
            taken: 0,
            takes: true,
            is_complete: false,
            redrove: Redrove { refused, left, ..Redrove::default() },
            unreported: None,
            unknown: None,
        }
    }

    /// Takes letters until there are no more, or no time or room; then ends what is on its way.
    async fn run(&mut self, take_until: Instant) {
        let redriver = self.redriver;
        let wanted = self.pending.filter();
        let mut letters = Letters { runs: std::mem::take(&mut self.runs), reading: None };
        let (mut reporting, mut sending) = (FuturesOrdered::new(), FuturesOrdered::new());
        let mut bytes = 0;
        let mut time_is_over = pin!(sleep_until(take_until));
        loop {
            let has_room = reporting.len() + sending.len() < IN_FLIGHT && bytes < BYTES_IN_FLIGHT;
            tokio::select! {
                biased;
                Some((letter, size, sent)) = sending.next(), if !sending.is_empty() => {
                    bytes -= size;
                    self.sent(letter, sent);
                }
                Some(reported) = reporting.next(), if !reporting.is_empty() => match self.reported(reported) {
                    Some(redriven) => sending.push_back(redriver.send(redriven)),
                    None => self.takes = false,
                },
                () = &mut time_is_over, if self.takes => self.takes = false,
                found = letters.next(&redriver.log, &wanted), if self.takes && has_room => {
                    if let Some(redriven) = self.found(found) {
                        bytes += redriven.record.size_on_log();
                        reporting.push_back(redriver.report(redriven));
                    }
                }
                else => return,
            }
        }
    }

    /// Takes in what was read; returns what goes to Kafka for it.
    fn found(&mut self, found: Option<Found>) -> Option<Redriven> {
        match found {
            Some(Found::Letter(letter)) => return self.letter(&letter),
            Some(Found::Gap(earliest)) => self.earliest = earliest,
            Some(Found::End) => {
                self.takes = false;
                self.is_complete = true;
            }
            None => self.takes = false,
        }
        None
    }

    fn letter(&mut self, letter: &Letter) -> Option<Redriven> {
        let offset = letter.offset;
        self.pending.read(offset);
        if let Some(reason) = wanted::redriven_already(offset, &self.redriver.models.redrives()) {
            // Who asks for all means those that are open.
            if matches!(self.pending, Pending::Offsets(_)) {
                self.redrove.refused.push(Refused { offset, reason });
            }
            return None;
        }
        match redriven(letter, &self.redriver.instance_id, Utc::now()) {
            Ok(redriven) => {
                self.taken += 1;
                // Only of all there can be more.
                self.takes &= self.taken < MOST;
                Some(redriven)
            }
            Err(reason) => {
                // A request for all may meet any number of these; its answer lists the first.
                if self.redrove.refused.len() < MOST {
                    self.redrove.refused.push(Refused { offset, reason });
                }
                None
            }
        }
    }

    /// Takes in whether an audit record was acknowledged; returns the letter if it is to be sent now.
    fn reported(&mut self, reported: Result<Redriven, Error>) -> Option<Redriven> {
        match reported {
            // By now the client may have its answer, or Kafka may be away.
            Ok(redriven) if Instant::now() < self.deadline && !self.redriver.producer.is_away() => {
                Some(redriven)
            }
            Ok(_) => {
                self.redrove.left += 1;
                None
            }
            Err(error) => {
                self.redrove.left += 1;
                self.unreported.get_or_insert(error);
                None
            }
        }
    }

    fn sent(&mut self, offset: i64, sent: Result<Delivered, Error>) {
        match sent {
            Ok(to) => self.redrove.redriven.push((offset, to)),
            Err(error) if error.is_outcome_unknown() => {
                self.takes = false;
                self.unknown.get_or_insert(error);
            }
            Err(error) => self.redrove.refused.push(Refused { offset, reason: error.to_string() }),
        }
    }

    fn end(self) -> Result<Redrove, WriteError> {
        let mut redrove = self.redrove;
        if self.is_complete {
            redrove.refused.extend(self.pending.missing(self.earliest));
        } else {
            redrove.left += self.pending.left(&self.redriver.models.redrives());
        }
        redrove.refused.sort_by_key(|refused| refused.offset);
        if let Some(error) = self.unknown {
            return Err(WriteError::OutcomeUnknown(error.to_string()));
        }
        match self.unreported {
            Some(error) if redrove.redriven.is_empty() => Err(WriteError::NotSent(error)),
            _ if redrove.redriven.is_empty() && redrove.refused.is_empty() && redrove.left > 0 => {
                let late = "none of the dead letters could be read and sent back in time";
                Err(WriteError::NotReady(late.to_owned()))
            }
            _ => Ok(redrove),
        }
    }
}
