//! The Kafka of one test, with topics of its own: what the test sends, and what it finds there.

use crate::{PATIENCE, Read, Reader};
use dojo_contract::topic::{TOPICS, TopicSpec};
use dojo_kafka::{Delivered, KafkaConfig, Outgoing, Prefix, Producer, create_topics};
use futures::StreamExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How many records may be on their way when many are sent.
const IN_FLIGHT: usize = 2_000;

/// The Kafka that the suite runs on, if it is not the embedded broker: what `KAFKA_BROKERS` says.
pub fn brokers() -> Option<String> {
    std::env::var("KAFKA_BROKERS").ok().filter(|brokers| !brokers.is_empty())
}

/// A prefix of names that nobody else has, for tests that share a Kafka.
pub fn own_prefix() -> Prefix {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("test-{}.", &id[..12]).parse().expect("letters and digits are a prefix")
}

/// A Kafka for one test. An embedded broker ends when this is dropped; on a cluster that `KAFKA_BROKERS` names, the test
/// has topics and groups under a prefix of its own, which stay there.
pub struct Kafka {
    /// How services and clients reach it.
    pub config: KafkaConfig,
    /// Sends to it; acknowledged by all.
    pub producer: Producer,
    /// Ends the embedded broker that is this test's own.
    _embedded: Option<DropGuard>,
}

impl Kafka {
    /// With the dojo's topics.
    pub async fn start() -> Self {
        Self::with_topics(TOPICS).await
    }

    /// With these topics, or with none.
    pub async fn with_topics(topics: &[TopicSpec]) -> Self {
        match brokers() {
            Some(brokers) => {
                let config = KafkaConfig { prefix: own_prefix(), ..KafkaConfig::new(brokers) };
                Self::at(config, topics).await
            }
            None => {
                let (config, stop) = embedded().await;
                Self { _embedded: Some(stop), ..Self::at(config, topics).await }
            }
        }
    }

    /// The one that `config` reaches, given these topics; when it ends is somebody else's.
    pub async fn at(config: KafkaConfig, topics: &[TopicSpec]) -> Self {
        if !topics.is_empty() {
            create_topics(&config, topics, 1).await.expect("the topics can be created");
        }
        let producer = Producer::new(&config, "test", PATIENCE).expect("a producer can be made");
        Self { config, producer, _embedded: None }
    }

    /// Sends `record`, and says where it stands.
    pub async fn send(&self, record: Outgoing) -> Delivered {
        self.producer.send(record).await.expect("a record is acknowledged")
    }

    /// Sends many small records in their order; returns when all are acknowledged.
    pub async fn flood(&self, records: impl IntoIterator<Item = Outgoing>) {
        let sends = records.into_iter().map(|record| self.send(record));
        futures::stream::iter(sends).buffered(IN_FLIGHT).for_each(async |_| {}).await;
    }

    /// Everything on `topic`, from its start, as it comes.
    pub fn read(&self, topic: &'static str) -> Reader {
        Reader::start(&self.config, topic)
    }

    /// Everything that `topic` holds now. Not for a compacted topic, whose offsets have gaps.
    pub async fn records(&self, topic: &'static str) -> Vec<Read> {
        let marks = self.producer.watermarks(topic).await.expect("the topic's ends can be asked for");
        let held: i64 = marks.values().map(|(first, end)| end - first).sum();
        self.read(topic).first(held.unsigned_abs() as usize).await
    }
}

/// An embedded broker without topics on a free port; it ends with the guard.
async fn embedded() -> (KafkaConfig, DropGuard) {
    let broker = dojo_broker::Broker::new(dojo_broker::Config::default()).expect("a broker can be made");
    let listeners = dojo_broker::bind("127.0.0.1:0").await.expect("there is a free port");
    let brokers = dojo_broker::bootstrap_servers(&listeners).expect("a listener has an address");
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move { broker.serve(listeners, stopped).await });
    (KafkaConfig::new(brokers), stop.drop_guard())
}
