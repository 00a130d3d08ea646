use crate::fixture::Orders;
use dojo_testbed::{OwnKafka, eventually, until};

/// What `GET /rebalances` says of its own group, once that is something.
async fn joined(orders: &Orders) -> serde_json::Value {
    eventually("the service's own group", async || {
        let (status, told) = orders.get("/rebalances").await;
        assert_eq!(status, 200, "{told}");
        if told["lookedAt"].is_null() { Err(told) } else { Ok(told) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_away_the_list_stays_and_says_when_kafka_last_answered() {
    let mut kafka = OwnKafka::start().await;
    let orders = Orders::start_cold(&kafka.config).await;
    let (_, first) = orders.get("/rebalances").await;
    assert!(first["rebalances"].is_array(), "{first}");
    joined(&orders).await;
    kafka.stop().await;
    until("the service to know", async || orders.get("/readyz").await.0 == 503).await;
    let told = joined(&orders).await;
    // A look that was under way ends first.
    let again = eventually("two answers of the same look", async || {
        let last = joined(&orders).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let again = joined(&orders).await;
        if again["lookedAt"] == last["lookedAt"] { Ok(again) } else { Err(again) }
    })
    .await;
    assert_eq!(again["since"], told["since"]);
    orders.stop().await;
}
