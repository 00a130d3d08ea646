//! Creating topics as the contract has them: idempotent, and never by auto-creation.

use crate::{Error, KafkaConfig, config::create, producer::log};
use dojo_contract::topic::TopicSpec;
use rdkafka::{
    ClientContext,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// How long Kafka may take to answer, and then to know everywhere what it has created.
const WITHIN: Duration = Duration::from_secs(30);
/// An answer that has not come by then is asked for again, by a client that knows of no connection gone stale.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ASK_WITHIN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A topic that is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Its name in the contract.
    pub topic: &'static str,
    /// It was there before; its partitions and configuration stay as they are.
    pub existed: bool,
}

/// Creates every one of `topics` that is not there yet, with `replication` copies, and returns when each can be written
/// and read. Waits up to half a minute for Kafka to create them, and as long again for all of them to have leaders.
pub async fn create_topics(
    kafka: &KafkaConfig,
    topics: &[TopicSpec],
    replication: i32,
) -> Result<Vec<Created>, Error> {
    let names: Vec<_> = topics.iter().map(|spec| kafka.prefix.on_cluster(spec.name).into_owned()).collect();
    let wanted: Vec<_> = topics
        .iter()
        .zip(&names)
        .map(|(spec, name)| {
            let topic = NewTopic::new(name, spec.partitions, TopicReplication::Fixed(replication));
            spec.config.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let (admin, results) = ask_until_answered(kafka, &wanted).await?;
    let created: Vec<_> = topics
        .iter()
        .zip(results)
        .map(|(spec, result)| match result {
            Ok(_) => Ok(Created { topic: spec.name, existed: false }),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Created { topic: spec.name, existed: true }),
            Err((topic, code)) => Err(Error::CreateTopic { topic, message: code.to_string() }),
        })
        .collect::<Result<_, _>>()?;
    let partitions = topics.iter().zip(&created).map(|(spec, created)| {
        // One that existed has as many as whoever created it wanted.
        if created.existed { 1 } else { spec.partitions.unsigned_abs() as usize }
    });
    let expected: Vec<_> = names.into_iter().zip(partitions).collect();
    let wait = move || until_all_have_leaders(&admin, &expected);
    tokio::task::spawn_blocking(wait).await.unwrap_or_else(|e| {
        Err(Error::Thread { what: "waiting for topics".to_owned(), message: e.to_string() })
    })?;
    Ok(created)
}

/// Asks Kafka to create `wanted`, again and again within [`WITHIN`]; asking twice does no harm. Also answers the client
/// that was answered.
async fn ask_until_answered(
    kafka: &KafkaConfig,
    wanted: &[NewTopic<'_>],
) -> Result<(AdminClient<DefaultClientContext>, Vec<TopicResult>), Error> {
    let until = Instant::now() + WITHIN;
    let config = kafka.admin();
    loop {
        let admin: AdminClient<DefaultClientContext> = create("admin client", &config, config.create())?;
        let within = ANSWER_WITHIN.min(until.saturating_duration_since(Instant::now()));
        let options = AdminOptions::new().operation_timeout(Some(WITHIN)).request_timeout(Some(within));
        match admin.create_topics(wanted, &options).await {
            Ok(results) => return Ok((admin, results)),
            Err(error) if Instant::now() + ASK_AGAIN < until => {
                tracing::debug!(%error, "topics not created yet");
                tokio::time::sleep(ASK_AGAIN).await;
            }
            Err(error) => {
                let (brokers, kafka) = (kafka.brokers.clone(), kafka.clone());
                let trouble = tokio::task::spawn_blocking(move || trouble(&kafka)).await.ok().flatten();
                return Err(Error::Admin { brokers, reason: trouble.unwrap_or_else(|| error.to_string()) });
            }
        }
    }
}

/// What keeps clients away from Kafka, in librdkafka's words: a port where nobody listens, a certificate that is not trusted,
/// a password. An admin client is not told; a consumer is.
fn trouble(kafka: &KafkaConfig) -> Option<String> {
    let consumer: BaseConsumer<Trouble> =
        kafka.lookup_consumer("dojo-topics").create_with_context(Trouble::default()).ok()?;
    let until = Instant::now() + ANSWER_WITHIN;
    while consumer.context().0.get().is_none() && Instant::now() < until {
        // Nothing is assigned to it, so there are no records.
        let _ = consumer.poll(ASK_AGAIN);
    }
    consumer.context().0.get().cloned()
}

/// The first trouble that a client is told of.
#[derive(Default)]
struct Trouble(OnceLock<String>);

impl ClientContext for Trouble {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.0.get_or_init(|| reason.to_owned());
    }
}

impl ConsumerContext for Trouble {}

/// A topic is created before every broker knows of it, and its partitions before they have leaders. Whoever comes in
/// between is told that there is no such topic.
fn until_all_have_leaders(
    admin: &AdminClient<DefaultClientContext>,
    expected: &[(String, usize)],
) -> Result<(), Error> {
    let until = Instant::now() + WITHIN;
    for (topic, partitions) in expected {
        loop {
            let why = match leaders(admin, topic) {
                Ok(leaders) if leaders >= *partitions => break,
                Ok(leaders) => format!("{leaders} of {partitions} partitions have a leader"),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= until {
                let message = format!("created, but not usable after {} s: {why}", WITHIN.as_secs());
                return Err(Error::CreateTopic { topic: topic.clone(), message });
            }
            std::thread::sleep(ASK_AGAIN);
        }
    }
    Ok(())
}

/// How many partitions of `topic` have a leader.
fn leaders(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<usize, KafkaError> {
    let metadata = admin.inner().fetch_metadata(Some(topic), ASK_WITHIN)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(partitions.filter(|partition| partition.leader() >= 0 && partition.error().is_none()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_clients_away_is_said() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let trouble = trouble(&KafkaConfig::new(nobody.to_string()));
        assert!(trouble.as_ref().unwrap().contains("refused"), "{trouble:?}");
    }
}
