//! An alarm clock for one sleeping task, which other tasks can set to an earlier time.
//!
//! Groups and transactions have deadlines: sessions end, transactions time out. One task sleeps until the
//! earliest deadline and wakes up when an earlier one is added, so that a broker without clients does nothing
//! at all.

use parking_lot::Mutex;
use std::future::pending;
use tokio::{sync::Notify, time::Sleep};

/// `T` is a point in time, by the clock that the deadlines use.
#[derive(Debug)]
pub(crate) struct Alarm<T> {
    /// The time at which the alarm rings; `None` for never.
    at: Mutex<Option<T>>,
    earlier: Notify,
}

impl<T> Default for Alarm<T> {
    fn default() -> Self {
        Self { at: Mutex::default(), earlier: Notify::new() }
    }
}

impl<T: Copy + Ord> Alarm<T> {
    /// Waits until the earliest deadline, which `next` finds, or until an earlier one is added. `None` means
    /// that there is no deadline.
    pub(crate) async fn ring(&self, next: impl FnOnce() -> Option<T>, sleep: impl FnOnce(T) -> Sleep) {
        let next = {
            // The lock is held while the deadlines are looked at, so that no earlier one is missed in
            // between.
            let mut at = self.at.lock();
            *at = next();
            *at
        };
        let rings = async {
            match next {
                Some(at) => sleep(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = rings => {}
            () = self.earlier.notified() => {}
        }
    }

    /// Adds a deadline. Call it once `next` can find the deadline, and without a lock that finding it takes.
    pub(crate) fn heed(&self, deadline: T) {
        if self.at.lock().is_none_or(|at| deadline < at) {
            self.earlier.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::{Instant, sleep_until, timeout};

    const SOON: Duration = Duration::from_millis(10);
    const NEVER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn it_rings_at_the_next_deadline_and_never_without_one() {
        let (alarm, began) = (Alarm::default(), Instant::now());
        alarm.ring(|| Some(began + SOON), sleep_until).await;
        assert!(began.elapsed() >= SOON);
        assert!(timeout(SOON, alarm.ring(|| None, sleep_until)).await.is_err());
    }

    #[tokio::test]
    async fn an_earlier_deadline_is_heard_of_and_a_later_one_is_not() {
        let (alarm, began) = (Alarm::default(), Instant::now());
        let ring = alarm.ring(|| Some(began + NEVER), sleep_until);
        tokio::pin!(ring);
        assert!(timeout(SOON, &mut ring).await.is_err());
        alarm.heed(began + NEVER);
        assert!(timeout(SOON, &mut ring).await.is_err());
        alarm.heed(began + NEVER - SOON);
        assert!(timeout(SOON, &mut ring).await.is_ok());
    }
}
