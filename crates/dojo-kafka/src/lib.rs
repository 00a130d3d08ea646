//! The Kafka client of every dojo service: the one crate that knows rdkafka.
//!
//! | a service wants to | and finds it in |
//! |---|---|
//! | send a record and know that it arrived | [`Producer`] |
//! | handle every record of a topic, sharing the work with its group | [`consume()`], [`Handler`] |
//! | be such a service from start to end, with settings, reports and readiness | [`GroupService`] |
//! | know what a topic holds, on its own and from the start | [`tail()`] |
//! | follow settings that change while it runs | [`SettingsFollower`] |
//! | say what it is doing | [`Reporter`] |
//! | say whether it can do its work | [`Readiness`] |
//! | find its topics there | [`create_topics`] |
//!
//! Several dojos can share a cluster: each gives its names a [`Prefix`], which no code outside this crate sees.
//!
//! What a service may rely on: a send is acknowledged by all in-sync replicas before it counts; an offset is
//! committed only after everything that followed from the records before it, or together with that
//! ([`Guarantee`](dojo_contract::Guarantee)); nothing waits without a bound. What it may not: that a record is handled
//! once. After a crash the uncommitted ones come again, and exactly once only what followed from them is undone.
//!
//! Each loop counts what it handles (`dojo_records_handled_total`, `dojo_record_handling_seconds`) and how far behind it
//! is (`dojo_consumer_lag_records`), for whichever recorder of metrics the process has.

mod prefix;

mod config;
mod error;
mod record;
pub use config::{KafkaConfig, check_environment, parse_property};
pub use error::Error;
pub use prefix::Prefix;
pub use record::{Delivered, Outgoing, Record};

mod connectivity;
mod producer;
pub use connectivity::Connectivity;
pub use producer::Producer;

mod instance;
pub use instance::Instance;
mod handler;
pub use handler::{AssignedPartition, Handler, LogLookup, Outbox, Position, StartAt};
mod progress;
pub use progress::Progress;
mod consume;
mod lookup;
pub use consume::{Consume, ConsumerLoop, consume};

mod tail;
pub use tail::{From, Isolation, LogEnds, Tail, Tailed, tail};

mod topics;
pub use topics::{Created, create_topics};

mod settings;
pub use settings::{SettingsFollower, SettingsSnapshot};
mod readiness;
pub use readiness::{Cause, Readiness};
mod status;
pub use status::{Observed, Reporter, notify_on_change};
mod group_service;
pub use group_service::{GroupService, RuleStatus};
