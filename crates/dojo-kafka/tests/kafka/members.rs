//! Static members, two processes of one name, and members that need every partition.

use super::{Copy, order, producer, run, somebody};
use dojo_contract::{InstanceState, InstanceStatus, Service, topic};
use dojo_kafka::{
    AssignedPartition, ConsumerLoop, ConsumerOptions, Error, Handler, Instance, KafkaConfig, LogLookup,
    Observed, Outbox, Position, Progress, Record, Reporter, StartAt, consume,
};
use dojo_testbed::{Kafka, PATIENCE, Read, until};
use std::{
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A static member that reports on `dojo-status`.
struct Member {
    copy: Copy,
    progress: Progress,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), Error>>,
}

impl Member {
    async fn start(kafka: &KafkaConfig, id: &str) -> Self {
        let instance = Instance::start(Service::Fraud, Some(id.to_owned()));
        let (copy, progress, stop) = (Copy::default(), Progress::default(), CancellationToken::new());
        let changed = Arc::default();
        progress.on_change(Arc::clone(&changed));
        let observe = {
            let progress = progress.clone();
            move || Observed {
                state: progress.phase(),
                partitions: progress.partitions(),
                is_fenced: progress.is_fenced(),
                ..Observed::default()
            }
        };
        let producer = producer(kafka);
        let reporter = Reporter::start(producer.clone(), instance.clone(), observe, changed);
        let reporter = reporter.await.unwrap();
        let work =
            ConsumerOptions { is_static: true, ..ConsumerOptions::new("g", &[topic::ORDERS], &instance) };
        let member: ConsumerLoop =
            consume(kafka, work, producer, copy.clone(), progress.clone(), stop.clone()).unwrap();
        let ended = tokio::spawn(async {
            let ended = member.join().await;
            reporter.stopped().await;
            ended
        });
        Self { copy, progress, stop, ended }
    }

    fn count(&self) -> usize {
        self.copy.seen.lock().unwrap().len()
    }

    async fn owns_everything(&self) {
        until("all partitions", async || self.progress.partitions().len() == 3).await;
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ended).await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_of_two_of_one_name_works_and_the_older_says_why_not_until_the_newer_ends() {
    let kafka = Kafka::start().await;
    let older = Member::start(&kafka.config, "fraud-1").await;
    older.owns_everything().await;
    let newer = Member::start(&kafka.config, "fraud-1").await;
    newer.owns_everything().await;
    let pid = format!("another process is fraud-1: pid {}", std::process::id());
    until("the older to name the newer", async || {
        older.progress.limitation().is_some_and(|why| why.contains(&pid))
    })
    .await;
    kafka.send(order(1)).await;
    until("the newer to read", async || newer.count() == 1).await;
    assert!(older.progress.is_fenced() && older.progress.partitions().is_empty());
    assert!(!newer.progress.is_fenced());

    newer.end().await;
    older.owns_everything().await;
    assert_eq!(older.progress.limitation(), None);
    kafka.send(order(2)).await;
    until("the older to read again", async || older.count() == 1).await;
    older.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_lost_its_name_reports_nothing_when_it_ends() {
    let kafka = Kafka::start().await;
    let older = Member::start(&kafka.config, "fraud-1").await;
    older.owns_everything().await;
    let newer = Member::start(&kafka.config, "fraud-1").await;
    newer.owns_everything().await;
    until("the older to lose its place", async || older.progress.is_fenced()).await;
    older.end().await;
    let is_stopped = |report: &Read| report.json::<InstanceStatus>().state == InstanceState::Stopped;
    let mut status = kafka.read(topic::STATUS);
    newer.end().await;
    let reports = status.until(|reports| reports.iter().any(is_stopped)).await;
    let last: InstanceStatus = reports.last().unwrap().json();
    assert_eq!(reports.iter().filter(|report| is_stopped(report)).count(), 1);
    let starts: Vec<_> = reports.iter().map(|report| report.json::<InstanceStatus>().started_at).collect();
    assert_eq!(Some(&last.started_at), starts.iter().max(), "the newer process's report");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_name_no_process_reports_under_joins_again_without_waiting() {
    let kafka = Kafka::start().await;
    let member = Member::start(&kafka.config, "fraud-1").await;
    member.owns_everything().await;
    let silent = Instance::start(Service::Fraud, Some("fraud-1".to_owned()));
    let work = ConsumerOptions { is_static: true, ..ConsumerOptions::new("g", &[topic::ORDERS], &silent) };
    let (progress, stop) = (Progress::default(), CancellationToken::new());
    let producer = producer(&kafka.config);
    let intruder =
        consume(&kafka.config, work, producer, Copy::default(), progress.clone(), stop.clone()).unwrap();
    until("the member to lose its place", async || member.progress.is_fenced()).await;
    let lost = Instant::now();
    until("the member to take its place again", async || !member.progress.is_fenced()).await;
    assert!(
        lost.elapsed() < InstanceStatus::SILENCE.to_std().unwrap(),
        "it waited for a process that isn't there"
    );
    member.owns_everything().await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, intruder.join()).await.unwrap().unwrap();
    member.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_static_member_leaves_its_place_to_its_successor() {
    let kafka = Kafka::start().await;
    let first = Member::start(&kafka.config, "fraud-1").await;
    first.owns_everything().await;
    first.end().await;
    let other = run(&kafka.config, "g", Copy::default());
    let second = Member::start(&kafka.config, "fraud-1").await;
    until("the partitions to be shared", async || {
        let shares = [second.progress.partitions().len(), other.progress.partitions().len()];
        shares.iter().sum::<usize>() == 3 && !shares.contains(&0)
    })
    .await;
    let mut status = kafka.read(topic::STATUS);
    second.end().await;
    other.end().await;
    let said = status
        .until(|reports| {
            reports.last().is_some_and(|last| last.json::<InstanceStatus>().state == InstanceState::Stopped)
        })
        .await;
    assert!(!said.is_empty());
}

/// Notes how many partitions it was given, whenever it was given some.
#[derive(Clone, Default)]
struct Shares(Arc<Mutex<Vec<usize>>>);

impl Handler for Shares {
    fn assigned(
        &mut self,
        assigned: &[AssignedPartition],
        log: &dyn LogLookup,
    ) -> Result<Vec<StartAt>, Error> {
        assert_eq!(log.partitions(topic::ORDERS)?, 3);
        self.0.lock().unwrap().push(assigned.len());
        Ok(Vec::new())
    }

    fn record(&mut self, _: &Record<'_>, position: Position, out: &mut Outbox) -> Result<(), Error> {
        out.done(position);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_needs_every_partition_waits_out_another_and_then_goes_on_with_its_share() {
    let kafka = Kafka::start().await;
    let (shares, progress, stop) = (Shares::default(), Progress::default(), CancellationToken::new());
    let work = ConsumerOptions {
        needs_every_partition: true,
        ..ConsumerOptions::new("g", &[topic::ORDERS], &somebody())
    };
    let member =
        consume(&kafka.config, work, producer(&kafka.config), shares.clone(), progress.clone(), stop.clone());
    until("all partitions", async || progress.partitions().len() == 3).await;

    // A stranger that comes and goes: the member works only before and after.
    let stranger = run(&kafka.config, "g", Copy::default());
    until("it to wait for the others", async || {
        progress.limitation().is_some_and(|why| why.starts_with("waiting for every partition"))
    })
    .await;
    stranger.end().await;
    until("all partitions again", async || progress.partitions().len() == 3).await;
    assert_eq!((progress.limitation(), shares.0.lock().unwrap().clone()), (None, vec![3, 3]));

    // A stranger that stays.
    let stranger = run(&kafka.config, "g", Copy::default());
    until("it to go on with its share", async || {
        progress.limitation().is_some_and(|why| why.starts_with("working without every partition"))
    })
    .await;
    assert!(matches!(shares.0.lock().unwrap()[..], [3, 3, 1 | 2]));
    stranger.end().await;
    stop.cancel();
    tokio::time::timeout(PATIENCE, member.unwrap().join()).await.unwrap().unwrap();
}
