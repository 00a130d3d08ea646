//! A member of a consumer group, and its JoinGroup request.

use bytes::Bytes;
use std::time::{Duration, Instant};

/// A JoinGroup request.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    /// Empty at a consumer's first attempt.
    pub(crate) member_id: String,
    /// `group.instance.id`: the consumer wants to be known as the same member after a restart (KIP-345).
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// A member that sends no heartbeat for this long is considered dead.
    pub(crate) session_timeout: Duration,
    /// How long the member may take to join again when the group rebalances.
    pub(crate) rebalance_timeout: Duration,
    /// `consumer`, or another type, as for Kafka Connect's workers.
    pub(crate) protocol_type: String,
    /// The assignment protocols that the member knows, the preferred one first, each with metadata for the
    /// leader: for `range` and others, the topics that it subscribes to.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The id of a new member. The caller chooses it, so that the group draws no random numbers.
    pub(crate) fresh_id: String,
    /// The consumer expects a first refusal with an id to come back with (KIP-394).
    pub(crate) comes_back_with_id: bool,
    /// The consumer understands that it can be the leader without having to assign partitions (KIP-814).
    pub(crate) can_skip_assignment: bool,
}

/// The member that a request says it is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
}

/// A member of a group. `W` is a request that waits for its answer.
#[derive(Debug)]
pub(super) struct Member<W> {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<(String, Bytes)>,
    /// The assignment from the leader, in a form that only the consumers understand.
    pub(super) assignment: Bytes,
    /// Its JoinGroup request, while the group waits for its members.
    pub(super) joining: Option<W>,
    /// Its SyncGroup request, while the group waits for the leader's assignment.
    pub(super) syncing: Option<W>,
    /// When its session ends, unless it sends a heartbeat before or has a request that waits.
    pub(super) expires: Instant,
}

impl<W> Member<W> {
    pub(super) fn new(id: String, join: &Join, now: Instant) -> Self {
        Self {
            id,
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            expires: now + join.session_timeout,
        }
    }

    pub(super) fn update(&mut self, join: &Join) {
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
        self.protocols.clone_from(&join.protocols);
    }

    pub(super) fn heard_of(&mut self, now: Instant) {
        self.expires = now + self.session_timeout;
    }

    /// A member can't send heartbeats while its own request waits, and need not.
    pub(super) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    pub(super) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// Returns the member's metadata for the leader under this protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, data)| data.clone())
            .unwrap_or_default()
    }
}
