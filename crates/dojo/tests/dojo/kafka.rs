//! Which Kafka a dojo runs on, and what it says of it.

use crate::process::Start;
use dojo_testbed::brokers;

#[tokio::test]
async fn the_dojo_says_on_which_kafka_it_runs() {
    for (start, embedded) in [(Start::new(), brokers().is_none()), (Start::embedded(), true)] {
        let dojo = start.ready().await;
        let kafka = dojo.get("/status").await["kafka"].clone();
        assert_eq!((&kafka["state"], &kafka["embedded"]), (&"up".into(), &embedded.into()), "{kafka}");
        assert_eq!(kafka["brokers"], dojo.kafka.brokers);
        assert_eq!(kafka["prefix"], dojo.kafka.prefix.to_string());
        let page = dojo.http.get(&dojo.url).send().await.unwrap().text().await.unwrap();
        assert_eq!(page.contains("embedded broker at"), embedded, "{page}");
        assert_eq!(page.contains("names begin with"), !dojo.kafka.prefix.is_empty(), "{page}");
    }
}

#[tokio::test]
async fn two_dojos_run_side_by_side() {
    let (one, other) = tokio::join!(Start::new().ready(), Start::new().ready());
    one.placed("Ada", "1").await;
    assert_eq!(other.get("/orders").await.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_dojo_with_a_prefix_shares_the_kafka_of_another_and_nothing_else() {
    let one = Start::new().ready().await;
    let other = Start::beside(&one).ready().await;
    let (events, others_events) = (one.events().await, other.events().await);
    let order = one.placed("Ada", "1").await;
    let others_order = other.placed("Bob", "1").await;
    for (events, order) in [(&events, order), (&others_events, others_order)] {
        let orders = [order].into();
        events.all_have(&orders, &["NOTIFIED"]).await;
        events.all_have(&orders, &["FRAUD_CHECK_PASSED"]).await;
        assert_eq!(events.orders_with(&["NOTIFIED"]).into_keys().collect::<Vec<_>>(), Vec::from_iter(orders));
    }
    for dojo in [&one, &other] {
        assert_eq!(dojo.get("/orders").await.as_array().unwrap().len(), 1);
        let topics = dojo.get("/status").await["topics"].clone();
        assert_eq!(topics[0]["name"], "orders", "{topics}");
    }
}
