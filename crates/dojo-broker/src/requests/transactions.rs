//! AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit and EndTxn: everything that a producer does in a
//! transaction except writing. This file translates the requests for [`transaction`](crate::transaction).

use super::{caller::Caller, fields::code, group_membership::identity, group_offsets::MAX_METADATA};
use crate::{
    clock::now_ms,
    group::{Committed, Group, coordinator::Waiter},
    markers,
    node::Node,
    transaction::{Producer, Protocol},
};
use kafka_protocol::{
    ResponseError,
    messages::{
        AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
        AddPartitionsToTxnResponse, EndTxnRequest, EndTxnResponse, ProducerId, TxnOffsetCommitRequest,
        TxnOffsetCommitResponse,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
        add_partitions_to_txn_response::{
            AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
        },
        txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
        txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic},
    },
};

/// From this version of these requests on, a producer understands that it is fenced.
const UNDERSTANDS_FENCED: i16 = 2;
/// From this version on, one request adds partitions to several transactions.
const SEVERAL_TRANSACTIONS: i16 = 4;
/// From this version on, committing offsets adds them to the transaction (KIP-890).
const ADDS_OFFSETS: i16 = 5;
/// From this version on, a producer understands that it should abort its transaction and can then go on.
const UNDERSTANDS_ABORTABLE: i16 = 4;
/// From this version on, the end of a transaction raises the producer's epoch (KIP-890).
const RAISES_EPOCH: i16 = 5;

/// Returns the error as old clients expect it, which don't know the code for being fenced.
pub(super) fn for_old_clients(error: ResponseError, understands_fenced: bool) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if !understands_fenced => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}

/// Returns the error for a client that writes in a transaction.
pub(super) fn for_writers(error: ResponseError, understands_abortable: bool) -> ResponseError {
    match error {
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        ResponseError::TransactionAbortable if !understands_abortable => ResponseError::InvalidTxnState,
        other => other,
    }
}

pub(super) fn add_partitions_to_txn(
    node: &Node,
    caller: &Caller,
    request: AddPartitionsToTxnRequest,
) -> AddPartitionsToTxnResponse {
    if caller.version >= SEVERAL_TRANSACTIONS {
        let results = request.transactions.into_iter().map(|transaction| {
            let topics = add(node, caller, &transaction);
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id)
                .with_topic_results(topics)
        });
        return AddPartitionsToTxnResponse::default().with_results_by_transaction(results.collect());
    }
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(request.v3_and_below_transactional_id)
        .with_producer_id(request.v3_and_below_producer_id)
        .with_producer_epoch(request.v3_and_below_producer_epoch)
        .with_topics(request.v3_and_below_topics);
    AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(add(node, caller, &transaction))
}

/// Adds the partitions to the transaction, all or none. If the request only asks, says which partitions are
/// in it.
fn add(
    node: &Node,
    caller: &Caller,
    wanted: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let producer = Producer { id: *wanted.producer_id, epoch: wanted.producer_epoch };
    let exists = |topic: &str, index: i32| node.topics.has_partition(topic, index);
    let all = || {
        wanted.topics.iter().flat_map(|topic| topic.partitions.iter().map(|index| (&*topic.name.0, *index)))
    };
    if !all().all(|(topic, index)| exists(topic, index)) {
        return answer(&wanted.topics, |topic, index| {
            Err(if exists(topic, index) {
                ResponseError::OperationNotAttempted
            } else {
                ResponseError::UnknownTopicOrPartition
            })
        });
    }
    let outcome = node.transactions.with_known(&wanted.transactional_id, |transaction| {
        if wanted.verify_only {
            return Ok(answer(&wanted.topics, |topic, index| {
                transaction.check_partition(producer, topic, index)
            }));
        }
        let partitions = all().map(|(topic, index)| (topic.to_string(), index));
        transaction.add_partitions(producer, partitions, now_ms())?;
        Ok(answer(&wanted.topics, |_, _| Ok(())))
    });
    outcome.unwrap_or_else(|error| {
        let error = for_old_clients(error, caller.version >= UNDERSTANDS_FENCED);
        answer(&wanted.topics, |_, _| Err(error))
    })
}

fn answer(
    topics: &[AddPartitionsToTxnTopic],
    outcome: impl Fn(&str, i32) -> Result<(), ResponseError>,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topic = |topic: &AddPartitionsToTxnTopic| {
        let partition = |index: &i32| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code(outcome(&topic.name, *index)))
        };
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(topic.partitions.iter().map(partition).collect())
    };
    topics.iter().map(topic).collect()
}

pub(super) fn add_offsets_to_txn(
    node: &Node,
    caller: &Caller,
    request: &AddOffsetsToTxnRequest,
) -> AddOffsetsToTxnResponse {
    let producer = Producer { id: *request.producer_id, epoch: request.producer_epoch };
    let outcome = node.transactions.with_known(&request.transactional_id, |transaction| {
        transaction.add_group(producer, &request.group_id, now_ms())
    });
    let outcome = outcome.map_err(|error| for_old_clients(error, caller.version >= UNDERSTANDS_FENCED));
    AddOffsetsToTxnResponse::default().with_error_code(code(outcome))
}

pub(super) fn txn_offset_commit(
    node: &Node,
    caller: &Caller,
    request: &TxnOffsetCommitRequest,
) -> TxnOffsetCommitResponse {
    let exists = |topic: &str, index: i32| {
        let exists = node.topics.has_partition(topic, index);
        if exists { Ok(()) } else { Err(ResponseError::UnknownTopicOrPartition) }
    };
    let outcome = if request.group_id.is_empty() {
        Err(ResponseError::InvalidGroupId)
    } else {
        commit_all(node, caller, request, exists)
    };
    let topics = outcome.unwrap_or_else(|error| {
        answer_offsets(&request.topics, |topic, partition| {
            exists(topic, partition.partition_index).and(Err(error))
        })
    });
    TxnOffsetCommitResponse::default().with_topics(topics)
}

fn commit_all(
    node: &Node,
    caller: &Caller,
    request: &TxnOffsetCommitRequest,
    exists: impl Fn(&str, i32) -> Result<(), ResponseError>,
) -> Result<Vec<TxnOffsetCommitResponseTopic>, ResponseError> {
    let producer = Producer { id: *request.producer_id, epoch: request.producer_epoch };
    let identity = identity(&request.member_id, request.group_instance_id.as_ref());
    let commit_all = |group: &mut Group<Waiter>| {
        let allowed = group.may_commit_in_transaction(&identity, request.generation_id);
        answer_offsets(&request.topics, |topic, partition| {
            exists(topic, partition.partition_index)?;
            allowed?;
            let committed = committed(partition)?;
            group.commit_in_transaction(producer.id, topic, partition.partition_index, committed);
            Ok(())
        })
    };
    // Offsets of unknown partitions create no group.
    let is_there = |topic: &TxnOffsetCommitRequestTopic| {
        topic.partitions.iter().any(|partition| exists(&topic.name, partition.partition_index).is_ok())
    };
    let outcome = node.transactions.with_known(&request.transactional_id, |transaction| {
        if caller.version >= ADDS_OFFSETS {
            transaction.add_group(producer, &request.group_id, now_ms())?;
        } else {
            transaction.check_group(producer, &request.group_id)?;
        }
        if request.generation_id < 0 && request.topics.iter().any(is_there) {
            // A client that picks its own partitions only keeps its offsets here, which creates the group.
            let group = node.groups.with(&request.group_id, commit_all);
            return group.ok_or(ResponseError::PolicyViolation);
        }
        let known = node.groups.with_known(&request.group_id, commit_all);
        known.ok_or(ResponseError::IllegalGeneration)
    });
    outcome.map_err(|error| for_writers(error, caller.version >= UNDERSTANDS_ABORTABLE))
}

fn committed(partition: &TxnOffsetCommitRequestPartition) -> Result<Committed, ResponseError> {
    let metadata = partition.committed_metadata.as_ref();
    if metadata.is_some_and(|metadata| metadata.len() > MAX_METADATA) {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: metadata.map(ToString::to_string),
    })
}

fn answer_offsets(
    topics: &[TxnOffsetCommitRequestTopic],
    mut outcome: impl FnMut(&str, &TxnOffsetCommitRequestPartition) -> Result<(), ResponseError>,
) -> Vec<TxnOffsetCommitResponseTopic> {
    let mut answers = Vec::with_capacity(topics.len());
    for topic in topics {
        let partitions = topic.partitions.iter().map(|partition| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code(outcome(&topic.name, partition)))
        });
        let partitions = partitions.collect();
        answers.push(
            TxnOffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions),
        );
    }
    answers
}

pub(super) fn end_txn(node: &Node, caller: &Caller, request: &EndTxnRequest) -> EndTxnResponse {
    let producer = Producer { id: *request.producer_id, epoch: request.producer_epoch };
    let protocol = if caller.version >= RAISES_EPOCH { Protocol::Second } else { Protocol::First };
    let outcome = node.transactions.with_known(&request.transactional_id, |transaction| {
        let now_ms = now_ms();
        let fresh_id = || node.transactions.next_producer_id();
        let ended = transaction.end(producer, request.committed, protocol, fresh_id, now_ms)?;
        if let Some(ending) = &ended.ending {
            markers::write(node, ending, now_ms);
        }
        Ok(ended.producer)
    });
    match outcome {
        Ok(producer) if protocol == Protocol::Second => EndTxnResponse::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Ok(_) => EndTxnResponse::default(),
        Err(error) => EndTxnResponse::default()
            .with_error_code(for_old_clients(error, caller.version >= UNDERSTANDS_FENCED).code()),
    }
}
