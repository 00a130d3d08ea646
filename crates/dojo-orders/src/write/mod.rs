//! The write path: what clients ask for goes to Kafka. It knows no HTTP, and changes nothing in the read models: it only
//! reads them, and a change comes back to them through Kafka.

mod error;
pub(crate) use error::WriteError;

pub(crate) mod instances;
pub(crate) mod order_body;
pub(crate) mod order_locks;
pub(crate) mod orders;
pub(crate) mod settings;

use std::time::Duration;

/// A client gets an answer within this time, even while Kafka is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
