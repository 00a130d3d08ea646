//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup: membership of consumer groups. This file translates them
//! for [`group`](crate::group).

use super::{
    caller::Caller,
    fields::{code, text},
};
use crate::{
    group::{Identity, Join, Joined, JoinedMember, NotJoined, Reply, Sync, Synced},
    node::Node,
};
use bytes::Bytes;
use kafka_protocol::{
    ResponseError,
    messages::{
        HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
        LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
        join_group_response::JoinGroupResponseMember, leave_group_request::MemberIdentity,
        leave_group_response::MemberResponse,
    },
    protocol::StrBytes,
};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use uuid::Uuid;

/// From this version on, a consumer comes back with the id that it gets (KIP-394).
const COMES_BACK_WITH_ID: i16 = 4;
/// From this version on, the answer can omit the protocol's name.
const NULLABLE_PROTOCOL: i16 = 7;
/// From this version on, a leader understands that it need not assign partitions (KIP-814).
const CAN_SKIP_ASSIGNMENT: i16 = 9;
/// From this version on, a member names its protocol in SyncGroup.
const NAMES_PROTOCOL: i16 = 5;
/// From this version on, several members leave with one request.
const LEAVES_TOGETHER: i16 = 3;
const NO_GENERATION: i32 = -1;

pub(super) fn identity<'a>(member_id: &'a str, instance_id: Option<&'a StrBytes>) -> Identity<'a> {
    Identity { member_id, instance_id: instance_id.map(StrBytes::as_str) }
}

fn millis(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

pub(super) async fn join_group(node: &Node, caller: &Caller, request: JoinGroupRequest) -> JoinGroupResponse {
    let outcome = join(node, caller, request).await;
    let no_protocol = (caller.version < NULLABLE_PROTOCOL).then(StrBytes::new);
    match outcome {
        Ok(joined) => JoinGroupResponse::default()
            .with_generation_id(joined.generation)
            .with_protocol_type(Some(text(joined.protocol_type)))
            .with_protocol_name(Some(text(joined.protocol)))
            .with_leader(text(joined.leader))
            .with_skip_assignment(joined.skip_assignment)
            .with_member_id(text(joined.member_id))
            .with_members(joined.members.into_iter().map(member).collect()),
        Err(refused) => JoinGroupResponse::default()
            .with_error_code(refused.error.code())
            .with_generation_id(NO_GENERATION)
            .with_protocol_name(no_protocol)
            .with_member_id(text(refused.member_id)),
    }
}

fn member(member: JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember::default()
        .with_member_id(text(member.id))
        .with_group_instance_id(member.instance_id.map(text))
        .with_metadata(member.metadata)
}

async fn join(node: &Node, caller: &Caller, request: JoinGroupRequest) -> Result<Joined, NotJoined> {
    let refused = |error| NotJoined { error, member_id: request.member_id.to_string() };
    if request.group_id.is_empty() {
        return Err(refused(ResponseError::InvalidGroupId));
    }
    let session_timeout = millis(request.session_timeout_ms);
    if session_timeout < node.config.min_session_timeout || session_timeout > node.config.max_session_timeout
    {
        return Err(refused(ResponseError::InvalidSessionTimeout));
    }
    // The first version has only one timeout.
    let rebalance_timeout =
        if caller.version == 0 { session_timeout } else { millis(request.rebalance_timeout_ms) };
    let instance_id = request.group_instance_id.as_ref().map(ToString::to_string);
    let stem = instance_id.as_deref().unwrap_or(&caller.client_id);
    let protocols = request.protocols.iter();
    let join = Join {
        member_id: request.member_id.to_string(),
        fresh_id: format!("{stem}-{}", Uuid::new_v4()),
        instance_id,
        client_id: caller.client_id.clone(),
        client_host: format!("/{}", caller.host),
        session_timeout,
        rebalance_timeout,
        protocol_type: request.protocol_type.to_string(),
        // Copied, since a slice would keep the whole request in memory.
        protocols: protocols
            .map(|known| (known.name.to_string(), Bytes::copy_from_slice(&known.metadata)))
            .collect(),
        comes_back_with_id: caller.version >= COMES_BACK_WITH_ID,
        can_skip_assignment: caller.version >= CAN_SKIP_ASSIGNMENT,
    };
    let (waiter, reply) = oneshot::channel();
    let now = Instant::now();
    if join.member_id.is_empty() {
        let joining = node.groups.with(&request.group_id, |group| group.join(waiter, &join, now));
        joining.ok_or_else(|| refused(ResponseError::PolicyViolation))?;
    } else {
        // A member that has an id has joined before; only newcomers create groups.
        let joining = node.groups.with_known(&request.group_id, |group| group.join(waiter, &join, now));
        joining.ok_or_else(|| refused(ResponseError::UnknownMemberId))?;
    }
    match reply.await {
        Ok(Reply::Join(outcome)) => outcome,
        // The broker was stopped and served again in between.
        _ => Err(refused(ResponseError::CoordinatorNotAvailable)),
    }
}

pub(super) async fn sync_group(node: &Node, caller: &Caller, request: SyncGroupRequest) -> SyncGroupResponse {
    match sync(node, caller, &request).await {
        Ok(synced) => SyncGroupResponse::default()
            .with_protocol_type(Some(text(synced.protocol_type)))
            .with_protocol_name(Some(text(synced.protocol)))
            .with_assignment(synced.assignment),
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}

async fn sync(node: &Node, caller: &Caller, request: &SyncGroupRequest) -> Result<Synced, ResponseError> {
    if request.group_id.is_empty() {
        return Err(ResponseError::InvalidGroupId);
    }
    if caller.version >= NAMES_PROTOCOL
        && (request.protocol_type.is_none() || request.protocol_name.is_none())
    {
        return Err(ResponseError::InconsistentGroupProtocol);
    }
    let assignments = request.assignments.iter();
    let sync = Sync {
        identity: identity(&request.member_id, request.group_instance_id.as_ref()),
        generation: request.generation_id,
        protocol_type: request.protocol_type.as_deref(),
        protocol: request.protocol_name.as_deref(),
        assignments: assignments
            .map(|part| (part.member_id.to_string(), Bytes::copy_from_slice(&part.assignment)))
            .collect(),
    };
    let (waiter, reply) = oneshot::channel();
    let syncing = node.groups.with_known(&request.group_id, |group| group.sync(waiter, sync, Instant::now()));
    syncing.ok_or(ResponseError::UnknownMemberId)?;
    match reply.await {
        Ok(Reply::Sync(outcome)) => outcome,
        _ => Err(ResponseError::CoordinatorNotAvailable),
    }
}

pub(super) fn heartbeat(node: &Node, request: &HeartbeatRequest) -> HeartbeatResponse {
    let identity = identity(&request.member_id, request.group_instance_id.as_ref());
    let unknown = if request.group_id.is_empty() {
        ResponseError::InvalidGroupId
    } else {
        ResponseError::UnknownMemberId
    };
    let outcome = node.groups.with_known(&request.group_id, |group| {
        group.heartbeat(&identity, request.generation_id, Instant::now())
    });
    HeartbeatResponse::default().with_error_code(code(outcome.unwrap_or(Err(unknown))))
}

pub(super) fn leave_group(node: &Node, caller: &Caller, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if request.group_id.is_empty() {
        return LeaveGroupResponse::default().with_error_code(ResponseError::InvalidGroupId.code());
    }
    let together = caller.version >= LEAVES_TOGETHER;
    let members = if together {
        request.members
    } else {
        vec![MemberIdentity::default().with_member_id(request.member_id)]
    };
    let leave = |member: &MemberIdentity| {
        let identity = identity(&member.member_id, member.group_instance_id.as_ref());
        let outcome =
            node.groups.with_known(&request.group_id, |group| group.leave(&identity, Instant::now()));
        code(outcome.unwrap_or(Err(ResponseError::UnknownMemberId)))
    };
    let codes: Vec<i16> = members.iter().map(leave).collect();
    if !together {
        return LeaveGroupResponse::default().with_error_code(codes.first().copied().unwrap_or(0));
    }
    let answers = members.into_iter().zip(codes).map(|(member, code)| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(code)
    });
    LeaveGroupResponse::default().with_members(answers.collect())
}
