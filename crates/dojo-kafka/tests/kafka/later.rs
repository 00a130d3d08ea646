//! Handlers that finish their records later, when it is time.

use super::{Copy, order, producer, run, somebody};
use dojo_contract::topic;
use dojo_kafka::{
    ConsumerLoop, ConsumerOptions, Error, Handler, Outbox, Position, Progress, Record, consume,
};
use dojo_testbed::{Kafka, PATIENCE, until};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

const BOUND: usize = 5;
const TAKES: Duration = Duration::from_millis(20);

/// Finishes one record after another, each [`TAKES`] after the last one, unless it is stuck.
#[derive(Default)]
struct OneByOne {
    held: VecDeque<(Position, Instant)>,
    last: Option<Instant>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    is_stuck: AtomicBool,
    /// The most records that were held at a time.
    most: AtomicUsize,
    finished: Mutex<Vec<(i32, i64)>>,
}

impl OneByOne {
    fn due(&self) -> Option<Instant> {
        let (_, came) = self.held.front()?;
        Some(self.last.map_or(*came, |last| last.max(*came)) + TAKES)
    }
}

impl Handler for OneByOne {
    fn revoked(&mut self) {
        self.held.clear();
    }

    fn record(&mut self, _: &Record<'_>, position: Position, _: &mut Outbox) -> Result<(), Error> {
        self.held.push_back((position, Instant::now()));
        self.seen.most.fetch_max(self.held.len(), Ordering::Relaxed);
        Ok(())
    }

    fn proceed(&mut self, now: Instant, out: &mut Outbox) -> Result<Option<Instant>, Error> {
        if self.seen.is_stuck.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if self.due().is_some_and(|due| due <= now)
            && let Some((position, _)) = self.held.pop_front()
        {
            self.last = Some(now);
            self.seen.finished.lock().unwrap().push((position.partition, position.offset));
            out.done(position);
        }
        Ok(self.due())
    }

    fn buffered(&self, partition: i32) -> usize {
        self.held.iter().filter(|(position, _)| position.partition == partition).count()
    }
}

struct Started {
    seen: Arc<Seen>,
    progress: Progress,
    stop: CancellationToken,
    ends: ConsumerLoop,
}

impl Started {
    fn on(kafka: &Kafka) -> Self {
        Self::with(kafka, OneByOne::default())
    }

    fn stuck(kafka: &Kafka) -> Self {
        let handler = OneByOne::default();
        handler.seen.is_stuck.store(true, Ordering::Relaxed);
        Self::with(kafka, handler)
    }

    fn with(kafka: &Kafka, handler: OneByOne) -> Self {
        let (progress, stop) = (Progress::default(), CancellationToken::new());
        let seen = Arc::clone(&handler.seen);
        let work = ConsumerOptions {
            max_buffered: BOUND,
            ..ConsumerOptions::new("g", &[topic::ORDERS], &somebody())
        };
        let producer = producer(&kafka.config);
        let ends = consume(&kafka.config, work, producer, handler, progress.clone(), stop.clone()).unwrap();
        Self { seen, progress, stop, ends }
    }

    fn lag(&self) -> i64 {
        self.progress.partitions().iter().map(|partition| partition.lag).sum()
    }

    fn finished(&self) -> usize {
        self.seen.finished.lock().unwrap().len()
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ends.join()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_waits_for_a_time_is_called_then_and_paused_partitions_are_read_on() {
    const RECORDS: usize = 150;
    let kafka = Kafka::start().await;
    kafka.flood((0..RECORDS).map(order)).await;
    let begun = Instant::now();
    let work = Started::on(&kafka);
    until("every record to be finished", async || work.finished() == RECORDS).await;
    assert!(begun.elapsed() >= TAKES * RECORDS as u32, "one after another");
    assert!(work.seen.most.load(Ordering::Relaxed) <= 3 * (BOUND + 1));
    let distinct: BTreeSet<_> = work.seen.finished.lock().unwrap().iter().copied().collect();
    assert_eq!(distinct.len(), RECORDS);
    until("no lag", async || work.progress.partitions().len() == 3 && work.lag() == 0).await;
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_of_a_paused_partition_grows() {
    let kafka = Kafka::start().await;
    kafka.flood((0..60).map(order)).await;
    let work = Started::stuck(&kafka);
    until("every partition to be full", async || work.seen.most.load(Ordering::Relaxed) == 3 * (BOUND + 1))
        .await;
    kafka.flood((60..200).map(order)).await;
    let finished = work.finished() as i64;
    until("the lag of what came meanwhile", async || work.lag() == 200 - finished).await;
    work.seen.is_stuck.store(false, Ordering::Relaxed);
    until("every record to be finished", async || work.finished() == 200).await;
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_wait_for_their_time_come_again_after_a_rebalance() {
    let kafka = Kafka::start().await;
    kafka.flood((0..60).map(order)).await;
    let work = Started::stuck(&kafka);
    until("records to wait", async || work.seen.most.load(Ordering::Relaxed) > BOUND).await;
    let other = run(&kafka.config, "g", Copy::default());
    until("another member to take a share", async || !other.progress.partitions().is_empty()).await;
    work.seen.is_stuck.store(false, Ordering::Relaxed);
    let all = async || {
        let mut handled: BTreeSet<_> = other.copy.seen.lock().unwrap().iter().copied().collect();
        handled.extend(work.seen.finished.lock().unwrap().iter().copied());
        handled.len() == 60
    };
    until("every record to be handled", all).await;
    work.end().await;
    other.end().await;
}
