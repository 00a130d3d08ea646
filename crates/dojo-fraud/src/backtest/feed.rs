//! Reads the recorded orders. Each partition has its own reader, on its own thread, which also parses the orders.
//!
//! A partition may have far more records of an hour than another one. So each reader waits when it is some batches ahead of the
//! judging, and memory stays bounded.

use super::progress::{Progress, Ranges};
use crate::read::{Reading, read};
use dojo_contract::{Order, topic};
use dojo_kafka::{Error, Isolation, RangeReader, Record};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Instant,
};
use tokio::task::JoinSet;

const BATCH: usize = 256;
const BATCHES_AHEAD: usize = 8;

/// A new order on the log.
#[derive(Debug)]
pub(super) struct LoggedOrder {
    pub(super) offset: i64,
    pub(super) order: Order,
    /// Its event time, in milliseconds since 1970.
    pub(super) time: i64,
}

/// The new orders of each partition, in batches.
pub(super) type Feeds = BTreeMap<i32, Receiver<Vec<LoggedOrder>>>;

/// Starts a reader for each partition. Each task ends with whether its range was read to the end.
pub(super) fn start(
    reader: &RangeReader,
    ranges: &Ranges,
    until: Instant,
    progress: &Arc<Progress>,
) -> (Feeds, JoinSet<Result<bool, Error>>) {
    let (mut feeds, mut readers) = (Feeds::new(), JoinSet::new());
    for (&partition, range) in ranges {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        feeds.insert(partition, receiver);
        let (reader, range, progress) = (reader.clone(), range.clone(), Arc::clone(progress));
        readers.spawn(async move {
            let end = range.end;
            let mut batches = Batches { sender, batch: Vec::with_capacity(BATCH), progress };
            let read_to = reader
                .read(
                    topic::ORDERS,
                    BTreeMap::from([(partition, range)]),
                    Isolation::ReadCommitted,
                    until,
                    move |record| batches.take(record),
                )
                .await?;
            Ok(read_to.get(&partition).is_some_and(|read_to| *read_to >= end))
        });
    }
    (feeds, readers)
}

/// Collects the new orders of a partition. The last batch is sent when the reading ends.
struct Batches {
    sender: SyncSender<Vec<LoggedOrder>>,
    batch: Vec<LoggedOrder>,
    progress: Arc<Progress>,
}

impl Batches {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        self.progress.add(1);
        if let Reading::New { order, time } = read(record.value, &record.headers, record.timestamp) {
            self.batch.push(LoggedOrder { offset: record.offset, order, time });
        }
        if self.batch.len() < BATCH { ControlFlow::Continue(()) } else { self.send() }
    }

    fn send(&mut self) -> ControlFlow<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // Without a receiver the judging has ended.
        if self.sender.send(batch).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        let _ = self.send();
    }
}
