//! Plays a workshop from YAML and reports whether its lesson happened.
//!
//! A [`Scenario`](dojo_scenario::Scenario) changes settings, places orders and expects events. [`play()`] plays it against a
//! running dojo, with the order service's HTTP API and its event stream alone: it has no Kafka client, and does nothing that a
//! participant's browser couldn't do. The result is a [`Played`], which has an [exit code](exit), and which
//! [`report`](report()) puts into words.
//!
//! What a scenario may say, and when an expectation is met, is the business of `dojo_scenario`. Expectations count distinct
//! events about **this run's own orders**, so other runs, other people and repeated deliveries don't matter, and a scenario
//! can follow another at once.
//!
//! The modules are in reading order: the client of a dojo and its lease; what is followed; the load; playing; the command
//! line.

mod error;
pub use error::RunError;
mod target;
pub use target::{Target, TargetError};
mod client;
mod reports;
mod teller;

mod lease;

mod events;
mod fitness;
mod state;

pub mod load;

mod finding;
pub use finding::Finding;
mod question;
pub use question::{Closed, Question, Revealed, Why};
mod typed;
pub use typed::{Asks, Terminal};
mod progress;
pub use progress::{Extent, Progress, State, Step};

mod steps;

mod play;
pub use play::{Options, Played, play};

mod report;
pub use report::report;
pub mod exit;

mod cli;
mod console;
pub use cli::Cli;
mod runner;
pub use runner::run;
