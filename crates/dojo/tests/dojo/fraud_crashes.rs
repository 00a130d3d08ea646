//! Whatever crashes, leaves or joins, each customer gets exactly as many VELOCITY verdicts as their orders deserve.
//!
//! Orders go straight to `orders`, at a rate at which every crash leaves some in each partition.

use crate::{accounts::wrong_verdicts, alone::Alone, load::one_of_many, process::kills};
use dojo_contract::{NewOrder, OrderAction, OrderEvent, Service, topic};
use dojo_kafka::{
    ConsumerOptions, Error, Handler, Instance, KafkaConfig, Outbox, Outgoing, Position, Producer, Progress,
    Record, consume,
};
use dojo_testbed::{Kafka, Reader, eventually, own_prefix, until};
use futures::{StreamExt as _, stream};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    task::JoinHandle,
    time::{interval, sleep},
};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

const PER_SECOND: u64 = 60;
/// Lanes side by side.
const LANES: usize = 10;
/// The successor is killed within so much of its life.
const LIFE: Duration = Duration::from_secs(8);
const STEP: Duration = Duration::from_millis(100);

/// Topics and orders of their own, on a Kafka that others may use, too.
struct Lane {
    kafka: KafkaConfig,
    producer: Producer,
    audit: Reader,
    stop: DropGuard,
    /// The orders placed, at the end.
    placing: JoinHandle<usize>,
}

fn order(customer_name: String) -> Outgoing {
    let (id, now) = (Uuid::now_v7(), chrono::Utc::now());
    let order = NewOrder { customer_name, item: "Pizza".to_owned(), quantity: 1, price: 1.into() };
    let event = OrderEvent { action: OrderAction::Created, order: order.into_order(id, now), timestamp: now };
    Outgoing::json(topic::ORDERS, id, &event, now).unwrap()
}

async fn place(producer: Producer, stop: CancellationToken) -> usize {
    let mut tick = interval(Duration::from_millis(1_000 / PER_SECOND));
    let mut n = 0;
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        producer.send(order(one_of_many(n))).await.unwrap();
        n += 1;
    }
    n
}

impl Lane {
    async fn start(shared: &Kafka) -> Self {
        let kafka = KafkaConfig { prefix: own_prefix(), ..shared.config.clone() };
        let Kafka { producer, .. } = Kafka::at(kafka.clone(), topic::TOPICS).await;
        let (stop, audit) = (CancellationToken::new(), Reader::start(&kafka, topic::AUDIT));
        let placing = tokio::spawn(place(producer.clone(), stop.clone()));
        Self { kafka, producer, audit, stop: stop.drop_guard(), placing }
    }

    fn fraud(&self, instance: &str) -> Alone {
        Alone::instance("fraud", instance, &self.kafka)
    }

    /// Waits until an order that is placed from now on has its verdict.
    async fn judges(&self) {
        let order = order(Uuid::new_v4().to_string());
        let id = order.key.clone();
        self.producer.send(order).await.unwrap();
        let mut seen = 0;
        eventually("a new order to be judged", async || {
            let new = self.audit.after(seen);
            seen += new.len();
            if new.iter().any(|verdict| verdict.key == id) {
                Ok(())
            } else {
                Err(format!("not among {seen} verdicts"))
            }
        })
        .await;
    }

    /// Places no more orders; what is wrong with the verdicts, if anything.
    async fn ends(self) -> Option<String> {
        drop(self.stop);
        self.placing.await.unwrap();
        wrong_verdicts(&self.kafka).await
    }
}

/// Kills the fraud process, lets each successor live for one of `lives`, and lets the last one go on.
async fn successors_live(shared: &Kafka, lives: &[Duration]) -> Option<String> {
    let lane = Lane::start(shared).await;
    let mut fraud = lane.fraud("fraud-1");
    lane.judges().await;
    for life in lives {
        fraud.kill();
        let mut successor = lane.fraud("fraud-1");
        sleep(*life).await;
        successor.kill();
        fraud = lane.fraud("fraud-1");
        lane.judges().await;
    }
    lane.ends().await.map(|wrong| format!("successors lived for {lives:?}: {wrong}"))
}

async fn all_are_exact(shared: &Kafka, lives: Vec<Vec<Duration>>) {
    let lanes = lives.len();
    let all = lives.into_iter().map(|lives| async move { successors_live(shared, &lives).await });
    let wrong: Vec<_> = stream::iter(all).buffer_unordered(LANES).filter_map(async |w| w).collect().await;
    println!("{} of {lanes} lanes are exact", lanes - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_are_exact_when_a_successor_dies_before_it_has_its_partitions() {
    let shared = Kafka::with_topics(&[]).await;
    let lives = [1_000, 2_000, 3_000].map(Duration::from_millis);
    all_are_exact(&shared, vec![lives.to_vec(), lives.into_iter().rev().collect()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_are_exact_when_a_successor_dies_at_any_moment_of_its_first_seconds() {
    let shared = Kafka::with_topics(&[]).await;
    let all = (LIFE.as_millis() / STEP.as_millis()) as usize;
    let every = all.div_ceil(kills().min(all));
    let lives =
        (1..=all).filter(|n| n % every == 0).map(|n| vec![STEP * u32::try_from(n).unwrap()]).collect();
    all_are_exact(&shared, lives).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_are_exact_when_the_successor_has_another_instance_id() {
    let shared = Kafka::with_topics(&[]).await;
    let lane = Lane::start(&shared).await;
    for instance in ["fraud-1", "fraud-2", "fraud-1", "fraud-3"] {
        let mut fraud = lane.fraud(instance);
        lane.judges().await;
        fraud.kill();
    }
    let _last = lane.fraud("fraud-4");
    lane.judges().await;
    assert_eq!(lane.ends().await, None);
}

/// A client of somebody else's: it takes partitions of the group, reads, and commits nothing.
struct Foreign;

impl Handler for Foreign {
    fn record(&mut self, _: &Record<'_>, _: Position, _: &mut Outbox) -> Result<(), Error> {
        Ok(())
    }
}

/// Joins `fraud-group`, stays until `stay` is done, and leaves.
async fn foreign_member_joins(lane: &Lane, stay: impl Future<Output = ()>) {
    let (progress, leave) = (Progress::default(), CancellationToken::new());
    let foreign = Instance::start(Service::Fraud, None);
    let member = ConsumerOptions::new(topic::FRAUD_GROUP, &[topic::ORDERS], &foreign);
    let producer = lane.producer.clone();
    let reading = consume(&lane.kafka, member, producer, Foreign, progress.clone(), leave.clone()).unwrap();
    until("the group to take a member in", async || progress.is_assigned()).await;
    stay.await;
    leave.cancel();
    reading.join().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verdicts_are_exact_when_a_foreign_member_joins_the_group_and_leaves() {
    let shared = Kafka::with_topics(&[]).await;
    let lane = Lane::start(&shared).await;
    let _fraud = lane.fraud("fraud-1");
    lane.judges().await;
    // Shorter than fraud detection waits for partitions that somebody else has.
    for stay in [0, 1_000, 3_000].map(Duration::from_millis) {
        foreign_member_joins(&lane, sleep(stay)).await;
        lane.judges().await;
    }
    assert_eq!(lane.ends().await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fraud_detection_goes_on_without_the_partitions_of_a_foreign_member_and_says_so() {
    let shared = Kafka::with_topics(&[]).await;
    let lane = Lane::start(&shared).await;
    let fraud = lane.fraud("fraud-1");
    lane.judges().await;
    foreign_member_joins(&lane, async {
        let mut seen = 0;
        eventually("a verdict that is partial", async || {
            let new = lane.audit.after(seen);
            seen += new.len();
            let partial = new.iter().map(|read| read.json::<Value>());
            let mut partial = partial.filter(|event| event["windowStats"]["partial"] == true);
            partial.next().ok_or(format!("none of {seen} verdicts"))
        })
        .await;
        let (_, ready) = fraud.get("/readyz").await.unwrap();
        assert!(ready.contains("partition"), "{ready}");
    })
    .await;
    fraud.is_ready().await;
    lane.judges().await;
    drop(lane.stop);
    let placed = lane.placing.await.unwrap();
    eventually("every order to be judged, also those of the foreign member's partitions", async || {
        let verdicts = lane.audit.after(0);
        let judged = verdicts.iter().map(|verdict| &verdict.key).collect::<BTreeSet<_>>().len();
        if judged >= placed { Ok(()) } else { Err(format!("{judged} of {placed}")) }
    })
    .await;
}
