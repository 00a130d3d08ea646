//! Instances that the settings stop and start again.

use crate::{
    guarantees::{Switchable, start},
    order,
};
use chrono::Utc;
use dojo_contract::{Control, DesiredState, InstanceState, Service, topic};
use dojo_kafka::{Instance, Outgoing, Readiness};
use dojo_testbed::{Kafka, Read, until};
use std::collections::BTreeSet;

fn instance(id: &str) -> Instance {
    Instance::start(Service::Notification, Some(id.to_owned()))
}

async fn ask(kafka: &Kafka, id: &str, state: DesiredState) {
    let control = Control::State(state);
    kafka
        .send(Outgoing::json(topic::SETTINGS, control.key(id), &control.to_json(), Utc::now()).unwrap())
        .await;
}

async fn owns(member: &Switchable, partitions: usize) {
    until("its share", async || member.progress.partitions().len() == partitions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_instance_leaves_its_partitions_to_the_others_and_takes_its_share_when_it_is_started() {
    let kafka = Kafka::start().await;
    let first = start(&kafka.config, &instance("notification-1")).await;
    let second = start(&kafka.config, &instance("notification-2")).await;
    until("both to have a share", async || {
        let shares = [&first, &second].map(|member| member.progress.partitions().len());
        shares.iter().sum::<usize>() == 3 && !shares.contains(&0)
    })
    .await;
    let mut copies = kafka.read(topic::AUDIT);
    let mut sent = 0;
    let send_some = async |sent: &mut usize| {
        for _ in 0..30 {
            kafka.send(order(*sent)).await;
            *sent += 1;
        }
    };
    send_some(&mut sent).await;

    ask(&kafka, "notification-1", DesiredState::Stopped).await;
    until("it to stop", async || first.progress.phase() == InstanceState::Stopped).await;
    assert!(first.progress.partitions().is_empty() && !first.progress.is_assigned());
    owns(&second, 3).await;
    send_some(&mut sent).await;
    copies.first(sent).await;

    ask(&kafka, "notification-1", DesiredState::Running).await;
    until("it to run", async || first.progress.phase() == InstanceState::Running).await;
    until("it to have a share", async || !first.progress.partitions().is_empty()).await;
    send_some(&mut sent).await;
    let values: BTreeSet<_> = copies.first(sent).await.into_iter().map(|copy: Read| copy.value).collect();
    assert_eq!(values.len(), sent, "each record was handled once");
    first.end().await;
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_starts_while_it_is_to_be_stopped_joins_no_group() {
    let kafka = Kafka::start().await;
    ask(&kafka, "notification-1", DesiredState::Stopped).await;
    let member = start(&kafka.config, &instance("notification-1")).await;
    let readiness = Readiness::default();
    readiness.is_of_member("g", &kafka.producer, &member.progress);
    until("it to be stopped", async || member.progress.phase() == InstanceState::Stopped).await;
    until("it to be ready", async || readiness.causes().is_empty()).await;
    ask(&kafka, "notification-1", DesiredState::Running).await;
    owns(&member, 3).await;
    assert_eq!(member.progress.rebalances(), 1, "it was in the group only after its start");
    member.end().await;
}
