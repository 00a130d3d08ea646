//! What this service knows, all of it told by Kafka: the read side, which [`crate::feeds`] writes and every handler
//! reads. Nothing in here is written by a request.

use crate::{
    hub::{Capacity, Hub},
    instances::Instances,
    projection::Orders,
    reached::Reached,
    recent::Recent,
};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) hub: Arc<Hub>,
    /// How far the projection of `orders` has come.
    pub(crate) orders_read: Reached,
    pub(crate) instances: Instances,
    orders: RwLock<Orders>,
    recent: Mutex<Recent>,
    caught_up: AtomicBool,
    unreadable: AtomicU64,
}

impl Model {
    pub(crate) fn new(capacity: Capacity) -> Self {
        Self {
            hub: Arc::new(Hub::new(capacity)),
            orders_read: Reached::default(),
            instances: Instances::default(),
            orders: RwLock::default(),
            recent: Mutex::default(),
            caught_up: AtomicBool::new(false),
            unreadable: AtomicU64::new(0),
        }
    }

    pub(crate) fn orders(&self) -> RwLockReadGuard<'_, Orders> {
        self.orders.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn orders_mut(&self) -> RwLockWriteGuard<'_, Orders> {
        self.orders.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the orders list has once been everything that the log held.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    pub(crate) fn caught_up(&self) {
        if !self.caught_up.swap(true, Ordering::AcqRel) {
            tracing::info!(orders = self.orders().len(), "the orders list is up to date");
        }
    }

    /// How many unreadable records were met on any topic.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    pub(crate) fn count_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }
}
