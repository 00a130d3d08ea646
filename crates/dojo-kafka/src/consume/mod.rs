//! The consumer loop: the records of a topic, shared with the other members of a group, each partition in its order.
//!
//! Records go to the [`Handler`] one after another. The [`Delivery`](delivery::Delivery) of the guarantee in force sends
//! what the handler wants sent, and commits offsets. On a rebalance, and at the end, the loop completes what is under way,
//! within a bound, so that the next owner repeats as little as possible.
//!
//! The loop runs on its own thread, because librdkafka gives out assignments inside its poll, and the work that is due then
//! (waiting, committing) must not hold up anything else.
//!
//! Read in this order: what a member does with a record ([`member`]), with too many ([`pause`]), and at a rebalance
//! ([`rebalance`]), how records are sent and offsets committed ([`at_least_once`], [`exactly_once`], and their bookkeeping in
//! [`ledger`]), what the settings want of the member ([`wanted`]), and what a process does when another one takes its name
//! ([`fenced`]).

mod options;
pub use options::ConsumerOptions;

mod callbacks;
mod delivery;
mod ledger;
mod wanted;

mod at_least_once;
mod exactly_once;

mod fenced;
mod member;
mod pause;
mod rebalance;

use crate::{Error, Handler, KafkaConfig, Producer, Progress};
use delivery::Consumer;
use member::{Ended, Job, Member, Meters};
use rdkafka::error::KafkaError;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wanted::Wanted;

/// How often a loop that was asked to stop looks whether it is wanted again.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running loop.
#[derive(Debug)]
pub struct ConsumerLoop {
    group: String,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl ConsumerLoop {
    /// Waits for the loop to end: after its shutdown, once it has completed what was under way and closed its consumer; or
    /// with an error that stops it.
    pub async fn join(self) -> Result<(), Error> {
        self.ended.await.unwrap_or(Err(Error::Died(self.group)))
    }
}

/// Starts a loop that gives the records of `consume` to `handler` and sends what follows, until `shutdown`. `producer` sends
/// under at-least-once delivery; exactly-once delivery has a transactional producer.
pub fn consume<H: Handler>(
    kafka: &KafkaConfig,
    consume: ConsumerOptions,
    producer: Producer,
    handler: H,
    progress: Progress,
    shutdown: CancellationToken,
) -> Result<ConsumerLoop, Error> {
    refuse_incremental_rebalances(kafka, &consume)?;
    let (end, ended) = oneshot::channel();
    let group = consume.group.clone();
    let meters = Meters::of(&group);
    let job = Job { kafka: kafka.clone(), consume, producer, progress, meters, shutdown };
    // Created here, so that a wrong property is an error of the start.
    let consumer = job.consumer()?;
    let work = move || {
        let _ = end.send(work(&job, consumer, handler));
    };
    std::thread::Builder::new()
        .name(group.clone())
        .spawn(work)
        .map_err(|e| Error::Thread { what: format!("group {group}"), message: e.to_string() })?;
    Ok(ConsumerLoop { group, ended })
}

/// Works as a member of the group; and as a new member each time the settings want this instance again, and each time
/// another process took its name and has ended.
fn work<H: Handler>(job: &Job, consumer: Consumer, mut handler: H) -> Result<(), Error> {
    let mut consumer = Some(consumer);
    loop {
        wait_until_wanted(job, &mut consumer);
        if job.shutdown.is_cancelled() {
            // If another process has the name, nothing is reported under it.
            return Ok(());
        }
        job.progress.joins();
        let joining = consumer.take().map_or_else(|| job.consumer(), Ok)?;
        job.subscribe(&joining)?;
        handler = match Member::new(job, joining, handler).run() {
            Ended::ForGood(result) => return result,
            Ended::Stopped(idle) => idle,
            Ended::Fenced(idle) => {
                fenced::wait_for_rival_to_end(job)?;
                idle
            }
        };
    }
}

/// Waits while the settings want this instance stopped, until shutdown. Meanwhile it has no consumer, which would have to be
/// polled.
fn wait_until_wanted(job: &Job, consumer: &mut Option<Consumer>) {
    let mut wanted = Wanted::of(&job.consume);
    if wanted.is_stopped() {
        *consumer = None;
        tracing::info!(group = job.consume.group, "stopped, as the settings ask");
        job.progress.stopped();
    }
    while wanted.is_stopped() && !job.shutdown.is_cancelled() {
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Refuses strategies that rebalance incrementally: the loop gives up all partitions on a rebalance and takes up its new
/// share.
fn refuse_incremental_rebalances(kafka: &KafkaConfig, consume: &ConsumerOptions) -> Result<(), Error> {
    const STRATEGY: &str = "partition.assignment.strategy";
    let config = kafka.group_consumer(&consume.instance.id, &consume.group, None);
    match config.get(STRATEGY).filter(|strategy| strategy.contains("cooperative")) {
        None => Ok(()),
        Some(strategy) => Err(Error::Consumer {
            group: consume.group.clone(),
            source: Box::new(KafkaError::ClientConfig(
                rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
                "use range, roundrobin or sticky: this consumer doesn't rebalance incrementally".to_owned(),
                STRATEGY.to_owned(),
                strategy.to_owned(),
            )),
        }),
    }
}
