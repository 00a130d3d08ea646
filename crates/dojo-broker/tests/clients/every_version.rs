//! Every request in every version that the broker advertises: it is answered, and the answer can be read.
//!
//! A field that a version doesn't have makes encoding fail, which ends the client's connection. Clients
//! differ in the versions that they use, so one client that works proves nothing about the next.

use crate::{
    samples::samples,
    support::{PATIENCE, start_with, topics},
    transactions::{flush, transactional, write},
};
use dojo_broker::Config;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, RequestKind, ResponseKind};
use rdkafka::producer::Producer;

/// The oldest version of Produce that the broker handles; it advertises 0, see `api.rs`.
const OLDEST_PRODUCE: i16 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_answered_in_every_version_that_is_advertised() {
    let running = start_with(Config { topics: topics(&[("orders", 8)]), ..Config::default() }).await;
    let producer = transactional(&running, "taken", 60_000);
    producer.begin_transaction().unwrap();
    write(&producer, 0, "aborted");
    flush(&producer);
    producer.abort_transaction(PATIENCE).unwrap();
    let mut raw = running.raw().await;
    let asked = RequestKind::ApiVersions(ApiVersionsRequest::default());
    let ResponseKind::ApiVersions(advertised) = raw.call(ApiKey::ApiVersions, 0, asked).await else {
        panic!("another answer");
    };
    assert!(advertised.api_keys.len() > 40, "{advertised:?}");
    for api in advertised.api_keys {
        let key = ApiKey::try_from(api.api_key).unwrap();
        let oldest = if key == ApiKey::Produce { OLDEST_PRODUCE } else { api.min_version };
        for version in oldest..=api.max_version {
            for request in samples(key, version) {
                let wants_no_answer = matches!(&request, RequestKind::Produce(produce) if produce.acks == 0);
                println!("{key:?} v{version}: {request:?}");
                raw.write(key, version, &request).await;
                if wants_no_answer {
                    assert_eq!(raw.until_closed().await, b"", "a refused write without acknowledgement");
                    raw = running.raw().await;
                } else {
                    raw.read(key, version).await;
                }
            }
        }
    }
}
