//! The embedded broker beside Apache Kafka: the same clients do the same with both, and the test compares
//! what they see.
//!
//! Each client of [`CLIENTS`](differences::CLIENTS) plays its script against one node of Apache Kafka and one
//! embedded broker, at the same time, and notes what it sees under a name: an answer, an error, an order of
//! events, a tool's lines. Each difference must be in [`DIFFERENCES`](differences::DIFFERENCES) with its
//! reason, and each row there must still be seen. `DIFFERENCES.md` is generated from that table.
//!
//! Everything that a client saw is written to `target/tmp/compared/`. Without Apache Kafka's jars, or without
//! a client, a test says so in one line and passes; with `CI=true`, it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod differences;
mod document;
mod verdict;

mod mask;
mod notes;

mod brokers;
mod program;

mod kcat;
mod librdkafka;
mod other_languages;
mod raw;
mod tools;
