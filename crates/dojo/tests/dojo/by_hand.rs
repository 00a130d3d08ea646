//! Records by hand that no consumer can read: every service survives them.

use crate::process::Start;
use dojo_testbed::{eventually, until};
use serde_json::{Value, json};

#[tokio::test]
async fn after_poison_on_every_topic_orders_are_still_handled_and_the_poison_of_orders_is_a_dead_letter() {
    let dojo = Start::new().ready().await;
    let id = uuid::Uuid::nil().to_string();
    let values = [
        json!(null),
        json!(""),
        json!("not an order"),
        json!("{"),
        json!({"base64": "//4="}),
        json!("[[[[[[[["),
        json!(json!({"action": "created", "order": {"id": id}, "timestamp": "then"}).to_string()),
        json!(json!({"source": "order-service", "action": "created", "orderId": id}).to_string()),
        json!("x".repeat(500_000)),
    ];
    let headers = json!([{"name": "retryCount", "value": "many"}, {"name": "dojo-dlq-offset", "value": {"base64": "/w=="}}]);
    let mut on_orders = 0;
    for topic in ["orders", "audit", "orders-dlq"] {
        for value in &values {
            for key in [json!(null), json!(id), json!({"base64": "AP8="})] {
                let body = json!({"key": key, "value": value, "headers": headers});
                let url = format!("{}/topics/{topic}/records", dojo.url);
                let answer = dojo.http.post(url).json(&body).send().await.unwrap();
                assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
                on_orders += usize::from(topic == "orders");
            }
        }
    }
    let events = dojo.events().await;
    let order = dojo.placed("Ada", "9.50").await;
    for action in ["NOTIFIED", "FRAUD_CHECK_PASSED"] {
        until(action, async || events.orders_with(&[action]).contains_key(&order)).await;
    }
    let letters = eventually("the poison to be a dead letter", async || {
        let letters = dojo.get("/dlq?limit=200").await;
        let poison = letters
            .as_array()
            .unwrap()
            .iter()
            .filter(|letter| letter["record"]["headers"]["dojo-original-topic"] == "orders");
        let count = poison.count();
        if count == on_orders { Ok(letters) } else { Err((count, on_orders)) }
    })
    .await;
    assert!(letters.as_array().unwrap().len() >= on_orders);
    let url = format!("{}/dlq/redrive", dojo.url);
    let answer = dojo.http.post(url).json(&json!({"all": true})).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["redriven"], json!([]), "{answer}");
    let instances = dojo.get("/instances").await;
    for instance in instances.as_array().unwrap() {
        assert_eq!(instance["state"], "running", "{instance}");
    }
}
