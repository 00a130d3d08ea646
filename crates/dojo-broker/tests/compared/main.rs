//! The embedded broker beside Apache Kafka: the same clients do the same with both, and what they see is compared.
//!
//! Each client of [`CLIENTS`](differences::CLIENTS) plays its script against one node of Apache Kafka and against one embedded
//! broker, at the same time, and notes what it sees under a name: an answer, an error, an order of events, a tool's lines. What
//! differs must stand in [`DIFFERENCES`](differences::DIFFERENCES) with its reason; what stands there must still be seen. From that
//! table the crate's documentation takes `DIFFERENCES.md`.
//!
//! Everything that a client saw is left in `target/tmp/compared/` for whoever wants to read it. Without Apache Kafka's jars, or
//! without a client, its test says so in one line and passes; under `CI=true`, it fails.

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
