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
//! The modules are in reading order: the client of a dojo; the load; what a run tells; what the room hears, and the lease; what is
//! followed; playing; the verdict and the report files; the audiences; the command line.

mod error;
pub use error::RunError;
mod target;
pub use target::{Target, TargetError};
mod client;

pub mod load;

mod finding;
pub use finding::Finding;
mod question;
pub use question::{Closed, Question, Revealed, Why};
mod keyboard;
pub use keyboard::{Asks, Keyboard};
mod progress;
pub use progress::{Extent, Progress, State, Step};

mod reports;
mod teller;

mod lease;

mod events;
mod fitness;
mod state;
mod versions;
pub use versions::{RuleVersion, Versions};

mod steps;

mod play;
pub use play::{Options, Played, play};

mod report;
pub use report::{FolderError, ReportFiles, report};
pub mod exit;

mod player;
pub use player::Audience;
mod summary;
mod terminal;

mod cli;
pub use cli::Cli;
mod candidate;
pub use candidate::{Candidate, scenario_files, without_parts};
mod files;
mod selection;
mod watch;

mod runner;
pub use runner::run;
