//! A service alone says how it is where `ADMIN_LISTEN` says.

use crate::{
    alone::Alone,
    process::{DOJO, workspace},
    rules::save,
};
use dojo_kafka::KafkaConfig;
use dojo_testbed::{Kafka, OwnKafka, eventually};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path, process::Command};

/// What a service says of itself.
impl Alone {
    /// Starts a service by the rules in a folder; no notification is ever delivered, and each is retried once.
    fn by(rules: &Path, service: &str, kafka: &KafkaConfig) -> Self {
        Self::start_with(service, kafka, |command| {
            command.env("RULES_DIR", rules).envs([("FAIL_RATE", "1"), ("MAX_RETRIES", "1")])
        })
    }

    /// Waits until the service counts exactly so: each of `lines` is one of its metrics.
    async fn counts(&self, lines: &[&str]) {
        eventually(&format!("{lines:?}"), async || {
            let (_, metrics) = self.get("/metrics").await.unwrap();
            if lines.iter().all(|line| metrics.lines().any(|l| l == *line)) { Ok(()) } else { Err(metrics) }
        })
        .await;
    }

    /// The names that it counts under, all of which it describes.
    async fn names(&self) -> BTreeSet<String> {
        let (_, metrics) = self.get("/metrics").await.unwrap();
        let [typed, described] = ["# TYPE ", "# HELP "].map(|prefix| {
            let lines = metrics.lines().filter_map(|line| line.strip_prefix(prefix));
            lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
        });
        assert_eq!(typed, described);
        typed
    }

    /// Places an order of this many dollars with the order service. A machine under load may answer that it is not in the
    /// list yet; then the same order is asked for again.
    async fn placed(&self, customer: &str, dollars: f64) {
        let order = json!({"customerName": customer, "item": "Pizza", "quantity": 1, "price": dollars});
        let url = format!("{}/orders", self.api().await);
        let client = reqwest::Client::new();
        eventually("the order to be placed", async || {
            let request = client.post(&url).header("idempotency-key", customer).json(&order);
            let answer = request.send().await.unwrap();
            if answer.status() == 201 { Ok(()) } else { Err(answer.text().await) }
        })
        .await;
    }

    /// What `dojo health` says, and whether it succeeds.
    async fn health(&self) -> (bool, String) {
        let asked =
            Command::new(DOJO).arg("health").env("ADMIN_LISTEN", self.admin().await).output().unwrap();
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
        let (healthy, said) = service.health().await;
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
        assert!(!service.health().await.0);
    }
    kafka.start_again().await;
    for service in &all {
        service.is_ready().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_counted_is_what_happened_under_the_names_that_the_readme_lists() {
    let kafka = Kafka::start().await;
    let rules = tempfile::tempdir().unwrap();
    for file in ["fraud.rhai", "notification.rhai"] {
        std::fs::copy(workspace().join("rules").join(file), rules.path().join(file)).unwrap();
    }
    let all = ["order", "notification", "fraud", "audit"]
        .map(|service| Alone::by(rules.path(), service, &kafka.config));
    let [order, notification, fraud, _] = &all;
    for service in &all {
        service.is_ready().await;
    }

    // The order and its retry: the first is an alert, both are failed deliveries.
    order.placed("Ada", 100.01).await;
    notification
        .counts(&[
            "dojo_notification_retries_total 1",
            "dojo_dead_letters_total 1",
            "dojo_notifications_delivered_total 0",
            "dojo_notifications_dropped_total 0",
            r#"dojo_rule_errors_total{rule="notification"} 0"#,
            r#"dojo_records_handled_total{group="notification-group"} 2"#,
            r#"dojo_record_handling_seconds_count{group="notification-group"} 2"#,
        ])
        .await;
    fraud
        .counts(&[
            r#"dojo_fraud_alerts_total{type="AMOUNT"} 1"#,
            "dojo_fraud_checks_passed_total 0",
            r#"dojo_records_handled_total{group="fraud-group"} 2"#,
            r#"dojo_record_handling_seconds_count{group="fraud-group"} 2"#,
        ])
        .await;
    order.placed("Bob", 1.0).await;
    fraud
        .counts(&[
            r#"dojo_fraud_alerts_total{type="AMOUNT"} 1"#,
            "dojo_fraud_checks_passed_total 1",
            r#"dojo_rule_errors_total{rule="fraud"} 0"#,
            r#"dojo_records_handled_total{group="fraud-group"} 4"#,
            r#"dojo_record_handling_seconds_count{group="fraud-group"} 4"#,
        ])
        .await;

    // Not taken on the facts that a rule is tried on, so that it is found only by an order.
    save(rules.path(), "fraud.rhai", "if order.customerName == \"Cleo\" { throw \"no\" }\n[]\n");
    let applied = r#"dojo_rule_reloads_total{rule="fraud",outcome="applied"} 1"#;
    fraud.counts(&[applied]).await;
    order.placed("Cleo", 1.0).await;
    fraud.counts(&[r#"dojo_rule_errors_total{rule="fraud"} 1"#, "dojo_fraud_checks_passed_total 1"]).await;
    save(rules.path(), "fraud.rhai", "let alerts = [;\n");
    fraud.counts(&[applied, r#"dojo_rule_reloads_total{rule="fraud",outcome="refused"} 1"#]).await;

    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let spans = readme.split('`').skip(1).step_by(2);
    let listed: BTreeSet<_> = spans.filter(|span| span.starts_with("dojo_")).map(str::to_owned).collect();
    // The lag is known a second later.
    eventually("the names that the README lists, and no others", async || {
        let mut names = BTreeSet::new();
        for service in &all {
            names.extend(service.names().await);
        }
        if names == listed { Ok(()) } else { Err((names, listed.clone())) }
    })
    .await;
}
