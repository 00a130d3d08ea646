//! Reads the recorded orders, each partition with a reader and a thread of its own, and parses them there.
//!
//! A partition may hold far more records of an hour than another one. So each reader waits when it is some batches ahead of the
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

/// A record of `orders`.
pub(super) struct Recorded {
    pub(super) offset: i64,
    /// The new order and its event time; `None` if the record isn't a new order.
    pub(super) order: Option<(Order, i64)>,
}

/// The records of each partition, in batches.
pub(super) type Feeds = BTreeMap<i32, Receiver<Vec<Recorded>>>;

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

/// Collects the records of a partition. The last batch is sent when the reading ends.
struct Batches {
    sender: SyncSender<Vec<Recorded>>,
    batch: Vec<Recorded>,
    progress: Arc<Progress>,
}

impl Batches {
    fn take(&mut self, record: &Record<'_>) -> ControlFlow<()> {
        let order = match read(record.value, &record.headers, record.timestamp) {
            Reading::New { order, time } => Some((order, time)),
            Reading::Known | Reading::Unreadable(_) => None,
        };
        self.batch.push(Recorded { offset: record.offset, order });
        if self.batch.len() < BATCH { ControlFlow::Continue(()) } else { self.send() }
    }

    fn send(&mut self) -> ControlFlow<()> {
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.progress.add(batch.len());
        // Without a receiver the judging has ended.
        if self.sender.send(batch).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        let _ = self.send();
    }
}
