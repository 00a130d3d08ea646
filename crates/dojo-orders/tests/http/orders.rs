use crate::fixture::{Orders, answer, pizza, record, told};
use dojo_contract::topic;
use dojo_testbed::Kafka;
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_order_is_on_both_topics_and_in_the_list_when_its_answer_comes() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let response = orders.request(Method::POST, "/orders").json(&pizza(" Ada ")).send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, order) = answer(response).await;
    assert_eq!(status, 201);
    assert_eq!((&order["customerName"], &order["status"]), (&json!("Ada"), &json!("created")));
    assert_eq!(order["price"].to_string(), "9.5");
    assert_eq!(orders.get(&location).await, (reqwest::StatusCode::OK, order.clone()));
    assert_eq!(orders.get("/orders").await.1, json!([order]));

    let id = order["id"].as_str().unwrap();
    let [(key, event)] = &told(kafka.records(topic::ORDERS).await)[..] else { panic!("one record") };
    assert_eq!((key.as_str(), &event["action"], &event["order"]), (id, &json!("created"), &order));
    let [(key, audit)] = &told(kafka.records(topic::AUDIT).await)[..] else { panic!("one record") };
    assert_eq!(
        (key.as_str(), &audit["action"], &audit["instanceId"]),
        (id, &json!("created"), &json!("order-1"))
    );
    assert_eq!((&audit["offset"], &audit["timestamp"]), (&Value::Null, &event["timestamp"]));
    orders.stop().await;
}

#[tokio::test]
async fn an_order_can_be_changed_and_deleted() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut order = orders.place("Ada").await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    order["status"] = json!("delivering");
    order["price"] = json!(0.1);
    let (status, changed) = orders.send(Method::PUT, &path, order.clone()).await;
    assert_eq!((status.as_u16(), &changed), (200, &order));
    assert_eq!(orders.get(&path).await.1, order);

    order["id"] = json!("00000000-0000-0000-0000-000000000000");
    let (status, problem) = orders.send(Method::PUT, &path, order).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("id")));

    let deleted = orders.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(orders.get(&path).await.0, 404);
    assert_eq!(orders.send(Method::PUT, &path, json!({})).await.0, 404);
    assert_eq!(orders.request(Method::DELETE, &path).send().await.unwrap().status(), 404);
    assert_eq!(orders.get("/orders").await.1, json!([]));
    let actions = |records: Vec<(String, Value)>| {
        records.into_iter().map(|(_, v)| v["action"].clone()).collect::<Value>()
    };
    let all = json!(["created", "updated", "deleted"]);
    assert_eq!(actions(told(kafka.records(topic::ORDERS).await)), all);
    assert_eq!(actions(told(kafka.records(topic::AUDIT).await)), all);
    orders.stop().await;
}

#[tokio::test]
async fn the_list_comes_in_pages_newest_first() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for n in 0..5 {
        orders.place(&format!("customer {n}")).await;
    }
    let (mut path, mut seen) = ("/orders?limit=2".to_owned(), Vec::new());
    loop {
        let response = orders.request(Method::GET, &path).send().await.unwrap();
        let link = response.headers().get("link").map(|l| l.to_str().unwrap().to_owned());
        let (status, page) = answer(response).await;
        assert_eq!(status, 200);
        seen.extend(page.as_array().unwrap().iter().map(|o| o["customerName"].as_str().unwrap().to_owned()));
        let Some(link) = link else { break };
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(seen, ["customer 4", "customer 3", "customer 2", "customer 1", "customer 0"]);
    for query in ["limit=0", "limit=1001", "limit=x", "after=x", "after=00000000-0000-0000-0000-000000000000"]
    {
        let (status, problem) = orders.get(&format!("/orders?{query}")).await;
        assert_eq!((status.as_u16(), problem["errors"].as_array().unwrap().len()), (422, 1), "{query}");
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_name_is_composed_and_trimmed_before_it_is_an_order() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let order = orders.place(" Jose\u{301} ").await;
    assert_eq!(order["customerName"], "Jos\u{e9}");
    let [(_, event)] = &told(kafka.records(topic::ORDERS).await)[..] else { panic!("one record") };
    assert_eq!(event["order"], order);
    orders.stop().await;
}

#[tokio::test]
async fn changes_to_one_order_are_made_one_after_another() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let order = orders.place("Ada").await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let change = |n: usize| {
        if n.is_multiple_of(2) { json!({"quantity": n + 10}) } else { json!({"item": format!("item {n}")}) }
    };
    let answers = join_all((0..20).map(|n| orders.send(Method::PUT, &path, change(n)))).await;
    assert!(answers.iter().all(|(status, _)| *status == 200));

    let events: Vec<_> = told(kafka.records(topic::ORDERS).await)
        .into_iter()
        .map(|(_, event)| event["order"].clone())
        .collect();
    assert_eq!(events.len(), 21);
    for two in events.windows(2) {
        let changed = ["quantity", "item"].iter().filter(|field| two[0][**field] != two[1][**field]).count();
        assert_eq!(changed, 1, "a change was lost between {} and {}", two[0], two[1]);
    }
    assert_eq!(orders.get(&path).await.1, events[20]);
    orders.stop().await;
}

#[tokio::test]
async fn a_restart_shows_the_same_orders() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for n in 0..7 {
        orders.place(&format!("customer {n}")).await;
    }
    let before = orders.get("/orders").await.1;
    let deleted = format!("/orders/{}", before[3]["id"].as_str().unwrap());
    orders.request(Method::DELETE, &deleted).send().await.unwrap();
    let before = orders.get("/orders").await.1;
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get("/orders").await.1, before);
    orders.stop().await;
}

#[tokio::test]
async fn retries_and_unreadable_records_change_no_list() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let order = orders.place("Ada").await;
    let id = order["id"].as_str().unwrap();
    let mut again = told(kafka.records(topic::ORDERS).await)[0].1.clone();
    again["action"] = json!("deleted");
    let retry = vec![("retryCount".to_owned(), Some(b"1".to_vec()))];
    kafka.send(record(topic::ORDERS, id, Some(again.to_string().as_bytes())).with_headers(retry)).await;
    let large = "x".repeat(900_000);
    for poison in [Some("not json"), Some("{}"), Some(r#"{"action":"created"}"#), None, Some(large.as_str())]
    {
        kafka.send(record(topic::ORDERS, id, poison.map(str::as_bytes))).await;
    }
    // Orders that the API would refuse, which another producer sent. `id` is in one partition, so all come before the last.
    for (field, value) in
        [("quantity", json!(-5)), ("customerName", json!("x".repeat(500_000))), ("item", json!("\u{200b}"))]
    {
        let mut refused = again.clone();
        refused["action"] = json!("updated");
        refused["order"][field] = value;
        kafka.send(record(topic::ORDERS, id, Some(refused.to_string().as_bytes()))).await;
    }
    let path = format!("/orders/{id}");
    let changed = orders.send(Method::PUT, &path, json!({"item": "Soup"})).await.1;
    assert_eq!(changed["quantity"], order["quantity"]);
    let last = orders.place("Bob").await;
    assert_eq!(orders.get("/orders").await.1, json!([last, changed]));
    let page = orders.request(Method::GET, "/").send().await.unwrap().text().await.unwrap();
    assert!(page.len() < 100_000, "{}", page.len());
    let counted = orders.get("/status").await.1["orders"]["unreadableRecords"].clone();
    assert_eq!(counted, 8);
    orders.stop().await;
}
