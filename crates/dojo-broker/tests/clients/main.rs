//! The broker as clients see it: librdkafka, other tools, and anything else that connects to a port.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod samples;
mod support;

mod admin;
mod bounds;
mod every_version;
mod groups;
mod hostile;
mod log_cleaning;
mod other_clients;
mod records;
mod transactions;
