//! Answers of a group, to its members and to an operator.

use super::state::State;
use bytes::Bytes;
use kafka_protocol::ResponseError;

/// The answer to a JoinGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) generation: i32,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) leader: String,
    pub(crate) member_id: String,
    /// All members, with their metadata, if the answer goes to the leader; else empty.
    pub(crate) members: Vec<JoinedMember>,
    /// The leader need not assign partitions: the present assignment holds.
    pub(crate) skip_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JoinedMember {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) metadata: Bytes,
}

/// A JoinGroup request that was not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotJoined {
    pub(crate) error: ResponseError,
    /// With `MEMBER_ID_REQUIRED`, the id to come back with; else the id that the consumer sent.
    pub(crate) member_id: String,
}

/// The answer to a SyncGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) assignment: Bytes,
}

/// The answer to a request that waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Join(Result<Joined, NotJoined>),
    Sync(Result<Synced, ResponseError>),
}

/// A group as an operator sees it.
#[derive(Debug)]
pub(crate) struct Description {
    pub(crate) state: State,
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) members: Vec<MemberDescription>,
}

/// A member as an operator sees it.
#[derive(Debug)]
pub(crate) struct MemberDescription {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) metadata: Bytes,
    pub(crate) assignment: Bytes,
}
