//! An alarm clock for one sleeper, which anybody may set to an earlier time while it sleeps.
//!
//! Groups and transactions have deadlines: sessions end, transactions time out. One task sleeps until the earliest of them, and
//! wakes up early where one comes up that is earlier still, so that a broker without clients does nothing at all.

use std::future::pending;
use std::sync::Mutex;

use tokio::sync::Notify;
use tokio::time::Sleep;

use crate::lock::lock;

/// `T` is a moment, by whichever clock the deadlines are.
#[derive(Debug)]
pub(crate) struct Alarm<T> {
    /// When it rings; `None` for never.
    at: Mutex<Option<T>>,
    earlier: Notify,
}

impl<T> Default for Alarm<T> {
    fn default() -> Self {
        Self { at: Mutex::default(), earlier: Notify::new() }
    }
}

impl<T: Copy + Ord> Alarm<T> {
    /// Waits until the earliest deadline, which `next` finds, or until there is an earlier one. `None`: there is no deadline.
    pub(crate) async fn ring(&self, next: impl FnOnce() -> Option<T>, sleep: impl FnOnce(T) -> Sleep) {
        let next = {
            // Held while the deadlines are looked at, so that none can become earlier unnoticed in between.
            let mut at = lock(&self.at);
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

    /// There is something to do at `deadline`. To be called after it can be found, and without a lock that finding it takes.
    pub(crate) fn heed(&self, deadline: T) {
        if lock(&self.at).is_none_or(|at| deadline < at) {
            self.earlier.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep_until, timeout};

    use super::*;

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
