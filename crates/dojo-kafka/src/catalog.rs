//! Which topics this dojo has on the cluster, which offsets their partitions hold, and how they are configured.
//!
//! Only topics whose names begin with the dojo's prefix are this dojo's. Without a prefix these are all topics but Kafka's
//! own, whose names begin with `__`.

use crate::{
    Error, Isolation, KafkaConfig,
    config::create,
    reader::{Context, Reader, lookup_reader},
};
use chrono::{DateTime, Utc};
use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, ConfigSource, ResourceSpecifier},
    consumer::Consumer as _,
    error::KafkaError,
};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Kafka's limit for the name of a topic.
const MAX_NAME_BYTES: usize = 249;

/// A topic of this dojo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTopic {
    /// Its name in the contract, without the prefix.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<i32>,
}

/// The offsets that a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetBounds {
    /// The first offset that is still on the log.
    pub earliest: i64,
    /// The last stable offset, where readers of committed records stop: the first record of the oldest open transaction, or
    /// else the end.
    pub stable: i64,
    /// The offset that the next record will get.
    pub end: i64,
}

/// A configuration of a topic that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigValue {
    /// Its value; `None` for a value that Kafka keeps to itself.
    pub value: Option<String>,
    /// Whether it was set for this topic, not for the broker or by default.
    pub is_of_topic: bool,
}

/// The configurations of a topic by their names.
pub type TopicConfigs = BTreeMap<String, ConfigValue>;

/// Asks for topics. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct TopicCatalog {
    kafka: KafkaConfig,
    committed: Arc<Reader>,
    everything: Arc<Reader>,
    admin: Arc<AdminClient<Context>>,
}

impl std::fmt::Debug for TopicCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TopicCatalog")
    }
}

impl TopicCatalog {
    /// Creates the clients of a catalog. They connect at the first question.
    pub fn new(kafka: &KafkaConfig, client_id: &str) -> Result<Self, Error> {
        let client_id = format!("{client_id}-topics");
        let reader = |isolation| lookup_reader(kafka, &client_id, isolation).map(Arc::new);
        let config = kafka.admin();
        let admin = create("admin client", &config, config.create_with_context(Context))?;
        Ok(Self {
            committed: reader(Isolation::ReadCommitted)?,
            everything: reader(Isolation::ReadUncommitted)?,
            kafka: kafka.clone(),
            admin: Arc::new(admin),
        })
    }

    /// Returns whether `topic` can be the name of a topic of this dojo. Any other name isn't worth a question.
    pub fn is_possible(&self, topic: &str) -> bool {
        let on_cluster = self.kafka.prefix.on_cluster(topic);
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let is_legal = topic.chars().all(allowed) && !matches!(&*on_cluster, "" | "." | "..");
        is_legal && on_cluster.len() <= MAX_NAME_BYTES && !on_cluster.starts_with("__")
    }

    /// Returns the topics of this dojo, by name.
    pub async fn topics(&self, within: Duration) -> Result<Vec<ListedTopic>, Error> {
        let prefix = self.kafka.prefix.clone();
        let reader = Arc::clone(&self.everything);
        let listed = blocking("listing topics", move || reader.fetch_metadata(None, within)).await?;
        let listed = listed.map_err(|source| self.unanswered(&source))?;
        let mut topics: Vec<_> = listed
            .topics()
            .iter()
            .filter(|topic| prefix.owns(topic.name()) && self.is_possible(prefix.in_contract(topic.name())))
            .map(|topic| ListedTopic {
                name: prefix.in_contract(topic.name()).to_owned(),
                partitions: sorted(topic.partitions().iter().map(|partition| partition.id())),
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// Returns the partitions of a topic; `None` if there is no such topic.
    pub async fn partitions(&self, topic: &str, within: Duration) -> Result<Option<Vec<i32>>, Error> {
        if !self.is_possible(topic) {
            return Ok(None);
        }
        let (reader, on_cluster) = (Arc::clone(&self.everything), self.on_cluster(topic));
        let metadata =
            blocking("asking for a topic", move || reader.fetch_metadata(Some(&on_cluster), within)).await?;
        let metadata = metadata.map_err(|source| read_error(topic, source))?;
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions()).map(|p| p.id());
        let partitions = sorted(partitions);
        Ok((!partitions.is_empty()).then_some(partitions))
    }

    /// Returns which offsets these partitions of a topic hold.
    pub async fn bounds(
        &self,
        topic: &str,
        partitions: &[i32],
        within: Duration,
    ) -> Result<BTreeMap<i32, OffsetBounds>, Error> {
        let until = Instant::now() + within;
        let ends = self.offsets(&self.everything, topic, partitions, Offset::End, until).await?;
        let earliest = self.offsets(&self.everything, topic, partitions, Offset::Beginning, until).await?;
        let stable = self.offsets(&self.committed, topic, partitions, Offset::End, until).await?;
        let bounds = |(partition, earliest): (i32, i64)| {
            let (stable, end) = (*stable.get(&partition)?, *ends.get(&partition)?);
            // The log may have grown between two questions.
            Some((partition, OffsetBounds { earliest, stable, end: end.max(stable) }))
        };
        Ok(earliest.into_iter().filter_map(bounds).collect())
    }

    /// Returns the first offset of each partition whose record is of `time` or later; a partition without one is missing.
    pub async fn offsets_at(
        &self,
        topic: &str,
        partitions: &[i32],
        time: DateTime<Utc>,
        within: Duration,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        // For Kafka, negative times stand for the ends of the log.
        let at = Offset::Offset(time.timestamp_millis().max(0));
        self.offsets(&self.everything, topic, partitions, at, Instant::now() + within).await
    }

    /// Returns the configurations of topics that are `wanted`. A topic that has gone meanwhile is missing.
    pub async fn configs(
        &self,
        topics: &[&str],
        wanted: &[&str],
        within: Duration,
    ) -> Result<BTreeMap<String, TopicConfigs>, Error> {
        let names: Vec<_> = topics.iter().map(|topic| self.on_cluster(topic)).collect();
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
        let options = AdminOptions::new().request_timeout(Some(within));
        let described = self.admin.describe_configs(&resources, &options).await;
        let described = described.map_err(|source| self.unanswered(&source))?;
        let of_topic = |(topic, described): (&&str, Result<rdkafka::admin::ConfigResource, _>)| {
            let entries = described.ok()?.entries.into_iter();
            let configs = entries.filter(|entry| wanted.contains(&entry.name.as_str())).map(|entry| {
                let is_of_topic = entry.source == ConfigSource::DynamicTopic;
                (entry.name, ConfigValue { value: entry.value, is_of_topic })
            });
            Some(((*topic).to_owned(), configs.collect()))
        };
        Ok(topics.iter().zip(described).filter_map(of_topic).collect())
    }

    /// Asks for one offset of each partition: all partitions of a broker in one request.
    async fn offsets(
        &self,
        reader: &Arc<Reader>,
        topic: &str,
        partitions: &[i32],
        at: Offset,
        until: Instant,
    ) -> Result<BTreeMap<i32, i64>, Error> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (reader, on_cluster) = (Arc::clone(reader), self.on_cluster(topic));
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(&on_cluster, *partition, at).map_err(|e| read_error(topic, e))?;
        }
        let ask = move || reader.offsets_for_times(list, until.saturating_duration_since(Instant::now()));
        let found = blocking("asking for offsets", ask).await?.map_err(|e| read_error(topic, e))?;
        let offset =
            |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
                Offset::Offset(offset) if element.error().is_ok() => Some((element.partition(), offset)),
                _ => None,
            };
        Ok(found.elements().iter().filter_map(offset).collect())
    }

    fn on_cluster(&self, topic: &str) -> String {
        self.kafka.prefix.on_cluster(topic).into_owned()
    }

    fn unanswered(&self, error: &KafkaError) -> Error {
        Error::Admin { brokers: self.kafka.brokers.clone(), reason: error.to_string() }
    }
}

fn sorted(partitions: impl Iterator<Item = i32>) -> Vec<i32> {
    let mut partitions: Vec<_> = partitions.collect();
    partitions.sort_unstable();
    partitions
}

pub(crate) fn read_error(topic: &str, source: KafkaError) -> Error {
    Error::Read { topic: topic.to_owned(), source: Box::new(source) }
}

pub(crate) async fn blocking<T: Send + 'static>(
    what: &str,
    ask: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    let died = |e: tokio::task::JoinError| Error::Thread { what: what.to_owned(), message: e.to_string() };
    tokio::task::spawn_blocking(ask).await.map_err(died)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_name_that_kafka_allows_and_keeps_for_no_purpose_of_its_own_is_possible() {
        let catalog = |prefix: &str| {
            let kafka = KafkaConfig { prefix: prefix.parse().unwrap(), ..KafkaConfig::new("127.0.0.1:1") };
            TopicCatalog::new(&kafka, "test").unwrap()
        };
        let (without, with) = (catalog(""), catalog("class-7."));
        assert!(without.is_possible("orders") && with.is_possible("orders"));
        let too_long = "x".repeat(250);
        for wrong in ["", ".", "..", "a b", "a/b", "ü", "__consumer_offsets", &too_long] {
            assert!(!without.is_possible(wrong), "{wrong:?}");
        }
        assert!(without.is_possible(&"x".repeat(249)) && !with.is_possible(&"x".repeat(249)));
    }
}
