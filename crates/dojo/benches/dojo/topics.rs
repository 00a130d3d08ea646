//! A page of records at the end and in the middle of a million records, beside a bare consumer that reads the same records,
//! and beside the look at an order in the list.

use crate::{
    broker::On,
    journey::{KEPT_BYTES, PATIENCE, RECORDS, fill},
    latency::{histogram, micros, percentiles},
    processes::{Process, answers, free_port},
};
use dojo_contract::topic;
use hdrhistogram::Histogram;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};
use std::time::{Duration, Instant};

const ASKED: usize = 200;
const LIMIT: usize = 50;
/// Records of `audit`, which are in one partition.
const ON_AUDIT: usize = RECORDS / 4 * 3;

pub async fn measure(on: On) {
    let (_broker, brokers) = on.broker_keeping(KEPT_BYTES).await;
    let ids = fill(&brokers).await;
    let port = free_port().to_string();
    let kept = ids.len().to_string();
    let service =
        Process::dojo(&["order", "--kafka-brokers", &brokers, "--port", &port, "--orders-kept", &kept]);
    let url = format!("http://localhost:{port}");
    answers(&format!("{url}/readyz"), PATIENCE).await;
    let (client, started_mib) = (reqwest::Client::new(), service.peak_mib());
    let get = async |path: &str| {
        let asked = Instant::now();
        let answer = client.get(format!("{url}{path}")).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 200, "{text}");
        (asked.elapsed(), text)
    };
    let middle = ON_AUDIT / 2;
    let pages = [
        ("newest of audit", format!("/topics/audit/records?limit={LIMIT}")),
        ("middle of audit", format!("/topics/audit/records?limit={LIMIT}&partition=0&offset={middle}")),
        (
            "middle of audit, read_uncommitted",
            format!(
                "/topics/audit/records?limit={LIMIT}&partition=0&offset={middle}&isolation=read_uncommitted"
            ),
        ),
        ("newest of orders, 3 partitions merged", format!("/topics/orders/records?limit={LIMIT}")),
        ("list of topics", "/topics".to_owned()),
    ];
    let (mut looks, mut bare) = (histogram(), histogram());
    let mut measured: Vec<Histogram<u64>> = pages.iter().map(|_| histogram()).collect();
    // Turn by turn, so that what else the machine does meets all alike.
    for n in 0..ASKED {
        for ((_, path), measured) in pages.iter().zip(&mut measured) {
            let (took, text) = get(path).await;
            if path != "/topics" {
                assert_eq!(text.matches("\"offset\":").count(), LIMIT, "{text}");
            }
            measured.record(micros(took)).unwrap();
        }
        looks.record(micros(get(&format!("/orders/{}", ids[n * 611_953 % ids.len()])).await.0)).unwrap();
        let took = tokio::task::block_in_place(|| bare_page(&brokers, middle));
        bare.record(micros(took)).unwrap();
    }
    let p50 = |histogram: &Histogram<u64>| histogram.value_at_quantile(0.5) as f64;
    println!(
        "topics: a new bare consumer reads {LIMIT} records in the middle of audit in {}",
        percentiles(&bare)
    );
    println!("topics: GET /orders/{{id}} {}", percentiles(&looks));
    for ((name, _), measured) in pages.iter().zip(&measured) {
        println!(
            "topics: {name} of {RECORDS} records: {}; of p50, {:.1} x the bare consumer, {:.0} x GET /orders/{{id}}",
            percentiles(measured),
            p50(measured) / p50(&bare),
            p50(measured) / p50(&looks),
        );
    }
    let mut searches = histogram();
    for id in (0..5).map(|n| ids[n * 611_953 % ids.len()]) {
        let (took, text) = get(&format!("/topics/audit/records?key={id}")).await;
        assert_eq!(text.matches("\"offset\":").count(), 3, "{text}");
        searches.record(micros(took)).unwrap();
    }
    println!("topics: search of one key on the {ON_AUDIT} records of audit: {}", percentiles(&searches));
    println!(
        "topics: at most {:.0} MiB resident in the order service, {started_mib:.0} MiB before the first look",
        service.peak_mib()
    );
}

/// Reads one page with a new consumer, as a program would that knows the place.
fn bare_page(brokers: &str, offset: usize) -> Duration {
    let begun = Instant::now();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", "bare").set("fetch.wait.max.ms", "5");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    let offset = i64::try_from(offset).unwrap();
    list.add_partition_offset(topic::AUDIT, 0, Offset::Offset(offset)).unwrap();
    consumer.assign(&list).unwrap();
    let mut bytes = 0;
    for _ in 0..LIMIT {
        let message = consumer.poll(PATIENCE).unwrap().unwrap();
        bytes += message.payload_len();
    }
    assert!(bytes > 0);
    begun.elapsed()
}
