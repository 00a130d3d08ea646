//! What `READ_ONLY` refuses.

use crate::fixture::{Orders, pizza};
use dojo_orders::PageConfig;
use dojo_testbed::Kafka;
use reqwest::Method;
use serde_json::{Value, json};

fn assert_refused((status, problem): (reqwest::StatusCode, Value), part: &str) {
    assert_eq!(status, 403, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().starts_with(&format!("`{part}` can't be changed")),
        "{problem}"
    );
}

#[tokio::test]
async fn what_is_read_only_is_shown_and_not_changed_and_the_rest_goes_on() {
    let kafka = Kafka::start().await;
    let page = PageConfig { read_only: "orders,dlq".parse().unwrap(), ..PageConfig::default() };
    let orders = Orders::start_with(&kafka.config, page).await;
    orders.until_ready().await;
    assert_refused(orders.send(Method::POST, "/orders", pizza("Ada")).await, "orders");
    let path = format!("/orders/{}", uuid::Uuid::nil());
    for method in [Method::PUT, Method::DELETE] {
        assert_refused(orders.send(method, &path, json!({})).await, "orders");
    }
    let (status, list) = orders.get("/orders").await;
    assert_eq!((status.as_u16(), list), (200, json!([])));
    let (status, settings) = orders.send(Method::PATCH, "/settings", json!({"failRate": 0.5})).await;
    assert!(status.is_success(), "{settings}");

    let page = orders.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    for hidden in ["id=\"new-order\"", "data-redrive ", "data-redrive-all", "data-edit"] {
        assert!(!page.contains(hidden), "{hidden}");
    }
    assert!(page.contains("data-setting=\"failRate\"") && page.contains("<input type=\"range\""), "{page}");
    orders.stop().await;
}
