//! The program `dojo-run` as a person meets it: real processes, a dojo that follows a script, exit codes and words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod command;
mod fake_dojo;
#[cfg(unix)]
mod pty;

mod asked;
mod changes;
mod command_line;
mod expectations;
mod floods;
mod reports;
mod scenarios;
mod selection;
mod signals;
mod stream;
mod terminal;
mod watch;
