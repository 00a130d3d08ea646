//! A member of a consumer group at work: it reads records, gives them to the handler, and passes on the handler's sends.

use super::{
    at_least_once::AtLeastOnce,
    callbacks::Callbacks,
    delivery::{Consumer, Delivery, Interrupt, POLL, Topics},
    exactly_once::ExactlyOnce,
    options::ConsumerOptions,
    wanted::Wanted,
};
use crate::{
    Error, Handler, KafkaConfig, Outbox, Producer, Progress, Record, config::create, lookup::Lookup,
};
use dojo_contract::Guarantee;
use metrics::{Counter, Histogram, counter, histogram};
use rdkafka::{
    Message, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError, types::RDKafkaErrorCode,
};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How many different errors get one warning each.
const WARNINGS: usize = 100;
/// How long to wait before a failed step is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// librdkafka's unit of waiting.
const POLL_STEP: Duration = Duration::from_millis(1);
/// A share that isn't every partition is withheld for a session, after which a member that is gone has lost the rest, and
/// this margin, in which the group notices and shares it out.
const MARGIN: Duration = Duration::from_secs(4);

/// Counts the records that the handler is done with.
#[derive(Clone)]
pub(super) struct Meters {
    handled: Counter,
    handling: Histogram,
}

impl Meters {
    pub(super) fn of(group: &str) -> Self {
        Self {
            handled: counter!("dojo_records_handled_total", "group" => group.to_owned()),
            handling: histogram!("dojo_record_handling_seconds", "group" => group.to_owned()),
        }
    }
}

/// The job of a member, for as many members of the group as this process becomes one after another.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) kafka: KafkaConfig,
    pub(super) consume: ConsumerOptions,
    pub(super) producer: Producer,
    pub(super) progress: Progress,
    pub(super) meters: Meters,
    pub(super) shutdown: CancellationToken,
}

impl Job {
    /// Returns a consumer that is no member of the group yet.
    pub(super) fn consumer(&self) -> Result<Consumer, Error> {
        let ConsumerOptions { group, instance, .. } = &self.consume;
        let config = self.kafka.group_consumer(&instance.id, group, self.consume.group_instance_id());
        let callbacks = Callbacks::new(group, &self.kafka.prefix, &self.progress);
        create("consumer", &config, config.create_with_context(callbacks))
    }

    /// Joins the group.
    pub(super) fn subscribe(&self, consumer: &Consumer) -> Result<(), Error> {
        let ConsumerOptions { group, topics, .. } = &self.consume;
        let topics: Vec<_> = topics.iter().map(|topic| self.kafka.prefix.on_cluster(topic)).collect();
        let topics: Vec<&str> = topics.iter().map(AsRef::as_ref).collect();
        consumer.subscribe(&topics).map_err(|source| Error::Group {
            group: group.clone(),
            attempt: "subscribe",
            source: Box::new(source),
        })
    }
}

/// How a member's work ended.
pub(super) enum Ended<H> {
    /// The shutdown came, or an error stopped it.
    ForGood(Result<(), Error>),
    /// The settings want this instance stopped. It has left the group; the handler may work for a new member.
    Stopped(H),
    /// Another process has taken its name. The handler may work for a new member once that process has ended.
    Fenced(H),
}

/// A share of the partitions that isn't taken up before `until`.
pub(super) struct Withheld {
    pub(super) share: TopicPartitionList,
    pub(super) until: Instant,
}

pub(super) struct Member<H> {
    pub(super) job: Job,
    pub(super) topics: Topics,
    pub(super) consumer: Consumer,
    pub(super) handler: H,
    pub(super) delivery: Box<dyn Delivery>,
    pub(super) lookup: Lookup,
    /// The partitions from the group that the loop has taken up.
    pub(super) owned: TopicPartitionList,
    /// A share that isn't taken up yet, because it isn't every partition.
    pub(super) withheld: Option<Withheld>,
    /// Since when this member has had fewer than all partitions.
    pub(super) incomplete_since: Option<Instant>,
    /// When partitions were last assigned to the consumer.
    pub(super) last_assigned: Instant,
    /// How long to wait for the other partitions.
    pub(super) withhold_for: Duration,
    pub(super) paused: BTreeSet<i32>,
    /// When a partition was last paused.
    pub(super) last_pause: Instant,
    /// When the ends of paused partitions were last asked for.
    pub(super) last_ends: Instant,
    wanted: Wanted,
    outbox: Outbox,
    last_note: Instant,
    /// Errors that were already logged as warnings, since they repeat; at most [`WARNINGS`].
    warned: BTreeSet<String>,
    /// The handler's time since it was last done with a record.
    spent: Duration,
}

impl<H: Handler> Member<H> {
    pub(super) fn new(job: &Job, consumer: Consumer, handler: H) -> Self {
        let Job { kafka, consume, producer, shutdown, .. } = job;
        let topics = Topics { names: consume.topics.clone(), prefix: kafka.prefix.clone() };
        Self {
            lookup: Lookup::new(kafka, &consume.instance.id, shutdown.clone()),
            delivery: Box::new(AtLeastOnce::new(consume, &topics, producer)),
            wanted: Wanted::of(consume),
            withhold_for: kafka.session_timeout() + MARGIN,
            job: job.clone(),
            topics,
            consumer,
            handler,
            owned: TopicPartitionList::new(),
            withheld: None,
            incomplete_since: None,
            last_assigned: Instant::now(),
            paused: BTreeSet::new(),
            last_pause: Instant::now(),
            last_ends: Instant::now(),
            outbox: Outbox::new(),
            last_note: Instant::now(),
            warned: BTreeSet::new(),
            spent: Duration::ZERO,
        }
    }

    /// Works until shutdown, until the settings want this instance stopped, until another process takes this one's name, or
    /// until an error that waiting can't mend.
    pub(super) fn run(mut self) -> Ended<H> {
        let ended = loop {
            match self.work().or_else(|interrupt| self.repeat(interrupt)) {
                Ok(()) if self.is_to_end() => break Ok(()),
                Ok(()) => {}
                Err(interrupt) => break Err(interrupt),
            }
        };
        let result = match ended {
            Err(Interrupt::Fenced) => return Ended::Fenced(self.leave()),
            Err(Interrupt::Repeat(_)) => {
                // It is to end before the work was undone.
                self.delivery.revoke(&self.consumer);
                Ok(())
            }
            Err(Interrupt::Failed(error)) => {
                self.delivery.finish(&self.consumer);
                Err(error)
            }
            Ok(()) => {
                self.delivery.finish(&self.consumer);
                Ok(())
            }
        };
        if result.is_err() || self.job.shutdown.is_cancelled() {
            self.close();
            return Ended::ForGood(result);
        }
        self.forget_share();
        self.close();
        self.job.progress.taken();
        Ended::Stopped(self.handler)
    }

    fn is_to_end(&mut self) -> bool {
        self.job.shutdown.is_cancelled() || self.wanted.is_stopped()
    }

    fn work(&mut self) -> Result<(), Interrupt> {
        while !self.is_to_end() {
            if !self.has_wanted_guarantee()? {
                std::thread::sleep(AGAIN_AFTER);
                continue;
            }
            if self.handler.starts_over() && self.owned.count() > 0 {
                self.delivery.finish(&self.consumer);
                self.take_up_again();
            }
            self.rebalance()?;
            let now = Instant::now();
            self.note_progress_if_due(now);
            let due_in = self.proceed(now)?;
            if let Some(wait) = self.delivery.turn(&self.consumer)? {
                self.poll(wait.min(due_in))?;
            }
        }
        Ok(())
    }

    /// Lets the handler do what is due, and returns how long the loop may wait for the next record.
    fn proceed(&mut self, now: Instant) -> Result<Duration, Interrupt> {
        let due = self.handler.proceed(now, &mut self.outbox)?;
        if !self.outbox.is_empty() {
            self.settle(now.elapsed())?;
            self.pause_or_resume(None);
        }
        // librdkafka cuts its wait to whole milliseconds: without one more, it wouldn't wait at all during the last one.
        Ok(due.map_or(POLL, |due| due.saturating_duration_since(Instant::now()) + POLL_STEP))
    }

    fn poll(&mut self, wait: Duration) -> Result<(), Interrupt> {
        match self.consumer.poll(wait) {
            None => self.delivery.idle(&self.consumer)?,
            Some(Ok(message)) => {
                let record = Record::of(&message, &self.topics.prefix);
                let Some(topic) = self.topics.index(record.topic) else { return Ok(()) };
                let position = self.delivery.ledger().received(topic, record.partition, record.offset);
                let Some(position) = position else { return Ok(()) };
                let begun = Instant::now();
                self.handler.record(&record, position, &mut self.outbox)?;
                let (took, partition) = (begun.elapsed(), message.partition());
                drop(message);
                self.settle(took)?;
                self.pause_or_resume(Some(partition));
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => self.end_of_partition(partition)?,
            Some(Err(error)) => match self.consumer.client().fatal_error() {
                None => self.warn_once("cannot read", &error),
                Some((RDKafkaErrorCode::FencedInstanceId, _)) => return Err(Interrupt::Fenced),
                Some((code, _)) => {
                    let source = Box::new(KafkaError::MessageConsumptionFatal(code));
                    return Err(Error::Consumer { group: self.job.consume.group.clone(), source }.into());
                }
            },
        }
        Ok(())
    }

    fn end_of_partition(&mut self, partition: i32) -> Result<(), Interrupt> {
        // The consumer's position passes markers of transactions, which never come as records.
        let positions = self.consumer.position().unwrap_or_default();
        for element in positions.elements() {
            let topic = self.topics.index(self.topics.prefix.in_contract(element.topic()));
            if let (Some(topic), Offset::Offset(next)) = (topic, element.offset()) {
                self.delivery.ledger().reached(topic, element.partition(), next);
            }
        }
        // librdkafka doesn't name the topic.
        if self.topics.names.len() == 1 {
            let begun = Instant::now();
            self.handler.end_of_partition(partition, &mut self.outbox)?;
            self.settle(begun.elapsed())?;
            self.pause_or_resume(Some(partition));
        }
        Ok(())
    }

    /// Passes on the handler's sends after a call that `took` this long.
    fn settle(&mut self, took: Duration) -> Result<(), Interrupt> {
        self.count(took);
        if self.outbox.is_empty() { Ok(()) } else { self.delivery.post(&mut self.outbox) }
    }

    /// Counts the records that the handler is done with after a call that `took` this long. The handler may hold records
    /// back and finish several in a later call, also at the end of a partition. So the time of every call is shared among
    /// the records that are done next, and each record is measured once.
    fn count(&mut self, took: Duration) {
        self.spent += took;
        let done = self.outbox.finished().len();
        let Some(each) = self.spent.checked_div(u32::try_from(done).unwrap_or(u32::MAX)) else { return };
        self.spent = Duration::ZERO;
        self.job.meters.handling.record_many(each, done);
        self.job.meters.handled.increment(done as u64);
    }

    fn note_progress_if_due(&mut self, now: Instant) {
        if now.duration_since(self.last_note) < self.job.consume.commit_every {
            return;
        }
        self.last_note = now;
        self.note_ends_if_due();
        let positions: Vec<_> = self.delivery.ledger().positions().collect();
        for ((topic, partition), position) in positions {
            self.job.progress.moved(self.topics.name(topic), partition, position);
        }
    }

    pub(super) fn warn_once(&mut self, what: &str, error: &impl std::fmt::Display) {
        let said = format!("group {} {what}: {error}", self.job.consume.group);
        if self.warned.len() < WARNINGS && !self.warned.contains(&said) {
            tracing::warn!("{said}");
            self.warned.insert(said);
        } else {
            tracing::debug!("{said}");
        }
    }

    /// Changes to the guarantee that the settings ask for; returns whether it is in force.
    fn has_wanted_guarantee(&mut self) -> Result<bool, Interrupt> {
        let wanted = self.wanted.guarantee();
        if self.delivery.guarantee() == wanted {
            self.job.progress.works_under(wanted);
            return Ok(true);
        }
        let next: Box<dyn Delivery> = match wanted {
            Guarantee::AtLeastOnce => {
                Box::new(AtLeastOnce::new(&self.job.consume, &self.topics, &self.job.producer))
            }
            Guarantee::ExactlyOnce => {
                match ExactlyOnce::start(&self.job.kafka, &self.job.consume, &self.topics, &self.job.shutdown)
                {
                    Ok(next) => Box::new(next),
                    Err(Interrupt::Repeat(why)) => {
                        // Kafka may only be away. Until it answers, nothing is read under the old guarantee.
                        self.warn_once("can't change to exactly once yet", &why);
                        return Ok(false);
                    }
                    Err(interrupt) => return Err(interrupt),
                }
            }
        };
        self.delivery.finish(&self.consumer);
        self.delivery = next;
        tracing::info!(group = self.job.consume.group, guarantee = wanted.name(), "changed the guarantee");
        // The new delivery begins at the old one's committed offsets.
        self.take_up_again();
        self.job.progress.works_under(wanted);
        Ok(true)
    }

    /// Undoes the work since the last commit, and reads the member's partitions again from there.
    ///
    /// Nothing is read before that has succeeded: a commit in between would skip the work that was undone.
    fn repeat(&mut self, interrupt: Interrupt) -> Result<(), Interrupt> {
        let Interrupt::Repeat(mut why) = interrupt else { return Err(interrupt) };
        self.outbox.clear();
        loop {
            if self.is_to_end() {
                return Err(Interrupt::Repeat(why));
            }
            self.warn_once("is rereading from its committed offsets", &why);
            std::thread::sleep(AGAIN_AFTER);
            match self.delivery.recover() {
                Ok(()) => break,
                Err(Interrupt::Repeat(still)) => why = still,
                Err(interrupt) => return Err(interrupt),
            }
        }
        self.take_up_again();
        Ok(())
    }

    /// Gives up all partitions at once. Their next owner repeats the work that was under way.
    fn leave(mut self) -> H {
        self.consumer.context().close();
        self.handler.revoked();
        self.job.progress.taken();
        self.handler
    }

    fn close(&self) {
        self.consumer.context().close();
        if let Err(error) = self.consumer.unassign() {
            tracing::debug!(%error, "giving up partitions at the end");
        }
    }
}
