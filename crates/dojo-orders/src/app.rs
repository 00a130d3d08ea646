//! What every handler is given: the model to read, and the few things that write to Kafka.

use crate::{
    catch_up::Log, config::Config, marks::Marks, model::Model, mutations::Mutations, problem::Problem,
    rules::Rules, settings::ControlPlane, template::Template,
};
use dojo_kafka::{Connectivity, Instance, Producer, Progress};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Streams at a time. A browser opens one a tab.
pub(crate) const STREAMS: usize = 256;
/// Requests at a time that read the log for their answer.
pub(crate) const LOG_READERS: usize = 4;

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) instance: Instance,
    pub(crate) producer: Producer,
    pub(crate) model: Arc<Model>,
    pub(crate) marks: Arc<Marks>,
    pub(crate) log: Log,
    pub(crate) mutations: Mutations,
    pub(crate) settings: ControlPlane,
    pub(crate) rules: Rules,
    pub(crate) template: Template,
    /// Of the reader of `audit` and `orders-dlq`.
    pub(crate) relay: Progress,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) log_readers: Semaphore,
    pub(crate) shutdown: CancellationToken,
}

impl App {
    /// Fails at once where Kafka is known to be away.
    pub(crate) fn refuse_while_away(&self) -> Result<(), Problem> {
        if !self.producer.is_away() {
            return Ok(());
        }
        Err(Problem::unavailable(self.producer.connectivity().borrow().to_string()))
    }

    /// What keeps this service from doing all of its work: each cause with what it is about. Empty: it is ready.
    pub(crate) fn not_ready(&self) -> Vec<(&'static str, String)> {
        let mut causes = Vec::new();
        let connectivity = self.producer.connectivity().borrow().clone();
        if connectivity != Connectivity::Up {
            causes.push(("kafka", connectivity.to_string()));
        }
        if !self.model.is_caught_up() {
            causes.push(("orders", "the orders are still being read from Kafka".to_owned()));
        }
        if let Some(why) = self.relay.limitation() {
            causes.push(("events", why));
        } else if self.relay.partitions().is_empty() {
            let group = self.config.relay_group();
            causes.push(("events", format!("the group {group} has given this instance nothing to read yet")));
        }
        if self.settings.get().is_none() {
            causes.push(("settings", "the settings are still being read from Kafka".to_owned()));
        }
        causes
    }
}
