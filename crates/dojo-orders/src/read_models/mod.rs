//! What this service knows, all of it from Kafka: the read side. [`followers`] reads topics into the models; every other part
//! of the service can only read them. Nothing here writes to Kafka.

pub(crate) mod applied_offsets;
mod deliveries;
pub(crate) mod instances;
pub(crate) mod order_list;
pub(crate) mod page_rows;
mod rates;
pub(crate) mod redrives;
pub(crate) mod runs;

pub(crate) mod followers;

use crate::{
    event_stream::hub::{Capacity, Hub},
    rebalances::log::RebalanceLog,
    rule_switches::RuleSwitches,
};
use applied_offsets::AppliedOffsets;
use dojo_contract::AuditEvent;
use instances::Instances;
use order_list::OrderList;
use page_rows::PageRows;
use parking_lot::{Mutex, RwLock};
use rates::Rates;
use redrives::Redrives;
use runs::Runs;
use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// All read models.
#[derive(Debug)]
pub(crate) struct ReadModels {
    /// The newest events, for the streams.
    pub(crate) hub: Arc<Hub>,
    /// How far the orders list has come on `orders`.
    pub(crate) applied_orders: AppliedOffsets,
    pub(crate) instances: Instances,
    pub(crate) runs: Runs,
    /// The newest rebalances of the consumer groups.
    pub(crate) rebalances: Arc<RebalanceLog>,
    /// The latest switches of the rules to other versions.
    pub(crate) rule_switches: Arc<RuleSwitches>,
    orders: RwLock<OrderList>,
    page_rows: Mutex<PageRows>,
    rates: Mutex<Rates>,
    redrives: Mutex<Redrives>,
    is_caught_up: AtomicBool,
    unreadable: AtomicU64,
}

impl Default for ReadModels {
    fn default() -> Self {
        Self::new(order_list::KEPT)
    }
}

impl ReadModels {
    /// Empty models, of which the orders list keeps the newest `orders_kept` orders.
    pub(crate) fn new(orders_kept: usize) -> Self {
        Self {
            hub: Arc::new(Hub::new(Capacity::default())),
            applied_orders: AppliedOffsets::default(),
            instances: Instances::default(),
            runs: Runs::default(),
            rebalances: Arc::default(),
            rule_switches: Arc::default(),
            orders: RwLock::new(OrderList::new(orders_kept)),
            page_rows: Mutex::default(),
            rates: Mutex::default(),
            redrives: Mutex::default(),
            is_caught_up: AtomicBool::new(false),
            unreadable: AtomicU64::new(0),
        }
    }

    /// The orders list, locked for reading.
    pub(crate) fn orders(&self) -> impl Deref<Target = OrderList> {
        self.orders.read()
    }

    /// The newest rows of the page, locked.
    pub(crate) fn page_rows(&self) -> impl Deref<Target = PageRows> {
        self.page_rows.lock()
    }

    /// How many records came in each of the last seconds, locked.
    pub(crate) fn rates(&self) -> impl Deref<Target = Rates> {
        self.rates.lock()
    }

    /// The redrives of dead letters, locked. What follows from a record of `orders` is there once
    /// [`applied_orders`](Self::applied_orders) has passed it.
    pub(crate) fn redrives(&self) -> impl Deref<Target = Redrives> {
        self.redrives.lock()
    }

    /// Whether the orders list has once been everything that the log held.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.is_caught_up.load(Ordering::Acquire)
    }

    fn caught_up(&self) {
        if !self.is_caught_up.swap(true, Ordering::AcqRel) {
            tracing::info!(orders = self.orders().len(), "the orders list is up to date");
        }
    }

    /// Tells the redrives what an event of `audit` says.
    fn outcome(&self, audit_offset: i64, event: &AuditEvent) {
        // Asked while the redrives are locked, so that the record can't be read in between.
        let is_ahead = |(partition, offset)| !self.applied_orders.has_passed(partition, offset);
        self.redrives.lock().told(audit_offset, event, is_ahead);
    }

    /// How many unreadable records were met on any topic.
    pub(crate) fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    fn count_unreadable(&self) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
    }
}
