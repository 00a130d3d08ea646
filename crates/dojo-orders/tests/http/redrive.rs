//! `POST /dlq/redrive`: what goes back to `orders`, what is refused and why, and what `GET /dlq` shows of it.

use crate::fixture::{Orders, answer, record, told};
use dojo_contract::{
    AuditAction, AuditEvent, OrderEvent, Source, header,
    topic::{self, TOPICS, TopicSpec},
};
use dojo_kafka::{Isolation, KafkaConfig, Outgoing, Producer, StartFrom, Tailed, tail};
use dojo_testbed::{Kafka, OwnKafka, PATIENCE, Proxy, Read, eventually, until};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::AdminClient,
    client::DefaultClientContext,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, HashMap},
    time::{Duration, Instant},
};
use tokio::{runtime::Handle, sync::mpsc};
use tokio_util::sync::CancellationToken;

const ORIGINAL_MILLIS: i64 = 1_769_851_800_000;

fn id(n: usize) -> String {
    format!("00000000-0000-0000-0000-{n:012}")
}

/// The value of a dead letter.
fn value(n: usize) -> Value {
    json!({
        "action": "created", "reason": "nobody at home", "instanceId": "notification-1",
        "timestamp": "2026-01-31T09:31:00.000Z",
        "order": {
            "id": id(n), "customerName": "Ada", "item": "Pizza", "quantity": 1, "price": 9.5,
            "status": "created", "createdAt": "2026-01-31T09:30:00.000Z",
        },
    })
}

/// A dead letter as the notification service writes it, with further headers.
fn letter(n: usize, more: &[(&str, &str)]) -> Outgoing {
    let millis = ORIGINAL_MILLIS.to_string();
    let own = [
        ("traceparent", "00-4bf9"),
        (header::RETRY_COUNT, "2"),
        (header::ORIGINAL_TOPIC, topic::ORDERS),
        (header::ORIGINAL_PARTITION, "1"),
        (header::ORIGINAL_OFFSET, "41"),
        (header::ORIGINAL_TIMESTAMP, millis.as_str()),
        (header::ERROR, "nobody at home"),
    ];
    let headers = own.iter().chain(more);
    let headers =
        headers.map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect();
    record(topic::ORDERS_DLQ, &id(n), Some(value(n).to_string().as_bytes())).with_headers(headers)
}

async fn redrive(orders: &Orders, body: Value) -> Value {
    let (status, answer) = orders.send(Method::POST, "/dlq/redrive", body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

fn offsets(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|entry| entry["offset"].as_i64().unwrap()).collect()
}

/// The reason why this offset was refused.
fn reason(answer: &Value, offset: i64) -> String {
    let refused = answer["refused"].as_array().unwrap().iter().find(|refused| refused["offset"] == offset);
    refused.unwrap_or_else(|| panic!("{offset} is not refused: {answer}"))["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// The redrives of the dead letter at that offset, as `GET /dlq` shows them.
async fn redrives(orders: &Orders, offset: i64) -> Vec<Value> {
    let page = orders.get("/dlq?limit=200").await.1;
    let found = page.as_array().unwrap().iter().find(|letter| letter["record"]["offset"] == offset);
    let letter = found.unwrap_or_else(|| panic!("{offset} is not on {page}"));
    letter["redrives"].as_array().unwrap().clone()
}

/// An event of the notification service about a record of `orders`.
fn outcome(action: AuditAction, order: usize, (partition, offset): (i32, i64)) -> Outgoing {
    let now = chrono::Utc::now();
    let event = AuditEvent {
        partition: Some(partition),
        offset: Some(offset),
        ..AuditEvent::new(Source::NotificationService, action, id(order).parse().unwrap(), now)
    };
    Outgoing::json(topic::AUDIT, id(order), &event, now).unwrap()
}

#[tokio::test]
async fn a_dead_letter_goes_back_once_with_every_foreign_header_byte_for_byte() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let mut dead = letter(1, &[(header::REDRIVE_COUNT, "1"), (header::DLQ_OFFSET, "99")]);
    let theirs = [("bytes".to_owned(), Some(vec![0xff, 0xfe, 0])), ("null".to_owned(), None)];
    dead.headers.splice(1..1, theirs.clone());
    kafka.send(letter(0, &[])).await;
    kafka.send(dead.clone()).await;
    let before = chrono::Utc::now().timestamp_millis();
    let answer = redrive(&orders, json!({"offsets": [1]})).await;
    let [back] = &kafka.records(topic::ORDERS).await[..] else { panic!("not one record") };
    let to = json!({"partition": back.partition, "offset": back.offset});
    assert_eq!(answer, json!({"redriven": [{"offset": 1, "to": to}], "refused": [], "left": 0}));
    assert_eq!((&back.key, back.timestamp), (&Some(id(1).into_bytes()), Some(ORIGINAL_MILLIS)));
    let event: Value = back.json();
    let at = "2026-01-31T09:30:00.000Z";
    assert_eq!(event, json!({"action": "created", "order": value(1)["order"], "timestamp": at}));

    let is_set =
        |name: &str| [header::REDRIVE_COUNT, header::DLQ_OFFSET, header::REDRIVEN_AT].contains(&name);
    let kept: Vec<_> = back.headers.iter().filter(|(name, _)| !is_set(name)).cloned().collect();
    let is_theirs = |name: &str| name != header::RETRY_COUNT && !is_set(name);
    dead.headers.retain(|(name, _)| is_theirs(name));
    assert_eq!(kept, dead.headers);
    assert_eq!(back.header(header::REDRIVE_COUNT).as_deref(), Some("2"));
    assert_eq!(back.header(header::DLQ_OFFSET).as_deref(), Some("1"));
    let redriven_at: i64 = back.header(header::REDRIVEN_AT).unwrap().parse().unwrap();
    assert!((before..=chrono::Utc::now().timestamp_millis()).contains(&redriven_at));

    let [said] = &told(kafka.records(topic::AUDIT).await)[..] else { panic!("not one audit record") };
    assert_eq!((said.0.as_str(), &said.1["action"]), (id(1).as_str(), &json!("REDRIVEN")));
    assert_eq!((&said.1["source"], &said.1["instanceId"]), (&json!("order-service"), &json!("order-1")));
    assert_eq!((&said.1["partition"], &said.1["offset"]), (&json!(1), &json!(41)));
    assert_eq!(said.1["reason"], "redrive 2 of 3: from orders-dlq, partition 0, offset 1");

    let [shown] = &redrives(&orders, 1).await[..] else { panic!("not one redrive") };
    let place = (&shown["partition"], &shown["offset"], &shown["redriveCount"], &shown["outcome"]);
    assert_eq!(place, (&to["partition"], &to["offset"], &json!(2), &Value::Null));
    assert!(shown["at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(redrives(&orders, 0).await, [] as [Value; 0]);
    orders.stop().await;
}

#[tokio::test]
async fn all_sends_what_is_open_and_refuses_the_rest_one_by_one() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    assert_eq!(
        redrive(&orders, json!({"all": true})).await,
        json!({"redriven": [], "refused": [], "left": 0})
    );
    let large = "x".repeat(1_100_000);
    kafka.send(letter(0, &[])).await;
    kafka.send(record(topic::ORDERS_DLQ, "k", Some(b"poison"))).await;
    kafka.send(record(topic::ORDERS_DLQ, "k", None)).await;
    kafka.send(letter(3, &[("filler", &large)])).await;
    kafka.send(letter(4, &[(header::REDRIVE_COUNT, "3")])).await;
    kafka.send(letter(5, &[(header::REDRIVE_COUNT, "often")])).await;
    kafka.send(letter(6, &[(header::REDRIVE_COUNT, "2")])).await;
    let mut negative = value(7);
    negative["order"]["quantity"] = json!(-1);
    kafka.send(record(topic::ORDERS_DLQ, "k", Some(negative.to_string().as_bytes()))).await;
    assert_eq!(offsets(&redrive(&orders, json!({"offsets": [0]})).await["redriven"]), [0]);

    let answer = redrive(&orders, json!({"all": true})).await;
    assert_eq!((offsets(&answer["redriven"]), &answer["left"]), (vec![6], &json!(0)));
    assert_eq!(offsets(&answer["refused"]), [1, 2, 3, 4, 5, 7], "what was redriven before is in no list");
    for (offset, why) in [
        (1, "unreadable: is not a JSON object"),
        (2, "unreadable: has no value"),
        (3, "too large: on orders it would have 11"),
        (4, "its event was redriven 3 times already"),
        (5, "its header redriveCount isn't a number"),
        (7, "unreadable: the order breaks a limit: quantity is -1"),
    ] {
        assert!(reason(&answer, offset).starts_with(why), "{answer}");
    }
    assert_eq!(kafka.records(topic::ORDERS).await.len(), 2);
    let said = told(kafka.records(topic::AUDIT).await);
    assert_eq!(said.len(), 2, "nothing is said of what was refused: {said:?}");
    orders.stop().await;
}

/// One partition of `orders-dlq` with a gap: offset 1 and 3 hold markers, offset 2 a record that was aborted.
async fn write_transactions(kafka: &KafkaConfig) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &kafka.brokers)
        .set("transactional.id", format!("{}test", kafka.prefix))
        .create()
        .unwrap();
    let on_cluster = format!("{}{}", kafka.prefix, topic::ORDERS_DLQ);
    tokio::task::block_in_place(|| {
        producer.init_transactions(PATIENCE).unwrap();
        for (n, is_committed) in [(0, true), (1, false)] {
            producer.begin_transaction().unwrap();
            let value = value(n).to_string();
            producer.send(BaseRecord::<str, str>::to(&on_cluster).payload(&value)).unwrap();
            producer.flush(PATIENCE).unwrap();
            if is_committed {
                producer.commit_transaction(PATIENCE).unwrap();
            } else {
                producer.abort_transaction(PATIENCE).unwrap();
            }
        }
    });
}

async fn delete_before(kafka: &KafkaConfig, offset: i64) {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &kafka.brokers).create().unwrap();
    let mut list = TopicPartitionList::new();
    let on_cluster = format!("{}{}", kafka.prefix, topic::ORDERS_DLQ);
    list.add_partition_offset(&on_cluster, 0, Offset::Offset(offset)).unwrap();
    admin.delete_records(&list, &Default::default()).await.unwrap().elements()[0].error().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offset_without_a_dead_letter_is_refused_with_the_reason_and_the_others_go() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    write_transactions(&kafka.config).await;
    let after = kafka.send(letter(4, &[])).await.offset;
    assert_eq!(after, 4);
    let answer = redrive(&orders, json!({"offsets": [9, 4, 3, 2, 1, 0, 5, 4]})).await;
    assert_eq!((offsets(&answer["redriven"]), &answer["left"]), (vec![0, 4], &json!(0)));
    assert_eq!(offsets(&answer["refused"]), [1, 2, 3, 5, 9]);
    for marker in [1, 2, 3] {
        assert!(reason(&answer, marker).contains("the marker of a transaction"), "{answer}");
    }
    assert!(reason(&answer, 5).contains("the log ends before offset 5"), "{answer}");

    let answer = redrive(&orders, json!({"offsets": [0, 4]})).await;
    let again = reason(&answer, 4);
    assert!(again.starts_with("it was redriven already, at 20") && again.contains("of orders"), "{again}");
    assert_eq!(answer["redriven"], json!([]));

    kafka.send(letter(5, &[])).await;
    kafka.send(letter(6, &[])).await;
    delete_before(&kafka.config, 6).await;
    let answer = redrive(&orders, json!({"offsets": [4, 5, 6]})).await;
    assert_eq!(offsets(&answer["redriven"]), [6]);
    for gone in [4, 5] {
        assert!(reason(&answer, gone).contains("removed everything before offset 6"), "{answer}");
    }
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_redrive_twice_at_once_goes_once() {
    const LETTERS: usize = 50;
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    kafka.flood((0..LETTERS).map(|n| letter(n, &[]))).await;
    let body = json!({"offsets": (0..LETTERS).collect::<Vec<_>>()});
    let (first, second) = tokio::join!(redrive(&orders, body.clone()), redrive(&orders, body));
    let went = |answer: &Value| answer["redriven"].as_array().unwrap().len();
    assert_eq!([went(&first), went(&second)].iter().max(), Some(&LETTERS), "{first} {second}");
    let refused = [&first, &second].map(|answer| answer["refused"].as_array().unwrap().len());
    assert_eq!(refused.iter().sum::<usize>(), LETTERS);
    assert_eq!(kafka.records(topic::ORDERS).await.len(), LETTERS);
    orders.stop().await;
}

#[tokio::test]
async fn letters_of_one_order_go_back_in_their_order() {
    const LETTERS: usize = 200;
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let version = |n: usize| {
        let mut letter = letter(1, &[]);
        header::set(&mut letter.headers, "version", n.to_string());
        letter
    };
    kafka.flood((0..LETTERS).map(version)).await;
    let answer = redrive(&orders, json!({"all": true})).await;
    assert_eq!(answer["redriven"].as_array().unwrap().len(), LETTERS);
    let back = kafka.records(topic::ORDERS).await;
    let versions: Vec<_> =
        back.iter().map(|r| r.header("version").unwrap().parse::<usize>().unwrap()).collect();
    assert_eq!(versions, (0..LETTERS).collect::<Vec<_>>());
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redriven_stands_on_audit_before_everything_that_follows_from_it() {
    const LETTERS: usize = 100;
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    // A service that says something about each record as soon as it reads it.
    let (producer, runtime, end) = (kafka.producer.clone(), Handle::current(), CancellationToken::new());
    let (notified, mut done) = mpsc::unbounded_channel();
    let (from, isolation) = (StartFrom::Earliest, Isolation::ReadCommitted);
    let _service = tail(&kafka.config, "notification", topic::ORDERS, from, isolation, &end, move |tailed| {
        let Tailed::Record(record) = tailed else { return };
        let OrderEvent { order, .. } = serde_json::from_slice(record.value.unwrap()).unwrap();
        let n = usize::try_from(order.id.as_u128()).unwrap();
        let n = format!("{n:x}").parse().unwrap();
        let said = outcome(AuditAction::Notified, n, (record.partition, record.offset));
        notified.send(runtime.block_on(producer.send(said)).unwrap()).unwrap();
    })
    .unwrap();
    kafka.flood((0..LETTERS).map(|n| letter(n, &[]))).await;
    redrive(&orders, json!({"all": true})).await;
    for _ in 0..LETTERS {
        done.recv().await.unwrap();
    }
    let mut stories = HashMap::<_, Vec<_>>::new();
    for (id, event) in told(kafka.records(topic::AUDIT).await) {
        stories.entry(id).or_default().push(event["action"].clone());
    }
    assert_eq!(stories.len(), LETTERS);
    assert!(stories.values().all(|story| *story == ["REDRIVEN", "NOTIFIED"]), "{stories:?}");
    eventually("the outcomes to be shown", async || {
        let page = orders.get("/dlq?limit=200").await.1;
        let letters = page.as_array().unwrap().iter();
        let outcomes: Vec<_> = letters.map(|letter| letter["redrives"][0]["outcome"].clone()).collect();
        if outcomes == vec![json!("NOTIFIED"); LETTERS] { Ok(()) } else { Err(outcomes) }
    })
    .await;
    orders.stop().await;
}

/// Waits until the service reports that it has read a topic up to that offset, so that a restart begins near it.
async fn has_relayed(orders: &Orders, topic: &str, position: i64) {
    eventually("the service to have read the topic", async || {
        let instances = orders.get("/instances").await.1;
        let mut partitions = instances[0]["partitions"].as_array().into_iter().flatten();
        let has = partitions.any(|p| p["topic"] == topic && p["position"].as_i64() >= Some(position));
        if has { Ok(()) } else { Err(instances) }
    })
    .await;
}

#[tokio::test]
async fn a_restart_knows_what_was_redriven_and_what_became_of_it_however_long_ago() {
    /// More than the relay reads once more after a restart.
    const SINCE: usize = 1_000;
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for n in 0..4 {
        kafka.send(letter(n, &[])).await;
    }
    let answer = redrive(&orders, json!({"offsets": [0, 1, 2]})).await;
    let place = |n: usize| {
        let to = &answer["redriven"][n]["to"];
        (to["partition"].as_i64().unwrap().try_into().unwrap(), to["offset"].as_i64().unwrap())
    };
    // The second one is retried, and its retry is delivered.
    let (partition, offset) = place(1);
    let back: Vec<Read> = kafka.records(topic::ORDERS).await;
    let redriven = back.iter().find(|read| (read.partition, read.offset) == (partition, offset)).unwrap();
    let mut retry =
        record(topic::ORDERS, &id(1), redriven.value.as_deref()).with_headers(redriven.headers.clone());
    header::set(&mut retry.headers, header::RETRY_COUNT, "1");
    let retry = kafka.send(retry).await;
    kafka.send(outcome(AuditAction::Dlq, 0, place(0))).await;
    kafka.send(outcome(AuditAction::Retry, 1, place(1))).await;
    kafka.send(outcome(AuditAction::Notified, 1, (retry.partition, retry.offset))).await;
    kafka.flood((0..SINCE).map(|n| outcome(AuditAction::Notified, 10_000 + n, (0, 1_000_000)))).await;

    let outcomes = async |orders: &Orders| {
        let mut outcomes = Vec::new();
        for offset in 0..4 {
            let redrives = redrives(orders, offset).await;
            outcomes.push(redrives.iter().map(|r| r["outcome"].clone()).collect::<Vec<_>>());
        }
        outcomes
    };
    let expected = [vec![json!("DLQ")], vec![json!("NOTIFIED")], vec![Value::Null], vec![]];
    let shows_all = async |orders: &Orders| {
        eventually("the outcomes to be shown", async || {
            let seen = outcomes(orders).await;
            if seen == expected { Ok(()) } else { Err(seen) }
        })
        .await;
    };
    shows_all(&orders).await;
    has_relayed(&orders, topic::AUDIT, 6 + SINCE as i64).await;
    orders.stop().await;
    let orders = Orders::start(&kafka.config).await;
    shows_all(&orders).await;
    let answer = redrive(&orders, json!({"all": true})).await;
    assert_eq!((offsets(&answer["redriven"]), &answer["refused"]), (vec![3], &json!([])));
    orders.stop().await;
}

#[tokio::test]
async fn a_race_between_replicas_shows_as_two_redrives() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    kafka.send(letter(0, &[])).await;
    redrive(&orders, json!({"all": true})).await;
    // What another replica sends that was asked at the same moment.
    let [first] = &kafka.records(topic::ORDERS).await[..] else { panic!("not one record") };
    let mut second =
        record(topic::ORDERS, &id(0), first.value.as_deref()).with_headers(first.headers.clone());
    header::set(&mut second.headers, header::REDRIVEN_AT, "1769851900000");
    let second = kafka.send(second).await;
    kafka.send(outcome(AuditAction::Notified, 0, (second.partition, second.offset))).await;
    eventually("both redrives to be shown", async || {
        let outcomes: Vec<_> = redrives(&orders, 0).await.iter().map(|r| r["outcome"].clone()).collect();
        if outcomes == [Value::Null, json!("NOTIFIED")] { Ok(()) } else { Err(outcomes) }
    })
    .await;
    orders.stop().await;
}

#[tokio::test]
async fn a_redrive_changes_nothing_in_the_orders_list() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let order = orders.place("Ada").await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let (_, changed) = orders.send(Method::PUT, &path, json!({"item": "Soup"})).await;
    let mut dead = letter(0, &[]);
    let mut older = value(0);
    older["order"] = order;
    dead.value = Some(older.to_string().into_bytes());
    kafka.send(dead).await;
    // The order of this one was never on the log.
    kafka.send(letter(1, &[])).await;
    let mut deleted = value(2);
    (deleted["order"], deleted["action"]) = (changed.clone(), json!("deleted"));
    kafka.send(record(topic::ORDERS_DLQ, "k", Some(deleted.to_string().as_bytes()))).await;
    assert_eq!(offsets(&redrive(&orders, json!({"all": true})).await["redriven"]), [0, 1, 2]);
    assert_eq!(orders.get("/orders").await.1, json!([changed]));
    orders.stop().await;
}

#[tokio::test]
async fn while_kafka_is_away_a_redrive_is_refused_and_nothing_is_sent_later() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let sender = Kafka::at(kafka.config.clone(), &[]).await;
    sender.send(letter(0, &[])).await;
    kafka.stop().await;
    let request = orders.request(Method::POST, "/dlq/redrive").json(&json!({"all": true}));
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, problem) = answer(response).await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().starts_with("nothing was changed"), "{problem}");
    until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
    assert_eq!(orders.send(Method::POST, "/dlq/redrive", json!({"offsets": [0]})).await.0, 503);
    let (status, problem) = orders.send(Method::POST, "/dlq/redrive", json!({"offsets": []})).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("offsets")));

    kafka.start_again().await;
    orders.until_ready().await;
    // Whatever was still to be sent was sent before this.
    orders.place("Bob").await;
    let log = Kafka::at(kafka.config.clone(), &[]).await;
    assert_eq!(log.records(topic::ORDERS).await.len(), 1);
    let again = redrive(&orders, json!({"all": true})).await;
    assert_eq!(offsets(&again["redriven"]), [0]);
    orders.stop().await;
}

/// The dojo's topics, of which `name` refuses every record.
fn refusing(name: &str) -> Vec<TopicSpec> {
    let refuses = |spec: &TopicSpec| match spec.name == name {
        true => TopicSpec { config: &[("cleanup.policy", "delete"), ("max.message.bytes", "50")], ..*spec },
        false => *spec,
    };
    TOPICS.iter().map(refuses).collect()
}

#[tokio::test]
async fn a_letter_without_an_audit_record_is_not_sent() {
    let kafka = Kafka::with_topics(&refusing(topic::AUDIT)).await;
    let orders = Orders::start(&kafka.config).await;
    kafka.send(letter(0, &[])).await;
    let (status, problem) = orders.send(Method::POST, "/dlq/redrive", json!({"all": true})).await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().starts_with("nothing was changed"), "{problem}");
    assert_eq!(kafka.records(topic::ORDERS).await, []);
    orders.stop().await;
}

#[tokio::test]
async fn a_record_that_kafka_refuses_is_refused_with_kafkas_reason() {
    let kafka = Kafka::with_topics(&refusing(topic::ORDERS)).await;
    let orders = Orders::start(&kafka.config).await;
    kafka.send(letter(0, &[])).await;
    let answer = redrive(&orders, json!({"all": true})).await;
    assert!(reason(&answer, 0).contains("did not acknowledge a record for topic orders"), "{answer}");
    assert_eq!((&answer["redriven"], &answer["left"]), (&json!([]), &json!(0)));
    orders.stop().await;
}

#[tokio::test]
async fn a_body_that_asks_for_nothing_is_refused_with_its_field() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for (body, field) in [
        (json!({}), ""),
        (json!({"all": false}), "all"),
        (json!({"all": true, "offsets": [1]}), "all"),
        (json!({"offsets": [0, -1]}), "offsets[1]"),
        (json!({"offset": 1}), "offset"),
    ] {
        let (status, problem) = orders.send(Method::POST, "/dlq/redrive", body).await;
        assert_eq!(
            (status, &problem["errors"][0]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field))
        );
    }
    let post = || orders.request(Method::POST, "/dlq/redrive");
    let json = ("content-type", "application/json");
    assert_eq!(post().header(json.0, json.1).body("{").send().await.unwrap().status(), 400);
    assert_eq!(post().body("{}").send().await.unwrap().status(), 415);
    assert_eq!(orders.get("/dlq/redrive").await.0, 405);
    orders.stop().await;
}

/// Writes so many dead letters.
async fn fill(kafka: &KafkaConfig, letters: usize) {
    let producer = Producer::batching(kafka, "many", PATIENCE).unwrap();
    futures::future::try_join_all((0..letters).map(|n| producer.send(letter(n, &[])))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_acknowledgement_the_outcome_is_unknown_and_the_request_can_be_repeated() {
    const LETTERS: usize = 5_000;
    let proxy = Proxy::start().unwrap();
    let kafka = OwnKafka::behind(&proxy).await;
    let orders = Orders::start(&kafka.config).await;
    fill(&kafka.config, LETTERS).await;
    let mut log = Kafka::at(kafka.config.clone(), &[]).await.read(topic::ORDERS);
    // The letters go in several parts, each of which takes at least so long.
    proxy.slow(Duration::from_millis(100));
    let stall = async {
        log.first(1).await;
        proxy.stall();
    };
    let request = orders.send(Method::POST, "/dlq/redrive", json!({"all": true}));
    let asked = Instant::now();
    let ((status, problem), ()) = tokio::join!(request, stall);
    assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
    assert_eq!(status, 503, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("the outcome is unknown") && detail.contains("GET /dlq"), "{detail}");

    proxy.pass();
    orders.until_ready().await;
    eventually("everything to be redriven", async || {
        let (status, answer) = orders.send(Method::POST, "/dlq/redrive", json!({"all": true})).await;
        if status == 200 && answer["left"] == 0 { Ok(()) } else { Err(answer) }
    })
    .await;
    let letter = |read: &Read| read.header(header::DLQ_OFFSET).unwrap().parse::<usize>().unwrap();
    let letters = |records: &[Read]| records.iter().map(letter).collect::<BTreeSet<_>>();
    log.until(|records| letters(records) == (0..LETTERS).collect()).await;
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_letters_than_one_request_takes_are_left_for_the_next_one() {
    const LETTERS: usize = 10_050;
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    fill(&kafka.config, LETTERS).await;
    let mut redriven = 0;
    let mut requests = 0;
    loop {
        let answer = redrive(&orders, json!({"all": true})).await;
        redriven += answer["redriven"].as_array().unwrap().len();
        requests += 1;
        assert_eq!(answer["left"], LETTERS - redriven, "{}", answer["refused"]);
        if answer["left"] == 0 {
            break;
        }
    }
    assert!(requests >= 2 && redriven == LETTERS, "{requests} {redriven}");
    assert_eq!(kafka.records(topic::ORDERS).await.len(), LETTERS);
    orders.stop().await;
}
