//! The fraud service on a Kafka.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod backtest;
mod service;
mod spans;

mod restart;
mod verdicts;
