//! A broker for each test, what a test sends to it, and what arrives.

use dojo_contract::{header::Headers, topic::TOPICS};
use dojo_kafka::{From, KafkaConfig, Outgoing, Producer, Tail, Tailed, tail};
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// However slow the machine is, what has not come by then does not come.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Kafka {
    pub config: KafkaConfig,
    producer: Producer,
    _stop: DropGuard,
}

impl Kafka {
    /// An embedded broker on a free port, with the dojo's topics.
    pub async fn start() -> Self {
        let topics = TOPICS.iter().map(|spec| dojo_broker::TopicConfig {
            name: spec.name.to_owned(),
            partitions: spec.partitions,
            config: spec.config.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        });
        let config = dojo_broker::Config { topics: topics.collect(), ..Default::default() };
        let broker = dojo_broker::Broker::new(config).unwrap();
        let listeners = dojo_broker::bind("127.0.0.1:0").await.unwrap();
        let config = KafkaConfig::new(listeners[0].local_addr().unwrap().to_string());
        let stop = CancellationToken::new();
        let until = stop.clone();
        tokio::spawn(async move { broker.serve(listeners, until).await });
        let producer = Producer::new(&config, "test", PATIENCE).unwrap();
        Self { config, producer, _stop: stop.drop_guard() }
    }

    pub async fn send(&self, record: Outgoing) {
        self.producer.send(record).await.unwrap();
    }

    /// Everything on `topic`, from its start.
    pub fn read(&self, topic: &'static str) -> Reader {
        let (sender, records) = watch::channel(Vec::new());
        let push = move |event: Tailed<'_>| {
            if let Tailed::Record(record) = event {
                sender.send_modify(|records: &mut Vec<Read>| {
                    records.push(Read {
                        timestamp: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: record.headers.clone(),
                    });
                });
            }
        };
        let tail =
            tail(&self.config, "test", topic, From::Earliest, &CancellationToken::new(), push).unwrap();
        Reader { topic, records, _tail: tail }
    }
}

#[derive(Debug, Clone)]
pub struct Read {
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Headers,
}

impl Read {
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        serde_json::from_slice(self.value.as_deref().unwrap()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().rev().find(|(key, _)| key == name)?;
        Some(String::from_utf8(value.clone()?).unwrap())
    }
}

pub struct Reader {
    topic: &'static str,
    records: watch::Receiver<Vec<Read>>,
    _tail: Tail,
}

impl Reader {
    /// The records so far, as soon as they are as `wanted`.
    pub async fn until(&mut self, wanted: impl Fn(&[Read]) -> bool) -> Vec<Read> {
        let found = timeout(PATIENCE, self.records.wait_for(|records| wanted(records))).await;
        match found.map(|records| records.unwrap().clone()) {
            Ok(records) => records,
            Err(_) => panic!(
                "not what was wanted on {}: {:?}",
                self.topic,
                self.records
                    .borrow()
                    .iter()
                    .map(|r| {
                        (
                            r.header("dojo-error"),
                            r.value
                                .as_deref()
                                .map(|v| String::from_utf8_lossy(&v[..v.len().min(300)]).into_owned()),
                        )
                    })
                    .collect::<Vec<_>>()
            ),
        }
    }

    /// The first `count` records.
    pub async fn first(&mut self, count: usize) -> Vec<Read> {
        self.until(|records| records.len() >= count).await
    }
}
