use crate::fixture::{Orders, answer, pizza};
use dojo_testbed::Kafka;
use reqwest::Method;

#[tokio::test]
async fn the_newest_orders_are_kept_and_the_older_ones_are_counted_also_after_a_restart() {
    let kafka = Kafka::start().await;
    let orders = Orders::start_keeping(&kafka.config, 3).await;
    orders.until_ready().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(orders.place("Ada").await["id"].as_str().unwrap().to_owned());
    }
    check(&orders, &ids).await;
    orders.stop().await;
    let restarted = Orders::start_keeping(&kafka.config, 3).await;
    restarted.until_ready().await;
    check(&restarted, &ids).await;
    restarted.stop().await;
}

async fn check(orders: &Orders, ids: &[String]) {
    let listed = orders.request(Method::GET, "/orders").send().await.unwrap();
    assert_eq!(listed.headers()["older-orders"], "2");
    let (_, list) = answer(listed).await;
    let listed: Vec<_> = list.as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [&ids[4], &ids[3], &ids[2]]);
    for method in [Method::GET, Method::DELETE] {
        let path = format!("/orders/{}", ids[0]);
        let (status, problem) = answer(orders.request(method, &path).send().await.unwrap()).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(status, 404);
        assert!(detail.contains("newest 3 (ORDERS_KEPT); 2 older ones are no longer listed"), "{detail}");
    }
    let status = orders.get("/status").await.1;
    assert_eq!((&status["orders"]["count"], &status["orders"]["older"]), (&3.into(), &2.into()));
    let page = orders.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(page.contains("2 older orders are no longer listed here"));
}

#[tokio::test]
async fn a_repeated_request_finds_its_order_while_that_is_kept() {
    let kafka = Kafka::start().await;
    let orders = Orders::start_keeping(&kafka.config, 2).await;
    orders.until_ready().await;
    let place = async || {
        let request = orders.request(Method::POST, "/orders").header("idempotency-key", "k-1");
        answer(request.json(&pizza("Ada")).send().await.unwrap()).await.1
    };
    let first = place().await;
    orders.place("Bob").await;
    assert_eq!(place().await, first);
    assert_eq!(orders.get("/orders").await.1.as_array().unwrap().len(), 2);
    orders.stop().await;
}
