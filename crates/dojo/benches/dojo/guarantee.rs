//! What exactly once costs: records a second through notification and fraud, and from POST to NOTIFIED.

use crate::{
    broker::On,
    fraud::{MINUTES, filled, rate},
    latency,
    processes::Process,
    start::whole_dojo,
};
use chrono::Utc;
use dojo_contract::topic;
use dojo_kafka::{Outgoing, Producer};
use serde_json::json;

const GUARANTEES: [&str; 2] = ["atLeastOnce", "exactlyOnce"];

pub async fn measure(on: On) {
    for service in ["notification", "fraud"] {
        for guarantee in GUARANTEES {
            println!(
                "guarantee: {service} {:.0} records/s, {guarantee}",
                through(on, service, guarantee).await
            );
        }
    }
    for guarantee in GUARANTEES {
        let dojo = whole_dojo(on).await;
        let patch = reqwest::Client::new().patch(format!("{}/settings", dojo.url));
        let answer = patch.json(&json!({"guarantee": guarantee})).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
        println!("guarantee: {guarantee}");
        latency::at(&dojo.url, "10/50").await;
    }
}

/// Records a second through one instance of `service` that finds them on the log.
async fn through(on: On, service: &str, guarantee: &str) -> f64 {
    let (_broker, brokers) = on.broker().await;
    let producer = filled(&brokers, MINUTES).await;
    set(&producer, guarantee).await;
    let _service =
        Process::dojo(&[service, "--kafka-brokers", &brokers, "--instance-id", &format!("{service}-1")]);
    rate(&producer, MINUTES).await
}

/// Sets the guarantee before anything runs.
async fn set(producer: &Producer, guarantee: &str) {
    let value = Outgoing::json(topic::SETTINGS, "guarantee", &guarantee, Utc::now()).unwrap();
    producer.send(value).await.unwrap();
}
