//! The order service: REST API, projection of the `orders` log, server-sent events, control plane, and the page.
//!
//! The service writes what clients ask for to Kafka, and shows what Kafka holds; it has no state of its own. So it can be
//! killed at any time: a restart reads the log and shows the same orders.
//!
//! - **`api`** is the HTTP API, a file for each resource. `api/mod.rs` says which request goes where. What a client may rely
//!   on is in each resource's file. A refusal is always a problem document.
//! - **`write`** is the write path. A request's audit record goes to `audit`, then the change to `orders`
//!   (`write/orders.rs`); settings go to `dojo-settings`, and a record by hand goes where it says. It reads the read models, to check a change and to wait until
//!   it is visible, and changes them only through Kafka.
//!   `write/runs` keeps the lease of scenario runs, and puts back what a run has changed.
//! - **`read_models`** is what the service knows: the orders list, the instances, the runs, the newest rows of the page.
//!   `read_models/followers.rs` says who reads which topic. Nothing else changes them, and they write nothing to Kafka.
//! - **`event_stream`** is `GET /events`: the hub with the newest events, the cursor that knows which log it belongs to, a
//!   client's stream, and how a stream catches up from the log.
//! - **`read_only`** refuses to change what `READ_ONLY` names.
//! - **`rule_files`** are the files of the rules; `rule_save` and `rule_replace` change one, and `rule_switches` knows when
//!   every instance has switched to it. `backtest` is what tries a draft on recorded orders, which the program passes in.
//! - **`scenarios`** is what lists and plays scenarios, which the program passes in, too; `scenario_player` plays one for the page.
//! - **`journey`** is everything that happened to one order, read from the log and put into the order in which it happened.
//! - **`log`** is what the service asks of the logs themselves: what their records hold, where they end, everything up to
//!   there, and since when an open transaction has held readers back. `log/topics` is the topic browser.
//! - **`rebalances`** is what the consumer groups went through: who left or joined, why, and who reads which partition since.
//! - **`page`** is the page: what it shows when it is first sent, its template, script and style.
//!
//! `service.rs` starts and stops it all, within bounds.

mod config;
pub use config::{Config, PageConfig};

mod read_only;
pub use read_only::ReadOnly;

mod backtest;
pub use backtest::{Backtest, BacktestRequest};

mod scenarios;
pub use scenarios::{MAX_SCENARIOS, PlayError, PlayRequest, Runner, ScenarioSummary, Scenarios};

mod api;
mod app;
mod event_stream;
mod journey;
mod log;
mod page;
mod read_models;
mod rebalances;
mod rule_files;
mod rule_replace;
mod rule_save;
mod rule_switches;
mod scenario_player;
mod write;

mod service;
pub use service::{Error, PassedIn, run};
