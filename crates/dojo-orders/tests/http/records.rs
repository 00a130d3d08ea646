//! `GET /topics/{topic}/records`: what is on a topic.

use crate::fixture::{Orders, answer, record};
use dojo_contract::topic::{self, TopicSpec};
use dojo_kafka::Outgoing;
use dojo_testbed::{Kafka, PATIENCE, eventually};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RECORDS: &str = "/topics/orders/records";

/// A record of `orders` that was made at that second.
fn at(second: i64, key: &str) -> Outgoing {
    let now = chrono::Utc::now().timestamp() - 1_000;
    Outgoing { timestamp: Some((now + second) * 1_000), ..record(topic::ORDERS, key, Some(key.as_bytes())) }
}

fn records(page: &Value) -> &Vec<Value> {
    page["records"].as_array().unwrap_or_else(|| panic!("{page}"))
}

fn keys(page: &Value) -> Vec<&str> {
    records(page).iter().map(|record| record["key"]["text"].as_str().unwrap()).collect()
}

/// Every page from `path` on, as long as each says where the next one is.
async fn pages(orders: &Orders, path: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let response = orders.request(Method::GET, &path).send().await.unwrap();
        let link = response.headers().get("link").map(|link| link.to_str().unwrap().to_owned());
        let (status, page) = answer(response).await;
        assert_eq!(status, 200, "{page}");
        next = page["next"].as_str().map(str::to_owned);
        assert_eq!(link, next.as_ref().map(|next| format!("<{next}>; rel=\"next\"")));
        pages.push(page);
        assert!(pages.len() < 100, "the pages have no end");
    }
    pages
}

#[tokio::test]
async fn records_are_read_newest_first_over_all_partitions_page_by_page() {
    let kafka = Kafka::start().await;
    let all: Vec<String> = (0..40).map(|n| format!("key-{n:02}")).collect();
    for (second, key) in (0..).zip(&all) {
        kafka.send(at(second, key)).await;
    }
    let orders = Orders::start(&kafka.config).await;
    let newest = pages(&orders, &format!("{RECORDS}?limit=7")).await;
    let seen: Vec<_> = newest.iter().flat_map(keys).collect();
    assert_eq!(seen, all.iter().rev().map(String::as_str).collect::<Vec<_>>());
    let first = &newest[0];
    assert_eq!((&first["topic"], &first["isolation"]), (&json!("orders"), &json!("read_committed")));
    let one = &records(first)[0];
    assert_eq!(one["value"], json!({"text": "key-39", "size": 6, "cut": false}));
    assert_eq!((&one["headers"], one.get("transaction")), (&json!([]), None));

    let partition = one["partition"].as_i64().unwrap();
    let alone = pages(&orders, &format!("{RECORDS}?partition={partition}&offset=0&limit=4")).await;
    let offsets: Vec<_> = alone.iter().flat_map(records).map(|r| r["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, (0..=one["offset"].as_i64().unwrap()).collect::<Vec<_>>());

    let since = records(&newest[1])[0]["timestamp"].as_str().unwrap().to_owned();
    let later = pages(&orders, &format!("{RECORDS}?timestamp={since}&limit=5")).await;
    let seen: Vec<_> = later.iter().flat_map(keys).collect();
    assert_eq!(seen, all[32..].iter().map(String::as_str).collect::<Vec<_>>());
    let future = orders.get(&format!("{RECORDS}?timestamp=2999-01-01T00:00:00Z")).await.1;
    assert_eq!((records(&future).len(), &future["next"]), (0, &Value::Null));
    orders.stop().await;
}

#[tokio::test]
async fn the_records_of_one_key_are_found_on_the_whole_topic() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    kafka.flood((0..2_000).map(|n| at(n / 10, &format!("other-{n}")))).await;
    for second in [3, 1, 2] {
        kafka.send(at(second, "a&b")).await;
    }
    kafka.flood((0..2_000).map(|n| at(n / 10, &format!("other-{n}")))).await;
    let found = pages(&orders, &format!("{RECORDS}?key=a%26b&limit=2")).await;
    let offsets: Vec<_> = found.iter().flat_map(records).map(|r| r["offset"].as_i64().unwrap()).collect();
    assert!(offsets.len() == 3 && offsets.is_sorted(), "a partition keeps its order: {offsets:?}");
    assert!(found.iter().flat_map(keys).all(|key| key == "a&b"));
    for isolation in ["read_committed", "read_uncommitted"] {
        let (_, page) = orders.get(&format!("{RECORDS}?key=a%26b&isolation={isolation}")).await;
        assert_eq!((records(&page).len(), &page["next"]), (3, &Value::Null));
    }
    let (_, none) = orders.get(&format!("{RECORDS}?key=nobody")).await;
    assert_eq!((records(&none).len(), &none["next"]), (0, &Value::Null));
    orders.stop().await;
}

/// A producer of transactions.
fn transactional(kafka: &Kafka, id: &str) -> BaseProducer {
    let id = format!("{}{id}", kafka.config.prefix);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.config.brokers).set("transactional.id", id);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

fn send(kafka: &Kafka, producer: &BaseProducer, topic: &str, keys: &[&str]) {
    let topic = format!("{}{topic}", kafka.config.prefix);
    for key in keys {
        producer.send(BaseRecord::to(&topic).key(*key).payload("{}")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

/// Offset, key and transaction of each record.
fn told(page: &Value) -> Vec<(i64, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let told = |r: &Value| (r["offset"].as_i64().unwrap(), text(&r["key"]["text"]), text(&r["transaction"]));
    records(page).iter().map(told).collect()
}

fn told_as(expected: &[(i64, &str, &str)]) -> Vec<(i64, String, String)> {
    expected.iter().map(|(offset, key, state)| (*offset, (*key).to_owned(), (*state).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_and_aborted_records_are_shown_as_such_and_markers_are_named() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let held = tokio::task::block_in_place(|| {
        let (first, second) = (transactional(&kafka, "first"), transactional(&kafka, "second"));
        first.begin_transaction().unwrap();
        send(&kafka, &first, topic::AUDIT, &["committed"]);
        first.commit_transaction(PATIENCE).unwrap();
        first.begin_transaction().unwrap();
        send(&kafka, &first, topic::AUDIT, &["aborted", "aborted too"]);
        first.abort_transaction(PATIENCE).unwrap();
        second.begin_transaction().unwrap();
        send(&kafka, &second, topic::AUDIT, &["open", "open too"]);
        second
    });
    kafka.send(record(topic::AUDIT, "outside", Some(b"{}"))).await;

    let audit = "/topics/audit/records";
    let (_, committed) = orders.get(audit).await;
    assert_eq!(told(&committed), told_as(&[(0, "committed", "-")]));
    assert_eq!(committed["missing"], json!([]));
    let bounds = json!({"partition": 0, "earliestOffset": 0, "endOffset": 8, "lastStableOffset": 5});
    assert_eq!(committed["partitions"], json!([bounds]));
    let (_, all) = orders.get(&format!("{audit}?isolation=read_uncommitted")).await;
    let expected = [
        (7, "outside", "openOrBehind"),
        (6, "open too", "openOrBehind"),
        (5, "open", "open"),
        (3, "aborted too", "aborted"),
        (2, "aborted", "aborted"),
        (0, "committed", "committed"),
    ];
    assert_eq!(told(&all), told_as(&expected));
    let marker =
        |offset: i64| json!({"partition": 0, "firstOffset": offset, "lastOffset": offset, "what": "marker"});
    assert_eq!(all["missing"], json!([marker(1), marker(4)]));
    let forward =
        pages(&orders, &format!("{audit}?isolation=read_uncommitted&partition=0&offset=0&limit=2")).await;
    let offsets: Vec<_> = forward.iter().flat_map(told).map(|(offset, ..)| offset).collect();
    assert_eq!(offsets, [0, 2, 3, 5, 6, 7]);
    let markers: Vec<_> = forward.iter().flat_map(|page| page["missing"].as_array().unwrap()).collect();
    assert_eq!(markers, [&marker(1), &marker(4)], "each marker is on one page");
    let (_, found) = orders.get(&format!("{audit}?isolation=read_uncommitted&key=aborted")).await;
    assert_eq!(told(&found), told_as(&[(2, "aborted", "aborted")]));

    tokio::task::block_in_place(|| held.commit_transaction(PATIENCE).unwrap());
    let (_, later) = orders.get(&format!("{audit}?isolation=read_uncommitted&limit=3")).await;
    let expected = [(7, "outside", "committed"), (6, "open too", "committed"), (5, "open", "committed")];
    assert_eq!(told(&later), told_as(&expected));
    assert_eq!(later["missing"][0], marker(8));
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_compacted_topic_an_offset_without_a_record_may_have_had_one() {
    let kafka = Kafka::start().await;
    tokio::task::block_in_place(|| {
        let producer = transactional(&kafka, "first");
        producer.begin_transaction().unwrap();
        send(&kafka, &producer, topic::RUNS, &["run"]);
        producer.commit_transaction(PATIENCE).unwrap();
    });
    let orders = Orders::start(&kafka.config).await;
    let (_, page) = orders.get("/topics/dojo-runs/records?isolation=read_uncommitted").await;
    assert_eq!(told(&page), told_as(&[(0, "run", "committed")]));
    let missing = json!([{"partition": 0, "firstOffset": 1, "lastOffset": 1, "what": "markerOrCompacted"}]);
    assert_eq!(page["missing"], missing);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_goes_over_a_long_hole_and_an_aborted_batch_leaves_readers_of_committed_records_nothing() {
    let kafka = Kafka::start().await;
    kafka.send(record(topic::AUDIT, "old", Some(b"{}"))).await;
    tokio::task::block_in_place(|| {
        let producer = transactional(&kafka, "first");
        producer.begin_transaction().unwrap();
        for _ in 0..20 {
            send(&kafka, &producer, topic::AUDIT, &["aborted"; 100]);
        }
        producer.abort_transaction(PATIENCE).unwrap();
    });
    let orders = Orders::start(&kafka.config).await;
    let (_, page) = orders.get("/topics/audit/records?limit=5").await;
    assert_eq!((keys(&page), &page["next"]), (vec!["old"], &Value::Null));
    let (_, page) = orders.get("/topics/audit/records?limit=5&partition=0&offset=1").await;
    assert_eq!((records(&page).len(), &page["next"]), (0, &Value::Null));
    orders.stop().await;
}

#[tokio::test]
async fn an_offset_out_of_range_is_refused_with_the_range() {
    let kafka = Kafka::start().await;
    for n in 0..3 {
        kafka.send(record(topic::AUDIT, &n.to_string(), None)).await;
    }
    let orders = Orders::start(&kafka.config).await;
    let (status, problem) = orders.get("/topics/audit/records?partition=0&offset=4").await;
    assert_eq!(status, 422);
    assert_eq!(
        problem["detail"],
        "offset is 4: partition 0 of audit begins at offset 0 and ends at 3; give 0 to 3"
    );
    let (status, end) = orders.get("/topics/audit/records?partition=0&offset=3").await;
    assert_eq!((status.as_u16(), records(&end).len()), (200, 0));
    let (status, problem) = orders.get("/topics/audit/records?partition=1").await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("partition")));
    let (status, tombstone) = orders.get("/topics/audit/records?limit=1").await;
    assert_eq!((status.as_u16(), &records(&tombstone)[0]["value"]), (200, &Value::Null));
    for topic in ["nothing", "__consumer_offsets", "a%2Fb", "%FF", &"x".repeat(300)] {
        assert_eq!(orders.get(&format!("/topics/{topic}/records")).await.0, 404, "{topic}");
    }
    orders.stop().await;
}

#[tokio::test]
async fn large_values_binary_keys_and_headers_of_any_bytes_are_shown() {
    let kafka = Kafka::start().await;
    let large = vec![b'x'; 1_000_000];
    let headers = vec![
        ("a".to_owned(), Some(b"1".to_vec())),
        ("a".to_owned(), Some(vec![0xff, 0xfe])),
        ("b".to_owned(), None),
    ];
    let hostile = Outgoing { key: Some(vec![0, 0xff]), ..record(topic::AUDIT, "", Some(&large)) };
    for _ in 0..20 {
        kafka.send(hostile.clone().with_headers(headers.clone())).await;
    }
    let orders = Orders::start(&kafka.config).await;
    let response = orders.request(Method::GET, "/topics/audit/records").send().await.unwrap();
    let length = response.content_length();
    let (status, page) = answer(response).await;
    assert_eq!((status.as_u16(), records(&page).len()), (200, 20));
    assert!(length.is_none_or(|length| length < 300_000), "{length:?}");
    let one = &records(&page)[0];
    assert_eq!(one["key"], json!({"base64": "AP8=", "size": 2, "cut": false}));
    let value = |value: &str| json!({"text": value, "size": 1, "cut": false});
    let bytes = json!({"base64": "//4=", "size": 2, "cut": false});
    let expected = json!([{"name": "a", "value": value("1")}, {"name": "a", "value": bytes}, {"name": "b", "value": null}]);
    assert_eq!(one["headers"], expected);
    assert_eq!((&one["value"]["size"], &one["value"]["cut"]), (&json!(1_000_000), &json!(true)));
    let (_, whole) = orders.get("/topics/audit/records?partition=0&offset=7&limit=1").await;
    let value = &records(&whole)[0]["value"];
    assert_eq!((value["text"].as_str().unwrap().len(), &value["cut"]), (1_000_000, &json!(false)));
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_records_come_in_pages_of_a_few() {
    let kafka = Kafka::start().await;
    let large = vec![b'x'; 1_000_000];
    for n in 0..40 {
        kafka.send(record(topic::AUDIT, &n.to_string(), Some(&large))).await;
    }
    let orders = Orders::start(&kafka.config).await;
    for query in ["limit=500", "limit=500&isolation=read_uncommitted", "limit=500&partition=0&offset=0"] {
        let found = pages(&orders, &format!("/topics/audit/records?{query}")).await;
        assert_eq!(found.iter().map(|page| records(page).len()).sum::<usize>(), 40, "{query}");
    }
    orders.stop().await;
}

#[tokio::test]
async fn a_topic_that_vanishes_while_it_is_read_is_not_found() {
    let gone = TopicSpec { name: "gone", about: "", partitions: 2, config: &[] };
    let kafka = Kafka::start().await;
    dojo_kafka::create_topics(&kafka.config, &[gone], 1).await.unwrap();
    kafka.flood((0..2_000).map(|n| record("gone", &n.to_string(), Some(&[b'x'; 5_000])))).await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(orders.get("/topics/gone/records?key=nobody").await.0, 200);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.config.brokers).create().unwrap();
    let name = format!("{}gone", kafka.config.prefix);
    let delete = async {
        admin.delete_topics(&[&name], &AdminOptions::new()).await.unwrap();
    };
    let read = async {
        eventually("the topic to be gone", async || {
            let asked = Instant::now();
            let (status, answer) =
                orders.get("/topics/gone/records?key=nobody&isolation=read_uncommitted").await;
            assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
            if status == 404 { Ok(answer) } else { Err((status, answer)) }
        })
        .await
    };
    // The first request is under way when the topic is deleted.
    let (problem, ()) = tokio::join!(read, delete);
    assert_eq!(problem["detail"], "there is no topic gone");
    orders.stop().await;
}
