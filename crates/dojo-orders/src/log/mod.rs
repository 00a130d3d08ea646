//! What this service asks of the logs themselves: which topics it streams, what their records hold, where they end,
//! everything from a place to the end, which dead letters there are, and one page of any topic.

pub(crate) mod dead_letters;
pub(crate) mod decode;
pub(crate) mod scan;
pub(crate) mod stable_offsets;
pub(crate) mod stream_topic;
pub(crate) mod topics;
