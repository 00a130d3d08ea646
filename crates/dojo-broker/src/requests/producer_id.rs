//! InitProducerId: gives an idempotent producer its id, or lets a transactional one take over its
//! `transactional.id`. See [`transaction`](crate::transaction).

use super::{caller::Caller, transactions::for_old_clients};
use crate::{
    clock::now_ms,
    markers,
    node::Node,
    transaction::{Init, MAX_TIMEOUT_MS, Producer},
};
use kafka_protocol::{
    ResponseError,
    messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId},
};

/// From this version on, a producer understands that it is fenced.
const UNDERSTANDS_FENCED: i16 = 4;
const NO_ID: i64 = -1;
const NO_EPOCH: i16 = -1;

pub(super) fn init_producer_id(
    node: &Node,
    caller: &Caller,
    request: &InitProducerIdRequest,
) -> InitProducerIdResponse {
    match init(node, request) {
        Ok(producer) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(producer.id))
            .with_producer_epoch(producer.epoch),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(for_old_clients(error, caller.version >= UNDERSTANDS_FENCED).code())
            .with_producer_id(ProducerId(NO_ID))
            .with_producer_epoch(NO_EPOCH),
    }
}

fn init(node: &Node, request: &InitProducerIdRequest) -> Result<Producer, ResponseError> {
    let expected = match (*request.producer_id, request.producer_epoch) {
        (NO_ID, NO_EPOCH) => None,
        (NO_ID, _) | (_, NO_EPOCH) => return Err(ResponseError::InvalidRequest),
        (id, epoch) => Some(Producer { id, epoch }),
    };
    let fresh_id = || node.transactions.next_producer_id();
    let Some(id) = &request.transactional_id else {
        return Ok(Producer { id: fresh_id(), epoch: 0 });
    };
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let timeout_ms = request.transaction_timeout_ms;
    if !(1..=MAX_TIMEOUT_MS).contains(&timeout_ms) {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    node.transactions.with(id, |transaction| {
        let now_ms = now_ms();
        match transaction.init(timeout_ms, expected, fresh_id, now_ms)? {
            Init::Granted(producer) => Ok(producer),
            Init::Abort(ending) => {
                markers::write(node, &ending, now_ms);
                Err(ResponseError::ConcurrentTransactions)
            }
        }
    })
}
