//! The whole dojo, started as a person starts it, and asked from outside: over HTTP, SSE and Kafka, with signals and
//! a browser. Each test has a dojo of its own, on ports of its own.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test says what is wrong by panicking"
)]

mod accounts;
mod alone;
mod arrivals;
mod by_hand;
mod events;
mod load;
mod process;

mod admin;
mod away;
mod command_line;
mod descriptions;
mod disk_full;
mod docs;
mod embedded_broker;
mod ending;
mod faults;
mod fencing;
mod fraud_crashes;
mod instances;
mod kafka;
mod kills;
mod other_logs;
mod own_ci;
mod page;
mod played;
mod rebalances;
mod redrive;
mod restarts;
mod returns;
mod rules;
mod rules_command;
mod runs;
mod scenarios;
mod settings;
mod slow_readers;
mod transactions;
