//! What a group answers: to its members, and to an operator who looks at it.

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
    /// For the leader: everyone, with what they want it to know. For others: nobody.
    pub(crate) members: Vec<JoinedMember>,
    /// The leader need not share anything out, what was shared out holds.
    pub(crate) skip_assignment: bool,
}

/// A member as the leader gets to know it.
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
    /// With `MEMBER_ID_REQUIRED`, the id to come back with; else the one the consumer came with.
    pub(crate) member_id: String,
}

/// The answer to a SyncGroup request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: String,
    pub(crate) protocol: String,
    pub(crate) assignment: Bytes,
}

/// What a waiter gets.
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
