use crate::fixture::Orders;
use dojo_testbed::Kafka;
use reqwest::Method;

#[tokio::test]
async fn the_first_picture_shows_the_orders_and_where_its_stream_goes_on() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let order = orders.place("<img src=x onerror=alert(1)>").await;
    // The list shows an order a moment before the streams do, and the page's cursor is that of the streams.
    assert_eq!(events.next_of("order").await.data["order"], order);
    let id = order["id"].as_str().unwrap();
    let page = orders.request(Method::GET, "/").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("script-src 'self'"));
    let html = page.text().await.unwrap();
    assert!(html.contains(&format!("data-order-id=\"{id}\"")));
    assert!(html.contains("&lt;img src=x") && !html.contains("<img src=x"));
    assert!(html.contains("keeps nothing after exit"));
    let cursor = html.split_once("data-cursor=\"").unwrap().1.split_once('"').unwrap().0;

    let mut events = orders.events(&format!("?after={cursor}")).await;
    let next = orders.place("Bob").await;
    assert_eq!(events.next_of("order").await.data["order"], next, "no gap and no double");
    orders.stop().await;
}

#[tokio::test]
async fn assets_are_asked_for_again_only_when_they_change() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for (path, kind) in [
        ("/assets/app.js", "text/javascript"),
        ("/assets/journey.js", "text/javascript"),
        ("/assets/style.css", "text/css"),
        ("/assets/icon.svg", "image/svg"),
    ] {
        let first = orders.request(Method::GET, path).send().await.unwrap();
        assert!(first.headers()["content-type"].to_str().unwrap().starts_with(kind));
        let tag = first.headers()["etag"].clone();
        let again = orders.request(Method::GET, path).header("if-none-match", tag).send().await.unwrap();
        assert_eq!(again.status(), 304);
    }
    orders.stop().await;
}
