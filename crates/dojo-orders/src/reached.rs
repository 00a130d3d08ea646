//! Waiting until a reader has come to an offset. Each waiter is woken once, by the record it waits for, however many
//! wait: with ten thousand orders a second, waking everybody for every record would be the most expensive thing here.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::oneshot;

/// How far a reader is in each partition, and who waits for it to come further.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    partitions: Mutex<HashMap<i32, Partition>>,
}

#[derive(Debug, Default)]
struct Partition {
    /// The offset that is read next.
    next: i64,
    waiting: BTreeMap<i64, Vec<oneshot::Sender<()>>>,
}

impl Reached {
    /// Resolves when the record at `offset` has been read; at once, where it has been. Has no bound of its own.
    pub(crate) async fn wait(&self, partition: i32, offset: i64) {
        let woken = {
            let mut partitions = self.partitions();
            let partition = partitions.entry(partition).or_default();
            if partition.next > offset {
                return;
            }
            let (waker, woken) = oneshot::channel();
            partition.waiting.entry(offset).or_default().push(waker);
            woken
        };
        // The sender is dropped only with the whole service.
        let _ = woken.await;
    }

    /// Whether the record at `offset` has been read.
    pub(crate) fn has_passed(&self, partition: i32, offset: i64) -> bool {
        self.partitions().get(&partition).is_some_and(|partition| partition.next > offset)
    }

    /// Everything before `next` has been read.
    pub(crate) fn advance(&self, partition: i32, next: i64) {
        let woken = {
            let mut partitions = self.partitions();
            let partition = partitions.entry(partition).or_default();
            partition.next = next;
            if partition.waiting.first_key_value().is_none_or(|(offset, _)| *offset >= next) {
                return;
            }
            let later = partition.waiting.split_off(&next);
            std::mem::replace(&mut partition.waiting, later)
        };
        for waker in woken.into_values().flatten() {
            // One that gave up waiting needs no waking.
            let _ = waker.send(());
        }
    }

    fn partitions(&self) -> MutexGuard<'_, HashMap<i32, Partition>> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn only_those_are_woken_whose_record_was_read() {
        let reached = Reached::default();
        let (mut third, mut fourth) = (pin!(reached.wait(0, 3)), pin!(reached.wait(0, 4)));
        assert!(third.as_mut().now_or_never().is_none() && fourth.as_mut().now_or_never().is_none());
        reached.advance(0, 4);
        assert!(third.now_or_never().is_some() && fourth.as_mut().now_or_never().is_none());
        reached.advance(1, 9);
        assert!(fourth.as_mut().now_or_never().is_none());
        reached.advance(0, 9);
        assert!(fourth.now_or_never().is_some());
    }

    #[tokio::test]
    async fn what_was_read_before_is_not_waited_for() {
        let reached = Reached::default();
        reached.advance(2, 5);
        assert!(reached.has_passed(2, 4) && !reached.has_passed(2, 5) && !reached.has_passed(1, 0));
        assert!(reached.wait(2, 4).now_or_never().is_some());
        assert!(reached.wait(2, 5).now_or_never().is_none());
    }
}
