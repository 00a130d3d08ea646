//! The order service as a client meets it: real HTTP and a real Kafka. Each test has topics and a service of its own,
//! so that they run side by side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod fixture;

mod audit;
mod by_hand;
mod dead_letters;
mod descriptions;
mod idempotency;
mod instances;
mod journey;
mod kafka_away;
mod logs;
mod older_orders;
mod orders;
mod page;
mod read_only;
mod rebalances;
mod records;
mod redrive;
mod refusals;
mod rule_edits;
mod rules;
mod run_leases;
mod run_room;
mod run_undo;
mod scenarios;
mod settings;
mod stream;
mod topics;
