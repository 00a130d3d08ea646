use super::*;
use crate::{api::APIS, samples::samples};
use bytes::BytesMut;
use kafka_protocol::{messages::RequestKind, protocol::Decodable};
use proptest::prelude::*;

#[test]
fn every_layout_ends_where_the_request_does() {
    for api in APIS {
        for version in api.versions.clone() {
            let flexible = api.key.request_header_version(version) >= 2;
            for request in samples(api.key, version) {
                let mut body = BytesMut::new();
                request.encode(&mut body, version).unwrap();
                let left = walk(&body, api.request, version, flexible);
                assert_eq!(left, Ok(0), "{:?} v{version}: {request:?}", api.key);
                for cut in 0..body.len() {
                    let outcome = check_layout(&body[..cut], api.request, version, flexible);
                    assert!(outcome.is_err(), "{:?} v{version} cut at {cut}", api.key);
                }
            }
        }
    }
}

#[test]
fn a_list_that_claims_more_than_is_there_is_refused() {
    let names: &[Field] = &[always(Layout::List(&Layout::Text))];
    assert_eq!(check_layout(&[0x7f, 0xff, 0xff, 0xff], names, 0, false), Err(Malformed::TooManyItems));
    assert_eq!(check_layout(&[0xff, 0xff, 0xff, 0xff, 0x0f], names, 0, true), Err(Malformed::TooManyItems));
    assert_eq!(check_layout(&[0, 0, 0, 9], names, 0, false), Err(Malformed::Short));
    assert_eq!(check_layout(&[0x80, 0, 0, 0], names, 0, false), Err(Malformed::Length));
    assert_eq!(check_layout(&[0xff; 6], names, 0, true), Err(Malformed::Length));
}

#[test]
fn a_string_is_no_longer_than_in_the_oldest_requests() {
    let text: &[Field] = &[always(Layout::Text)];
    let body = |length: usize, announced: &[u8]| [announced, &vec![b'x'; length], &[0]].concat();
    assert_eq!(check_layout(&body(32_767, &[0x80, 0x80, 0x02]), text, 0, true), Ok(()));
    assert_eq!(check_layout(&body(32_768, &[0x81, 0x80, 0x02]), text, 0, true), Err(Malformed::Length));
}

#[test]
fn the_items_of_all_lists_are_counted_together() {
    let matrix: &[Field] = &[always(Layout::List(&Layout::List(&Layout::Fixed(0))))];
    let row = 60_000_i32.to_be_bytes();
    let one = [&1_i32.to_be_bytes()[..], &row].concat();
    let two = [&2_i32.to_be_bytes()[..], &row, &row].concat();
    assert_eq!(check_layout(&one, matrix, 0, false), Ok(()));
    assert_eq!(check_layout(&two, matrix, 0, false), Err(Malformed::TooManyItems));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// A request that passes the check is decoded without a panic and without excessive memory.
    #[test]
    fn random_bytes_are_either_refused_or_decoded(
        which in any::<prop::sample::Index>(),
        version in any::<prop::sample::Index>(),
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff), any::<u8>()], 0..80),
    ) {
        let api = &APIS[which.index(APIS.len())];
        let versions: Vec<i16> = api.versions.clone().collect();
        let version = versions[version.index(versions.len())];
        let flexible = api.key.request_header_version(version) >= 2;
        if check_layout(&body, api.request, version, flexible).is_ok() {
            let _ = RequestKind::decode(api.key, &mut bytes::Bytes::from(body), version);
        }
    }

    /// Valid requests with some bytes overwritten.
    #[test]
    fn garbled_requests_are_either_refused_or_decoded(
        which in any::<prop::sample::Index>(),
        version in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let api = &APIS[which.index(APIS.len())];
        let versions: Vec<i16> = api.versions.clone().collect();
        let version = versions[version.index(versions.len())];
        let flexible = api.key.request_header_version(version) >= 2;
        for request in samples(api.key, version) {
            let mut body = BytesMut::new();
            request.encode(&mut body, version).unwrap();
            for (at, with) in &flips {
                if !body.is_empty() {
                    let at = at.index(body.len());
                    body[at] = *with;
                }
            }
            if check_layout(&body, api.request, version, flexible).is_ok() {
                let _ = RequestKind::decode(api.key, &mut body.freeze(), version);
            }
        }
    }

    /// A header of random bytes is decoded or refused.
    #[test]
    fn a_random_header_is_either_refused_or_decoded(header in prop::collection::vec(any::<u8>(), 0..40), flexible: bool) {
        let version = if flexible { 2 } else { 1 };
        let _ = kafka_protocol::messages::RequestHeader::decode(&mut bytes::Bytes::from(header), version);
    }
}
