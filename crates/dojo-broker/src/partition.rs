//! A partition that many connections use at once: its log behind a lock, and the fetches that wait for it to
//! grow.
//!
//! A consumer at the end of the log doesn't poll; its fetch waits here (a "long poll"), and an append wakes
//! exactly the fetches that wait for this partition.

use crate::{
    log::{Appended, Checked, Log, Marker, Policy, compaction::Work},
    refusal::Refusal,
};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use tokio::sync::Notify;

/// One partition of a topic.
#[derive(Debug)]
pub(crate) struct Partition {
    log: Mutex<Log>,
    /// Held during a compaction, so that a second one waits for the result. Taken before `log`.
    compacting: Mutex<()>,
    /// Weak, so that a fetch that is over takes no memory.
    watchers: Mutex<Vec<Weak<Notify>>>,
}

impl Partition {
    pub(crate) fn new(max_bytes: usize, policy: Policy) -> Self {
        Self {
            log: Mutex::new(Log::new(max_bytes, policy)),
            compacting: Mutex::default(),
            watchers: Mutex::default(),
        }
    }

    /// Appends a batch and wakes the fetches that wait for it.
    ///
    /// # Errors
    /// See [`Log::append`].
    pub(crate) fn append(&self, batch: Checked) -> Result<Appended, Refusal> {
        let appended = self.log.lock().append(batch)?;
        self.wake();
        Ok(appended)
    }

    /// Ends a producer's transaction, and wakes the fetches that wait for its records.
    pub(crate) fn end_transaction(&self, marker: &Marker) {
        self.log.lock().end_transaction(marker);
        self.wake();
    }

    /// Sets what the topic's configs ask for.
    pub(crate) fn configure(&self, policy: Policy) {
        self.log.lock().configure(policy);
    }

    /// Reads from the log under its lock. Producers wait for the lock, so slow work belongs outside.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Log) -> T) -> T {
        at(&self.log.lock())
    }

    /// Changes the log without adding to it, so no fetch is woken.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Log) -> T) -> T {
        change(&mut self.log.lock())
    }

    /// Compacts the log if enough of it is new. Returns whether there was anything to do.
    pub(crate) fn compact(&self, now_ms: i64) -> bool {
        let _alone = self.compacting.lock();
        let Some(work) = self.look(|log| log.compaction_due(now_ms)) else { return false };
        self.finish(&work, now_ms);
        true
    }

    /// Compacts a log that has no room for a batch of this size. The time grows with the log. Returns whether there may
    /// be room now, thanks to this compaction or to another one that it waited for.
    pub(crate) fn make_room_for(&self, bytes: usize, now_ms: i64) -> bool {
        let _alone = self.compacting.lock();
        if !self.look(|log| log.lacks_room_for(bytes)) {
            return true;
        }
        let Some(work) = self.change(|log| log.compaction_for_room(now_ms)) else { return false };
        self.finish(&work, now_ms);
        true
    }

    fn finish(&self, work: &Work, now_ms: i64) {
        let done = work.done(now_ms);
        self.change(|log| log.install(done));
    }

    /// Finds the first record at or after `timestamp`, in milliseconds since 1970. Returns its offset and
    /// timestamp.
    pub(crate) fn offset_at(&self, timestamp: i64) -> Option<(i64, i64)> {
        let start = self.look(Log::start);
        let mut from = start;
        // Records before the start can share a batch with later ones, and the batch's time can be theirs
        // alone.
        while let Some(batch) = self.look(|log| log.batch_at(timestamp, from)) {
            let found = batch.first_at(timestamp, start);
            if found.is_some() {
                return found;
            }
            from = batch.end();
        }
        None
    }

    /// Notifies `watcher` once when the partition changes, however many times it was registered. The caller
    /// has to look at the partition again afterwards, since it may have changed just before.
    pub(crate) fn watch(&self, watcher: &Arc<Notify>) {
        let watcher = Arc::downgrade(watcher);
        let mut watchers = self.watchers.lock();
        watchers.retain(|known| known.strong_count() > 0 && !known.ptr_eq(&watcher));
        watchers.push(watcher);
    }

    /// Wakes every fetch that waits here: the log has grown, or the topic is gone.
    pub(crate) fn wake(&self) {
        for watcher in self.watchers.lock().drain(..).filter_map(|watcher| watcher.upgrade()) {
            // The notification is kept for a fetch that is between looking and waiting.
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
        assert_eq!(partition.watchers.lock().len(), 1);
        let fetch = Arc::new(Notify::new());
        for _ in 0..100 {
            partition.watch(&fetch);
        }
        assert_eq!(partition.watchers.lock().len(), 1, "a fetch may name a partition many times");
    }
}
