//! The topics of this dojo: partitions with their offsets, configurations, and the consumer groups that read them.
//!
//! Kafka is asked whenever a client asks. The last answer is kept, for the time when Kafka is away.

use crate::log::topics::records::PartitionBounds;
use chrono::{DateTime, Utc};
use dojo_contract::{
    time,
    topic::{AUDIT_GROUP, FRAUD_GROUP, NOTIFICATION_GROUP, SSE_RELAY_GROUP, TOPICS, TopicSpec},
};
use dojo_kafka::{Error, Group, GroupReader, ListedTopic, OffsetBounds, TopicCatalog, TopicConfigs};
use futures::StreamExt as _;
use parking_lot::Mutex;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use utoipa::ToSchema;

/// How long each question may take.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Partitions of all topics together that are listed. Topics beyond them are counted.
const MOST_PARTITIONS: usize = 5_000;
/// Topics that are asked for their offsets at a time.
const TOPICS_AT_A_TIME: usize = 8;
/// Groups that are listed, the dojo's own first.
const MOST_GROUPS: usize = 100;
/// Groups that are asked at a time.
const GROUPS_AT_A_TIME: usize = 4;
/// A further replica of the order service has a group whose name begins like that of the first one.
const OWN_GROUPS: [&str; 4] = [NOTIFICATION_GROUP, FRAUD_GROUP, AUDIT_GROUP, SSE_RELAY_GROUP];
/// The configurations that decide what the log keeps and takes.
const CONFIGS: [&str; 9] = [
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "segment.ms",
    "segment.bytes",
    "max.message.bytes",
    "message.timestamp.type",
    "message.timestamp.after.max.ms",
    "min.cleanable.dirty.ratio",
];

/// The topics at one moment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicList {
    /// When Kafka was asked.
    #[serde(with = "time")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) as_of: DateTime<Utc>,
    /// The dojo's own topics first, then others.
    pub(crate) topics: Vec<TopicView>,
    /// Topics that are not listed because there are too many partitions.
    pub(crate) omitted: usize,
    /// Consumer groups that are not listed because there are too many.
    pub(crate) groups_omitted: usize,
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TopicView {
    /// Its name without this dojo's prefix.
    name: String,
    /// Whether it is one of the dojo's own topics.
    own: bool,
    /// What a topic of the dojo's own is for.
    about: Option<&'static str>,
    partitions: Vec<PartitionBounds>,
    configs: Vec<ConfigView>,
    groups: Vec<GroupView>,
}

/// A configuration in force.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConfigView {
    /// Kafka's own name of it.
    name: String,
    value: Option<String>,
    /// Whether it was set for this topic. Otherwise it is the broker's, or Kafka's default.
    set_for_topic: bool,
}

/// A consumer group that reads the topic.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GroupView {
    group: String,
    /// Kafka's word: `Stable`, `PreparingRebalance`, `CompletingRebalance`, `Empty` or `Dead`.
    state: String,
    /// Its members, also those that have no partition of this topic.
    members: usize,
    /// The sum of its lags on this topic; null if one of them isn't known.
    lag: Option<i64>,
    partitions: Vec<GroupPosition>,
}

/// How far a group is on a partition.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct GroupPosition {
    partition: i32,
    /// The committed offset: the next record that the group has not handled. Null: none is committed.
    position: Option<i64>,
    /// Offsets from the position to the end. The markers of transactions count, as in Kafka's own tools.
    lag: Option<i64>,
    /// The `client.id` of the member that is assigned the partition.
    client_id: Option<String>,
}

/// Committed offsets of a group, by topic and partition.
type Committed = BTreeMap<(String, i32), i64>;

/// Lists topics.
pub(crate) struct TopicLister {
    catalog: TopicCatalog,
    groups: GroupReader,
    last: Mutex<Option<Arc<TopicList>>>,
}

impl TopicLister {
    pub(crate) fn new(catalog: TopicCatalog, groups: GroupReader) -> Self {
        Self { catalog, groups, last: Mutex::default() }
    }

    /// Returns the last list that Kafka gave, if there is one.
    pub(crate) fn last(&self) -> Option<Arc<TopicList>> {
        self.last.lock().clone()
    }

    /// Asks Kafka for the topics.
    pub(crate) async fn list(&self) -> Result<Arc<TopicList>, Error> {
        let as_of = Utc::now();
        let (listed, omitted) = most(self.catalog.topics(ASK_WITHIN).await?);
        let names: Vec<_> = listed.iter().map(|topic| topic.name.as_str()).collect();
        let (configs, groups) =
            tokio::join!(self.catalog.configs(&names, &CONFIGS, ASK_WITHIN), self.groups(&listed));
        let (mut configs, groups) = (configs?, groups?);
        let bounds = |topic: &ListedTopic| {
            let (catalog, topic) = (self.catalog.clone(), topic.clone());
            async move {
                let bounds = catalog.bounds(&topic.name, &topic.partitions, ASK_WITHIN).await;
                // A topic may have gone meanwhile, or a partition may have no leader.
                bounds.unwrap_or_else(|error| {
                    tracing::debug!(%error, "a topic's offsets are not known");
                    BTreeMap::new()
                })
            }
        };
        let bounds = futures::stream::iter(listed.iter().map(bounds).collect::<Vec<_>>());
        let bounds: Vec<_> = bounds.buffered(TOPICS_AT_A_TIME).collect().await;
        let (groups, groups_omitted) = groups;
        let topic = |(topic, bounds): (&ListedTopic, BTreeMap<_, _>)| {
            view(topic, &bounds, configs.remove(&topic.name).unwrap_or_default(), &groups)
        };
        let topics = listed.iter().zip(bounds).map(topic).collect();
        let list = Arc::new(TopicList { as_of, topics, omitted, groups_omitted });
        *self.last.lock() = Some(Arc::clone(&list));
        Ok(list)
    }

    /// Returns the groups with the offsets that they have committed of these topics, and how many groups are left out.
    async fn groups(&self, topics: &[ListedTopic]) -> Result<(Vec<(Group, Committed)>, usize), Error> {
        let partitions =
            |topic: &ListedTopic| topic.partitions.last().map(|last| (topic.name.clone(), last + 1));
        let topics: Vec<_> = topics.iter().filter_map(partitions).collect();
        let mut groups = self.groups.all().await?;
        groups.sort_by_key(|group| !OWN_GROUPS.iter().any(|own| group.name.starts_with(own)));
        let omitted = groups.len().saturating_sub(MOST_GROUPS);
        let ask = |group: Group| {
            let topics = &topics;
            async move {
                let committed = self.groups.committed(&group, topics).await;
                let committed = committed.unwrap_or_else(|error| {
                    tracing::debug!(%error, "a group's offsets are not known");
                    BTreeMap::new()
                });
                (group, committed)
            }
        };
        let asked = futures::stream::iter(groups.into_iter().take(MOST_GROUPS).map(ask));
        Ok((asked.buffered(GROUPS_AT_A_TIME).collect().await, omitted))
    }
}

fn spec(name: &str) -> Option<&'static TopicSpec> {
    TOPICS.iter().find(|spec| spec.name == name)
}

/// Returns as many topics as may be listed, the dojo's own first, and how many are left out.
fn most(mut topics: Vec<ListedTopic>) -> (Vec<ListedTopic>, usize) {
    topics.sort_by_key(|topic| TOPICS.iter().position(|spec| spec.name == topic.name).unwrap_or(usize::MAX));
    let mut room = MOST_PARTITIONS;
    let all = topics.len();
    topics.retain(|topic| {
        let fits = topic.partitions.len() <= room;
        room -= if fits { topic.partitions.len() } else { 0 };
        fits
    });
    let omitted = all - topics.len();
    (topics, omitted)
}

fn view(
    topic: &ListedTopic,
    bounds: &BTreeMap<i32, OffsetBounds>,
    configs: TopicConfigs,
    groups: &[(Group, Committed)],
) -> TopicView {
    let spec = spec(&topic.name);
    let partition = |partition: &i32| PartitionBounds::of(*partition, bounds.get(partition).copied());
    let config = |(name, config): (String, dojo_kafka::ConfigValue)| ConfigView {
        name,
        value: config.value,
        set_for_topic: config.is_of_topic,
    };
    TopicView {
        name: topic.name.clone(),
        own: spec.is_some(),
        about: spec.map(|spec| spec.about),
        partitions: topic.partitions.iter().map(partition).collect(),
        configs: configs.into_iter().map(config).collect(),
        groups: groups.iter().filter_map(|(group, offsets)| on(topic, bounds, group, offsets)).collect(),
    }
}

/// Returns how far a group is on a topic; `None` if it doesn't read it.
fn on(
    topic: &ListedTopic,
    bounds: &BTreeMap<i32, OffsetBounds>,
    group: &Group,
    committed: &Committed,
) -> Option<GroupView> {
    let mut assigned = BTreeMap::new();
    for member in group.members.values() {
        let of_topic = member.partitions.iter().filter(|(name, _)| *name == topic.name);
        assigned.extend(of_topic.map(|(_, partition)| (*partition, &member.client_id)));
    }
    let mut partitions = BTreeSet::new();
    for partition in &topic.partitions {
        if assigned.contains_key(partition) || committed.contains_key(&(topic.name.clone(), *partition)) {
            partitions.insert(*partition);
        }
    }
    let position = |partition: i32| {
        let position = committed.get(&(topic.name.clone(), partition)).copied();
        let lag = bounds.get(&partition).and_then(|bounds| match position {
            Some(position) => Some((bounds.end - position).max(0)),
            // There was never anything to read, or it is gone.
            None => (bounds.earliest == bounds.end).then_some(0),
        });
        GroupPosition {
            partition,
            position,
            lag,
            client_id: assigned.get(&partition).map(|client_id| (*client_id).clone()),
        }
    };
    let partitions: Vec<_> = partitions.into_iter().map(position).collect();
    (!partitions.is_empty()).then(|| GroupView {
        group: group.name.clone(),
        state: group.state.clone(),
        members: group.members.len(),
        lag: partitions.iter().map(|at| at.lag).sum(),
        partitions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_kafka::Member;

    fn topic(name: &str, partitions: i32) -> ListedTopic {
        ListedTopic { name: name.to_owned(), partitions: (0..partitions).collect() }
    }

    fn bounds(end: i64, partitions: i32) -> BTreeMap<i32, OffsetBounds> {
        (0..partitions).map(|p| (p, OffsetBounds { earliest: 0, stable: end, end })).collect()
    }

    /// A group of so many members, of which each has up to one partition of `orders`.
    fn group(members: i32, partitions: i32) -> Group {
        let member = |n: i32| {
            let has = (n < partitions).then(|| ("orders".to_owned(), n));
            let (client_id, host) = (format!("client-{n}"), "/127.0.0.1".to_owned());
            (format!("member-{n:03}"), Member { client_id, host, partitions: has.into_iter().collect() })
        };
        Group::new("readers", "Stable", (0..members).map(member).collect())
    }

    #[test]
    fn a_group_of_500_members_has_one_row_for_each_partition_that_it_reads() {
        let committed = BTreeMap::from([(("orders".to_owned(), 0), 7), (("orders".to_owned(), 1), 10)]);
        let view = on(&topic("orders", 3), &bounds(10, 3), &group(500, 3), &committed).unwrap();
        assert_eq!((view.members, view.partitions.len()), (500, 3));
        let row = |at: &GroupPosition| (at.position, at.lag, at.client_id.clone().unwrap());
        let rows: Vec<_> = view.partitions.iter().map(row).collect();
        assert_eq!(rows[0], (Some(7), Some(3), "client-0".to_owned()));
        assert_eq!(rows[1], (Some(10), Some(0), "client-1".to_owned()));
        assert_eq!(rows[2], (None, None, "client-2".to_owned()));
        assert_eq!(view.lag, None, "how far partition 2 was read isn't known");
    }

    #[test]
    fn a_group_that_is_empty_still_has_its_positions_and_one_that_never_read_the_topic_has_none() {
        let committed = BTreeMap::from([(("orders".to_owned(), 1), 4)]);
        let view = on(&topic("orders", 3), &bounds(10, 3), &group(0, 0), &committed).unwrap();
        let row = GroupPosition { partition: 1, position: Some(4), lag: Some(6), client_id: None };
        assert_eq!((view.partitions, view.lag), (vec![row], Some(6)));
        assert_eq!(on(&topic("audit", 1), &bounds(10, 1), &group(500, 3), &committed), None);
    }

    #[test]
    fn the_dojos_own_topics_come_first_and_too_many_partitions_are_left_out() {
        let mut topics: Vec<_> = (0..7).map(|n| topic(&format!("a-{n}"), 1_000)).collect();
        topics.extend([topic("audit", 1), topic("orders", 3)]);
        let (listed, omitted) = most(topics);
        let names: Vec<_> = listed.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(names, ["orders", "audit", "a-0", "a-1", "a-2", "a-3"]);
        assert_eq!(omitted, 3);
    }
}
