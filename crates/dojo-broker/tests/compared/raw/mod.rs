//! Requests as no client would send them, and the whole answer to each.
//!
//! Each family of requests has a file, and each answer is noted with all its fields. If a broker hangs up,
//! this is noted, and the next request goes through a new connection.

mod batch;

mod cluster;
mod configs;
mod consume;
mod group_admin;
mod group_membership;
mod one_node;
mod produce;
mod topics;
mod transactions;
mod wire;

use crate::{
    brokers::{Side, compare},
    notes::Notes,
};
use bytes::{Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiKey, BrokerId, CreateTopicsRequest, ListOffsetsRequest, MetadataRequest, RequestHeader,
        ResponseHeader, TopicName,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
    },
    protocol::{Decodable, Encodable, Request, StrBytes},
};
use std::{
    fmt::Debug,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

const PATIENCE: Duration = Duration::from_secs(20);

/// What happened instead of an answer.
type Unanswered = &'static str;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn raw_requests_are_answered_alike() {
    compare("raw requests", |side, _| play(side)).await;
}

async fn play(side: Side) -> Notes {
    let mut raw = Raw::new(&side);
    wire::play(&mut raw).await;
    cluster::play(&mut raw).await;
    topics::play(&mut raw).await;
    configs::play(&mut raw).await;
    produce::play(&mut raw).await;
    consume::play(&mut raw).await;
    group_membership::play(&mut raw).await;
    group_admin::play(&mut raw).await;
    transactions::play(&mut raw).await;
    one_node::play(&mut raw).await;
    raw.notes
}

/// A client that sends exactly the given requests, and notes the answers.
struct Raw {
    bootstrap: String,
    stream: Option<TcpStream>,
    correlation: i32,
    notes: Notes,
}

impl Raw {
    fn new(side: &Side) -> Self {
        Self { bootstrap: side.bootstrap.clone(), stream: None, correlation: 0, notes: Notes::default() }
    }

    async fn stream(&mut self) -> &mut TcpStream {
        if self.stream.is_none() {
            self.stream = Some(TcpStream::connect(&self.bootstrap).await.unwrap());
        }
        self.stream.as_mut().unwrap()
    }

    /// Sends `frame` with its length in front. Returns the frame of the answer, or what happened instead.
    async fn exchange(&mut self, frame: &[u8]) -> Result<Bytes, Unanswered> {
        let stream = self.stream().await;
        let talk = async {
            stream.write_i32(i32::try_from(frame.len()).unwrap()).await.ok()?;
            stream.write_all(frame).await.ok()?;
            let length = usize::try_from(stream.read_i32().await.ok()?).unwrap();
            let mut answer = vec![0; length];
            stream.read_exact(&mut answer).await.ok()?;
            Some(Bytes::from(answer))
        };
        let answer = match tokio::time::timeout(PATIENCE, talk).await {
            Ok(answer) => answer.ok_or("hung up"),
            Err(_) => Err("no answer"),
        };
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    fn frame<R: Request>(&mut self, version: i16, request: &R) -> BytesMut {
        let key = ApiKey::try_from(R::KEY).unwrap();
        self.correlation += 1;
        let mut frame = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(text("raw")))
            .encode(&mut frame, key.request_header_version(version))
            .unwrap();
        request.encode(&mut frame, version).unwrap_or_else(|error| panic!("{key:?} {version}: {error}"));
        frame
    }

    async fn call<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        self.try_call(version, request).await.ok()
    }

    async fn try_call<R: Request>(&mut self, version: i16, request: &R) -> Result<R::Response, Unanswered> {
        let key = ApiKey::try_from(R::KEY).unwrap();
        let frame = self.frame(version, request);
        let mut answer = self.exchange(&frame).await?;
        let header = ResponseHeader::decode(&mut answer, key.response_header_version(version)).unwrap();
        assert_eq!(header.correlation_id, self.correlation, "answers come in the order of requests");
        Ok(R::Response::decode(&mut answer, version).unwrap())
    }

    /// Notes the answer to `request`, and returns it.
    async fn ask<R: Request>(&mut self, name: &str, version: i16, request: R) -> Option<R::Response>
    where
        R::Response: Debug,
    {
        let answer = self.try_call(version, &request).await;
        let name = format!("{:?}: {name}", ApiKey::try_from(R::KEY).unwrap());
        let seen = answer.as_ref().map_or_else(|no| (*no).to_owned(), |answer| brief(&format!("{answer:?}")));
        self.notes.note(name, seen);
        answer.ok()
    }

    /// Creates a topic without noting it, waits until the broker knows it, and returns its id.
    async fn make(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        });
        let wanted = CreatableTopic::default()
            .with_name(topic(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let create = CreateTopicsRequest::default().with_topics(vec![wanted]).with_timeout_ms(10_000);
        let made = self.call(7, &create).await.unwrap();
        assert!(matches!(made.topics[0].error_code, 0 | 36), "{made:?}");
        self.known(name, partitions).await
    }

    /// Waits until every partition of a topic has a leader that knows of it. Returns the topic's id.
    async fn known(&mut self, name: &str, partitions: i32) -> Uuid {
        let asked = MetadataRequestTopic::default().with_name(Some(topic(name)));
        let metadata = MetadataRequest::default().with_topics(Some(vec![asked]));
        let indexes = 0..partitions;
        let latest = indexes.map(|index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_current_leader_epoch(-1)
                .with_timestamp(-1)
        });
        let latest = ListOffsetsTopic::default().with_name(topic(name)).with_partitions(latest.collect());
        let latest = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![latest]);
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.call(12, &metadata).await.unwrap();
            let found = &answer.topics[0];
            let offsets = self.call(8, &latest).await.unwrap();
            let led = offsets.topics[0].partitions.iter().all(|partition| partition.error_code == 0);
            if led && i32::try_from(found.partitions.len()).unwrap() == partitions {
                return found.topic_id;
            }
            assert!(
                Instant::now() < until,
                "`{name}` never has {partitions} partitions at {}",
                self.bootstrap
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Returns an answer without fields that say nothing, without values that no two brokers share, and without
/// the wording of errors, on which no client should rely.
fn brief(answer: &str) -> String {
    let mut brief = answer.replace(", unknown_tagged_fields: {}", "").replace("throttle_time_ms: 0, ", "");
    // Beside an error, it makes no difference whether there is a message. Beside success it does: clients
    // take a message for an error.
    for none in ["None", "Some(\"\")"] {
        let pieces = brief.split(&format!("error_message: {none}")).map(str::to_owned).collect::<Vec<_>>();
        brief = pieces
            .iter()
            .enumerate()
            .map(|(n, piece)| match piece {
                last if n + 1 == pieces.len() => last.clone(),
                success if success.ends_with("error_code: 0, ") => format!("{success}error_message: {none}"),
                failure => format!("{failure}error_message: Some(\"…\")"),
            })
            .collect();
    }
    for (before, after) in [
        ("error_message: Some(\"", "\")"),
        ("cluster_id: Some(\"", "\""),
        ("cluster_id: \"", "\""),
        ("producer_id: ProducerId(", ")"),
        ("producer_id: ", ","),
        ("session_id: ", ","),
        ("log_dir: \"", "\""),
        ("partition_size: ", ","),
        ("total_bytes: ", ","),
        ("usable_bytes: ", " }"),
        ("start_timestamp: ", ","),
        ("last_timestamp: ", ","),
        // DescribeConfigs shows all configs of a topic one by one.
        ("configs: Some([", "])"),
    ] {
        brief = hide(&brief, before, after);
    }
    brief
}

/// Puts `…` between each `before` and the next `after`, except in place of `-1` or of nothing.
fn hide(text: &str, before: &str, after: &str) -> String {
    let mut pieces = text.split(before);
    let mut hidden = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        hidden.push_str(before);
        match piece.split_once(after) {
            Some((value, rest)) if !matches!(value, "-1" | "") => hidden.extend(["…", after, rest]),
            _ => hidden.push_str(piece),
        }
    }
    hidden
}
