//! Exactly once, and going over to it while a loop runs.

use super::{Copy, order, producer, somebody};
use dojo_contract::{
    Guarantee, Setting, SettingName,
    topic::{self},
};
use dojo_kafka::{
    ConsumerLoop, ConsumerOptions, Instance, KafkaConfig, Outgoing, Progress, SettingsFollower, consume,
};
use dojo_testbed::{Kafka, OwnKafka, PATIENCE, until};
use std::collections::BTreeSet;
use tokio_util::sync::CancellationToken;

/// A loop whose guarantee follows the settings.
pub(crate) struct Switchable {
    copy: Copy,
    pub(crate) progress: Progress,
    stop: CancellationToken,
    ends: ConsumerLoop,
}

pub(crate) async fn start(kafka: &KafkaConfig, instance: &Instance) -> Switchable {
    let (copy, progress, stop) = (Copy::default(), Progress::default(), CancellationToken::new());
    let settings = SettingsFollower::start(kafka, &instance.id, &stop).await.unwrap();
    let work = ConsumerOptions {
        settings: Some(settings),
        has_guarantee: true,
        ..ConsumerOptions::new("g", &[topic::ORDERS], instance)
    };
    let ends = consume(kafka, work, producer(kafka), copy.clone(), progress.clone(), stop.clone()).unwrap();
    Switchable { copy, progress, stop, ends }
}

impl Switchable {
    fn count(&self) -> usize {
        self.copy.seen.lock().unwrap().len()
    }

    async fn has_no_lag(&self) {
        until("no lag in any of three partitions", async || {
            let partitions = self.progress.partitions();
            partitions.len() == 3 && partitions.iter().all(|p| p.lag == 0)
        })
        .await;
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.ends.join()).await.unwrap().unwrap();
    }
}

fn set(guarantee: Guarantee) -> Outgoing {
    let key = SettingName::for_all(Setting::Guarantee).to_string();
    Outgoing::json(topic::SETTINGS, key, &guarantee, chrono::Utc::now()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_once_each_record_has_what_follows_from_it_once_and_no_lag_is_left() {
    let kafka = Kafka::start().await;
    kafka.send(set(Guarantee::ExactlyOnce)).await;
    for n in 0..100 {
        kafka.send(order(n)).await;
    }
    let mut copies = kafka.read(topic::AUDIT);
    let first = start(&kafka.config, &somebody()).await;
    copies.first(100).await;
    first.has_no_lag().await;
    first.end().await;

    let second = start(&kafka.config, &somebody()).await;
    for n in 100..120 {
        kafka.send(order(n)).await;
    }
    let copies = copies.first(120).await;
    second.has_no_lag().await;
    assert_eq!(second.count(), 20, "nothing that was committed comes again");
    let values: BTreeSet<_> = copies.iter().map(|copy| copy.value.clone()).collect();
    assert_eq!((copies.len(), values.len()), (120, 120));
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_goes_over_to_another_guarantee_and_back_without_losing_or_repeating_a_record() {
    let kafka = Kafka::start().await;
    let work = start(&kafka.config, &somebody()).await;
    let mut copies = kafka.read(topic::AUDIT);
    let mut sent = 0;
    for (offset, guarantee) in
        (1..).zip([Guarantee::ExactlyOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce])
    {
        for _ in 0..30 {
            kafka.send(order(sent)).await;
            sent += 1;
        }
        copies.first(sent).await;
        kafka.send(set(guarantee)).await;
        until("the guarantee to be in force", async || work.progress.applied(guarantee, offset) == offset)
            .await;
    }
    kafka.send(order(sent)).await;
    copies.first(sent + 1).await;
    work.has_no_lag().await;
    assert_eq!(copies.first(sent + 1).await.len(), sent + 1);
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_going_away_under_transactions_loses_and_repeats_nothing() {
    let mut kafka = OwnKafka::start().await;
    let outside = producer(&kafka.config);
    outside.send(set(Guarantee::ExactlyOnce)).await.unwrap();
    let work = start(&kafka.config, &somebody()).await;
    let mut copies = dojo_testbed::Reader::start(&kafka.config, topic::AUDIT);
    for n in 0..200 {
        outside.send(order(n)).await.unwrap();
    }
    copies.first(1).await;
    kafka.kill().await;
    until("the absence to be known", async || outside.is_away()).await;
    kafka.start_again().await;
    until("Kafka to be back", async || !outside.is_away()).await;
    let copies = copies.first(200).await;
    work.has_no_lag().await;
    let values: BTreeSet<_> = copies.iter().map(|copy| copy.value.clone()).collect();
    assert_eq!((copies.len(), values.len()), (200, 200));
    work.end().await;
}
