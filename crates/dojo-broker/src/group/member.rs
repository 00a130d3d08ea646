//! A member of a consumer group, and what it says when it joins.

use bytes::Bytes;
use std::time::{Duration, Instant};

/// What a consumer says when it joins.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    /// Empty at a consumer's first attempt.
    pub(crate) member_id: String,
    /// `group.instance.id`: the consumer wants to be known as the same member after a restart (KIP-345).
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// After how long without a sign of life the member is taken for dead.
    pub(crate) session_timeout: Duration,
    /// How long the member may take to join again when the group rebalances.
    pub(crate) rebalance_timeout: Duration,
    /// `consumer`, or something else for what shares partitions without consuming (Kafka Connect).
    pub(crate) protocol_type: String,
    /// The ways of sharing partitions that the member knows, the preferred one first, each with what it wants its leader to
    /// know: for `range` and others, the topics it subscribes to.
    pub(crate) protocols: Vec<(String, Bytes)>,
    /// The id the member gets if it has none; given here so that the group draws no random numbers itself.
    pub(crate) fresh_id: String,
    /// The consumer expects to be sent away once, with an id to come back with (KIP-394).
    pub(crate) comes_back_with_id: bool,
    /// The consumer understands that it leads and yet has no partitions to share out (KIP-814).
    pub(crate) can_skip_assignment: bool,
}

/// Who a request says it is from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) member_id: &'a str,
    pub(crate) instance_id: Option<&'a str>,
}

/// A consumer the group counts on. `W` is a request that waits for its answer.
#[derive(Debug)]
pub(super) struct Member<W> {
    pub(super) id: String,
    pub(super) instance_id: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) session_timeout: Duration,
    pub(super) rebalance_timeout: Duration,
    pub(super) protocols: Vec<(String, Bytes)>,
    /// What the leader gave it, in a form that only the consumers understand.
    pub(super) assignment: Bytes,
    /// Its JoinGroup request, while the group gathers.
    pub(super) joining: Option<W>,
    /// Its SyncGroup request, while the leader shares out the partitions.
    pub(super) syncing: Option<W>,
    /// When it is taken for dead, unless it is heard of before, or is itself kept waiting.
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

    /// While its own request waits for the others, a member cannot give signs of life, and need not.
    pub(super) fn is_waiting(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    pub(super) fn knows(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }

    /// What the member wants its leader to know under this protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols
            .iter()
            .find(|(name, _)| name == protocol)
            .map(|(_, data)| data.clone())
            .unwrap_or_default()
    }
}
