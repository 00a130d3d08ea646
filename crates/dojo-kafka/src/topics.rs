//! Creating the topics of the contract: idempotent, and never by auto-creation.

use crate::{Error, KafkaConfig, config::create};
use dojo_contract::topic::TOPICS;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    types::RDKafkaErrorCode,
};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

/// A topic that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Its name.
    pub topic: &'static str,
    /// It was there before; its partitions and configuration stay as they are.
    pub existed: bool,
}

/// Creates every topic that is not there yet, with `replication` copies. Waits up to half a minute for Kafka.
pub async fn create_topics(kafka: &KafkaConfig, replication: i32) -> Result<Vec<Created>, Error> {
    let config = kafka.admin();
    let admin: AdminClient<DefaultClientContext> = create("admin client", &config, config.create())?;
    let wanted: Vec<_> = TOPICS
        .iter()
        .map(|spec| {
            let topic = NewTopic::new(spec.name, spec.partitions, TopicReplication::Fixed(replication));
            spec.config.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let options = AdminOptions::new().operation_timeout(Some(WITHIN)).request_timeout(Some(WITHIN));
    let results = admin
        .create_topics(&wanted, &options)
        .await
        .map_err(|source| Error::Admin { brokers: kafka.brokers.clone(), source: Box::new(source) })?;
    TOPICS
        .iter()
        .zip(results)
        .map(|(spec, result)| match result {
            Ok(_) => Ok(Created { topic: spec.name, existed: false }),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Created { topic: spec.name, existed: true }),
            Err((topic, code)) => Err(Error::CreateTopic { topic, message: code.to_string() }),
        })
        .collect()
}
