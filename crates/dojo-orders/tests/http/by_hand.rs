//! `POST /topics/{topic}/records`: a record by hand.

use crate::fixture::{Orders, answer, record};
use dojo_contract::topic::{self, TOPICS, TopicSpec};
use dojo_orders::PageConfig;
use dojo_testbed::{Kafka, OwnKafka, eventually, until};
use reqwest::Method;
use serde_json::{Value, json};

const TO_ORDERS: &str = "/topics/orders/records";

#[tokio::test]
async fn a_record_by_hand_is_on_the_log_as_it_was_written() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let headers = json!([{"name": "a", "value": "1"}, {"name": "a", "value": {"base64": "//4="}}, {"name": "b", "value": null}]);
    let body =
        json!({"partition": 2, "key": {"base64": "AP8="}, "headers": headers, "value": "not an order"});
    let response = orders.request(Method::POST, TO_ORDERS).json(&body).send().await.unwrap();
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let (status, written) = answer(response).await;
    assert_eq!(status, 201, "{written}");
    assert_eq!(written, json!({"topic": "orders", "partition": 2, "offset": 0}));
    let [sent] = &kafka.records(topic::ORDERS).await[..] else { panic!("one record") };
    assert_eq!((sent.partition, sent.offset), (2, 0));
    assert_eq!(
        (sent.key.as_deref(), sent.value.as_deref()),
        (Some(&[0, 0xff][..]), Some(&b"not an order"[..]))
    );
    let expected = [("a", Some(b"1".to_vec())), ("a", Some(vec![0xff, 0xfe])), ("b", None)];
    assert_eq!(sent.headers, expected.map(|(name, value)| (name.to_owned(), value)));
    let (_, page) = orders.get(&location).await;
    assert_eq!(page["records"][0]["value"]["text"], "not an order");

    let (status, tombstone) =
        orders.send(Method::POST, "/topics/audit/records", json!({"value": null})).await;
    assert_eq!(status, 201, "{tombstone}");
    let [sent] = &kafka.records(topic::AUDIT).await[..] else { panic!("one record") };
    assert_eq!((&sent.key, &sent.value, &sent.headers), (&None, &None, &Vec::new()));
    orders.place("Ada").await;
    orders.stop().await;
}

#[tokio::test]
async fn what_cannot_be_written_by_hand_is_refused_with_its_reason() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for topic in [topic::SETTINGS, "foreign", "__consumer_offsets"] {
        let (status, problem) =
            orders.send(Method::POST, &format!("/topics/{topic}/records"), json!({})).await;
        assert_eq!(status, 403);
        assert!(
            problem["detail"].as_str().unwrap().contains("only be written to orders, audit, orders-dlq"),
            "{problem}"
        );
    }
    let refused = async |body: Value| {
        let (status, problem) = orders.send(Method::POST, TO_ORDERS, body).await;
        (status.as_u16(), problem["detail"].as_str().unwrap().to_owned())
    };
    let (status, why) = refused(json!({"value": "x", "partition": 3})).await;
    assert_eq!((status, why.as_str()), (422, "partition is 3: orders has the partitions 0 to 2"));
    assert_eq!(refused(json!({"key": "k"})).await.0, 422);
    assert_eq!(refused(json!([])).await.0, 422);
    let (status, why) = refused(json!({"value": "x".repeat(topic::ORDERS_MAX_MESSAGE_BYTES)})).await;
    assert_eq!(status, 413);
    assert!(why.contains("orders takes 1048588 at most"), "{why}");
    let (status, why) = refused(json!({"value": "x".repeat(5_000_000)})).await;
    assert_eq!((status, why.as_str()), (413, "the body is larger than 4194304 bytes"));
    let large = json!({"value": "x".repeat(topic::DLQ_MAX_MESSAGE_BYTES - 200)});
    let (status, written) = orders.send(Method::POST, "/topics/orders-dlq/records", large).await;
    assert_eq!(status, 201, "{written}");
    assert!(kafka.records(topic::ORDERS).await.is_empty());
    orders.stop().await;
}

#[tokio::test]
async fn a_topic_that_takes_less_than_the_dojos_own_refuses_a_record_with_413() {
    let small = TOPICS.iter().map(|spec| match spec.name == topic::AUDIT {
        true => TopicSpec { config: &[("cleanup.policy", "delete"), ("max.message.bytes", "500")], ..*spec },
        false => *spec,
    });
    let kafka = Kafka::with_topics(&small.collect::<Vec<_>>()).await;
    let orders = Orders::start(&kafka.config).await;
    let body = json!({"value": "x".repeat(1_000)});
    let (status, problem) = orders.send(Method::POST, "/topics/audit/records", body).await;
    assert_eq!(status, 413, "{problem}");
    orders.stop().await;
}

#[tokio::test]
async fn read_only_records_are_shown_and_not_written() {
    let kafka = Kafka::start().await;
    let page = PageConfig { read_only: "records".parse().unwrap(), ..PageConfig::default() };
    let orders = Orders::start_with(&kafka.config, page).await;
    orders.until_ready().await;
    let (status, problem) = orders.send(Method::POST, TO_ORDERS, json!({"value": "x"})).await;
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().starts_with("`records` can't be changed"), "{problem}");
    assert_eq!(orders.get(TO_ORDERS).await.0, 200);
    orders.place("Ada").await;
    orders.stop().await;
}

#[tokio::test]
async fn while_kafka_is_away_nothing_is_written_by_hand() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    kafka.stop().await;
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    let (status, problem) = orders.send(Method::POST, TO_ORDERS, json!({"value": "x"})).await;
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().unwrap().starts_with("nothing was changed"), "{problem}");
    kafka.start_again().await;
    orders.until_ready().await;
    orders.stop().await;
}

#[tokio::test]
async fn the_service_survives_poison_on_every_topic_of_the_lesson() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut events = orders.events("").await;
    let poison = [
        "",
        "{",
        "[]",
        "null",
        "\u{0}",
        "<script>alert(1)</script>",
        r#"{"action":"created"}"#,
        r#"{"orderId":5}"#,
    ];
    for topic in [topic::ORDERS, topic::AUDIT, topic::ORDERS_DLQ] {
        let bodies = poison.iter().map(|value| json!({"key": value, "value": value}));
        let bytes = [json!({"value": null}), json!({"key": null, "value": {"base64": "//79AA=="}})];
        for body in bodies.chain(bytes) {
            let (status, answer) = orders.send(Method::POST, &format!("/topics/{topic}/records"), body).await;
            assert_eq!(status, 201, "{answer}");
        }
    }
    let order = orders.place("Ada").await;
    let shown = eventually("the order to be streamed", async || {
        let event = events.next_of("order").await;
        if event.data["order"]["id"] == order["id"] { Ok(event) } else { Err(event) }
    })
    .await;
    assert_eq!(shown.data["action"], "created");
    assert_eq!(orders.request(Method::GET, "/").send().await.unwrap().status(), 200);
    assert_eq!(orders.get("/readyz").await.0, 200);
    kafka.send(record(topic::AUDIT, "k", Some(b"{}"))).await;
    orders.stop().await;
}
