//! What a run has changed is put back when it ends, or when its runner falls silent.

use crate::{
    fixture::{Orders, answer, reported, running},
    run_leases::{end, report, start},
};
use dojo_contract::{Run, Service, topic};
use dojo_testbed::{Kafka, OwnKafka, until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Sends a change that belongs to a run.
async fn change(orders: &Orders, run: &str, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
    let request = orders.request(method, path).header(Run::HEADER, run);
    let request = if body.is_null() { request } else { request.json(&body) };
    answer(request.send().await.unwrap()).await
}

async fn patch(orders: &Orders, run: &str, body: Value) {
    let (status, settings) = change(orders, run, Method::PATCH, "/settings", body).await;
    assert!(status.is_success(), "{settings}");
}

async fn fail_rate(orders: &Orders) -> Value {
    orders.get("/settings").await.1["failRate"].clone()
}

async fn reports(kafka: &Kafka, orders: &Orders, id: &str, service: Service) {
    kafka.send(reported(&running(id, service))).await;
    let path = format!("/instances/{id}");
    until("the report is known", async || orders.get(&path).await.0 == 200).await;
}

#[tokio::test]
async fn settings_are_put_back_at_the_end_the_newest_first() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    orders.send(Method::PATCH, "/settings", json!({"maxRetries": 5})).await;
    start(&orders, "a-1", "a.yaml").await;
    patch(&orders, "a-1", json!({"failRate": 1})).await;
    patch(&orders, "a-1", json!({"maxRetries": 0})).await;
    patch(&orders, "a-1", json!({"failRate": 0.7})).await;
    let (_, run) = orders.get("/runs/a-1").await;
    let max_retries = json!({"setting": {"key": "maxRetries", "before": 5, "set": [0]}});
    let fail_rate_changed = json!({"setting": {"key": "failRate", "before": null, "set": [1, 0.7]}});
    assert_eq!(run["changes"], json!([max_retries, fail_rate_changed]));
    assert_eq!(
        end(&orders, "a-1").await,
        ["`failRate` is 0.3 again, its default", "`maxRetries` is 5 again"]
    );
    assert_eq!(fail_rate(&orders).await, json!({"value": 0.3, "source": "default"}));
    assert_eq!(orders.get("/settings").await.1["maxRetries"], json!({"value": 5, "source": "topic"}));
    orders.stop().await;
}

#[tokio::test]
async fn what_someone_else_has_changed_meanwhile_stays_and_is_said() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    start(&orders, "a-1", "a.yaml").await;
    patch(&orders, "a-1", json!({"failRate": 1, "instances": {"notification-2": {"failRate": 0}}})).await;
    orders.send(Method::PATCH, "/settings", json!({"failRate": 0.5})).await;
    let mut undone = end(&orders, "a-1").await;
    undone.sort();
    assert_eq!(
        undone,
        [
            "`failRate` of notification-2 follows the value of all instances again",
            "`failRate` was changed to 0.5 by someone else meanwhile and stays",
        ]
    );
    assert_eq!(fail_rate(&orders).await, json!({"value": 0.5, "source": "topic"}));
    assert_eq!(orders.get("/settings").await.1["instances"], json!({}));
    orders.stop().await;
}

#[tokio::test]
async fn instances_are_put_back_at_the_end() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for (id, service) in [
        ("notification-1", Service::Notification),
        ("notification-2", Service::Notification),
        ("fraud-1", Service::Fraud),
        ("supervisor-1", Service::Supervisor),
    ] {
        reports(&kafka, &orders, id, service).await;
    }
    start(&orders, "a-1", "a.yaml").await;
    for (method, path, body) in [
        (Method::POST, "/instances/notification-1/stop", Value::Null),
        (Method::POST, "/instances/fraud-1/crash", Value::Null),
        (Method::POST, "/instances", json!({"service": "notification"})),
        (Method::DELETE, "/instances/notification-2", Value::Null),
    ] {
        let (status, answered) = change(&orders, "a-1", method, path, body).await;
        assert_eq!(status, 202, "{answered}");
    }
    assert_eq!(orders.get("/instances/notification-1").await.1["desired"], "stopped");
    let expected = [
        "notification-2 is there again",
        "notification-3, which the run added, is gone again",
        "notification-1 is asked to work again",
    ];
    assert_eq!(end(&orders, "a-1").await, expected);
    assert_eq!(orders.get("/instances/notification-1").await.1["desired"], "running");
    let mut asked = kafka.read(topic::SETTINGS);
    let last = |records: &[dojo_testbed::Read], key: &str| {
        let of_key = |read: &&dojo_testbed::Read| read.key.as_deref() == Some(key.as_bytes());
        records.iter().rfind(of_key).map(|read| read.value.clone())
    };
    let is_gone = |key: &'static str| move |records: &[dojo_testbed::Read]| last(records, key) == Some(None);
    for key in [
        "instances.notification-1.state",
        "instances.notification-2.process",
        "instances.notification-3.process",
    ] {
        asked.until(is_gone(key)).await;
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_rule_is_put_back_at_the_end_byte_for_byte_unless_someone_else_has_saved_it() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let built_in = orders.get("/rules/notification").await.1["source"].as_str().unwrap().to_owned();
    // Even a broken file comes back as it was.
    let fraud = orders.rules.path().join("fraud.rhai");
    let before = "\u{feff}this is no rule\r\n";
    std::fs::write(&fraud, before).unwrap();
    let save = async |name: &str, source: String| {
        let path = format!("/rules/{name}");
        let got = orders.request(Method::GET, &path).send().await.unwrap();
        let request = orders.request(Method::PUT, &path).header("if-match", &got.headers()["etag"]);
        let request = request.header(Run::HEADER, "a-1").json(&json!({"source": source}));
        answer(request.send().await.unwrap()).await
    };
    start(&orders, "a-1", "a.yaml").await;
    let fraud_source = orders.get("/rules/fraud").await.1["asShipped"]["source"].as_str().unwrap().to_owned();
    let (status, saved) = save("fraud", format!("// of the run\n{fraud_source}")).await;
    assert_eq!(status, 200, "{saved}");
    let (status, saved) = save("fraud", format!("// of the run, again\n{fraud_source}")).await;
    assert_eq!(status, 200, "{saved}");
    let (status, saved) = save("notification", format!("// of the run\n{built_in}")).await;
    assert_eq!(status, 200, "{saved}");
    assert!(orders.rules.path().join("notification.rhai").exists());
    let undone = end(&orders, "a-1").await;
    assert_eq!(undone[0], "the notification rule is the built-in one again");
    assert!(
        undone[1].starts_with("the fraud rule is its version ") && undone[1].ends_with(" again"),
        "{undone:?}"
    );
    assert_eq!(std::fs::read_to_string(&fraud).unwrap(), before);
    assert!(!orders.rules.path().join("notification.rhai").exists());

    start(&orders, "b-1", "b.yaml").await;
    let request = orders.request(Method::PUT, "/rules/notification").header("if-match", "\"missing\"");
    let request = request.header(Run::HEADER, "b-1").json(&json!({"source": format!("// b\n{built_in}")}));
    assert_eq!(request.send().await.unwrap().status(), 200);
    let file = orders.rules.path().join("notification.rhai");
    std::fs::write(&file, format!("// a person's\n{built_in}")).unwrap();
    let stays = "the notification rule was changed by someone else meanwhile and stays";
    assert_eq!(end(&orders, "b-1").await, [stays]);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with("// a person's"));
    orders.stop().await;
}

/// Waits until a run is over. Returns it, and how long that took.
async fn until_over(orders: &Orders, id: &str) -> (Value, Duration) {
    let (begun, path) = (Instant::now(), format!("/runs/{id}"));
    until("the run is over", async || orders.get(&path).await.1["state"] != "running").await;
    (orders.get(&path).await.1, begun.elapsed())
}

#[tokio::test]
async fn the_changes_of_a_silent_runner_are_put_back_after_six_seconds() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    start(&orders, "a-1", "a.yaml").await;
    patch(&orders, "a-1", json!({"failRate": 1})).await;
    let (run, took) = until_over(&orders, "a-1").await;
    assert_eq!((&run["state"], run.get("verdict")), (&json!("abandoned"), None), "{run}");
    assert_eq!(run["undone"], json!(["`failRate` is 0.3 again, its default"]));
    assert!(took > Duration::from_secs(5), "{took:?}");
    assert_eq!(fail_rate(&orders).await["source"], "default");
    for event in [json!({"type": "renewed"}), json!({"type": "ended", "verdict": "met"})] {
        let (status, problem) = report(&orders, "a-1", event).await;
        assert_eq!((status.as_u16(), &problem["run"]["undone"]), (410, &run["undone"]), "{problem}");
    }
    assert_eq!(start(&orders, "b-1", "b.yaml").await.0, 201);
    orders.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_order_service_within_a_run_loses_nothing() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    start(&orders, "a-1", "a.yaml").await;
    patch(&orders, "a-1", json!({"failRate": 1})).await;
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(start(&orders, "b-1", "b.yaml").await.0, 409, "the lease goes on");
    assert_eq!(report(&orders, "a-1", json!({"type": "renewed"})).await.0, 200);
    patch(&orders, "a-1", json!({"maxRetries": 0})).await;
    let expected = ["`maxRetries` is 2 again, its default", "`failRate` is 0.3 again, its default"];
    assert_eq!(end(&orders, "a-1").await, expected);
    orders.stop().await;
}

#[tokio::test]
async fn a_run_whose_runner_died_while_the_order_service_was_away_is_put_back_by_the_next_one() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    start(&orders, "a-1", "a.yaml").await;
    patch(&orders, "a-1", json!({"failRate": 1})).await;
    orders.stop().await;
    // Another one than that to which the runner reported, which is gone.
    let orders = Orders::start_named("order-2", &kafka.config).await;
    assert_eq!(fail_rate(&orders).await["value"], 1);
    let (run, _) = until_over(&orders, "a-1").await;
    assert_eq!(
        (&run["state"], &run["undone"]),
        (&json!("abandoned"), &json!(["`failRate` is 0.3 again, its default"]))
    );
    assert_eq!(fail_rate(&orders).await["source"], "default");
    orders.stop().await;
}

#[tokio::test]
async fn a_run_that_reports_to_another_order_service_is_left_to_that_one() {
    let kafka = Kafka::start().await;
    let (one, two) = tokio::join!(
        Orders::start_named("order-1", &kafka.config),
        Orders::start_named("order-2", &kafka.config)
    );
    start(&one, "a-1", "a.yaml").await;
    patch(&one, "a-1", json!({"failRate": 1})).await;
    let begun = Instant::now();
    while begun.elapsed() < Run::SILENCE + Duration::from_secs(2) {
        assert_eq!(report(&one, "a-1", json!({"type": "renewed"})).await.0, 200);
        assert_eq!(two.get("/runs/a-1").await.1["state"], "running");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    patch(&two, "a-1", json!({"maxRetries": 0})).await;
    assert_eq!(two.get("/runs/a-1").await.1["orderService"], "order-2");
    assert_eq!(end(&one, "a-1").await.len(), 2);
    tokio::join!(one.stop(), two.stop());
}

#[tokio::test]
async fn an_undo_waits_while_kafka_is_away() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    start(&orders, "a-1", "a.yaml").await;
    patch(&orders, "a-1", json!({"failRate": 1})).await;
    kafka.stop().await;
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    let (status, problem) = report(&orders, "a-1", json!({"type": "ended", "verdict": "interrupted"})).await;
    assert_eq!(status, 503, "{problem}");
    kafka.start_again().await;
    orders.until_ready().await;
    let (run, _) = until_over(&orders, "a-1").await;
    assert_eq!((&run["state"], &run["verdict"]), (&json!("ended"), &json!("interrupted")), "{run}");
    assert_eq!(run["undone"], json!(["`failRate` is 0.3 again, its default"]));
    assert_eq!(fail_rate(&orders).await["source"], "default");
    orders.stop().await;
}
