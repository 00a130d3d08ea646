//! A lock for each order: changes to one order are made one after another, changes to others meanwhile.

use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

/// Locks by order id. A lock exists only while a change holds it or waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct OrderLocks {
    locks: Arc<Mutex<HashMap<Uuid, Arc<tokio::sync::Mutex<()>>>>>,
}

/// Held while a change to the order is made.
#[derive(Debug)]
pub(crate) struct OrderLock {
    id: Uuid,
    held: Option<OwnedMutexGuard<()>>,
    locks: OrderLocks,
}

impl OrderLocks {
    /// Waits for earlier changes.
    pub(crate) async fn lock(&self, id: Uuid) -> OrderLock {
        let lock = Arc::clone(self.locks.lock().entry(id).or_default());
        OrderLock { id, held: Some(lock.lock_owned().await), locks: self.clone() }
    }
}

impl Drop for OrderLock {
    fn drop(&mut self) {
        let mut map = self.locks.locks.lock();
        self.held = None;
        // No other change can ask for it meanwhile: that takes the map.
        if map.get(&self.id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            map.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::pin::pin;

    #[tokio::test]
    async fn one_order_one_change_at_a_time_and_no_lock_stays_behind() {
        let locks = OrderLocks::default();
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let first = locks.lock(one).await;
        let mut second = pin!(locks.lock(one));
        assert!(second.as_mut().now_or_never().is_none());
        drop(locks.lock(other).now_or_never().unwrap());
        drop(first);
        drop(second.now_or_never().unwrap());
        assert!(locks.locks.lock().is_empty());
    }
}
