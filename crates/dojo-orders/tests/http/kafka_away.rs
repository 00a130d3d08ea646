use crate::fixture::{Orders, pizza, told};
use dojo_contract::topic;
use dojo_testbed::{Kafka, OwnKafka, until};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn while_kafka_is_away_orders_are_refused_at_once_and_afterwards_taken_again() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let before = orders.place("Ada").await;
    assert_eq!(events.next_of("order").await.data["order"], before);
    kafka.stop().await;
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    let asked = Instant::now();
    let response = orders.request(Method::POST, "/orders").json(&pizza("Bob")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"1".parse().unwrap())
    );
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(orders.get("/orders").await.1[0], before, "what is known is still shown");
    let (status, problem) = orders.get("/readyz").await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (503, &"kafka".into()));
    assert_eq!(orders.get("/healthz").await.0, 200);

    kafka.start_again().await;
    orders.until_ready().await;
    let after = orders.place("Cleo").await;
    assert_eq!(events.next_of("order").await.data["order"], after, "an open stream goes on");
    let records = told(Kafka::at(kafka.config.clone(), &[]).await.records(topic::ORDERS).await);
    let names: Vec<_> = records.into_iter().map(|(_, e)| e["order"]["customerName"].clone()).collect();
    assert!(!names.contains(&"Bob".into()), "what was refused does not arrive later");
    orders.stop().await;
}

#[tokio::test]
async fn changes_of_one_order_that_were_refused_are_not_made_afterwards() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let path = format!("/orders/{}", orders.place("Ada").await["id"].as_str().unwrap());
    kafka.stop().await;
    let change =
        |quantity: u32| orders.request(Method::PUT, &path).json(&json!({"quantity": quantity})).send();
    let (first, second) = tokio::join!(change(2), change(3));
    for response in [first.unwrap(), second.unwrap()] {
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }
    kafka.start_again().await;
    orders.until_ready().await;
    // Whatever was still to be sent was sent before this.
    orders.place("Bob").await;
    let records = told(Kafka::at(kafka.config.clone(), &[]).await.records(topic::ORDERS).await);
    let updates = records.iter().filter(|(_, event)| event["action"] == "updated").count();
    assert_eq!(updates, 0, "{records:?}");
    orders.stop().await;
}

#[tokio::test]
async fn the_service_listens_before_kafka_is_there() {
    let mut kafka = OwnKafka::start().await;
    kafka.stop().await;
    let orders = Orders::start_cold(&kafka.config).await;
    until("it answers", async || orders.request(Method::GET, "/healthz").send().await.is_ok()).await;
    assert_eq!(orders.get("/orders").await.0, 503);
    assert_eq!(orders.send(Method::POST, "/orders", pizza("Ada")).await.0, 503);
    let page = orders.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(page.status(), 200);
    kafka.start_again().await;
    orders.until_ready().await;
    orders.place("Ada").await;
    orders.stop().await;
}
