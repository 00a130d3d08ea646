//! InitProducerId: the id under which an idempotent producer numbers its batches.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use crate::broker::Node;
use crate::refusal::Refusal;

/// The answer to whoever wants a transaction. Clients take this code for final and show it; most others they would try again
/// until they time out.
pub(super) fn no_transactions() -> Refusal {
    Refusal::new(
        ResponseError::TransactionalIdAuthorizationFailed,
        "this broker has no transactions: produce without a transactional.id, or use Apache Kafka",
    )
}

pub(super) fn init_producer_id(node: &Node, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    if request.transactional_id.is_some() {
        return InitProducerIdResponse::default()
            .with_error_code(no_transactions().error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
    }
    InitProducerIdResponse::default()
        .with_producer_id(ProducerId(node.next_producer_id()))
        .with_producer_epoch(0)
}
