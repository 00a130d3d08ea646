//! From sending a POST to its answer, its verdict and its NOTIFIED on SSE, in a whole dojo at a fixed rate.

use crate::{
    broker::On,
    start::{resident, whole_dojo},
};
use eventsource_stream::Eventsource as _;
use futures::StreamExt as _;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

const PER_SECOND: u64 = 200;
const WARM_UP: u64 = 400;
const ORDERS: u64 = 4_000;

pub async fn measure(on: On) {
    let dojo = whole_dojo(on).await;
    let aim = match on {
        On::Embedded => "3/15",
        On::Apache => "10/50",
    };
    at(&dojo.url, aim).await;
    println!(
        "memory: {:.0} MiB resident in all processes after {} orders",
        resident(dojo.process.id()),
        WARM_UP + ORDERS
    );
}

/// Measures the dojo whose page is at `url`; `aim` is p50 and p99 to the verdict, in ms.
pub async fn at(url: &str, aim: &str) {
    let client = reqwest::Client::new();
    // An order whose delivery fails for the third time would never be NOTIFIED.
    set_fail_rate(&client, url, json!(0)).await;
    let stream = client.get(format!("{url}/events")).send().await.unwrap().bytes_stream().eventsource();
    let (verdicts, notified) = (Moments::default(), Moments::default());
    let (judges, delivers) = (Arc::clone(&verdicts), Arc::clone(&notified));
    let reading = tokio::spawn(async move {
        tokio::pin!(stream);
        while let Some(Ok(event)) = stream.next().await {
            let now = Instant::now();
            let data: Value = serde_json::from_str(&event.data).unwrap();
            let seen = match (data["source"].as_str(), data["action"].as_str()) {
                (Some("fraud-service"), _) => &judges,
                (_, Some("NOTIFIED")) => &delivers,
                _ => continue,
            };
            seen.lock().unwrap().insert(data["orderId"].as_str().unwrap().to_owned(), now);
        }
    });
    let begun = Instant::now();
    let posts: Vec<_> = (0..WARM_UP + ORDERS)
        .map(|n| {
            let (client, url) = (client.clone(), format!("{url}/orders"));
            tokio::spawn(async move {
                // Open loop: an order is sent when it is due, whatever became of the ones before.
                let due = begun + Duration::from_secs_f64(n as f64 / PER_SECOND as f64);
                tokio::time::sleep_until(due.into()).await;
                let order = json!({"customerName": format!("Customer {n}"), "item": "Pizza", "quantity": 1, "price": 9.5});
                let sent = Instant::now();
                let answer = client.post(url).json(&order).send().await.unwrap();
                assert_eq!(answer.status(), 201);
                let order: Value = answer.json().await.unwrap();
                (n, order["id"].as_str().unwrap().to_owned(), sent, sent.elapsed())
            })
        })
        .collect();
    let (mut answered, mut judged, mut delivered) = (histogram(), histogram(), histogram());
    for post in posts {
        let (n, id, sent, answer) = post.await.unwrap();
        let (verdict, notice) = (moment(&verdicts, &id, sent).await, moment(&notified, &id, sent).await);
        if n >= WARM_UP {
            answered.record(micros(answer)).unwrap();
            judged.record(micros(verdict)).unwrap();
            delivered.record(micros(notice)).unwrap();
        }
    }
    reading.abort();
    set_fail_rate(&client, url, Value::Null).await;
    println!("latency at {PER_SECOND} orders/s: POST to 201 {}", percentiles(&answered));
    println!("latency at {PER_SECOND} orders/s: POST to verdict on SSE {} (aim {aim})", percentiles(&judged));
    println!("latency at {PER_SECOND} orders/s: POST to NOTIFIED on SSE {}", percentiles(&delivered));
}

async fn set_fail_rate(client: &reqwest::Client, url: &str, rate: Value) {
    let patch = client.patch(format!("{url}/settings")).json(&json!({"failRate": rate}));
    assert!(patch.send().await.unwrap().status().is_success());
}

/// When something was seen of an order.
type Moments = Arc<Mutex<HashMap<String, Instant>>>;

/// Waits until something is seen of an order; how long that was after it was sent.
async fn moment(moments: &Moments, order: &str, sent: Instant) -> Duration {
    loop {
        if let Some(at) = moments.lock().unwrap().get(order) {
            return at.saturating_duration_since(sent);
        }
        assert!(sent.elapsed() < Duration::from_secs(60), "nothing was seen of order {order}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn histogram() -> Histogram<u64> {
    Histogram::new(3).unwrap()
}

pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap()
}

pub fn percentiles(histogram: &Histogram<u64>) -> String {
    let ms = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", ms(0.5), ms(0.99), ms(1.0))
}
