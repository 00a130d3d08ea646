//! The broker's answers: one file for each family of requests.
//!
//! Each function turns a decoded request into its answer. An answer has the fields of the newest version that
//! [`api`](crate::api) lists. Encoding drops the fields that an older version doesn't have, but fails on some
//! of them if they are set, which is why a few functions look at [`Caller::version`]. The test
//! `every_version` tries every request in every version.

mod acls;
pub(crate) mod api_versions;
mod authorized;
mod broker_configs;
mod caller;
mod cluster;
mod config_changes;
mod config_docs;
mod config_entries;
mod configs;
mod delete_records;
mod fetch;
mod fields;
mod group_admin;
mod group_membership;
mod group_offsets;
mod leader_epochs;
mod leaders;
mod log_dirs;
mod metadata;
mod offset_delete;
mod offsets;
mod partitions;
mod produce;
mod producer_id;
mod reassignments;
mod topic_partitions;
mod topics;
mod transactions;
mod transactions_admin;

use crate::node::Node;
pub(crate) use caller::{Answer, Caller};
use kafka_protocol::messages::{RequestKind, ResponseKind};

/// Answers a request.
pub(crate) async fn answer(node: &Node, caller: &Caller, request: RequestKind) -> Answer {
    Answer::Reply(match request {
        RequestKind::ApiVersions(request) => {
            ResponseKind::ApiVersions(api_versions::answer(caller, &request))
        }
        RequestKind::Metadata(request) => ResponseKind::Metadata(metadata::metadata(node, caller, request)),
        RequestKind::Produce(request) => return produce::produce(node, caller, request).await,
        RequestKind::Fetch(request) => ResponseKind::Fetch(fetch::fetch(node, caller, &request).await),
        RequestKind::ListOffsets(request) => {
            ResponseKind::ListOffsets(offsets::list_offsets(node, caller, request))
        }
        RequestKind::OffsetForLeaderEpoch(request) => {
            ResponseKind::OffsetForLeaderEpoch(leader_epochs::offset_for_leader_epoch(node, request))
        }
        RequestKind::InitProducerId(request) => {
            ResponseKind::InitProducerId(producer_id::init_producer_id(node, caller, &request))
        }
        RequestKind::AddPartitionsToTxn(request) => {
            ResponseKind::AddPartitionsToTxn(transactions::add_partitions_to_txn(node, caller, request))
        }
        RequestKind::AddOffsetsToTxn(request) => {
            ResponseKind::AddOffsetsToTxn(transactions::add_offsets_to_txn(node, caller, &request))
        }
        RequestKind::TxnOffsetCommit(request) => {
            ResponseKind::TxnOffsetCommit(transactions::txn_offset_commit(node, caller, &request))
        }
        RequestKind::EndTxn(request) => ResponseKind::EndTxn(transactions::end_txn(node, caller, &request)),
        RequestKind::DescribeProducers(request) => {
            ResponseKind::DescribeProducers(transactions_admin::describe_producers(node, request))
        }
        RequestKind::DescribeTransactions(request) => {
            ResponseKind::DescribeTransactions(transactions_admin::describe_transactions(node, request))
        }
        RequestKind::ListTransactions(request) => {
            ResponseKind::ListTransactions(transactions_admin::list_transactions(node, &request))
        }
        RequestKind::FindCoordinator(request) => {
            ResponseKind::FindCoordinator(cluster::find_coordinator(caller, request))
        }
        RequestKind::DescribeCluster(request) => {
            ResponseKind::DescribeCluster(cluster::describe_cluster(node, caller, &request))
        }
        RequestKind::JoinGroup(request) => {
            ResponseKind::JoinGroup(group_membership::join_group(node, caller, request).await)
        }
        RequestKind::SyncGroup(request) => {
            ResponseKind::SyncGroup(group_membership::sync_group(node, caller, request).await)
        }
        RequestKind::Heartbeat(request) => {
            ResponseKind::Heartbeat(group_membership::heartbeat(node, &request))
        }
        RequestKind::LeaveGroup(request) => {
            ResponseKind::LeaveGroup(group_membership::leave_group(node, caller, request))
        }
        RequestKind::OffsetCommit(request) => {
            ResponseKind::OffsetCommit(group_offsets::offset_commit(node, caller, request))
        }
        RequestKind::OffsetFetch(request) => {
            ResponseKind::OffsetFetch(group_offsets::offset_fetch(node, caller, request))
        }
        RequestKind::ListGroups(request) => {
            ResponseKind::ListGroups(group_admin::list_groups(node, &request))
        }
        RequestKind::DescribeGroups(request) => {
            ResponseKind::DescribeGroups(group_admin::describe_groups(node, caller, request))
        }
        RequestKind::DeleteGroups(request) => {
            ResponseKind::DeleteGroups(group_admin::delete_groups(node, request))
        }
        RequestKind::OffsetDelete(request) => {
            ResponseKind::OffsetDelete(offset_delete::offset_delete(node, request))
        }
        RequestKind::CreateTopics(request) => {
            ResponseKind::CreateTopics(topics::create_topics(node, request))
        }
        RequestKind::DeleteTopics(request) => {
            ResponseKind::DeleteTopics(topics::delete_topics(node, caller, request))
        }
        RequestKind::CreatePartitions(request) => {
            ResponseKind::CreatePartitions(partitions::create_partitions(node, request))
        }
        RequestKind::DescribeTopicPartitions(request) => {
            ResponseKind::DescribeTopicPartitions(topic_partitions::describe_topic_partitions(node, request))
        }
        RequestKind::DeleteRecords(request) => {
            ResponseKind::DeleteRecords(delete_records::delete_records(node, request))
        }
        RequestKind::DescribeLogDirs(request) => {
            ResponseKind::DescribeLogDirs(log_dirs::describe_log_dirs(node, request))
        }
        RequestKind::DescribeConfigs(request) => {
            ResponseKind::DescribeConfigs(configs::describe_configs(node, caller, request))
        }
        RequestKind::ListConfigResources(request) => {
            ResponseKind::ListConfigResources(configs::list_config_resources(node, caller, &request))
        }
        RequestKind::AlterConfigs(request) => {
            ResponseKind::AlterConfigs(config_changes::alter_configs(node, request))
        }
        RequestKind::IncrementalAlterConfigs(request) => {
            ResponseKind::IncrementalAlterConfigs(config_changes::incremental_alter_configs(node, request))
        }
        RequestKind::ElectLeaders(request) => {
            ResponseKind::ElectLeaders(leaders::elect_leaders(node, request))
        }
        RequestKind::AlterPartitionReassignments(request) => ResponseKind::AlterPartitionReassignments(
            reassignments::alter_partition_reassignments(node, request),
        ),
        RequestKind::ListPartitionReassignments(_) => {
            ResponseKind::ListPartitionReassignments(reassignments::list_partition_reassignments())
        }
        RequestKind::DescribeAcls(_) => ResponseKind::DescribeAcls(acls::describe_acls()),
        RequestKind::CreateAcls(request) => ResponseKind::CreateAcls(acls::create_acls(&request)),
        RequestKind::DeleteAcls(request) => ResponseKind::DeleteAcls(acls::delete_acls(&request)),
        other => return Answer::HangUp(format!("no handler for {other:?}")),
    })
}
