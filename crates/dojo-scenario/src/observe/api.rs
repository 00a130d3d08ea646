//! The parts of the API's answers that decide about a state: which instances there are, and who has read how far.

use dojo_contract::{InstanceState, PartitionStatus, Service, topic};
use serde::Deserialize;

/// `GET /status`.
#[derive(Debug, Deserialize)]
pub(super) struct DojoStatus {
    /// Every instance that has reported.
    pub instances: Vec<Instance>,
    /// The consumer groups, as their live members report them.
    pub groups: Vec<Group>,
    /// The topics; `None` while Kafka is away.
    pub topics: Option<Vec<TopicOffsets>>,
}

/// An instance that has reported.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance {
    /// Its id.
    pub instance_id: String,
    /// Its service.
    pub service: Service,
    /// Its phase.
    pub state: InstanceState,
    /// Whether it reports, and not that it has stopped.
    pub live: bool,
    /// What is asked of it: `running` or `stopped`.
    pub desired: Option<String>,
    /// Why it can't do all of its work.
    pub limitation: Option<String>,
}

/// A consumer group.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    /// Its name.
    pub group: String,
    /// Its live members.
    pub members: Vec<Member>,
}

/// A live member of a consumer group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    /// The instance.
    pub instance_id: String,
    /// What it reads.
    pub partitions: Vec<PartitionStatus>,
}

/// A topic and the ends of its partitions.
#[derive(Debug, Deserialize)]
pub(super) struct TopicOffsets {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: Vec<PartitionEnd>,
}

/// The end of a partition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartitionEnd {
    /// Its number.
    pub partition: i32,
    /// The offset of the oldest record.
    #[serde(default)]
    pub earliest_offset: i64,
    /// The offset of the next record.
    pub end_offset: i64,
    /// Up to where consumers of committed records read, as all of the dojo's do; `None` for a topic without transactions.
    pub last_stable_offset: Option<i64>,
}

/// `GET /topics`.
#[derive(Debug, Deserialize)]
pub(super) struct TopicList {
    /// The topics.
    pub topics: Vec<CommittedTopic>,
}

/// A topic, and how far the consumer groups have committed it.
#[derive(Debug, Deserialize)]
pub(super) struct CommittedTopic {
    /// Its name.
    pub name: String,
    /// The groups that read it.
    pub groups: Vec<CommittedGroup>,
}

/// A consumer group on a topic.
#[derive(Debug, Deserialize)]
pub(super) struct CommittedGroup {
    /// Its name.
    pub group: String,
    /// The partitions that it reads or has committed.
    pub partitions: Vec<CommittedPartition>,
}

/// How far a group has committed a partition.
#[derive(Debug, Deserialize)]
pub(super) struct CommittedPartition {
    /// The partition.
    pub partition: i32,
    /// The committed offset; `None` if none is committed.
    pub position: Option<i64>,
    /// Offsets from there to the end; `None` if that isn't known.
    pub lag: Option<i64>,
}

/// `GET /rebalances`.
#[derive(Debug, Deserialize)]
pub(super) struct RebalanceList {
    /// When the order service looked first. A restart begins again, with other numbers.
    pub since: Option<String>,
    /// The newest rebalances.
    pub rebalances: Vec<Rebalance>,
}

/// A rebalance.
#[derive(Debug, Deserialize)]
pub(super) struct Rebalance {
    /// Its number since the order service started.
    pub id: u64,
    /// The consumer group.
    pub group: String,
}

/// `GET /rules/{name}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleFacts {
    /// The rule's name.
    pub name: String,
    /// The version in force according to its file.
    pub version: String,
    /// Why the file as it stands is not in force.
    pub error: Option<String>,
    /// The shipped rule.
    pub as_shipped: RuleVersion,
    /// The live instances that use the rule.
    pub instances: Vec<RuleInForce>,
}

/// A version of a rule.
#[derive(Debug, Deserialize)]
pub(super) struct RuleVersion {
    /// The version.
    pub version: String,
}

/// The rule that an instance uses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuleInForce {
    /// The instance.
    pub instance_id: String,
    /// The version.
    pub version: Option<String>,
}

impl DojoStatus {
    pub fn members<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Member> {
        self.groups.iter().filter(move |listed| listed.group == group).flat_map(|listed| &listed.members)
    }

    /// Returns whether an instance works, and isn't still starting.
    pub fn is_running(&self, instance: &str) -> bool {
        let is_running = |one: &Instance| one.state == InstanceState::Running;
        self.instances.iter().find(|one| one.instance_id == instance).is_some_and(is_running)
    }

    fn orders(&self) -> Option<&TopicOffsets> {
        self.topics.iter().flatten().find(|listed| listed.name == topic::ORDERS)
    }

    /// Returns where a partition of `orders` ends for a consumer of committed records.
    pub fn end_of_orders(&self, partition: i32) -> Option<i64> {
        let end = self.orders()?.partitions.iter().find(|end| end.partition == partition)?;
        Some(end.last_stable_offset.unwrap_or(end.end_offset))
    }

    /// Returns how many records a partition of `orders` holds.
    pub fn length_of_orders(&self, partition: i32) -> Option<i64> {
        let bounds = self.orders()?.partitions.iter().find(|bounds| bounds.partition == partition)?;
        Some(bounds.end_offset - bounds.earliest_offset)
    }

    pub fn partitions_of_orders(&self) -> Vec<i32> {
        match self.orders() {
            Some(orders) => orders.partitions.iter().map(|end| end.partition).collect(),
            None => {
                let spec = topic::TOPICS.iter().find(|spec| spec.name == topic::ORDERS);
                (0..spec.map_or(0, |spec| spec.partitions)).collect()
            }
        }
    }
}

impl Member {
    pub fn on_orders(&self, partition: i32) -> Option<&PartitionStatus> {
        self.partitions.iter().find(|owned| owned.topic == topic::ORDERS && owned.partition == partition)
    }
}
