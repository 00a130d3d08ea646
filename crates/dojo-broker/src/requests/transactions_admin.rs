//! DescribeProducers, DescribeTransactions and ListTransactions: transactions as an operator sees them,
//! especially one that hangs and keeps consumers of committed records waiting (KIP-664).

use super::fields::{text, topic_name};
use crate::{clock::now_ms, log::ActiveProducer, node::Node, transaction::Transaction};
use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeProducersRequest, DescribeProducersResponse, DescribeTransactionsRequest,
        DescribeTransactionsResponse, ListTransactionsRequest, ListTransactionsResponse, ProducerId,
        TransactionalId,
        describe_producers_request::TopicRequest,
        describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
        describe_transactions_response::{TopicData, TransactionState},
        list_transactions_response::TransactionState as ListedTransaction,
    },
};
use regex::Regex;

/// Kafka's names for the states of a transaction. The last four never occur here.
const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "CompleteCommit",
    "CompleteAbort",
    "PrepareCommit",
    "PrepareAbort",
    "PrepareEpochFence",
    "Dead",
];
/// Kafka keeps groups' offsets in partitions of a topic, and shows a group in a transaction as the partition
/// it is in. This broker has no such topic, but shows operators what they know from Kafka.
const OFFSETS_TOPIC: &str = "__consumer_offsets";
const OFFSETS_PARTITIONS: i32 = 50;
const NO_OFFSET: i64 = -1;

pub(super) fn describe_producers(
    node: &Node,
    request: DescribeProducersRequest,
) -> DescribeProducersResponse {
    let now_ms = now_ms();
    let topics = request.topics.into_iter().map(|wanted: TopicRequest| {
        let topic = node.topics.get(&wanted.name);
        let partition = |index: i32| {
            let response = PartitionResponse::default().with_partition_index(index);
            match topic.as_ref().and_then(|topic| topic.partition(index)) {
                Some(partition) => {
                    let active = partition.look(|log| log.active_producers(now_ms));
                    response.with_active_producers(active.into_iter().map(describe_producer).collect())
                }
                None => response.with_error_code(ResponseError::UnknownTopicOrPartition.code()),
            }
        };
        let partitions = wanted.partition_indexes.into_iter().map(partition).collect();
        TopicResponse::default().with_name(wanted.name).with_partitions(partitions)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn describe_producer(producer: ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(i32::from(producer.epoch))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.heard_ms)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction.unwrap_or(NO_OFFSET))
}

pub(super) fn describe_transactions(
    node: &Node,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let states = request.transactional_ids.into_iter().map(|id| {
        let refused = |error: ResponseError| TransactionState::default().with_error_code(error.code());
        let state = if id.is_empty() {
            refused(ResponseError::InvalidRequest)
        } else {
            let described = node.transactions.look(&id, describe);
            described.unwrap_or_else(|| refused(ResponseError::TransactionalIdNotFound))
        };
        state.with_transactional_id(id)
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn describe(transaction: &Transaction) -> TransactionState {
    let producer = transaction.producer();
    let mut topics: Vec<TopicData> = transaction
        .partitions()
        .iter()
        .map(|(topic, partitions)| {
            let partitions = partitions.iter().copied().collect();
            TopicData::default().with_topic(topic_name(topic)).with_partitions(partitions)
        })
        .collect();
    let mut offsets: Vec<i32> = transaction.groups().iter().map(|group| offsets_partition(group)).collect();
    offsets.sort_unstable();
    offsets.dedup();
    if !offsets.is_empty() {
        topics.push(TopicData::default().with_topic(topic_name(OFFSETS_TOPIC)).with_partitions(offsets));
    }
    TransactionState::default()
        .with_transaction_state(text(transaction.state().name()))
        .with_transaction_timeout_ms(transaction.timeout_ms())
        .with_transaction_start_time_ms(transaction.started_ms())
        .with_producer_id(ProducerId(producer.id))
        .with_producer_epoch(producer.epoch)
        .with_topics(topics)
}

/// Returns the partition in which Kafka keeps a group's offsets, by Java's hash of the group's name.
fn offsets_partition(group: &str) -> i32 {
    let hash =
        group.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    (hash & i32::MAX) % OFFSETS_PARTITIONS
}

pub(super) fn list_transactions(node: &Node, request: &ListTransactionsRequest) -> ListTransactionsResponse {
    let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
    // The pattern has to match the whole id.
    let pattern = match pattern.map(|pattern| Regex::new(&format!("^(?:{pattern})$"))).transpose() {
        Ok(pattern) => pattern,
        Err(_) => {
            return ListTransactionsResponse::default()
                .with_error_code(ResponseError::InvalidRegularExpression.code());
        }
    };
    let unknown = request.state_filters.iter().filter(|state| !STATES.contains(&state.as_str()));
    let response = ListTransactionsResponse::default().with_unknown_state_filters(unknown.cloned().collect());
    let now_ms = now_ms();
    let passes = |id: &str, transaction: &Transaction| {
        let states = &request.state_filters;
        let producers = &request.producer_id_filters;
        let state = transaction.state().name();
        let age = now_ms.saturating_sub(transaction.started_ms());
        (states.is_empty() || states.iter().any(|wanted| wanted.as_str() == state))
            && (producers.is_empty() || producers.iter().any(|wanted| **wanted == transaction.producer().id))
            && (request.duration_filter < 0 || age > request.duration_filter)
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    };
    let mut found = Vec::new();
    node.transactions.look_at_each(|id, transaction| {
        if passes(id, transaction) {
            found.push(
                ListedTransaction::default()
                    .with_transactional_id(TransactionalId(text(id)))
                    .with_producer_id(ProducerId(transaction.producer().id))
                    .with_transaction_state(text(transaction.state().name())),
            );
        }
    });
    response.with_transaction_states(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_groups_partition_of_the_offsets_topic_is_the_one_that_kafka_would_choose() {
        // In Java, `hashCode` of these strings is 0, 99162322, and the lowest 32-bit number.
        assert_eq!(offsets_partition(""), 0);
        assert_eq!(offsets_partition("hello"), 22);
        assert_eq!(offsets_partition("polygenelubricants"), 0);
    }
}
