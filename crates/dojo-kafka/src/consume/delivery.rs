//! How the sends of a handler take effect on Kafka, and when offsets are committed.
//!
//! There are two ways, one for each [`Guarantee`]: [`AtLeastOnce`](super::at_least_once::AtLeastOnce) and
//! [`ExactlyOnce`](super::exactly_once::ExactlyOnce). The loop and the handler are the same for both.

use super::{callbacks::Callbacks, ledger::Ledger};
use crate::{Error, Outbox, Prefix};
use dojo_contract::Guarantee;
use parking_lot::MutexGuard;
use rdkafka::{Offset, TopicPartitionList, consumer::BaseConsumer};
use std::time::Duration;

/// The longest time that the loop sleeps: how soon it notices a shutdown, and how late a commit can be.
pub(super) const POLL: Duration = Duration::from_millis(50);

pub(super) type Consumer = BaseConsumer<Callbacks>;

/// A partition of the loop: the index of its topic and its number.
pub(super) type Key = (usize, i32);

/// Why the loop can't read on.
#[derive(Debug)]
pub(super) enum Interrupt {
    /// Everything since the last commit was undone: the loop has to read again from the committed offsets.
    Repeat(String),
    /// Another process has taken this one's name in the group, or its transactional id.
    Fenced,
    /// The loop can't go on at all.
    Failed(Error),
}

impl From<Error> for Interrupt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Sends records and commits offsets under one [`Guarantee`].
pub(super) trait Delivery {
    fn guarantee(&self) -> Guarantee;

    /// Returns the ledger of the records that were received and are done.
    fn ledger(&self) -> MutexGuard<'_, Ledger>;

    /// Sends the records of the outbox, and enters in the ledger what is done.
    fn post(&mut self, outbox: &mut Outbox) -> Result<(), Interrupt>;

    /// Does what is due before the next record is read. Returns how long to wait for that record; `None` if no record may
    /// be read now.
    fn turn(&mut self, consumer: &Consumer) -> Result<Option<Duration>, Interrupt>;

    /// Called when there is no record to read at the moment.
    fn idle(&mut self, consumer: &Consumer) -> Result<(), Interrupt>;

    /// Called when the group revokes the partitions.
    fn revoke(&mut self, consumer: &Consumer);

    /// Called when the loop ends or changes its guarantee. Completes what can be completed within a bound.
    fn finish(&mut self, consumer: &Consumer);

    /// Prepares for reading again after [`Interrupt::Repeat`].
    fn recover(&mut self) -> Result<(), Interrupt>;
}

/// The topics of a loop, by index and by name.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    pub(super) names: Vec<&'static str>,
    pub(super) prefix: Prefix,
}

impl Topics {
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|topic| *topic == name)
    }

    pub(super) fn name(&self, index: usize) -> &'static str {
        self.names.get(index).copied().unwrap_or_default()
    }

    /// Returns offsets in librdkafka's form.
    pub(super) fn list(&self, offsets: impl IntoIterator<Item = (Key, i64)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in offsets {
            let topic = self.prefix.on_cluster(self.name(topic));
            if let Err(error) = list.add_partition_offset(&topic, partition, Offset::Offset(offset)) {
                tracing::warn!(%error, partition, offset, "an offset can't be committed");
            }
        }
        list
    }
}
