//! Journeys of orders whose records the tests write themselves, as the other services would.

use crate::fixture::{Orders, answer, pizza, record};
use dojo_contract::{
    AuditAction, AuditEvent, DlqEvent, FraudAlert, OrderEvent, Severity, Source,
    header::{self, Headers},
    topic,
};
use dojo_kafka::{Delivered, Outgoing};
use dojo_orders::PageConfig;
use dojo_testbed::{Kafka, OwnKafka, PATIENCE, Proxy, Read, eventually, own_prefix, until};
use rdkafka::{
    ClientConfig,
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

fn journey(id: &str) -> String {
    format!("/orders/{id}/journey")
}

fn headers(headers: &[(&str, &str)]) -> Headers {
    headers.iter().map(|(name, value)| ((*name).to_owned(), Some(value.as_bytes().to_vec()))).collect()
}

/// One order, and what the other services do with it.
struct Story<'a> {
    kafka: &'a Kafka,
    original: Read,
    event: OrderEvent,
}

impl<'a> Story<'a> {
    /// Places an order.
    async fn begin(kafka: &'a Kafka, orders: &Orders) -> Self {
        let id = orders.place("Ada").await["id"].as_str().unwrap().to_owned();
        Self::of(kafka, &id).await
    }

    /// The story of an order whose records are on the log.
    async fn of(kafka: &'a Kafka, id: &str) -> Self {
        let records = kafka.records(topic::ORDERS).await;
        let original =
            records.into_iter().find(|record| record.key.as_deref() == Some(id.as_bytes())).unwrap();
        Self { kafka, event: original.json(), original }
    }

    fn id(&self) -> String {
        self.event.order.id.to_string()
    }

    /// The event again on `orders`.
    async fn again(&self, with: &[(&str, &str)]) -> Delivered {
        let original = &self.original;
        let timestamp = original.timestamp;
        let again = record(topic::ORDERS, &self.id(), original.value.as_deref()).with_headers(headers(with));
        self.kafka.send(Outgoing { timestamp, ..again }).await
    }

    /// An audit event about a record of `orders`, some milliseconds after the order was made.
    fn report(&self, action: AuditAction, about: Option<Delivered>, after_millis: i64) -> AuditEvent {
        let at = self.event.timestamp + chrono::TimeDelta::milliseconds(after_millis);
        AuditEvent {
            instance_id: Some("notification-2".to_owned()),
            rule_version: Some("0a1b2c3d".to_owned()),
            partition: about.map(|about| about.partition),
            offset: about.map(|about| about.offset),
            ..AuditEvent::new(Source::NotificationService, action, self.event.order.id, at)
        }
    }

    async fn tell(&self, event: AuditEvent) {
        let key = event.order_id.to_string();
        self.kafka.send(Outgoing::json(topic::AUDIT, key, &event, event.timestamp).unwrap()).await;
    }

    async fn die(&self, of: Delivered, after_millis: i64) {
        let timestamp = self.event.timestamp + chrono::TimeDelta::milliseconds(after_millis);
        let (action, order) = (self.event.action, self.event.order.clone());
        let (reason, instance_id) = ("nobody at home".to_owned(), "notification-1".to_owned());
        let letter = DlqEvent { action, order, reason, instance_id, timestamp };
        let place = headers(&[
            (header::RETRY_COUNT, "1"),
            (header::ORIGINAL_TOPIC, topic::ORDERS),
            (header::ORIGINAL_PARTITION, &of.partition.to_string()),
            (header::ORIGINAL_OFFSET, &of.offset.to_string()),
        ]);
        let letter = Outgoing::json(topic::ORDERS_DLQ, self.id(), &letter, timestamp).unwrap();
        self.kafka.send(letter.with_headers(place)).await;
    }

    fn first(&self) -> Delivered {
        Delivered { partition: self.original.partition, offset: self.original.offset }
    }
}

/// Each step as `topic what attempt`.
fn told(answer: &Value) -> Vec<String> {
    let steps = answer["steps"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    steps
        .map(|step| format!("{} {} {}", text(&step["topic"]), text(&step["what"]), step["attempt"]))
        .collect()
}

fn places(answer: &Value) -> Vec<(String, i64, i64)> {
    let steps = answer["steps"].as_array().unwrap().iter();
    let place = |step: &Value| {
        let number = |name: &str| step[name].as_i64().unwrap();
        (step["topic"].as_str().unwrap().to_owned(), number("partition"), number("offset"))
    };
    steps.map(place).collect()
}

#[tokio::test]
async fn an_order_that_failed_died_and_was_redriven_has_every_step_in_order() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    orders.place("Ada").await;
    let story = Story::begin(&kafka, &orders).await;
    let first = story.first();
    let alerts = Some(vec![FraudAlert {
        kind: "AMOUNT".to_owned(),
        reason: "a lot of pizza".to_owned(),
        severity: Severity::Low,
    }]);
    let fraud =
        AuditEvent { source: Source::FraudService, ..story.report(AuditAction::FraudAlert, Some(first), 5) };
    story.tell(AuditEvent { alerts, instance_id: None, ..fraud }).await;
    let failed = |action, about, after| AuditEvent {
        retry_count: Some(1),
        reason: Some("no answer".to_owned()),
        ..story.report(action, Some(about), after)
    };
    let second = story.again(&[(header::RETRY_COUNT, "1")]).await;
    story.tell(failed(AuditAction::Retry, first, 10)).await;
    story.die(second, 30).await;
    story.tell(failed(AuditAction::Dlq, second, 30)).await;
    let redriven_at = story.report(AuditAction::Redriven, Some(second), 60_000);
    let at = redriven_at.timestamp.timestamp_millis().to_string();
    let with = [(header::REDRIVE_COUNT, "1"), (header::DLQ_OFFSET, "0"), (header::REDRIVEN_AT, &at)];
    let redriven = story.again(&with).await;
    story
        .tell(AuditEvent {
            reason: Some("redrive 1 of 3: from orders-dlq, partition 0, offset 0".to_owned()),
            ..redriven_at
        })
        .await;
    story.tell(story.report(AuditAction::Notified, Some(redriven), 60_020)).await;

    let (status, journey) = orders.get(&journey(&story.id())).await;
    assert_eq!(status, 200, "{journey}");
    assert_eq!(
        told(&journey),
        [
            "audit created 1",
            "orders created 1",
            "audit FRAUD_ALERT 1",
            "audit RETRY 1",
            "orders created 2",
            "audit DLQ 2",
            "orders-dlq dead-letter 2",
            "audit REDRIVEN 1",
            "orders created 1",
            "audit NOTIFIED 1",
        ],
        "{journey:#}"
    );
    let rest = [&journey["complete"], &journey["omitted"], &journey["next"], &journey["orderId"]];
    assert_eq!(rest, [&json!(true), &json!(0), &json!(null), &json!(story.id())]);
    let steps = &journey["steps"];
    let about = |at: Delivered| json!({"partition": at.partition, "offset": at.offset});
    let abouts: Vec<_> = steps.as_array().unwrap().iter().map(|step| step["about"].clone()).collect();
    let [f, s, r] = [first, second, redriven].map(about);
    assert_eq!(abouts, [&f, &f, &f, &f, &s, &s, &s, &s, &r, &r].map(Clone::clone));
    assert_eq!(
        steps[2]["alerts"],
        json!([{"type": "AMOUNT", "reason": "a lot of pizza", "severity": "LOW"}])
    );
    let by: Vec<_> = steps.as_array().unwrap().iter().map(|step| step["by"].as_str().unwrap()).collect();
    let n2 = "notification-2";
    assert_eq!(by, ["order-1", "order-1", "fraud-service", n2, n2, n2, "notification-1", n2, n2, n2]);
    assert_eq!([&steps[3]["reason"], &steps[6]["reason"]], [&json!("no answer"), &json!("nobody at home")]);
    assert_eq!([&steps[3]["ruleVersion"], &steps[0]["ruleVersion"]], [&json!("0a1b2c3d"), &json!(null)]);
    let redrives: Vec<_> =
        steps.as_array().unwrap().iter().map(|step| step["redriveCount"].as_i64()).collect();
    assert_eq!(redrives, [&[None; 7][..], &[Some(1); 3]].concat());
    let since: Vec<_> = steps.as_array().unwrap().iter().map(|s| s["sincePreviousMillis"].as_i64()).collect();
    let expected =
        [None, Some(0), Some(5), Some(5), Some(0), Some(20), Some(0), Some(59_970), Some(0), Some(20)];
    assert_eq!(since, expected);
    assert_eq!(steps[8]["headers"]["dojo-dlq-offset"], "0");
    orders.stop().await;
}

#[tokio::test]
async fn an_order_that_never_existed_has_no_journey() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    for id in [Uuid::now_v7(), Uuid::new_v4(), Uuid::nil(), Uuid::max()] {
        let (status, problem) = orders.get(&journey(&id.to_string())).await;
        assert_eq!(status, 404, "{problem}");
    }
    let no_id = orders.get("/orders/not-an-id/journey").await;
    assert_eq!(no_id, orders.get("/orders/not-an-id").await);
    let (status, problem) = orders.get(&format!("{}?after=x1", journey(&Uuid::nil().to_string()))).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("after")));
    let foreign = format!("{}?after=kother-o0", journey(&Uuid::nil().to_string()));
    let (status, problem) = orders.get(&foreign).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("after")));
    orders.stop().await;
}

#[tokio::test]
async fn the_orders_of_a_namesake_do_not_appear() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let ids = [orders.place("Ada").await, orders.place("Ada").await].map(|order| order["id"].clone());
    for id in &ids {
        let (_, journey) = orders.get(&journey(id.as_str().unwrap())).await;
        assert_eq!(told(&journey), ["audit created 1", "orders created 1"]);
        assert_eq!(&journey["orderId"], id);
    }
    orders.stop().await;
}

#[tokio::test]
async fn an_order_whose_id_tells_no_time_is_found_also_when_it_was_deleted_long_ago() {
    let kafka = Kafka::start().await;
    let orders = Orders::start_keeping(&kafka.config, 1).await;
    orders.until_ready().await;
    let request =
        orders.request(Method::POST, "/orders").header("idempotency-key", "k-1").json(&pizza("Ada"));
    let id = answer(request.send().await.unwrap()).await.1["id"].as_str().unwrap().to_owned();
    assert_eq!(orders.send(Method::PUT, &format!("/orders/{id}"), json!({"quantity": 3})).await.0, 200);
    assert_eq!(orders.send(Method::DELETE, &format!("/orders/{id}"), Value::Null).await.0, 204);
    let later = orders.place("Bob").await["id"].as_str().unwrap().to_owned();
    orders.place("Bob").await;
    assert_eq!(orders.get(&format!("/orders/{later}")).await.0, 404, "it is no longer listed");
    let changes =
        ["created", "updated", "deleted"].map(|what| [format!("audit {what} 1"), format!("orders {what} 1")]);
    assert_eq!(told(&orders.get(&journey(&id)).await.1), changes.concat());
    assert_eq!(told(&orders.get(&journey(&later)).await.1), ["audit created 1", "orders created 1"]);
    orders.stop().await;
}

#[tokio::test]
async fn an_unreadable_record_under_the_orders_key_is_shown_as_such() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let story = Story::begin(&kafka, &orders).await;
    let poison = kafka.send(record(topic::ORDERS, &story.id(), Some(b"poison"))).await;
    let place = headers(&[
        (header::ORIGINAL_PARTITION, &poison.partition.to_string()),
        (header::ORIGINAL_OFFSET, &poison.offset.to_string()),
        (header::ERROR, "not JSON"),
        (header::INSTANCE, "notification-1"),
    ]);
    kafka.send(record(topic::ORDERS_DLQ, &story.id(), Some(b"poison")).with_headers(place)).await;
    let (_, journey) = orders.get(&journey(&story.id())).await;
    let steps = journey["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 4, "{journey:#}");
    let [poison, letter] = [&steps[2], &steps[3]];
    assert_eq!([&poison["what"], &letter["what"]], [&json!("unreadable"); 2]);
    assert!(poison["note"].as_str().unwrap().contains("isn't a JSON object"), "{poison}");
    assert_eq!((&letter["reason"], &letter["by"]), (&json!("not JSON"), &json!("notification-1")));
    assert_eq!(letter["about"], json!({"partition": poison["partition"], "offset": poison["offset"]}));
    orders.stop().await;
}

#[tokio::test]
async fn a_retry_that_nothing_announces_says_that_its_time_is_not_known() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let story = Story::begin(&kafka, &orders).await;
    let retry = story.again(&[(header::RETRY_COUNT, "1")]).await;
    story.tell(story.report(AuditAction::Notified, Some(retry), 10)).await;
    let (_, journey) = orders.get(&journey(&story.id())).await;
    let steps = ["audit created 1", "orders created 1", "orders created 2", "audit NOTIFIED 2"];
    assert_eq!(told(&journey), steps, "{journey:#}");
    let retry = &journey["steps"][2];
    assert!(retry["note"].as_str().unwrap().contains("its time isn't known"), "{retry}");
    assert_eq!([&retry["sincePreviousMillis"], &retry["by"]], [&Value::Null; 2]);
    assert_eq!(journey["steps"][3]["sincePreviousMillis"], 10);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_retries_are_answered_with_the_first_and_the_newest_steps() {
    const RETRIES: i64 = 10_000;
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let story = Story::begin(&kafka, &orders).await;
    let Delivered { partition, offset } = story.first();
    let retry = |number: i64| {
        let with = headers(&[(header::RETRY_COUNT, &number.to_string())]);
        let again = record(topic::ORDERS, &story.id(), story.original.value.as_deref()).with_headers(with);
        Outgoing { timestamp: story.original.timestamp, ..again }
    };
    let report = |number: i64| {
        let failed = Delivered { partition, offset: offset + number - 1 };
        let report = story.report(AuditAction::Retry, Some(failed), number);
        let report = AuditEvent { retry_count: Some(number.try_into().unwrap()), ..report };
        Outgoing::json(topic::AUDIT, story.id(), &report, report.timestamp).unwrap()
    };
    kafka.flood((1..=RETRIES).map(retry)).await;
    kafka.flood((1..=RETRIES).map(report)).await;
    let (status, journey) = orders.get(&journey(&story.id())).await;
    let told = told(&journey);
    assert_eq!((status.as_u16(), told.len()), (200, 1_000));
    assert_eq!(journey["omitted"], 2 * RETRIES + 2 - 1_000);
    assert_eq!(told[..4], ["audit created 1", "orders created 1", "audit RETRY 1", "orders created 2"]);
    assert_eq!(
        told[98..102],
        ["audit RETRY 49", "orders created 50", "audit RETRY 9551", "orders created 9552"]
    );
    assert_eq!(told[998..], ["audit RETRY 10000", "orders created 10001"]);
    assert_eq!(journey["steps"][100]["sincePreviousMillis"], Value::Null);
    assert_eq!(journey["steps"][102]["sincePreviousMillis"], 1);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_markers_of_transactions_at_the_end_of_a_log_delay_no_answer() {
    let kafka = Kafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let story = Story::begin(&kafka, &orders).await;
    let report = story.report(AuditAction::Notified, Some(story.first()), 5);
    let id = own_prefix().to_string();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.config.brokers).set("transactional.id", id);
    let (key, value) = (story.id(), serde_json::to_vec(&report).unwrap());
    let audit = format!("{}{}", kafka.config.prefix, topic::AUDIT);
    let producer: BaseProducer = config.create().unwrap();
    tokio::task::block_in_place(|| {
        producer.init_transactions(PATIENCE).unwrap();
        for commits in [true, false] {
            producer.begin_transaction().unwrap();
            producer.send(BaseRecord::to(&audit).key(&key).payload(&value)).unwrap();
            producer.flush(PATIENCE).unwrap();
            if commits {
                producer.commit_transaction(PATIENCE).unwrap();
            } else {
                producer.abort_transaction(PATIENCE).unwrap();
            }
        }
    });
    let asked = Instant::now();
    let (_, journey) = orders.get(&journey(&story.id())).await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    assert_eq!(told(&journey), ["audit created 1", "orders created 1", "audit NOTIFIED 1"]);
    assert_eq!(journey["complete"], true);
    orders.stop().await;
}

#[tokio::test]
async fn while_kafka_is_away_a_journey_is_refused_also_when_its_reading_has_begun() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start(&kafka.config).await;
    let id = orders.place("Ada").await["id"].as_str().unwrap().to_owned();
    kafka.stop().await;
    // The service may not know yet; then the reading has begun.
    for known in [false, true] {
        if known {
            until("the service knows", async || orders.get("/readyz").await.0 == 503).await;
        }
        let asked = Instant::now();
        let response = orders.request(Method::GET, &journey(&id)).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (503, &"1".parse().unwrap())
        );
        assert!(asked.elapsed() < Duration::from_secs(12), "{:?}", asked.elapsed());
    }
    kafka.start_again().await;
    let found = eventually("the journey", async || match orders.get(&journey(&id)).await {
        (status, found) if status == 200 => Ok(found),
        refused => Err(refused),
    })
    .await;
    assert_eq!(told(&found), ["audit created 1", "orders created 1"]);
    orders.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journey_that_takes_longer_than_it_may_goes_on_where_it_stopped_without_gaps_or_doubles() {
    const RETRIES: u32 = 60;
    const WITHIN: Duration = Duration::from_secs(2);
    const EACH_ANSWER: Duration = Duration::from_millis(60);
    let proxy = Proxy::start().unwrap();
    let own = OwnKafka::behind(&proxy).await;
    let kafka = Kafka::at(own.config.clone(), &[]).await;
    let serve = async |journey_within| {
        let page = PageConfig { journey_within, ..PageConfig::default() };
        let orders = Orders::start_with(&kafka.config, page).await;
        orders.until_ready().await;
        orders
    };
    let orders = serve(PATIENCE).await;
    let story = Story::begin(&kafka, &orders).await;
    // One answer to a fetch has one of these records, so reading takes longer than the time that it has.
    let unreadable = vec![b'x'; 700_000];
    for number in 1..=RETRIES {
        story.again(&[(header::RETRY_COUNT, &number.to_string())]).await;
        kafka.send(record(topic::ORDERS, &story.id(), Some(&unreadable))).await;
    }
    let (_, whole) = orders.get(&journey(&story.id())).await;
    assert_eq!(whole["complete"], true);
    orders.stop().await;

    let orders = serve(WITHIN).await;
    proxy.slow(EACH_ANSWER);
    let (mut next, mut joined, mut answers) = (Some(journey(&story.id())), Vec::new(), 0);
    while let Some(path) = next {
        // A machine under load may not even find out in time where the log ends.
        let page = eventually("an answer", async || match orders.get(&path).await {
            (status, page) if status == 200 => Ok(page),
            refused => Err(refused),
        })
        .await;
        answers += 1;
        joined.extend(places(&page));
        next = page["next"].as_str().map(str::to_owned);
        assert_eq!(page["complete"], next.is_none());
    }
    proxy.pass();
    assert!(answers > 1, "one answer had everything");
    let mut whole = places(&whole);
    whole.sort();
    let count = joined.len();
    joined.sort();
    assert_eq!((joined, count), (whole, 2 * RETRIES as usize + 2));
    orders.stop().await;
}
