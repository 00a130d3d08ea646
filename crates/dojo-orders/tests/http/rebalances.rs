use crate::fixture::Orders;
use chrono::{DateTime, TimeDelta, Utc};
use dojo_testbed::{OwnKafka, eventually, until};
use serde_json::Value;

/// What `GET /rebalances` answers, once Kafka has answered.
async fn list_of(orders: &Orders) -> Value {
    eventually("a look at the groups", async || {
        let (status, list) = orders.get("/rebalances").await;
        assert_eq!(status, 200, "{list}");
        if list["lookedAt"].is_null() { Err(list) } else { Ok(list) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_the_list_stays_and_says_when_kafka_last_answered() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start_cold(&kafka.config).await;
    let (_, first) = orders.get("/rebalances").await;
    assert!(first["rebalances"].is_array(), "{first}");
    list_of(&orders).await;
    kafka.stop().await;
    until("the service to know", async || orders.get("/readyz").await.0 == 503).await;
    let listed = list_of(&orders).await;
    // Kafka is looked at once a second while it is there.
    let later = eventually("an answer that says how old it is", async || {
        let later = list_of(&orders).await;
        let looked_at: DateTime<Utc> = later["lookedAt"].as_str().unwrap().parse().unwrap();
        if Utc::now() - looked_at > TimeDelta::seconds(3) { Ok(later) } else { Err(later) }
    })
    .await;
    assert_eq!((&later["since"], &later["rebalances"]), (&listed["since"], &listed["rebalances"]));
    orders.stop().await;
}
