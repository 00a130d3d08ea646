//! The write path: what clients ask for goes to Kafka. It knows no HTTP, and changes nothing in the read models: it only
//! reads them, and a change comes back to them through Kafka.

mod error;
pub(crate) use error::WriteError;

pub(crate) mod instances;
pub(crate) mod order_body;
pub(crate) mod order_locks;
pub(crate) mod orders;
pub(crate) mod record_body;
pub(crate) mod records;
pub(crate) mod redrive;
pub(crate) mod rules;
pub(crate) mod runs;
pub(crate) mod settings;

use crate::{log::stable_offsets::StableOffsets, read_models::ReadModels};
use dojo_contract::topic;
use dojo_kafka::Producer;
use std::time::Duration;
use tokio::time::timeout;

/// A client gets an answer within this time, even while Kafka is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The read models see what was acknowledged within milliseconds, while Kafka is there.
const VISIBLE_WITHIN: Duration = Duration::from_secs(2);

/// Refuses a change while Kafka is known to be away, or before the orders were read.
fn refuse_unless_ready(producer: &Producer, models: &ReadModels) -> Result<(), WriteError> {
    if producer.is_away() {
        return Err(WriteError::NotReady(producer.connectivity().borrow().to_string()));
    }
    if !models.is_caught_up() {
        return Err(WriteError::NotReady("the orders are still being read from Kafka".to_owned()));
    }
    Ok(())
}

/// Waits until the read models have read what `orders` holds now, also behind a transaction that is still open. Returns why
/// they have not.
async fn read_to_the_logs_end(offsets: &StableOffsets, models: &ReadModels) -> Result<(), String> {
    let ends = offsets.ends(topic::ORDERS).await.map_err(|error| error.to_string())?;
    let all = futures::future::join_all(
        ends.into_iter().map(|(partition, end)| models.applied_orders.wait(partition, end - 1)),
    );
    let behind = |_| "the orders list is behind the log".to_owned();
    timeout(VISIBLE_WITHIN, all).await.map(drop).map_err(behind)
}
