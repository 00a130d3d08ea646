//! The Kafka client of every dojo service: the one crate that knows rdkafka.
//!
//! | a service wants to | and uses |
//! |---|---|
//! | send a record and wait for its acknowledgement | [`Producer`] |
//! | handle every record of a topic, sharing the work with its group | [`consume()`], [`Handler`] |
//! | do that from start to end, with settings, reports and readiness | [`GroupService`] |
//! | read a whole topic by itself | [`tail()`] |
//! | list topics with their offsets and configurations | [`TopicCatalog`] |
//! | look at a part of a topic | [`RangeReader`] |
//! | follow settings that change while it runs | [`SettingsFollower`] |
//! | report its state | [`Reporter`] |
//! | say whether it can do its work | [`Readiness`] |
//! | create the topics | [`create_topics`] |
//! | know who reads which partition | [`GroupReader`] |
//!
//! Several dojos can share a cluster: each has a [`Prefix`], which only this crate puts before names and takes off.
//!
//! A service may rely on this: a send counts only once all in-sync replicas have acknowledged it; an offset is committed
//! after everything that followed from the records before it, or together with that
//! ([`Guarantee`](dojo_contract::Guarantee)); every wait has a bound. It may not rely on handling a record once: after a crash
//! the uncommitted records come again, and under exactly once only their consequences on Kafka are undone.
//!
//! Each loop counts the records that it handles (`dojo_records_handled_total`, `dojo_record_handling_seconds`) and how far
//! behind it is (`dojo_consumer_lag_records`), for the process's recorder of metrics.

mod prefix;

mod config;
mod error;
mod record;
pub use config::{KafkaConfig, check_environment, parse_property};
pub use error::Error;
pub use prefix::Prefix;
pub use record::{Delivered, Outgoing, OwnedRecord, Record};

mod connectivity;
mod producer;
pub use connectivity::Connectivity;
pub use producer::Producer;

mod instance;
pub use instance::{Instance, InstanceName};
mod handler;
pub use handler::{AssignedPartition, Handler, LogLookup, Outbox, Position, StartAt};
mod progress;
pub use progress::Progress;
mod reader;
pub use reader::Isolation;
mod consume;
mod lookup;
pub use consume::{ConsumerLoop, ConsumerOptions, consume};

mod catalog;
mod ranges;
pub use catalog::{ConfigValue, ListedTopic, OffsetBounds, TopicCatalog, TopicConfigs};
pub use ranges::RangeReader;

mod tail;
pub use tail::{LogEnds, StartFrom, Tail, Tailed, tail};

mod groups;
pub use groups::{Group, GroupReader, Member};

mod topics;
pub use topics::{Created, create_topics};

mod crash;
mod settings;
pub use settings::{SettingsFollower, SettingsSnapshot};
mod readiness;
pub use readiness::{Cause, Readiness};
mod status;
pub use status::{Observed, Reporter, notify_on_change};
mod group_service;
pub use group_service::{GroupService, RuleStatus};
