//! ListGroups, DescribeGroups and DeleteGroups: groups as an operator sees them.

use super::{
    authorized,
    caller::Caller,
    fields::{code, text},
};
use crate::{
    group::{Description, MemberDescription, State},
    node::Node,
};
use kafka_protocol::{
    ResponseError,
    messages::{
        DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse, GroupId,
        ListGroupsRequest, ListGroupsResponse,
        delete_groups_response::DeletableGroupResult,
        describe_groups_response::{DescribedGroup, DescribedGroupMember},
        list_groups_response::ListedGroup,
    },
    protocol::StrBytes,
};

/// The only type of group here; the newer type is `consumer` (KIP-848).
const CLASSIC: &str = "classic";
/// From this version on, an unknown group is an error; before, it is a dead group.
const UNKNOWN_IS_ERROR: i16 = 6;

pub(super) fn list_groups(node: &Node, request: &ListGroupsRequest) -> ListGroupsResponse {
    let passes = |filter: &[StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|wanted| wanted.eq_ignore_ascii_case(value))
    };
    let mut groups = Vec::new();
    node.groups.with_each(|name, group| {
        let state = group.state().name();
        if passes(&request.states_filter, state) && passes(&request.types_filter, CLASSIC) {
            groups.push(
                ListedGroup::default()
                    .with_group_id(GroupId(text(name)))
                    .with_protocol_type(text(group.protocol_type()))
                    .with_group_state(text(state))
                    .with_group_type(text(CLASSIC)),
            );
        }
    });
    ListGroupsResponse::default().with_groups(groups)
}

pub(super) fn describe_groups(
    node: &Node,
    caller: &Caller,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|name| {
        let described = match node.groups.with_known(&name, |group| group.describe()) {
            Some(description) => describe(description),
            None => {
                let dead = DescribedGroup::default().with_group_state(text(State::Dead.name()));
                if caller.version < UNKNOWN_IS_ERROR {
                    dead
                } else {
                    dead.with_error_code(ResponseError::GroupIdNotFound.code())
                        .with_error_message(Some(text(format!("Group {} not found.", &*name))))
                }
            }
        };
        let asked = request.include_authorized_operations;
        described
            .with_group_id(name)
            .with_authorized_operations(authorized::shown(authorized::ON_GROUP, asked))
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn describe(group: Description) -> DescribedGroup {
    let member = |member: MemberDescription| {
        DescribedGroupMember::default()
            .with_member_id(text(member.id))
            .with_group_instance_id(member.instance_id.map(text))
            .with_client_id(text(member.client_id))
            .with_client_host(text(member.client_host))
            .with_member_metadata(member.metadata)
            .with_member_assignment(member.assignment)
    };
    DescribedGroup::default()
        .with_group_state(text(group.state.name()))
        .with_protocol_type(text(group.protocol_type))
        .with_protocol_data(text(group.protocol))
        .with_members(group.members.into_iter().map(member).collect())
}

pub(super) fn delete_groups(node: &Node, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    // A group that is named twice is deleted and answered once.
    let mut names: Vec<GroupId> = request.groups_names;
    names.sort();
    names.dedup();
    let results = names.into_iter().map(|name| {
        let deleted = node.groups.delete(&name);
        DeletableGroupResult::default().with_error_code(code(deleted)).with_group_id(name)
    });
    DeleteGroupsResponse::default().with_results(results.collect())
}
