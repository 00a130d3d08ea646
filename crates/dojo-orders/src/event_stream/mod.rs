//! The event stream: records become events in the hub, from which every stream of `GET /events` reads, or from the log, where
//! the hub no longer has them.

pub(crate) mod cursor;
pub(crate) mod data;
pub(crate) mod frame;
pub(crate) mod hub;

pub(crate) mod catch_up;
pub(crate) mod stream;
