//! The requests that a broker speaks, and bytes that aren't a request.

use super::{Raw, brief, text};
use bytes::BufMut;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, FetchRequest, HeartbeatRequest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub async fn play(raw: &mut Raw) {
    let asked = ApiVersionsRequest::default()
        .with_client_software_name(text("raw"))
        .with_client_software_version(text("1"));
    let listed = raw.call(4, &asked).await.unwrap();
    for api in &listed.api_keys {
        let name = ApiKey::try_from(api.api_key)
            .map_or_else(|()| format!("request {}", api.api_key), |key| format!("{key:?}"));
        raw.notes.note(format!("spoken: {name}"), format!("{} to {}", api.min_version, api.max_version));
    }
    let mut features: Vec<String> = listed
        .supported_features
        .iter()
        .map(|feature| format!("{} {}-{}", feature.name, feature.min_version, feature.max_version))
        .collect();
    features.sort();
    for feature in features {
        let (name, versions) = feature.split_once(' ').unwrap();
        raw.notes.note(format!("feature supported: {name}"), versions);
    }
    for feature in &listed.finalized_features {
        let versions = format!("{}-{}", feature.min_version_level, feature.max_version_level);
        raw.notes.note(format!("feature in force: {}", feature.name.as_str()), versions);
    }
    for version in [0, 2, 3] {
        let asked = if version < 3 { ApiVersionsRequest::default() } else { asked.clone() };
        let answer = raw.call(version, &asked).await.unwrap();
        let seen =
            brief(&format!("error {}, apis listed {}", answer.error_code, !answer.api_keys.is_empty()));
        raw.notes.note(format!("ApiVersions: version {version}"), seen);
    }
    raw.ask("a name that is no name", 3, asked.clone().with_client_software_name(text("ra w!"))).await;
    raw.ask("no name", 3, ApiVersionsRequest::default()).await;

    let of = |key: i16, version: i16| {
        let mut frame = Vec::new();
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_i32(7);
        frame.put_i16(-1);
        frame
    };
    for (name, frame) in [
        ("a request that does not exist", of(999, 0)),
        ("a request with a negative number", of(-1, 0)),
        ("a version that is gone", of(FETCH, 3)),
        ("a version that is to come", of(FETCH, 99)),
        ("a negative version", of(FETCH, -1)),
        ("a request among brokers only", of(ApiKey::WriteTxnMarkers as i16, 99)),
        ("half a header", vec![0, 3]),
        ("no bytes", vec![]),
        ("a body cut short", of(ApiKey::Heartbeat as i16, 1)),
    ] {
        let answer = raw.exchange(&frame).await;
        let seen = answer.map_or_else(str::to_owned, |answer| format!("{answer:?}"));
        raw.notes.note(format!("wire: {name}"), seen);
    }
    // The answer says `UNSUPPORTED_VERSION` and lists the requests, in the oldest format.
    let mut frame = of(ApiKey::ApiVersions as i16, 99);
    frame.put_u8(0);
    let answer = raw.exchange(&frame).await;
    let seen = answer.map_or_else(str::to_owned, |answer| format!("{:?}", answer.get(..6)));
    raw.notes.note("wire: ApiVersions in a version that is to come", seen);
    for (name, length) in [("negative", -1), ("two gigabytes", i32::MAX), ("101 MiB", 101 << 20)] {
        let stream = raw.stream().await;
        stream.write_i32(length).await.unwrap();
        let mut said = Vec::new();
        let end = tokio::time::timeout(super::PATIENCE, stream.read_to_end(&mut said)).await;
        raw.stream = None;
        let seen = if end.is_ok() { format!("hung up after {} bytes", said.len()) } else { "waits".into() };
        raw.notes.note(format!("wire: a length of {name}"), seen);
    }
    // A body with extra bytes.
    let mut frame = raw.frame(4, &HeartbeatRequest::default());
    frame.put_slice(b"more");
    let answer = raw.exchange(&frame).await;
    raw.notes
        .note("wire: bytes after the body", answer.map_or_else(str::to_owned, |_| "answered".to_owned()));
    let whole = raw.frame(12, &FetchRequest::default());
    let answer = raw.exchange(&whole[..whole.len() - 2]).await;
    raw.notes.note("wire: a request cut short", answer.map_or_else(str::to_owned, |_| "answered".to_owned()));
}

const FETCH: i16 = ApiKey::Fetch as i16;
