//! What is asked of instances is a record on `dojo-settings`. These tests report for instances that aren't there.

use crate::fixture::{Orders, record, reported, running, told};
use chrono::{DateTime, Utc};
use dojo_contract::{InstanceState, InstanceStatus, Service, time, topic};
use dojo_testbed::{Kafka, OwnKafka, until};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Reports for `id`, and waits until the service shows it.
async fn report(kafka: &Kafka, orders: &Orders, id: &str, service: Service, state: InstanceState) {
    let started_at = time::to_millis(Utc::now());
    send_report(kafka, id, service, state, started_at).await;
    let path = format!("/instances/{id}");
    until("the report is known", async || orders.get(&path).await.1["state"] == json!(state)).await;
}

async fn send_report(
    kafka: &Kafka,
    id: &str,
    service: Service,
    state: InstanceState,
    started_at: DateTime<Utc>,
) {
    kafka.send(reported(&InstanceStatus { state, started_at, ..running(id, service) })).await;
}

async fn reports_running(kafka: &Kafka, orders: &Orders, id: &str, service: Service) {
    report(kafka, orders, id, service, InstanceState::Running).await;
}

async fn post(orders: &Orders, path: &str) -> (StatusCode, Value) {
    crate::fixture::answer(orders.request(Method::POST, path).send().await.unwrap()).await
}

async fn delete(orders: &Orders, id: &str) -> (StatusCode, Value) {
    let request = orders.request(Method::DELETE, &format!("/instances/{id}"));
    crate::fixture::answer(request.send().await.unwrap()).await
}

async fn add(orders: &Orders, service: &str) -> (StatusCode, Value) {
    orders.send(Method::POST, "/instances", json!({"service": service})).await
}

/// Key and value of every record on `dojo-settings`.
async fn asked(kafka: &Kafka) -> Vec<(String, Value)> {
    told(kafka.records(topic::SETTINGS).await)
}

#[tokio::test]
async fn a_stop_is_answered_200_once_the_instance_has_reported_it_and_202_before() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    reports_running(&kafka, &orders, "notification-1", Service::Notification).await;
    let (status, entry) = post(&orders, "/instances/notification-1/stop").await;
    assert_eq!((status.as_u16(), &entry["state"]), (202, &json!("running")), "it says nothing");
    assert_eq!(entry["desired"], "stopped", "{entry}");

    report(&kafka, &orders, "notification-1", Service::Notification, InstanceState::Stopped).await;
    let (status, entry) = post(&orders, "/instances/notification-1/stop").await;
    assert_eq!((status.as_u16(), &entry["state"]), (200, &json!("stopped")));
    assert_eq!((&entry["desired"], &entry["live"]), (&json!("stopped"), &json!(false)), "{entry}");

    let starts = post(&orders, "/instances/notification-1/start");
    let obeys = async {
        let wish = async || orders.get("/instances/notification-1").await.1["desired"] == "running";
        until("the start is asked for", wish).await;
        reports_running(&kafka, &orders, "notification-1", Service::Notification).await;
    };
    let ((status, entry), ()) = tokio::join!(starts, obeys);
    assert_eq!((status.as_u16(), &entry["state"]), (200, &json!("running")));
    let wish = |state: &str| ("instances.notification-1.state".to_owned(), json!(state));
    assert_eq!(asked(&kafka).await, [wish("stopped"), wish("stopped"), wish("running")]);
    orders.stop().await;
}

#[tokio::test]
async fn a_crash_names_the_process_that_reported_last() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let started_at = time::to_millis(Utc::now());
    send_report(&kafka, "fraud-1", Service::Fraud, InstanceState::Running, started_at).await;
    until("it is known", async || orders.get("/instances/fraud-1").await.0 == 200).await;
    let (status, entry) = post(&orders, "/instances/fraud-1/crash").await;
    assert_eq!((status.as_u16(), &entry["instanceId"]), (202, &json!("fraud-1")));
    let expected = ("instances.fraud-1.crash".to_owned(), json!(time::format(started_at)));
    assert_eq!(asked(&kafka).await, [expected]);
    orders.stop().await;
}

#[tokio::test]
async fn an_instance_that_is_asked_for_and_does_not_report_can_be_started_but_not_crashed() {
    let kafka = Kafka::start().await;
    kafka.send(record(topic::SETTINGS, "instances.audit-7.state", Some(b"\"stopped\""))).await;
    let orders = Orders::start(&kafka.config).await;
    let expected = json!({"instanceId": "audit-7", "live": false, "desired": "stopped"});
    assert_eq!(orders.get("/instances/audit-7").await, (StatusCode::OK, expected));
    let (status, problem) = post(&orders, "/instances/audit-7/crash").await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("nothing to crash"), "{problem}");
    let (status, entry) = post(&orders, "/instances/audit-7/start").await;
    assert_eq!((status.as_u16(), &entry["desired"]), (202, &json!("running")));
    orders.stop().await;
}

#[tokio::test]
async fn an_unknown_instance_is_404() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let long = "x".repeat(101);
    for id in ["notification-9", "a%20b", long.as_str()] {
        assert_eq!(orders.get(&format!("/instances/{id}")).await.0, 404, "{id}");
        for act in ["stop", "start", "crash"] {
            let (status, problem) = post(&orders, &format!("/instances/{id}/{act}")).await;
            assert_eq!((status.as_u16(), problem["status"].as_u64()), (404, Some(404)), "{act} {id}");
        }
        assert_eq!(delete(&orders, id).await.0, 404, "{id}");
    }
    assert_eq!(asked(&kafka).await, []);
    orders.stop().await;
}

#[tokio::test]
async fn neither_an_order_service_nor_the_supervisor_is_stopped_crashed_or_removed() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    reports_running(&kafka, &orders, "order-2", Service::Order).await;
    reports_running(&kafka, &orders, "supervisor-1", Service::Supervisor).await;
    for (id, why) in [
        ("order-1", "is an order service"),
        ("order-2", "is an order service"),
        ("supervisor-1", "runs the processes"),
    ] {
        let answers = [
            post(&orders, &format!("/instances/{id}/stop")).await,
            post(&orders, &format!("/instances/{id}/crash")).await,
            delete(&orders, id).await,
        ];
        for (status, problem) in answers {
            assert_eq!(status, 409, "{id}");
            assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        }
    }
    assert_eq!(asked(&kafka).await, []);
    orders.stop().await;
}

#[tokio::test]
async fn without_a_supervisor_the_answer_says_how_to_add_or_remove_an_instance() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    reports_running(&kafka, &orders, "notification-1", Service::Notification).await;
    report(&kafka, &orders, "supervisor-1", Service::Supervisor, InstanceState::Stopped).await;
    let (status, problem) = add(&orders, "notification").await;
    assert_eq!(status, 409);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("docker compose up -d --scale notification-extra=1"), "{detail}");
    let (status, problem) = delete(&orders, "notification-1").await;
    assert_eq!(status, 409);
    assert!(problem["detail"].as_str().unwrap().contains("docker compose stop"), "{problem}");
    assert_eq!(asked(&kafka).await, []);
    orders.stop().await;
}

#[tokio::test]
async fn two_instances_that_are_added_at_once_get_two_names() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    reports_running(&kafka, &orders, "supervisor-1", Service::Supervisor).await;
    reports_running(&kafka, &orders, "notification-2", Service::Notification).await;
    let (one, other) = tokio::join!(add(&orders, "notification"), add(&orders, "notification"));
    assert_eq!((one.0.as_u16(), other.0.as_u16()), (202, 202), "nobody starts them");
    let ids: BTreeSet<_> = [&one.1, &other.1].map(|answer| answer["instanceId"].clone().to_string()).into();
    assert_eq!(ids, ["\"notification-1\"", "\"notification-3\""].map(str::to_owned).into());
    orders.stop().await;
}

#[tokio::test]
async fn a_crash_of_an_instance_that_is_long_gone_is_taken_back_with_the_next_crash() {
    const GONE: &str = "instances.notification-gone.crash";
    let kafka = Kafka::start().await;
    kafka.send(record(topic::SETTINGS, GONE, Some(b"\"2026-01-01T00:00:00.000Z\""))).await;
    let orders = Orders::start(&kafka.config).await;
    reports_running(&kafka, &orders, "notification-1", Service::Notification).await;
    assert_eq!(post(&orders, "/instances/notification-gone/start").await.0, 404);
    assert_eq!(post(&orders, "/instances/notification-1/crash").await.0, 202);
    let asked = asked(&kafka).await;
    assert_eq!(asked[1], (GONE.to_owned(), Value::Null), "{asked:?}");
    assert_eq!(asked[2].0, "instances.notification-1.crash");
    orders.stop().await;
}

#[tokio::test]
async fn an_added_instance_is_answered_201_with_its_place_once_it_has_reported() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    reports_running(&kafka, &orders, "supervisor-1", Service::Supervisor).await;
    let adds = orders.request(Method::POST, "/instances").json(&json!({"service": "audit"})).send();
    let obeys = async {
        until("it is asked for", async || orders.get("/instances/audit-1").await.0 == 200).await;
        reports_running(&kafka, &orders, "audit-1", Service::Audit).await;
    };
    let (answer, ()) = tokio::join!(adds, obeys);
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["location"], "/instances/audit-1");
    assert_eq!(answer.json::<Value>().await.unwrap()["desired"], "running");

    // Nobody ends it here, so it is still there when the answer comes.
    reports_running(&kafka, &orders, "supervisor-1", Service::Supervisor).await;
    assert_eq!(delete(&orders, "audit-1").await.0, 202);
    let process = |value: &str| ("instances.audit-1.process".to_owned(), json!(value));
    assert_eq!(asked(&kafka).await, [process("audit"), process("none")]);
    orders.stop().await;
}

#[tokio::test]
async fn a_service_that_cannot_be_added_is_refused_with_those_that_can() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for body in [json!({"service": "order"}), json!({}), json!([]), json!({"service": "audit", "n": 2})] {
        let (status, problem) = orders.send(Method::POST, "/instances", body).await;
        assert_eq!(status, 422, "{problem}");
        assert_eq!(problem["errors"].as_array().unwrap().len(), 1, "{problem}");
    }
    let (_, problem) = orders.send(Method::POST, "/instances", json!({"service": "supervisor"})).await;
    assert!(problem["detail"].as_str().unwrap().contains("\"fraud\""), "{problem}");
    orders.stop().await;
}

#[tokio::test]
async fn while_kafka_is_away_nothing_is_asked_of_an_instance() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    until("it reports itself", async || orders.get("/instances/order-1").await.0 == 200).await;
    kafka.stop().await;
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    assert_eq!(post(&orders, "/instances/notification-1/stop").await.0, 503);
    assert_eq!(add(&orders, "fraud").await.0, 503);
    assert_eq!(delete(&orders, "notification-1").await.0, 503);
    assert_eq!(orders.get("/instances").await.0, 200, "what is known is still shown");
    orders.stop().await;
}
