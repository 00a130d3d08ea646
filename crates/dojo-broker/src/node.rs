//! The broker's state: its topics with their records, its groups, and its transactional ids.

use crate::{
    config::Config, error::Error, group::coordinator::Coordinator, missing_topics::MissingTopics,
    topic_config::TopicSettings, topics::Topics, transaction,
};
use uuid::Uuid;

/// The state that all connections share.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    /// A random id: a broker that is started again is another, empty cluster.
    pub(crate) cluster_id: String,
    pub(crate) topics: Topics,
    pub(crate) missing_topics: MissingTopics,
    pub(crate) groups: Coordinator,
    pub(crate) transactions: transaction::coordinator::Coordinator,
}

impl Node {
    pub(crate) fn new(config: Config) -> Result<Self, Error> {
        let topics = Topics::default();
        for topic in &config.topics {
            let refused = |reason: String| Error::Topic { name: topic.name.clone(), reason };
            let settings =
                TopicSettings::new(topic.config.clone()).map_err(|refusal| refused(refusal.message))?;
            let partitions = usize::try_from(topic.partitions).ok().filter(|partitions| *partitions > 0);
            let partitions = partitions.ok_or_else(|| {
                refused(format!("{} partitions, where at least 1 is needed", topic.partitions))
            })?;
            topics
                .create(&topic.name, partitions, settings, config.retention_bytes_per_partition)
                .map_err(|refusal| refused(refusal.message))?;
        }
        Ok(Self {
            groups: Coordinator::new(config.initial_rebalance_delay),
            transactions: transaction::coordinator::Coordinator::default(),
            cluster_id: Uuid::new_v4().simple().to_string(),
            missing_topics: MissingTopics::default(),
            topics,
            config,
        })
    }
}
