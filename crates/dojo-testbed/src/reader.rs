//! What arrives on a topic, for a test that waits for it.

use crate::PATIENCE;
use dojo_contract::header::Headers;
use dojo_kafka::{Isolation, KafkaConfig, StartFrom, Tail, Tailed, tail};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

/// How much of a record a failing test shows.
const SHOWN: usize = 300;

/// A record that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp in milliseconds since 1970.
    pub timestamp: Option<i64>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Headers,
}

impl Read {
    /// Its value, which must be JSON of that shape.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let value = self.value.as_deref().expect("the record has a value");
        serde_json::from_slice(value)
            .unwrap_or_else(|e| panic!("not what was expected ({e}): {}", self.summary()))
    }

    /// The last header of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().rev().find(|(key, _)| key == name)?;
        Some(String::from_utf8(value.clone()?).expect("the header is text"))
    }

    fn summary(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned();
        let value = self.value.as_deref().map(text);
        let headers: Vec<_> =
            self.headers.iter().map(|(key, value)| (key, value.as_deref().map(text))).collect();
        format!("{}/{} {value:?} {headers:?}", self.partition, self.offset)
    }
}

/// Reads a topic from its start until it is dropped.
pub struct Reader {
    topic: &'static str,
    records: watch::Receiver<Vec<Read>>,
    _tail: Tail,
}

impl Reader {
    /// Begins to read.
    pub fn start(kafka: &KafkaConfig, topic: &'static str) -> Self {
        let (sender, records) = watch::channel(Vec::new());
        let push = move |event: Tailed<'_>| {
            if let Tailed::Record(record) = event {
                let read = Read {
                    partition: record.partition,
                    offset: record.offset,
                    timestamp: record.timestamp,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers.clone(),
                };
                sender.send_modify(|records: &mut Vec<Read>| records.push(read));
            }
        };
        let tail = tail(
            kafka,
            "test",
            topic,
            StartFrom::Earliest,
            Isolation::ReadCommitted,
            &CancellationToken::new(),
            push,
        )
        .expect("the topic can be read");
        Self { topic, records, _tail: tail }
    }

    /// The records so far, as soon as they are as `wanted`.
    pub async fn until(&mut self, wanted: impl Fn(&[Read]) -> bool) -> Vec<Read> {
        let found = timeout(PATIENCE, self.records.wait_for(|records| wanted(records))).await;
        match found.map(|records| records.expect("the topic is still read").clone()) {
            Ok(records) => records,
            Err(_) => {
                let records: Vec<_> = self.records.borrow().iter().map(Read::summary).collect();
                panic!("not what was wanted on {}:\n{}", self.topic, records.join("\n"))
            }
        }
    }

    /// Returns the records so far, without the first `seen` of them: for a test that takes each record in once.
    pub fn after(&self, seen: usize) -> Vec<Read> {
        self.records.borrow().get(seen..).unwrap_or_default().to_vec()
    }

    /// The first `count` records, and what has come with them.
    pub async fn first(&mut self, count: usize) -> Vec<Read> {
        self.until(|records| records.len() >= count).await
    }
}
