//! The state that all handlers share: the read models, and the writers.

use crate::{
    backtest::Backtest,
    config::Config,
    event_stream::catch_up::LogReader,
    journey::JourneyReader,
    log::{
        dead_letters::DeadLetterLog,
        stable_offsets::StableOffsets,
        topics::{list::TopicLister, records::RecordsReader},
    },
    page::template::Template,
    read_models::ReadModels,
    rule_files::RuleFiles,
    scenario_player::ScenarioPlayer,
    write::{
        instances::InstanceWriter,
        orders::OrderWriter,
        records::RecordWriter,
        redrive::Redriver,
        rules::RuleWriter,
        runs::{journal::RunJournal, undo::RunUndo},
        settings::SettingsWriter,
    },
};
use dojo_http::Problem;
use dojo_kafka::{Connectivity, Instance, Producer, Progress};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Streams at a time. A browser opens one a tab.
pub(crate) const STREAMS: usize = 256;
/// Requests at a time that read the log for their answer.
pub(crate) const LOG_READERS: usize = 4;
/// Looks at topics and their records at a time.
pub(crate) const TOPIC_READERS: usize = 4;
/// Records by hand that are read and written at a time. Each can have megabytes.
pub(crate) const RECORDS_BY_HAND: usize = 8;
/// Drafts of rules in memory at a time. A body can have 1.5 MiB.
pub(crate) const RULE_DRAFTS: usize = 32;
/// Drafts of rules that are checked at a time. Each takes a thread for some milliseconds.
pub(crate) const RULE_CHECKS: usize = 4;

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) instance: Instance,
    pub(crate) producer: Producer,
    pub(crate) models: Arc<ReadModels>,
    pub(crate) offsets: Arc<StableOffsets>,
    pub(crate) log: LogReader,
    pub(crate) journeys: JourneyReader,
    pub(crate) dead_letters: DeadLetterLog,
    pub(crate) topics: TopicLister,
    pub(crate) records: RecordsReader,
    pub(crate) by_hand: RecordWriter,
    pub(crate) orders: OrderWriter,
    pub(crate) redrives: Redriver,
    pub(crate) settings: Arc<SettingsWriter>,
    pub(crate) instances: InstanceWriter,
    pub(crate) rules: Arc<RuleFiles>,
    pub(crate) rule_writer: Arc<RuleWriter>,
    pub(crate) journal: Arc<RunJournal>,
    pub(crate) undo: Arc<RunUndo>,
    pub(crate) player: ScenarioPlayer,
    /// Tries a draft on recorded orders, where this program can.
    pub(crate) backtest: Option<Backtest>,
    /// One backtest at a time: each reads the log.
    pub(crate) backtests: Semaphore,
    pub(crate) rule_drafts: Semaphore,
    pub(crate) rule_checks: Arc<Semaphore>,
    pub(crate) template: Template,
    /// Progress of the consumer of `audit` and `orders-dlq`.
    pub(crate) relay: Progress,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) log_readers: Semaphore,
    pub(crate) topic_readers: Semaphore,
    pub(crate) records_by_hand: Semaphore,
    pub(crate) shutdown: CancellationToken,
}

impl App {
    /// Refuses a request at once while Kafka is known to be away.
    pub(crate) fn refuse_while_away(&self) -> Result<(), Problem> {
        if !self.producer.is_away() {
            return Ok(());
        }
        Err(Problem::unavailable(self.producer.connectivity().borrow().to_string()))
    }

    /// What keeps this service from doing all of its work: each obstacle with what it is about. Empty: it is ready.
    pub(crate) fn not_ready(&self) -> Vec<(&'static str, String)> {
        let mut obstacles = Vec::new();
        let connectivity = self.producer.connectivity().borrow().clone();
        if connectivity != Connectivity::Up {
            obstacles.push(("kafka", connectivity.to_string()));
        }
        if !self.models.is_caught_up() {
            obstacles.push(("orders", "the orders are still being read from Kafka".to_owned()));
        }
        if let Some(why) = self.relay.limitation() {
            obstacles.push(("events", why));
        } else if self.relay.partitions().is_empty() {
            let group = self.config.relay_group();
            obstacles
                .push(("events", format!("the group {group} has given this instance nothing to read yet")));
        }
        if self.settings.follower().is_none() {
            obstacles.push(("settings", "the settings are still being read from Kafka".to_owned()));
        }
        if !self.models.runs.is_caught_up() {
            obstacles.push(("runs", "the runs are still being read from Kafka".to_owned()));
        }
        obstacles
    }
}
