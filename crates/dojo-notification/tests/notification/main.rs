//! The notification service on a Kafka.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod service;

mod dead_letters;
mod exhausted;
mod retries;
mod settings;
mod slow;
