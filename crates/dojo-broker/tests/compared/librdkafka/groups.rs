//! Members that join and leave, and what each is told.
//!
//! Members are named in the order in which they join, so that assignors, which sort by member id, assign
//! alike on both brokers.

use super::{Client, PATIENCE};
use crate::{brokers::Side, notes::Notes};
use rdkafka::{
    Offset, TopicPartitionList,
    client::ClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    producer::{FutureProducer, FutureRecord},
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const PARTITIONS: usize = 3;
/// How long a group has to be quiet before it counts as settled.
const QUIET: Duration = Duration::from_millis(600);

/// Notes the events of a member.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl ClientContext for Told {}

impl ConsumerContext for Told {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let event = match rebalance {
            Rebalance::Assign(list) => format!("+{:?}", partitions(list)),
            Rebalance::Revoke(list) => format!("-{:?}", partitions(list)),
            Rebalance::Error(error) => format!("error {error}"),
        };
        // How often a member is told that it has no partitions depends on timing.
        if event.len() > "+[]".len() {
            self.0.lock().unwrap().push(event);
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<i32> {
    let mut all: Vec<i32> = list.elements().iter().map(|element| element.partition()).collect();
    all.sort_unstable();
    all
}

struct Member {
    consumer: BaseConsumer<Told>,
    told: Told,
    errors: Vec<String>,
}

impl Member {
    fn join(client: &Client, group: &str, name: &str, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("group.id", group),
            ("client.id", name),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "100"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
        ];
        all.extend(settings);
        let told = Told::default();
        let consumer: BaseConsumer<Told> = client.config(&all).create_with_context(told.clone()).unwrap();
        consumer.subscribe(&["rd-shared"]).unwrap();
        Self { consumer, told, errors: Vec::new() }
    }

    fn poll(&mut self) {
        if let Some(Err(error)) = self.consumer.poll(Duration::from_millis(5)) {
            self.errors.push(error.to_string());
        }
    }

    fn has(&self) -> Vec<i32> {
        partitions(&self.consumer.assignment().unwrap())
    }

    /// The events since the last question.
    fn news(&self) -> String {
        std::mem::take(&mut *self.told.0.lock().unwrap()).join(" ")
    }
}

/// Polls until the members share all partitions in these sizes and stay so. Returns each member's events and
/// partitions.
fn settled(members: &mut [Member], sizes: &[usize]) -> String {
    let until = Instant::now() + PATIENCE;
    let mut quiet_since: Option<Instant> = None;
    while Instant::now() < until {
        members.iter_mut().for_each(Member::poll);
        let mut found: Vec<usize> = members.iter().map(|member| member.has().len()).collect();
        found.sort_unstable();
        if found != sizes {
            quiet_since = None;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() > QUIET {
            return members.iter().map(|member| format!("[{}: {:?}]", member.news(), member.has())).collect();
        }
    }
    let shares: Vec<_> = members.iter().map(|member| (member.news(), member.has())).collect();
    panic!("the group did not share its partitions by {sizes:?} within {PATIENCE:?}: {shares:?}");
}

pub async fn play(client: &Client, notes: &mut Notes) {
    client.topic("rd-shared", i32::try_from(PARTITIONS).unwrap(), &[]).await;
    let producer: FutureProducer = client.make(&[]);
    for partition in 0..3 {
        let record = FutureRecord::<str, str>::to("rd-shared").partition(partition).payload("x");
        producer.send(record, PATIENCE).await.unwrap();
    }
    for strategy in ["range", "roundrobin", "cooperative-sticky"] {
        shares(client, notes, strategy);
    }
    static_members(client, notes);
    commits(client, notes);
    let mut odd = Member::join(client, "rd-short", "a", &[("session.timeout.ms", "1000")]);
    let until = Instant::now() + PATIENCE;
    while odd.errors.is_empty() && Instant::now() < until {
        odd.poll();
    }
    notes.note("too short a session", odd.errors.first().cloned().unwrap_or_default());
}

fn shares(client: &Client, notes: &mut Notes, strategy: &str) {
    let group = format!("rd-{strategy}");
    let join = |name| Member::join(client, &group, name, &[("partition.assignment.strategy", strategy)]);
    let mut note = |what: &str, seen: String| notes.note(format!("{strategy}: {what}"), seen);
    let mut members = vec![join("a")];
    note("one", settled(&mut members, &[3]));
    members.push(join("b"));
    note("a second", settled(&mut members, &[1, 2]));
    members.push(join("c"));
    note("a third", settled(&mut members, &[1, 1, 1]));
    members.push(join("d"));
    note("a fourth, with nothing to do", settled(&mut members, &[0, 1, 1, 1]));
    members.remove(1);
    note("the second leaves", settled(&mut members, &[1, 1, 1]));
    members.truncate(1);
    note("all but one leave", settled(&mut members, &[3]));
}

fn static_members(client: &Client, notes: &mut Notes) {
    let join = |name: &str| Member::join(client, "rd-static", name, &[("group.instance.id", name)]);
    let mut members = vec![join("a"), join("b")];
    settled(&mut members, &[1, 2]);
    let before: Vec<Vec<i32>> = members.iter().map(Member::has).collect();
    members.pop();
    members.push(join("b"));
    settled(&mut members[1..], &[before[1].len()]);
    let after: Vec<Vec<i32>> = members.iter().map(Member::has).collect();
    notes.note(
        "static member back: same shares, others told",
        format!("{} `{}`", before == after, members[0].news()),
    );
}

fn commits(client: &Client, notes: &mut Notes) {
    let mut members = [Member::join(client, "rd-commits", "a", &[])];
    settled(&mut members, &[3]);
    let commit = |offset| {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("rd-shared", 0, Offset::Offset(offset)).unwrap();
        members[0].consumer.commit(&list, CommitMode::Sync)
    };
    notes.outcome("commit by a member", commit(1));
    notes.outcome("commit beyond the end", commit(99));
    let committed = members[0].consumer.committed(PATIENCE);
    notes.outcome("committed by a member", committed.map(super::administration::offsets));
    let listed = members[0].consumer.fetch_group_list(Some("rd-commits"), PATIENCE).unwrap();
    for group in listed.groups() {
        let names: Vec<&str> = group.members().iter().map(|member| member.client_id()).collect();
        let seen = format!("{} {} {} {names:?}", group.state(), group.protocol_type(), group.protocol());
        notes.note("group with a member", seen);
    }
}

/// A member that keeps polling until it is dropped.
pub async fn living_member(side: &Side, group: &str, topic: &str) -> Living {
    let client = Client { bootstrap: side.bootstrap.clone() };
    let (group, topic) = (group.to_owned(), topic.to_owned());
    let (started, first) = tokio::sync::oneshot::channel();
    let (ended, mut end) = tokio::sync::oneshot::channel::<()>();
    let polling = std::thread::spawn(move || {
        let consumer: BaseConsumer = client.make(&[
            ("group.id", &group),
            ("client.id", "living"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
        ]);
        consumer.subscribe(&[&topic]).unwrap();
        let mut started = Some(started);
        while end.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
            let _ = consumer.poll(Duration::from_millis(50));
            if consumer.assignment().unwrap().count() > 0
                && let Some(started) = started.take()
            {
                // A committed offset, so that there is something to describe.
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(&topic, 0, Offset::Offset(1)).unwrap();
                consumer.commit(&list, CommitMode::Sync).unwrap();
                let _ = started.send(());
            }
        }
    });
    tokio::time::timeout(PATIENCE, first).await.expect("a living member").unwrap();
    Living { end: Some(ended), polling: Some(polling) }
}

pub struct Living {
    end: Option<tokio::sync::oneshot::Sender<()>>,
    polling: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Living {
    fn drop(&mut self) {
        drop(self.end.take());
        // By then the member has left its group.
        let _ = self.polling.take().map(std::thread::JoinHandle::join);
    }
}
