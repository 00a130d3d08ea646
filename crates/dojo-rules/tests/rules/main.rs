//! The rules as their callers see them: what they decide, what they refuse, what they survive, how they follow a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

mod dojo;
mod facts;

mod delivering;
mod editors;
mod files;
mod judging;
mod mistakes;
mod properties;
mod sandbox;
mod watching;
