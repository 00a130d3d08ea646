//! A broker for each test, what a test sends to it, and what arrives.

use dojo_contract::topic::TOPICS;
use dojo_kafka::{From, KafkaConfig, Outgoing, Producer, Tail, Tailed, tail};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

/// However slow the machine is, what has not come by then does not come.
pub const PATIENCE: Duration = Duration::from_secs(30);

const AFTER_MAX: &str = "message.timestamp.after.max.ms";

pub struct Kafka {
    pub config: KafkaConfig,
    producer: Producer,
    _stop: DropGuard,
}

impl Kafka {
    /// An embedded broker on a free port, with the dojo's topics. Unlike the dojo's own it takes records of any date,
    /// as one does on which somebody else created the topics.
    pub async fn start() -> Self {
        let topics = TOPICS.iter().map(|spec| dojo_broker::TopicConfig {
            name: spec.name.to_owned(),
            partitions: spec.partitions,
            config: spec
                .config
                .iter()
                .copied()
                .filter(|(name, _)| *name != AFTER_MAX)
                .chain([(AFTER_MAX, "9223372036854775807")])
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
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

    /// Every event on `topic`, from its start.
    pub fn read<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        topic: &'static str,
    ) -> Reader<T> {
        let (sender, events) = watch::channel(Vec::new());
        let push = move |event: Tailed<'_>| {
            if let Tailed::Record(record) = event {
                let event = serde_json::from_slice(record.value.unwrap()).unwrap();
                sender.send_modify(|events: &mut Vec<T>| events.push(event));
            }
        };
        let tail =
            tail(&self.config, "test", topic, From::Earliest, &CancellationToken::new(), push).unwrap();
        Reader { topic, events, _tail: tail }
    }
}

pub struct Reader<T> {
    topic: &'static str,
    events: watch::Receiver<Vec<T>>,
    _tail: Tail,
}

impl<T: Clone> Reader<T> {
    /// The events so far, as soon as they are as `wanted`.
    pub async fn until(&mut self, wanted: impl Fn(&[T]) -> bool) -> Vec<T> {
        let found = timeout(PATIENCE, self.events.wait_for(|events| wanted(events))).await;
        match found.map(|events| events.unwrap().clone()) {
            Ok(events) => events,
            Err(_) => {
                panic!("{} events on {}, but not what was wanted", self.events.borrow().len(), self.topic)
            }
        }
    }
}
