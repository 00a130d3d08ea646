//! The consumer loop: the records of a topic, shared with the other members of a group, each partition in its order.
//!
//! Records go to the [`Handler`] one after another. What it wants sent, and when offsets are committed, is up to the
//! [`Delivery`](delivery::Delivery) of the guarantee in force. On a rebalance, and at the end, the loop completes what is
//! under way, within a bound, so that the next owner repeats as little as possible.
//!
//! The loop has a thread of its own, because librdkafka hands out assignments inside its poll, and what must happen
//! then (wait, commit) must not hold up anything else.
//!
//! Read in this order: what is done with a record ([`member`]), what a rebalance is to a member ([`rebalance`]), how
//! records are sent and offsets committed ([`at_least_once`], [`exactly_once`], and their bookkeeping in [`ledger`]),
//! and what happens to a process whose name is taken ([`fenced`]).

mod callbacks;
mod delivery;
mod ledger;

mod at_least_once;
mod exactly_once;

mod fenced;
mod member;
mod rebalance;

use crate::{
    Error, Handler, Instance, KafkaConfig, Producer, Progress, Reporter, SettingsFollower, SettingsSnapshot,
};
use delivery::{Consumer, Interrupt};
use dojo_contract::Guarantee;
use member::{Ended, Job, Member, Meters};
use rdkafka::error::KafkaError;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// The longest the loop sleeps: how soon it sees a shutdown, and how late a commit can be.
const POLL: Duration = Duration::from_millis(50);

/// What to consume, how, and within which bounds.
#[derive(Debug, Clone)]
pub struct Consume {
    /// Consumer group.
    pub group: String,
    /// Topics to subscribe to.
    pub topics: Vec<&'static str>,
    /// The process that consumes.
    pub instance: Instance,
    /// Whether its place in the group waits for its successor (KIP-345): one of the same id takes over at once, and
    /// until then its partitions are nobody's for a session. Only where the instance is named.
    pub is_static: bool,
    /// Whether the handler can work only with every partition of its topic. A share is then not taken up for a session
    /// and a margin, in case the rest is held for a member that is gone.
    pub needs_every_partition: bool,
    /// The settings that choose the guarantee; `None` means at least once.
    pub settings: Option<SettingsFollower>,
    /// Sends that may be unacknowledged at a time, at least once.
    pub max_in_flight: usize,
    /// Records of one partition that the handler may hold back before the partition is paused.
    pub max_buffered: usize,
    /// How long to wait for acknowledgements before partitions are given up.
    pub drain: Duration,
    /// How often offsets are committed, at least once.
    pub commit_every: Duration,
}

impl Consume {
    /// At least once, as a dynamic member, with bounds that suit this dojo.
    pub fn new(group: impl Into<String>, topics: &[&'static str], instance: &Instance) -> Self {
        Self {
            group: group.into(),
            topics: topics.to_vec(),
            instance: instance.clone(),
            is_static: false,
            needs_every_partition: false,
            settings: None,
            max_in_flight: 10_000,
            max_buffered: 20_000,
            drain: Duration::from_secs(3),
            commit_every: Duration::from_millis(100),
        }
    }

    /// `group.instance.id`, where the member is static.
    fn group_instance_id(&self) -> Option<&str> {
        (self.is_static && self.instance.is_named).then_some(self.instance.id.as_str())
    }
}

/// A running loop.
#[derive(Debug)]
pub struct ConsumerLoop {
    group: String,
    progress: Progress,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl ConsumerLoop {
    /// Waits for the loop to end: after its shutdown, once it has completed what was under way and closed its consumer; or
    /// with the error that it cannot go on with.
    pub async fn join(self) -> Result<(), Error> {
        self.ended.await.unwrap_or(Err(Error::Died(self.group)))
    }

    /// As [`ConsumerLoop::join`]; meanwhile reports with `reporter` that the instance runs, once the group has given
    /// it its share of the partitions for the first time, and at the end that it has stopped. A share may be empty:
    /// an instance more than there are partitions waits for its turn.
    pub async fn join_reporting(self, reporter: Reporter) -> Result<(), Error> {
        let progress = self.progress.clone();
        let mut ended = std::pin::pin!(self.join());
        let ended = tokio::select! {
            ended = &mut ended => ended,
            () = progress.assigned() => {
                reporter.running();
                ended.await
            }
        };
        reporter.stopped().await;
        ended
    }
}

/// Starts a loop that hands the records of `consume` to `handler` and sends what follows, until `shutdown`. `producer`
/// sends it at least once; a transactional producer is made where it is to be exactly once.
pub fn consume<H: Handler>(
    kafka: &KafkaConfig,
    consume: Consume,
    producer: Producer,
    handler: H,
    progress: Progress,
    shutdown: CancellationToken,
) -> Result<ConsumerLoop, Error> {
    refuse_incremental_rebalances(kafka, &consume)?;
    let (end, ended) = oneshot::channel();
    let (group, joined) = (consume.group.clone(), progress.clone());
    let meters = Meters::of(&group);
    let job = Job { kafka: kafka.clone(), consume, producer, progress, meters, shutdown };
    // Created here, so that a wrong property is an error of the start.
    let consumer = job.subscribe()?;
    let work = move || {
        let _ = end.send(work(&job, consumer, handler));
    };
    std::thread::Builder::new()
        .name(group.clone())
        .spawn(work)
        .map_err(|e| Error::Thread { what: format!("group {group}"), message: e.to_string() })?;
    Ok(ConsumerLoop { group, progress: joined, ended })
}

/// Works as a member of the group, and as another one whenever its name was taken and is free again.
fn work<H: Handler>(job: &Job, mut consumer: Consumer, mut handler: H) -> Result<(), Error> {
    loop {
        match Member::new(job, consumer, handler).run() {
            Ended::ForGood(result) => return result,
            Ended::Fenced(idle) => handler = idle,
        }
        fenced::wait_for_rival_to_end(job)?;
        job.progress.joins();
        consumer = job.subscribe()?;
    }
}

/// The loop gives up everything on a rebalance and takes it up again; incremental rebalances differ.
fn refuse_incremental_rebalances(kafka: &KafkaConfig, consume: &Consume) -> Result<(), Error> {
    const STRATEGY: &str = "partition.assignment.strategy";
    let config = kafka.group_consumer(&consume.instance.id, &consume.group, None);
    match config.get(STRATEGY).filter(|strategy| strategy.contains("cooperative")) {
        None => Ok(()),
        Some(strategy) => Err(Error::Consumer {
            group: consume.group.clone(),
            source: Box::new(KafkaError::ClientConfig(
                rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
                "use range, roundrobin or sticky: this consumer does not rebalance incrementally".to_owned(),
                STRATEGY.to_owned(),
                strategy.to_owned(),
            )),
        }),
    }
}

/// The guarantee that the settings ask of a loop's instance.
struct WantedGuarantee {
    instance_id: String,
    settings: Option<watch::Receiver<SettingsSnapshot>>,
    wanted: Guarantee,
}

impl WantedGuarantee {
    fn of(consume: &Consume) -> Self {
        let mut settings = consume.settings.as_ref().map(SettingsFollower::changes);
        // Looked at for the first time with the first record.
        settings.iter_mut().for_each(watch::Receiver::mark_changed);
        Self { instance_id: consume.instance.id.clone(), settings, wanted: Guarantee::default() }
    }

    /// Asked before every record, so it looks at the settings only when they have changed.
    fn get(&mut self) -> Guarantee {
        if let Some(settings) = &mut self.settings
            && settings.has_changed().unwrap_or(false)
        {
            self.wanted = settings.borrow_and_update().settings.guarantee(&self.instance_id);
        }
        self.wanted
    }
}
