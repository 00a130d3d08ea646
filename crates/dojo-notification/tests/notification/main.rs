//! The notification service against a broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod kafka;
mod service;

mod dead_letters;
mod retries;
mod settings;
