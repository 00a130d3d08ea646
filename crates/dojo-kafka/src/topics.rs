//! Creating the contract's topics: idempotently, and never by auto-creation.

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

/// How long Kafka may take to answer, and then to make the topics known on every broker.
const WITHIN: Duration = Duration::from_secs(30);
/// Without an answer by then, a new client asks again: the old one's connection may be stale.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ASK_WITHIN: Duration = Duration::from_secs(5);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A topic that exists now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its name on the cluster.
    pub name: String,
    /// Whether it existed before; then its partitions and configuration stay as they are.
    pub existed: bool,
}

/// Creates each of `topics` that doesn't exist yet, with `replication` copies, and returns when every topic can be written
/// and read. Waits up to half a minute for Kafka to create them, and up to half a minute for their leaders.
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
    let created: Vec<_> = results
        .into_iter()
        .map(|result| match result {
            Ok(name) => Ok(Created { name, existed: false }),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => Ok(Created { name, existed: true }),
            Err((topic, code)) => Err(Error::CreateTopic { topic, message: code.to_string() }),
        })
        .collect::<Result<_, _>>()?;
    let partitions = topics.iter().zip(&created).map(|(spec, created)| {
        // A topic that existed may have another number of partitions.
        if created.existed { 1 } else { spec.partitions.unsigned_abs() as usize }
    });
    let expected: Vec<_> = names.into_iter().zip(partitions).collect();
    let wait = move || until_all_have_leaders(&admin, &expected);
    tokio::task::spawn_blocking(wait).await.unwrap_or_else(|e| {
        Err(Error::Thread { what: "waiting for topics".to_owned(), message: e.to_string() })
    })?;
    Ok(created)
}

/// Asks Kafka to create `wanted`, again and again within [`WITHIN`]; asking twice does no harm. Returns the results and the
/// client that got them.
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

/// Returns what keeps clients away from Kafka, in librdkafka's words: a closed port, a certificate that isn't trusted, a
/// password. librdkafka reports it to a consumer, but not to an admin client.
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

/// The first error that librdkafka reports to a client.
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

/// Waits until every partition has a leader. A topic is created before every broker knows it, and its partitions before they
/// have leaders: a client that comes in between gets the answer that the topic doesn't exist.
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

/// Returns how many partitions of `topic` have a leader.
fn leaders(admin: &AdminClient<DefaultClientContext>, topic: &str) -> Result<usize, KafkaError> {
    let metadata = admin.inner().fetch_metadata(Some(topic), ASK_WITHIN)?;
    let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
    Ok(partitions.filter(|partition| partition.leader() >= 0 && partition.error().is_none()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_what_keeps_clients_away() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let trouble = trouble(&KafkaConfig::new(nobody.to_string()));
        assert!(trouble.as_ref().unwrap().contains("refused"), "{trouble:?}");
    }
}
