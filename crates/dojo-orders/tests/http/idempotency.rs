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
async fn a_repeated_request_makes_the_order_of_which_a_dead_process_left_only_the_audit_record() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let (_, first) = post(&orders, "k1", pizza("Ada")).await;
    let (id, audit) = told(kafka.records(topic::AUDIT).await).remove(0);
    orders.stop().await;

    // The same log, but the process died before it wrote to `orders`.
    let kafka = Kafka::start().await;
    kafka.send(record(topic::AUDIT, &id, Some(audit.to_string().as_bytes()))).await;
    let orders = Orders::start(&kafka.config).await;
    let (status, made) = post(&orders, "k1", pizza("Ada")).await;
    assert_eq!((status, &made["id"]), (status_of(201), &first["id"]));
    assert_eq!(post(&orders, "k1", pizza("Ada")).await, (status_of(201), made));
    let told = told(kafka.records(topic::AUDIT).await);
    assert!(told.iter().all(|(of, event)| *of == id && event["action"] == "created"), "{told:?}");
    assert_eq!((kafka.records(topic::ORDERS).await.len(), told.len()), (1, 2));
    orders.stop().await;
}
