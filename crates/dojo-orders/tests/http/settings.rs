use crate::fixture::{Orders, reported, running};
use dojo_contract::{InstanceStatus, Service};
use dojo_kafka::Outgoing;
use dojo_testbed::{Kafka, until};
use reqwest::Method;
use serde_json::json;

fn report(settings_offset: i64) -> Outgoing {
    reported(&InstanceStatus { settings_offset, ..running("notification-9", Service::Notification) })
}

#[tokio::test]
async fn a_change_is_answered_when_it_holds_and_null_takes_it_back() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let default = json!({"value": 0.3, "source": "default"});
    assert_eq!(orders.get("/settings").await.1["failRate"], default);
    let patch = json!({"failRate": 0.9, "instances": {"notification-2": {"failRate": 0.25}}});
    let (status, settings) = orders.send(Method::PATCH, "/settings", patch).await;
    assert_eq!((status.as_u16(), &settings["failRate"]), (200, &json!({"value": 0.9, "source": "topic"})));
    assert_eq!(
        settings["instances"],
        json!({"notification-2": {"failRate": {"value": 0.25, "source": "topic"}}})
    );
    let event = events.next_of("settings").await;
    assert_eq!((&event.data["key"], &event.data["value"]), (&json!("failRate"), &json!(0.9)));

    let (status, settings) =
        orders.send(Method::PATCH, "/settings", json!({"failRate": null, "instances": null})).await;
    assert_eq!((status.as_u16(), &settings["failRate"], &settings["instances"]), (200, &default, &json!({})));
    let (status, problem) = orders.send(Method::PATCH, "/settings", json!({"failRate": 2, "speed": 1})).await;
    assert_eq!((status.as_u16(), problem["errors"].as_array().unwrap().len()), (422, 2));
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get("/settings").await.1["failRate"], default);
    orders.stop().await;
}

#[tokio::test]
async fn an_instance_that_does_not_apply_a_change_is_named() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    kafka.send(report(0)).await;
    until("it is known", async || {
        let instances = orders.get("/instances").await.1;
        instances.as_array().unwrap().iter().any(|i| i["instanceId"] == "notification-9" && i["live"] == true)
    })
    .await;
    let (status, settings) = orders.send(Method::PATCH, "/settings", json!({"maxRetries": 1})).await;
    assert_eq!((status.as_u16(), &settings["waitingFor"]), (202, &json!(["notification-9"])));
    let change = orders.send(Method::PATCH, "/settings", json!({"maxRetries": 3}));
    let applies = async {
        until("it is told", async || orders.get("/settings").await.1["maxRetries"]["value"] == 3).await;
        kafka.send(report(2)).await;
    };
    let ((status, settings), ()) = tokio::join!(change, applies);
    assert_eq!((status.as_u16(), &settings["maxRetries"]["value"]), (200, &json!(3)));
    orders.stop().await;
}

#[tokio::test]
async fn the_status_tells_who_reads_what() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    orders.place("Ada").await;
    until("this instance tells what it reads", async || {
        let status = orders.get("/status").await.1;
        let group = &status["groups"][0];
        group["group"] == "sse-relay-group"
            && group["members"][0]["partitions"].as_array().is_some_and(|p| p.len() == 2)
    })
    .await;
    let (_, status) = orders.get("/status").await;
    assert_eq!((&status["kafka"]["state"], &status["kafka"]["embedded"]), (&json!("up"), &json!(true)));
    let topics = status["topics"].as_array().unwrap();
    let held = topics.iter().find(|t| t["name"] == "orders").unwrap()["partitions"].as_array().unwrap();
    assert_eq!(held.iter().map(|p| p["endOffset"].as_i64().unwrap()).sum::<i64>(), 1);
    let (_, rules) = orders.get("/rules").await;
    assert_eq!(rules.as_array().unwrap().len(), 2);
    let (_, rule) = orders.get("/rules/fraud").await;
    assert_eq!((&rule["builtIn"], rule["error"].is_string()), (&json!(true), true), "its folder is empty");
    assert!(rule["source"].as_str().unwrap().contains("VELOCITY"));
    orders.stop().await;
}
