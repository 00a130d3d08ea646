//! What this service asks of the logs themselves: which topics it streams, what their records hold, and where they end.

pub(crate) mod decode;
pub(crate) mod stable_offsets;
pub(crate) mod stream_topic;
