//! Consumer groups as Kafka knows them: their members, who reads which partition, and how far a group has committed.
//!
//! [`GroupReader`] asks with `ListGroups` and `DescribeGroups`, and joins no group. librdkafka's call (`rd_kafka_list_groups`) leaves
//! out generations, the instance ids of static members, and the errors of single groups. It asks every broker, and fails while
//! one of them is down.

use crate::{
    Error, Isolation, KafkaConfig, Prefix,
    catalog::blocking,
    config::create,
    reader::{Context, Reader, lookup_reader},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    groups::{GroupInfo, GroupMemberInfo},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// The longest time that one question may take.
const WITHIN: Duration = Duration::from_secs(3);

/// A consumer group at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name in the contract, without the dojo's prefix. A name that doesn't begin with the prefix is unchanged.
    pub name: String,
    /// Kafka's word for its state, such as `Stable`; empty if its coordinator didn't answer.
    pub state: String,
    /// Its members, by member id. During a rebalance they have no partitions.
    pub members: BTreeMap<String, Member>,
    /// Its name on the cluster.
    name_on_cluster: String,
}

/// A member of a consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The `client.id` of its process. The dojo's services have their instance id here.
    pub client_id: String,
    /// The address that it connects from, as Kafka shows it: `/127.0.0.1`.
    pub host: String,
    /// The partitions of this dojo's topics that it is assigned: topic and number.
    pub partitions: BTreeSet<(String, i32)>,
}

impl Group {
    /// Creates a group whose name has no prefix.
    pub fn new(name: &str, state: &str, members: BTreeMap<String, Member>) -> Self {
        Self { name: name.to_owned(), state: state.to_owned(), members, name_on_cluster: name.to_owned() }
    }

    /// Returns whether no rebalance is under way; `None` if the state doesn't say so.
    pub fn is_settled(&self) -> Option<bool> {
        match self.state.as_str() {
            "Stable" | "Empty" | "Dead" => Some(true),
            "PreparingRebalance" | "CompletingRebalance" => Some(false),
            _ => None,
        }
    }

    fn of(info: &GroupInfo, prefix: &Prefix) -> Self {
        let member = |member: &GroupMemberInfo| (member.id().to_owned(), Member::of(member, prefix));
        Self {
            name: prefix.in_contract(info.name()).to_owned(),
            state: info.state().to_owned(),
            members: info.members().iter().map(member).collect(),
            name_on_cluster: info.name().to_owned(),
        }
    }
}

impl Member {
    fn of(info: &GroupMemberInfo, prefix: &Prefix) -> Self {
        let assigned = info.assignment().and_then(assigned_partitions).unwrap_or_default();
        // A topic without the prefix belongs to somebody else, whatever its name.
        let own = assigned.into_iter().filter(|(topic, _)| prefix.owns(topic));
        let in_contract =
            |(topic, partition): (String, i32)| (prefix.in_contract(&topic).to_owned(), partition);
        Self {
            client_id: info.client_id().to_owned(),
            host: info.client_host().to_owned(),
            partitions: own.map(in_contract).collect(),
        }
    }
}

/// Asks Kafka about consumer groups. Cheap to clone.
#[derive(Clone)]
pub struct GroupReader {
    consumer: Arc<Reader>,
    kafka: KafkaConfig,
    client_id: String,
}

impl std::fmt::Debug for GroupReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GroupReader")
    }
}

impl GroupReader {
    /// Creates a client for `kafka`.
    pub fn new(kafka: &KafkaConfig, client_id: &str) -> Result<Self, Error> {
        let consumer = Arc::new(lookup_reader(kafka, client_id, Isolation::ReadCommitted)?);
        Ok(Self { consumer, kafka: kafka.clone(), client_id: client_id.to_owned() })
    }

    /// Describes the dojo's group `name`; `None` if Kafka doesn't know it. Bounded by three seconds.
    pub async fn describe(&self, name: &str) -> Result<Option<Group>, Error> {
        let on_cluster = self.kafka.prefix.on_cluster(name).into_owned();
        let mut groups = self.ask(Some(on_cluster)).await?;
        Ok(groups.pop())
    }

    /// Describes every group that is this dojo's or reads its topics: those whose name begins with the dojo's prefix, and
    /// those with a member that is assigned one of its topics. Without a prefix these are all groups of the cluster. Bounded by three
    /// seconds.
    pub async fn all(&self) -> Result<Vec<Group>, Error> {
        self.ask(None).await
    }

    async fn ask(&self, name: Option<String>) -> Result<Vec<Group>, Error> {
        let (consumer, prefix) = (Arc::clone(&self.consumer), self.kafka.prefix.clone());
        let what = name.clone().unwrap_or_else(|| "of any name".to_owned());
        let describe = move || {
            let list = consumer.fetch_group_list(name.as_deref(), WITHIN)?;
            let is_ours = |info: &&GroupInfo| {
                let reads = |member: &GroupMemberInfo| {
                    let assigned = member.assignment().and_then(assigned_partitions).unwrap_or_default();
                    assigned.iter().any(|(topic, _)| prefix.owns(topic))
                };
                prefix.owns(info.name()) || info.members().iter().any(reads)
            };
            Ok(list.groups().iter().filter(is_ours).map(|info| Group::of(info, &prefix)).collect())
        };
        about_group(what, "describe", describe).await
    }

    /// Returns the offsets that `group` has committed of `topics`, a topic's name with the number of its partitions. A
    /// partition without a committed offset is left out. Bounded by three seconds.
    pub async fn committed(
        &self,
        group: &Group,
        topics: &[(String, i32)],
    ) -> Result<BTreeMap<(String, i32), i64>, Error> {
        let mut config = self.kafka.lookup_consumer(&self.client_id);
        config.set("group.id", &group.name_on_cluster);
        // This consumer only has the group's id. It subscribes to nothing, so it never becomes a member.
        let consumer: BaseConsumer<Context> =
            create("consumer", &config, config.create_with_context(Context))?;
        let prefix = self.kafka.prefix.clone();
        let mut wanted = TopicPartitionList::new();
        for (topic, partitions) in topics {
            wanted.add_partition_range(&prefix.on_cluster(topic), 0, partitions - 1);
        }
        let ask = move || {
            let found = consumer.committed_offsets(wanted, WITHIN)?;
            let committed = found.elements().into_iter().filter_map(|at| match at.offset() {
                Offset::Offset(offset) => {
                    Some(((prefix.in_contract(at.topic()).to_owned(), at.partition()), offset))
                }
                _ => None,
            });
            Ok((committed.collect(), consumer))
        };
        let (committed, consumer) =
            about_group(group.name.clone(), "read the committed offsets of", ask).await?;
        // Closing a consumer takes up to a tenth of a second, which the caller doesn't wait for.
        drop(tokio::task::spawn_blocking(move || drop(consumer)));
        Ok(committed)
    }
}

async fn about_group<T: Send + 'static>(
    group: String,
    attempt: &'static str,
    ask: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, Error> {
    let answer = blocking("asking for a group", ask).await?;
    answer.map_err(|source| Error::Describe { group, attempt, source: Box::new(source) })
}

/// Reads the topics and partitions of a member's assignment; `None` if the bytes are of another protocol than that of
/// consumers. The layout is that of `ConsumerProtocolAssignment.json` in Apache Kafka: a version, then topics with their
/// partitions, then data of the assignor.
fn assigned_partitions(mut bytes: &[u8]) -> Option<Vec<(String, i32)>> {
    let bytes = &mut bytes;
    let _version = i16::from_be_bytes(take(bytes)?);
    let mut assigned = Vec::new();
    for _ in 0..i32::from_be_bytes(take(bytes)?) {
        let length = usize::try_from(i16::from_be_bytes(take(bytes)?)).ok()?;
        let (topic, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        let topic = std::str::from_utf8(topic).ok()?;
        for _ in 0..i32::from_be_bytes(take(bytes)?) {
            assigned.push((topic.to_owned(), i32::from_be_bytes(take(bytes)?)));
        }
    }
    Some(assigned)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn assignment(topics: &[(&str, &[i32])]) -> Vec<u8> {
        let mut bytes = vec![0, 1];
        bytes.extend((topics.len() as i32).to_be_bytes());
        for (topic, partitions) in topics {
            bytes.extend((topic.len() as i16).to_be_bytes());
            bytes.extend(topic.as_bytes());
            bytes.extend((partitions.len() as i32).to_be_bytes());
            partitions.iter().for_each(|partition| bytes.extend(partition.to_be_bytes()));
        }
        bytes.extend((-1i32).to_be_bytes());
        bytes
    }

    #[test]
    fn an_assignment_names_its_partitions() {
        let bytes = assignment(&[("audit", &[0]), ("orders", &[1, 2])]);
        let expected = [("audit", 0), ("orders", 1), ("orders", 2)];
        assert_eq!(assigned_partitions(&bytes).unwrap(), expected.map(|(topic, p)| (topic.to_owned(), p)));
        assert_eq!(assigned_partitions(&assignment(&[])).unwrap(), []);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..40) {
            let _ = assigned_partitions(&bytes);
            let whole = assignment(&[("orders", &[0, 1, 2])]);
            let _ = assigned_partitions(&whole[..cut.min(whole.len())]);
        }
    }
}
