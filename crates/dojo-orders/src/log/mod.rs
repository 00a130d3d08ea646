//! What this service asks of the logs themselves: which topics it streams, what their records hold, where they end, and
//! everything from a place to the end.

pub(crate) mod decode;
pub(crate) mod scan;
pub(crate) mod stable_offsets;
pub(crate) mod stream_topic;
