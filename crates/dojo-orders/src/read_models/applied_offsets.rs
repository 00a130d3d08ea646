//! How far a reader has applied a topic, and waiting until it has applied a record. Each waiter is woken once, by the record
//! it waits for, however many wait: with ten thousand orders a second, waking all of them for every record would be the most
//! expensive thing here.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use tokio::sync::oneshot;

/// The next offset of each partition, and the waiters for later ones: one for each request that waits.
#[derive(Debug, Default)]
pub(crate) struct AppliedOffsets {
    partitions: Mutex<HashMap<i32, Partition>>,
}

#[derive(Debug, Default)]
struct Partition {
    /// The offset that is read next.
    next: i64,
    waiting: BTreeMap<i64, Vec<oneshot::Sender<()>>>,
}

impl AppliedOffsets {
    /// Waits until the record at `offset` has been applied. The caller bounds the wait.
    pub(crate) async fn wait(&self, partition: i32, offset: i64) {
        let mut waiter = {
            let mut partitions = self.partitions.lock();
            let of_partition = partitions.entry(partition).or_default();
            if of_partition.next > offset {
                return;
            }
            let (waker, woken) = oneshot::channel();
            of_partition.waiting.entry(offset).or_default().push(waker);
            Waiter { applied: self, partition, offset, woken }
        };
        // The sender is dropped only with the whole service.
        let _ = (&mut waiter.woken).await;
    }

    /// Whether the record at `offset` has been applied.
    pub(crate) fn has_passed(&self, partition: i32, offset: i64) -> bool {
        self.partitions.lock().get(&partition).is_some_and(|partition| partition.next > offset)
    }

    /// Everything before `next` has been applied.
    pub(super) fn advance(&self, partition: i32, next: i64) {
        let woken = {
            let mut partitions = self.partitions.lock();
            let partition = partitions.entry(partition).or_default();
            partition.next = next;
            if partition.waiting.first_key_value().is_none_or(|(offset, _)| *offset >= next) {
                return;
            }
            let later = partition.waiting.split_off(&next);
            std::mem::replace(&mut partition.waiting, later)
        };
        for waker in woken.into_values().flatten() {
            // A waiter that has given up needs no waking.
            let _ = waker.send(());
        }
    }
}

/// One wait. If it is given up, nothing of it stays behind.
struct Waiter<'a> {
    applied: &'a AppliedOffsets,
    partition: i32,
    offset: i64,
    woken: oneshot::Receiver<()>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if self.woken.is_terminated() {
            return;
        }
        self.woken.close();
        let mut partitions = self.applied.partitions.lock();
        let Some(partition) = partitions.get_mut(&self.partition) else { return };
        if let Some(wakers) = partition.waiting.get_mut(&self.offset) {
            wakers.retain(|waker| !waker.is_closed());
            if wakers.is_empty() {
                partition.waiting.remove(&self.offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn a_waiter_is_woken_once_its_record_was_applied() {
        let applied = AppliedOffsets::default();
        let (mut third, mut fourth) = (pin!(applied.wait(0, 3)), pin!(applied.wait(0, 4)));
        assert!(third.as_mut().now_or_never().is_none() && fourth.as_mut().now_or_never().is_none());
        applied.advance(0, 4);
        assert!(third.now_or_never().is_some() && fourth.as_mut().now_or_never().is_none());
        applied.advance(1, 9);
        assert!(fourth.as_mut().now_or_never().is_none());
        applied.advance(0, 9);
        assert!(fourth.now_or_never().is_some());
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_wait_that_was_given_up() {
        let applied = AppliedOffsets::default();
        assert!(applied.wait(0, 3).now_or_never().is_none());
        assert!(applied.partitions.lock()[&0].waiting.is_empty());
    }

    #[tokio::test]
    async fn what_was_applied_before_is_not_waited_for() {
        let applied = AppliedOffsets::default();
        applied.advance(2, 5);
        assert!(applied.has_passed(2, 4) && !applied.has_passed(2, 5) && !applied.has_passed(1, 0));
        assert!(applied.wait(2, 4).now_or_never().is_some());
        assert!(applied.wait(2, 5).now_or_never().is_none());
    }
}
