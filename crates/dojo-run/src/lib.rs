//! Replays a workshop from YAML and says whether the lesson happened.
//!
//! A [`Scenario`] sets settings, places orders and expects events; [`play()`] does so against a running dojo, over the
//! order service's HTTP API and its event stream alone: no Kafka client, nothing that a participant's browser could
//! not do. What comes out is a [`Played`], which knows its [exit code](exit) and becomes words in [`report`](report()).
//!
//! Expectations count distinct events about **this run's own orders**, so other runs, other people and events delivered
//! twice do not disturb, and any scenario may follow any other at once. When an expectation is decided is said in
//! [`verdict`]; the format of a scenario in [`scenario`].
//!
//! Read in this order: what a scenario is; what is known of its orders, and what follows from that; how a dojo is
//! talked to; how it is all played.

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
