//! A partition that many connections use at once: its log behind a lock, and the fetches that wait for it to grow.
//!
//! A consumer at the end of the log does not ask again and again; its fetch waits here (a "long poll"), and an append wakes
//! exactly the fetches that wait for this partition.

use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

use crate::lock::lock;
use crate::log::{Appended, Checked, Log, Marker, Policy};
use crate::refusal::Refusal;

/// One partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    log: Mutex<Log>,
    /// Fetches that are over are gone, which their weak references tell.
    watchers: Mutex<Vec<Weak<Notify>>>,
}

impl Partition {
    pub(crate) fn new(max_bytes: usize, policy: Policy) -> Self {
        Self { log: Mutex::new(Log::new(max_bytes, policy)), watchers: Mutex::default() }
    }

    /// Appends a batch and wakes who waits for it.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub(crate) fn append(&self, batch: Checked) -> Result<Appended, Refusal> {
        let appended = lock(&self.log).append(batch)?;
        self.wake();
        Ok(appended)
    }

    /// Ends a producer's transaction, and wakes who waits for what it wrote.
    pub(crate) fn end_transaction(&self, marker: &Marker) {
        lock(&self.log).end_transaction(marker);
        self.wake();
    }

    /// What the topic asks for from now on.
    pub(crate) fn configure(&self, policy: Policy) {
        lock(&self.log).configure(policy);
    }

    /// Looks at the log. Whatever takes long belongs outside, since it keeps every producer of the partition waiting.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Log) -> T) -> T {
        at(&lock(&self.log))
    }

    /// Changes the log so that it has less in it, which nobody waits for.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        change(&mut lock(&self.log))
    }

    /// Offset and timestamp of the first record at or after `timestamp`, milliseconds since 1970.
    pub(crate) fn offset_at(&self, timestamp: i64) -> Option<(i64, i64)> {
        let start = self.look(Log::start);
        let mut from = start;
        // Records before the start may share a batch with later ones, and that batch's time may be theirs alone.
        while let Some(batch) = self.look(|log| log.batch_at(timestamp, from)) {
            let found = batch.first_at(timestamp, start);
            if found.is_some() {
                return found;
            }
            from = batch.end();
        }
        None
    }

    /// From now on, `watcher` is notified once when the partition changes, however often it asked for it. Whoever calls this has to look at the partition
    /// again afterwards: it may have changed just before.
    pub(crate) fn watch(&self, watcher: &Arc<Notify>) {
        let watcher = Arc::downgrade(watcher);
        let mut watchers = lock(&self.watchers);
        watchers.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&watcher));
        watchers.push(watcher);
    }

    /// Wakes every fetch that waits here: the log has grown, or the topic is gone.
    pub(crate) fn wake(&self) {
        for watcher in lock(&self.watchers).drain(..).filter_map(|watcher| watcher.upgrade()) {
            // A permit is kept for a fetch that is between looking and waiting.
            watcher.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic_config::TopicSettings;

    #[test]
    fn fetches_that_are_over_leave_nothing_behind() {
        let partition = Partition::new(1 << 20, *TopicSettings::default().policy());
        for _ in 0..100 {
            partition.watch(&Arc::new(Notify::new()));
        }
        assert_eq!(lock(&partition.watchers).len(), 1);
        let fetch = Arc::new(Notify::new());
        for _ in 0..100 {
            partition.watch(&fetch);
        }
        assert_eq!(lock(&partition.watchers).len(), 1, "a fetch may name a partition many times");
    }
}
