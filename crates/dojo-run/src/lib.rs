//! Plays a workshop from YAML and reports whether its lesson happened.
//!
//! A [`Scenario`] changes settings, places orders and expects events. [`play()`] plays it against a running dojo, with the
//! order service's HTTP API and its event stream alone: it has no Kafka client, and does nothing that a participant's
//! browser couldn't do. The result is a [`Played`], which has an [exit code](exit), and which [`report`](report()) puts
//! into words.
//!
//! Expectations count distinct events about **this run's own orders**, so other runs, other people and repeated deliveries
//! don't matter, and a scenario can follow another at once. [`verdict`] defines when an expectation is decided,
//! [`scenario`] the format of a scenario.
//!
//! The modules are in reading order: the scenario; its orders and the verdict on them; the client of a dojo; playing.

pub mod scenario;
pub use scenario::{ParseError, Scenario};

mod ledger;
mod settings;
pub mod verdict;

mod error;
pub use error::RunError;
mod target;
pub use target::{Target, TargetError};
mod client;
mod events;

mod flood;
mod play;
pub use play::{Played, Progress, play};

mod report;
pub use report::report;
pub mod exit;
