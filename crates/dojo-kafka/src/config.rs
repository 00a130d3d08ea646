//! Where Kafka is and how its clients are tuned, in one place, so that every client of the dojo behaves the same way.
//!
//! The names are librdkafka's own:
//! <https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md>.

use crate::{Error, Instance, Prefix};
use rdkafka::{ClientConfig, error::KafkaError};
use std::{sync::OnceLock, time::Duration};

/// Prefix of environment variables that pass a librdkafka property through:
/// `KAFKA_CONFIG_SECURITY_PROTOCOL=SSL` sets `security.protocol`.
const PROPERTY_PREFIX: &str = "KAFKA_CONFIG_";

/// How to reach Kafka.
#[derive(clap::Args, Clone, Debug)]
pub struct KafkaConfig {
    /// Kafka's bootstrap servers, separated by commas
    #[arg(
        id = "kafka_brokers",
        long = "kafka-brokers",
        env = "KAFKA_BROKERS",
        value_name = "HOST:PORT",
        default_value = "localhost:9092"
    )]
    pub brokers: String,

    /// Prefix of every topic's and group's name on the cluster, so that several dojos can share it: with class-7. the topic
    /// orders is class-7.orders
    #[arg(
        id = "kafka_prefix",
        long = "kafka-prefix",
        env = "KAFKA_PREFIX",
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true
    )]
    pub prefix: Prefix,

    /// Any librdkafka property, such as security.protocol=SSL; may repeat. As an
    /// environment variable it is KAFKA_CONFIG_SECURITY_PROTOCOL=SSL
    #[arg(id = "kafka_config", long = "kafka-config", value_name = "PROPERTY=VALUE", value_parser = parse_property)]
    pub properties: Vec<(String, String)>,
}

/// Properties on which the dojo's guarantees rest: names of members and producers, and which records readers see.
const RESERVED: [&str; 3] = ["group.instance.id", "transactional.id", "isolation.level"];
/// How long a member may be silent before its group gives its partitions to others.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a transaction may stay open before the coordinator aborts it, so that readers can continue.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads `NAME=VALUE`, as a flag gives it, and checks it with librdkafka.
pub fn parse_property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            let name = name.trim();
            check_property(name, value)?;
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` isn't a property: write NAME=VALUE, such as security.protocol=SSL")),
    }
}

/// Checks the properties that the environment gives, as `KAFKA_CONFIG_<PROPERTY>`.
///
/// # Errors
/// Names the variable of a property that the dojo sets itself or that librdkafka refuses.
pub fn check_environment() -> Result<(), String> {
    for (name, value) in environment_properties() {
        let variable = || format!("{PROPERTY_PREFIX}{}", name.to_uppercase().replace('.', "_"));
        check_property(name, value).map_err(|why| format!("{}: {why}", variable()))?;
    }
    Ok(())
}

fn check_property(name: &str, value: &str) -> Result<(), String> {
    if RESERVED.contains(&name) {
        return Err(format!("{name} is set by the dojo itself; remove it"));
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => Ok(()),
        // The rest of the error would show a password. The reason may have another name of the property.
        Err(KafkaError::ClientConfig(_, why, ..)) => Err(format!("{name}: {why}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

fn environment_properties() -> &'static [(String, String)] {
    static PROPERTIES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    PROPERTIES.get_or_init(|| {
        std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.to_str()?.strip_prefix(PROPERTY_PREFIX)?.to_lowercase().replace('_', ".");
                Some((name, value.into_string().ok()?))
            })
            .collect()
    })
}

impl KafkaConfig {
    /// Returns the config of the Kafka at `brokers`, without a prefix, and without properties but those of the environment.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self { brokers: brokers.into(), prefix: Prefix::default(), properties: Vec::new() }
    }

    fn client(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            // A request is small, and a client waits for its answer.
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", "10000")
            .set("socket.connection.setup.timeout.ms", "5000")
            // A Kafka that comes back is noticed within a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.fast.interval.ms", "100")
            .set("allow.auto.create.topics", "false");
        config
    }

    /// Adds the configured properties last, so that they win.
    fn with_properties(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in environment_properties().iter().chain(&self.properties) {
            config.set(name, value);
        }
        config
    }

    pub(crate) fn producer(
        &self,
        client_id: &str,
        message_timeout: Duration,
        linger_ms: &str,
    ) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", linger_ms)
            .set("message.timeout.ms", message_timeout.as_millis().to_string())
            .set("message.max.bytes", dojo_contract::topic::DLQ_MAX_MESSAGE_BYTES.to_string())
            .set("queue.buffering.max.kbytes", "65536")
            .set("sticky.partitioning.linger.ms", "0");
        self.with_properties(config)
    }

    /// Returns the config of a producer with the transactional id of `instance`: the instance's next process fences the last
    /// one.
    pub(crate) fn transactional_producer(&self, instance: &Instance) -> ClientConfig {
        let mut config = self.producer(&format!("{}-transactions", instance.id), TRANSACTION_TIMEOUT, "0");
        let id = format!("{}.{}", instance.service.name(), instance.id);
        config
            .set("transactional.id", self.prefix.on_cluster(&id))
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string());
        config
    }

    /// Returns how long a member with this config may be silent before its group gives its partitions to others.
    pub(crate) fn session_timeout(&self) -> Duration {
        let config = self.group_consumer("", "", None);
        let millis = config.get("session.timeout.ms").and_then(|millis| millis.parse().ok());
        millis.map_or(SESSION_TIMEOUT, Duration::from_millis)
    }

    pub(crate) fn group_consumer(
        &self,
        client_id: &str,
        group: &str,
        group_instance_id: Option<&str>,
    ) -> ClientConfig {
        let mut config = self.reader(client_id, group);
        if let Some(id) = group_instance_id {
            config.set("group.instance.id", id);
        }
        config
            .set("session.timeout.ms", SESSION_TIMEOUT.as_millis().to_string())
            .set("heartbeat.interval.ms", "2000")
            // The statistics bring the partitions' ends, from which progress has the lag.
            .set("statistics.interval.ms", "1000");
        self.with_properties(config)
    }

    pub(crate) fn tail_consumer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.groupless(client_id);
        // A reader of a whole topic has to notice when it missed a part.
        config.set("auto.offset.reset", "error");
        // Many tails are short, and the allocator keeps the most that each of their threads ever had. A small queue that is
        // filled again at once reads as fast as a large one.
        config.set("queued.max.messages.kbytes", "2048").set("fetch.queue.backoff.ms", "1");
        self.with_properties(config)
    }

    /// Returns the config of a consumer that looks things up in the log: each look reads a little, and has to see the end
    /// soon.
    pub(crate) fn lookup_consumer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.groupless(client_id);
        config.set("fetch.wait.max.ms", "5");
        self.with_properties(config)
    }

    /// Returns the config of a look-up that must notice when an offset has gone.
    pub(crate) fn range_consumer(&self, client_id: &str) -> ClientConfig {
        let mut config = self.lookup_consumer(client_id);
        config.set("auto.offset.reset", "error");
        config
    }

    fn groupless(&self, client_id: &str) -> ClientConfig {
        // librdkafka requires a group id of every consumer. This one subscribes to nothing and commits nothing, so the
        // group never exists.
        self.reader(client_id, client_id)
    }

    pub(crate) fn admin(&self) -> ClientConfig {
        self.with_properties(self.client("dojo-topics"))
    }

    fn reader(&self, client_id: &str, group: &str) -> ClientConfig {
        let mut config = self.client(client_id);
        config
            .set("group.id", self.prefix.on_cluster(group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            // After a full queue, fetch again soon, not after the default of a second.
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "8192");
        config
    }
}

pub(crate) fn create<T>(
    what: &'static str,
    config: &ClientConfig,
    made: rdkafka::error::KafkaResult<T>,
) -> Result<T, Error> {
    made.map_err(|source| Error::Create {
        what,
        brokers: config.get("bootstrap.servers").unwrap_or_default().to_owned(),
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_a_name_and_a_value() {
        assert_eq!(
            parse_property("client.rack=/a=b").unwrap(),
            ("client.rack".to_owned(), "/a=b".to_owned())
        );
        assert!(parse_property("security.protocol").unwrap_err().contains("NAME=VALUE"));
        assert!(parse_property("=x").is_err());
    }

    #[test]
    fn a_property_that_librdkafka_refuses_is_refused_with_its_reason() {
        for property in ["no.such.property=1", "linger.ms=soon", "security.protocol=tls"] {
            let (name, _) = property.split_once('=').unwrap();
            let refused = parse_property(property).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
    }

    #[test]
    fn a_property_that_the_dojo_sets_itself_is_refused_by_its_name() {
        for name in RESERVED {
            let refused = parse_property(&format!("{name}=x")).unwrap_err();
            assert!(refused.starts_with(name), "{refused}");
        }
    }

    #[test]
    fn a_transactional_id_names_prefix_service_and_instance() {
        let kafka = KafkaConfig { prefix: "class-7.".parse().unwrap(), ..KafkaConfig::new("localhost:1") };
        let fraud = Instance::start(dojo_contract::Service::Fraud, Some("fraud-1".to_owned()));
        let producer = kafka.transactional_producer(&fraud);
        assert_eq!(producer.get("transactional.id"), Some("class-7.fraud.fraud-1"));
    }

    #[test]
    fn a_configured_property_wins() {
        let kafka = KafkaConfig {
            properties: vec![("linger.ms".into(), "20".into())],
            ..KafkaConfig::new("localhost:1")
        };
        assert_eq!(kafka.producer("test", Duration::from_secs(1), "0").get("linger.ms"), Some("20"));
    }

    #[test]
    fn a_group_has_the_prefix_and_a_client_does_not() {
        let kafka = KafkaConfig { prefix: "class-7.".parse().unwrap(), ..KafkaConfig::new("localhost:1") };
        let consumer = kafka.group_consumer("fraud-1", "fraud-group", None);
        assert_eq!(consumer.get("group.id"), Some("class-7.fraud-group"));
        assert_eq!(consumer.get("client.id"), Some("fraud-1"));
    }
}
