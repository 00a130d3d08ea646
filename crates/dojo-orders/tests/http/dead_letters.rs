use crate::fixture::{Orders, answer, record};
use dojo_contract::topic;
use dojo_testbed::Kafka;
use reqwest::Method;
use serde_json::{Value, json};

fn letter(n: usize) -> Vec<u8> {
    json!({
        "action": "created", "reason": "nobody at home", "instanceId": "notification-1",
        "timestamp": "2026-01-01T00:00:00.000Z", "n": n,
        "order": {
            "id": format!("00000000-0000-0000-0000-{n:012}"), "customerName": "Ada", "item": "Pizza", "quantity": 1,
            "price": 9.5, "status": "created", "createdAt": "2026-01-01T00:00:00.000Z",
        },
    })
    .to_string()
    .into_bytes()
}

fn offsets(page: &Value) -> Vec<i64> {
    page.as_array().unwrap().iter().map(|l| l["record"]["offset"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn dead_letters_are_read_from_the_log_newest_first_also_after_a_restart() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get("/dlq").await.1, json!([]));
    for n in 0..4 {
        kafka.send(record(topic::ORDERS_DLQ, "k", Some(&letter(n)))).await;
    }
    let why = vec![("dojo-error".to_owned(), Some(b"not JSON".to_vec()))];
    kafka.send(record(topic::ORDERS_DLQ, "k", Some(b"poison")).with_headers(why)).await;
    let (status, page) = orders.get("/dlq").await;
    assert_eq!((status.as_u16(), offsets(&page)), (200, vec![4, 3, 2, 1, 0]));
    assert_eq!(
        (&page[0]["value"], &page[0]["record"]["headers"]["dojo-error"]),
        (&json!("cG9pc29u"), &json!("not JSON"))
    );
    assert_eq!((&page[1]["n"], &page[1]["reason"]), (&json!(3), &json!("nobody at home")));
    orders.stop().await;

    let orders = Orders::start(&kafka.config).await;
    let first = orders.request(Method::GET, "/dlq?limit=2").send().await.unwrap();
    assert_eq!(first.headers()["link"], "</dlq?limit=2&before=3>; rel=\"next\"");
    assert_eq!(offsets(&answer(first).await.1), [4, 3]);
    assert_eq!(offsets(&orders.get("/dlq?limit=2&before=3").await.1), [2, 1]);
    assert_eq!(offsets(&orders.get("/dlq?before=1").await.1), [0]);
    assert_eq!(offsets(&orders.get("/dlq?before=0").await.1), [] as [i64; 0]);
    assert_eq!(orders.get("/dlq?limit=0").await.0, 422);
    orders.stop().await;
}
