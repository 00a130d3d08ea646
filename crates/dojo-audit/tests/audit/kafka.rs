//! A broker for each test, and what a test sends to it.

use dojo_contract::topic::TOPICS;
use dojo_kafka::{KafkaConfig, Outgoing, Producer};
use std::time::Duration;
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
}
