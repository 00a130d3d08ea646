//! A service alone says how it is where `ADMIN_LISTEN` says.

use crate::process::DOJO;
use dojo_kafka::KafkaConfig;
use dojo_testbed::{OwnKafka, eventually};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

/// One service in a process of its own.
struct Alone {
    process: Child,
    /// `host:port` of its health and metrics.
    admin: String,
}

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Alone {
    fn start(service: &str, kafka: &KafkaConfig) -> Self {
        let mut process = Command::new(DOJO)
            .args([service, "--admin-listen", "127.0.0.1:0", "--kafka-brokers", &kafka.brokers])
            .args(if service == "order" { &["--port", "0"][..] } else { &[] })
            .env("KAFKA_PREFIX", kafka.prefix.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let line = log.find(|line| line.contains("health and metrics on")).expect("it says where");
        // Read on, or the service could not say anything more.
        std::thread::spawn(move || log.for_each(drop));
        let admin = line.rsplit_once("http://").unwrap().1.trim().to_owned();
        Self { process, admin }
    }

    async fn get(&self, path: &str) -> Result<(u16, String), reqwest::Error> {
        let answer = reqwest::get(format!("http://{}{path}", self.admin)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    async fn is_ready(&self) {
        eventually("the service to be ready", async || match self.get("/readyz").await {
            Ok((200, _)) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// What `dojo health` says, and whether it succeeds.
    fn health(&self) -> (bool, String) {
        let asked = Command::new(DOJO).arg("health").env("ADMIN_LISTEN", &self.admin).output().unwrap();
        let said = [asked.stdout, asked.stderr].concat();
        (asked.status.success(), String::from_utf8(said).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_says_where_it_is_told_whether_it_is_ready_and_what_it_counts() {
    let mut kafka = OwnKafka::start().await;
    let all = ["order", "notification", "fraud", "audit"].map(|service| Alone::start(service, &kafka.config));
    for service in &all {
        service.is_ready().await;
        assert_eq!(service.get("/healthz").await.unwrap().0, 200);
        let (healthy, said) = service.health();
        assert!(healthy && said.contains("ready"), "{said}");
    }
    let lag = r#"dojo_consumer_lag_records{group="fraud-group",topic="orders",partition="2"} 0"#;
    eventually("the lag to be known", async || {
        let (_, metrics) = all[2].get("/metrics").await.unwrap();
        if metrics.contains(lag) { Ok(()) } else { Err(metrics) }
    })
    .await;
    let (_, metrics) = all[2].get("/metrics").await.unwrap();
    assert!(metrics.contains("# HELP dojo_consumer_lag_records "), "{metrics}");

    kafka.stop().await;
    for service in &all {
        let (_, said) = eventually("the service to know that Kafka is away", async || {
            match service.get("/readyz").await {
                Ok((503, said)) => Ok((503, said)),
                other => Err(other),
            }
        })
        .await;
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["errors"][0]["field"], "kafka", "{said}");
        assert_eq!(service.get("/healthz").await.unwrap().0, 200, "it lives all the same");
        assert!(!service.health().0);
    }
    kafka.start_again().await;
    for service in &all {
        service.is_ready().await;
    }
}
