use crate::fixture::{Orders, answer, pizza, record, told};
use dojo_contract::topic;
use dojo_testbed::Kafka;
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn post(orders: &Orders, key: &str, body: Value) -> (StatusCode, Value) {
    let request = orders.request(Method::POST, "/orders").header("idempotency-key", key).json(&body);
    answer(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_repeated_request_is_answered_with_the_first_order() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let answers = join_all((0..8).map(|_| post(&orders, "k1", pizza("Ada")))).await;
    let (status, first) = answers[0].clone();
    assert_eq!(status, 201);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!((kafka.records(topic::ORDERS).await.len(), kafka.records(topic::AUDIT).await.len()), (1, 1));

    let (status, problem) = post(&orders, "k1", pizza("Bob")).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("Idempotency-Key")));
    let mut same = pizza(" Ada ");
    same["price"] = serde_json::from_str("9.50").unwrap();
    assert_eq!(
        post(&orders, "k1", same).await,
        (status_of(201), first.clone()),
        "the same order, written otherwise"
    );
    assert_ne!(post(&orders, "k2", pizza("Ada")).await.1["id"], first["id"]);
    assert_eq!(post(&orders, "not visible", pizza("Ada")).await.0, 422);

    let path = format!("/orders/{}", first["id"].as_str().unwrap());
    assert_eq!(orders.request(Method::DELETE, &path).send().await.unwrap().status(), 204);
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(
        post(&orders, "k1", pizza("Ada")).await,
        (status_of(201), first),
        "also after a restart and a delete"
    );
    assert_eq!(orders.get(&path).await.0, 404);
    orders.stop().await;
}

fn status_of(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap()
}

#[tokio::test]
async fn a_repeated_request_completes_what_a_dead_process_left_undone() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let (_, first) = post(&orders, "k1", pizza("Ada")).await;
    let (id, event) = told(kafka.records(topic::ORDERS).await).remove(0);
    orders.stop().await;

    // The same log, but the process died before it wrote to `audit`.
    let kafka = Kafka::start().await;
    kafka.send(record(topic::ORDERS, &id, Some(event.to_string().as_bytes()))).await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(kafka.records(topic::AUDIT).await.len(), 0);
    for _ in 0..2 {
        assert_eq!(post(&orders, "k1", pizza("Ada")).await, (status_of(201), first.clone()));
        let audit = told(kafka.records(topic::AUDIT).await);
        assert_eq!(
            (audit.len(), &audit[0].1["action"], &audit[0].1["offset"]),
            (1, &json!("created"), &json!(0))
        );
    }
    assert_eq!(kafka.records(topic::ORDERS).await.len(), 1);
    orders.stop().await;
}
