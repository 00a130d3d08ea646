//! What a consumer loop is asked to do.

use crate::{Instance, SettingsFollower};
use std::time::Duration;

/// The topics to consume, how, and within which bounds.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// The consumer group.
    pub group: String,
    /// The topics to subscribe to.
    pub topics: Vec<&'static str>,
    /// The instance that consumes.
    pub instance: Instance,
    /// Whether the member is static (KIP-345): its place in the group waits for its successor for a session, and a process
    /// with the same id takes over at once. Applies only to an instance that is named.
    pub is_static: bool,
    /// Whether the handler needs every partition of its topic. Then the loop doesn't read a share for a session and a
    /// margin, in case the group keeps the rest for a member that is gone.
    pub needs_every_partition: bool,
    /// The settings that say whether the instance is to work; without them it works.
    pub settings: Option<SettingsFollower>,
    /// Whether the settings also choose the guarantee; otherwise it is at least once.
    pub has_guarantee: bool,
    /// How many sends may be unacknowledged at a time under at-least-once delivery.
    pub max_in_flight: usize,
    /// How many records of one partition the handler may hold back before the partition is paused.
    pub max_buffered: usize,
    /// How long to wait for acknowledgements before giving up partitions.
    pub drain: Duration,
    /// How often offsets are committed under at-least-once delivery.
    pub commit_every: Duration,
}

impl ConsumerOptions {
    /// Returns the options of a dynamic member with at-least-once delivery, within bounds that suit the dojo.
    pub fn new(group: impl Into<String>, topics: &[&'static str], instance: &Instance) -> Self {
        Self {
            group: group.into(),
            topics: topics.to_vec(),
            instance: instance.clone(),
            is_static: false,
            needs_every_partition: false,
            settings: None,
            has_guarantee: false,
            max_in_flight: 10_000,
            max_buffered: 20_000,
            drain: Duration::from_secs(3),
            commit_every: Duration::from_millis(100),
        }
    }

    /// Returns the `group.instance.id` of a static member.
    pub(super) fn group_instance_id(&self) -> Option<&str> {
        (self.is_static && self.instance.is_named).then_some(self.instance.id.as_str())
    }
}
