//! Requests that are cut off, garbled, or no requests at all: each is answered or refused, and none causes a
//! panic.

use super::*;
use crate::{
    api::APIS,
    config::{Config, TopicConfig},
    samples::samples,
};
use bytes::BytesMut;
use kafka_protocol::protocol::{Encodable, StrBytes};
use proptest::prelude::*;
use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};
use tokio::runtime::{Builder, Runtime};

fn node() -> Node {
    Node::new(Config { topics: vec![TopicConfig::new("orders", 2)], ..Config::default() }).unwrap()
}

fn header(key: ApiKey, version: i16) -> BytesMut {
    let mut frame = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("hostile")))
        .encode(&mut frame, key.request_header_version(version))
        .unwrap();
    frame
}

/// Returns the outcome of a request; `None` if its answer has to wait, perhaps for ever.
fn outcome(node: &Node, frame: Bytes) -> Option<Result<bool, Ended>> {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());
    // An answer that waits sets a timer, which needs a runtime.
    let _entered = RUNTIME.enter();
    let peer = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4711);
    let endpoint = Address { host: "localhost".into(), port: 9092 };
    let mut output = BytesMut::new();
    let answered = pin!(answer(node, frame, peer, &endpoint, &mut output));
    match answered.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn is_refused(outcome: Option<Result<bool, Ended>>) -> bool {
    matches!(outcome, Some(Err(Ended::Header | Ended::Malformed { .. } | Ended::Decode { .. })))
}

#[test]
fn a_request_that_is_cut_off_is_refused_wherever_that_is() {
    let node = node();
    for api in APIS {
        for version in api.versions.clone() {
            for request in samples(api.key, version) {
                let mut frame = header(api.key, version);
                request.encode(&mut frame, version).unwrap();
                let frame = frame.freeze();
                // The part of the header that names the request is left whole; the rest is cut at every byte.
                for cut in 8..frame.len() {
                    let refused = is_refused(outcome(&node, frame.slice(..cut)));
                    assert!(refused, "{:?} v{version} cut at {cut} of {}", api.key, frame.len());
                }
            }
        }
    }
}

fn pick(which: &prop::sample::Index, version: &prop::sample::Index) -> (&'static Api, i16) {
    let api = which.get(APIS);
    let versions: Vec<i16> = api.versions.clone().collect();
    (api, *version.get(&versions))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_behind_a_header_end_no_more_than_a_connection(
        which: prop::sample::Index,
        version: prop::sample::Index,
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff), any::<u8>()], 0..80),
    ) {
        let (api, version) = pick(&which, &version);
        let mut frame = header(api.key, version);
        frame.extend_from_slice(&body);
        let outcome = outcome(&node(), frame.freeze());
        prop_assert!(!matches!(outcome, Some(Err(Ended::Encode { .. }))), "{outcome:?}");
    }

    #[test]
    fn a_garbled_request_is_refused_or_answered(
        which: prop::sample::Index,
        version: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (api, version) = pick(&which, &version);
        let node = node();
        for request in samples(api.key, version) {
            let mut frame = header(api.key, version);
            let start = frame.len();
            request.encode(&mut frame, version).unwrap();
            for (at, with) in &flips {
                if frame.len() > start {
                    let at = start + at.index(frame.len() - start);
                    frame[at] = *with;
                }
            }
            let outcome = outcome(&node, frame.freeze());
            prop_assert!(!matches!(outcome, Some(Err(Ended::Encode { .. }))), "{outcome:?}: {request:?}");
        }
    }
}
