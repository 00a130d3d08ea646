//! Clients that send what no client should. Each loses its own connection; a correct client beside it notices
//! nothing.

use crate::support::{Raw, Running, send, start};
use kafka_protocol::{
    messages::{
        ApiKey, ApiVersionsRequest, FetchRequest, MetadataRequest, RequestKind, ResponseKind, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
    },
    protocol::StrBytes,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use tokio::io::AsyncWriteExt;

async fn is_alive(raw: &mut Raw) -> bool {
    let request = RequestKind::Metadata(MetadataRequest::default().with_topics(None));
    matches!(raw.call(ApiKey::Metadata, 12, request).await, ResponseKind::Metadata(_))
}

async fn is_refused(running: &Running, bytes: &[u8]) {
    let mut raw = running.raw().await;
    raw.stream.write_all(bytes).await.unwrap();
    assert_eq!(raw.until_closed().await, b"", "{bytes:?}");
}

fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nonsense_ends_the_connection_it_came_on_and_no_other() {
    let running = start().await;
    let mut neighbour = running.raw().await;
    assert!(is_alive(&mut neighbour).await);
    // Another protocol; lengths below zero and above the limit; no header; unknown requests; a future
    // version.
    is_refused(&running, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    is_refused(&running, &[0xff; 8]).await;
    is_refused(&running, &((100 << 20) + 1_u32).to_be_bytes()).await;
    is_refused(&running, &i32::MAX.to_be_bytes()).await;
    is_refused(&running, &framed(&[])).await;
    is_refused(&running, &framed(&[0, 3, 0, 1, 0, 0])).await;
    is_refused(&running, &framed(&[0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff])).await;
    is_refused(&running, &framed(&[0, 3, 0, 99, 0, 0, 0, 1, 0xff, 0xff])).await;
    // Lists of two billion topics, in either notation.
    is_refused(&running, &framed(&[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff])).await;
    is_refused(&running, &framed(&[0, 3, 0, 12, 0, 0, 0, 1, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]))
        .await;
    assert!(is_alive(&mut neighbour).await);
    send(&running.producer(&[]), "orders", 0, "still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_cut_off_ends_with_its_connection() {
    let running = start().await;
    let mut raw = running.raw().await;
    let whole = raw.frame(ApiKey::Metadata, 12, &RequestKind::Metadata(MetadataRequest::default()));
    for cut in 1..whole.len() {
        let mut raw = running.raw().await;
        raw.stream.write_all(&whole[..cut]).await.unwrap();
        raw.stream.shutdown().await.unwrap();
        assert_eq!(raw.until_closed().await, b"", "cut at {cut}");
    }
    assert!(is_alive(&mut raw).await, "as if nothing had been sent on it: nothing was");
}

/// The broker hangs up within the test's patience, which is shorter than the longest wait of a fetch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_while_its_fetch_waits_is_disconnected() {
    let running = start().await;
    let mut raw = running.raw().await;
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("orders")))
        .with_partitions(vec![partition]);
    let fetch = FetchRequest::default()
        .with_max_wait_ms(i32::MAX)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic]);
    raw.write(ApiKey::Fetch, 12, &RequestKind::Fetch(fetch)).await;
    raw.stream.shutdown().await.unwrap();
    assert_eq!(raw.until_closed().await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_arrive_byte_by_byte_and_several_at_once() {
    let running = start().await;
    let mut raw = running.raw().await;
    raw.stream.set_nodelay(true).unwrap();
    let request = RequestKind::Metadata(MetadataRequest::default().with_topics(None));
    for byte in raw.frame(ApiKey::Metadata, 12, &request) {
        raw.stream.write_all(&[byte]).await.unwrap();
    }
    assert!(matches!(raw.read(ApiKey::Metadata, 12).await, ResponseKind::Metadata(_)));
    let mut twice = running.raw().await;
    let first = twice.frame(ApiKey::Metadata, 12, &request);
    let mut both = first.to_vec();
    // The same correlation id, so that either answer fits.
    both.extend_from_slice(&first);
    twice.stream.write_all(&both).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(twice.read(ApiKey::Metadata, 12).await, ResponseKind::Metadata(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_from_the_future_learns_which_versions_there_are() {
    let running = start().await;
    let mut raw = running.raw().await;
    let frame = raw.frame(ApiKey::ApiVersions, 4, &RequestKind::ApiVersions(ApiVersionsRequest::default()));
    let mut frame = frame.to_vec();
    frame[6..8].copy_from_slice(&99_i16.to_be_bytes());
    raw.stream.write_all(&frame).await.unwrap();
    match raw.read(ApiKey::ApiVersions, 0).await {
        ResponseKind::ApiVersions(response) => {
            assert_eq!(response.error_code, 35);
            let keys: Vec<i16> = response.api_keys.iter().map(|api| api.api_key).collect();
            assert_eq!(keys, [ApiKey::ApiVersions as i16]);
        }
        other => panic!("{other:?}"),
    }
    assert!(is_alive(&mut raw).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_behind_a_header_harm_another_client() {
    let running = start().await;
    let mut neighbour = running.raw().await;
    let request = RequestKind::ApiVersions(ApiVersionsRequest::default());
    let apis = match neighbour.call(ApiKey::ApiVersions, 0, request).await {
        ResponseKind::ApiVersions(response) => response.api_keys,
        other => panic!("{other:?}"),
    };
    let mut runner = TestRunner::deterministic();
    let bodies = prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(0xff), any::<u8>()], 0..60);
    for api in apis {
        for version in api.min_version..=api.max_version {
            let header =
                [&api.api_key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1, 0xff, 0xff]].concat();
            for _ in 0..3 {
                let body = bodies.new_tree(&mut runner).unwrap().current();
                let mut raw = running.raw().await;
                raw.stream.write_all(&framed(&[&header[..], &body].concat())).await.unwrap();
                raw.stream.shutdown().await.unwrap();
                raw.until_closed().await;
            }
        }
    }
    assert!(is_alive(&mut neighbour).await);
    send(&running.producer(&[]), "orders", 0, "still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_end_nothing_but_their_own_connections() {
    let running = start().await;
    let mut neighbour = running.raw().await;
    let mut runner = TestRunner::deterministic();
    let bodies = (
        prop_oneof![0_i16..70, any::<i16>()],
        0_i16..14,
        prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), any::<u8>()], 0..60),
    );
    for _ in 0..500 {
        let (key, version, rest) = bodies.new_tree(&mut runner).unwrap().current();
        let body = [&key.to_be_bytes()[..], &version.to_be_bytes(), &[0, 0, 0, 1], &rest].concat();
        let mut raw = running.raw().await;
        raw.stream.write_all(&framed(&body)).await.unwrap();
        raw.stream.shutdown().await.unwrap();
        raw.until_closed().await;
    }
    assert!(is_alive(&mut neighbour).await);
    send(&running.producer(&[]), "orders", 0, "still here").await;
}
