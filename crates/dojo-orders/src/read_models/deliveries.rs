//! Counts the orders whose customer was notified twice, which at-least-once delivery may do after a crash.

use dojo_contract::{AuditAction, AuditEvent};
use std::collections::{BTreeMap, HashMap, VecDeque};
use uuid::Uuid;

/// Orders that are remembered: those of the last minute or more.
const ORDERS: usize = 20_000;

/// The deliveries of the newest orders.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    orders: HashMap<Uuid, Delivery>,
    /// The ids in `orders`, oldest first.
    seen: VecDeque<Uuid>,
    /// Orders that were notified twice.
    twice: u64,
}

#[derive(Debug, Default)]
struct Delivery {
    /// How often the order was created, changed, deleted or sent back: its customer is notified of each.
    changes: u32,
    /// Retry count, and how often `NOTIFIED` came with it.
    notified: BTreeMap<u32, u32>,
    /// The order is counted among those that were notified twice.
    is_counted: bool,
}

/// More retry counts than this of one order are not told apart.
const RETRY_COUNTS: usize = 16;

impl Deliveries {
    /// Counts what an event of `audit` says.
    pub(super) fn observe(&mut self, event: &AuditEvent) {
        let is_change = match event.action {
            AuditAction::Created | AuditAction::Updated | AuditAction::Deleted | AuditAction::Redriven => {
                true
            }
            AuditAction::Notified => false,
            _ => return,
        };
        if !self.orders.contains_key(&event.order_id) {
            self.seen.push_back(event.order_id);
            if self.seen.len() > ORDERS
                && let Some(oldest) = self.seen.pop_front()
            {
                self.orders.remove(&oldest);
            }
        }
        let delivery = self.orders.entry(event.order_id).or_default();
        if is_change {
            delivery.changes += 1;
            return;
        }
        let retry = event.retry_count.unwrap_or(0);
        if delivery.notified.len() >= RETRY_COUNTS && !delivery.notified.contains_key(&retry) {
            return;
        }
        let times = delivery.notified.entry(retry).or_default();
        *times += 1;
        if *times > delivery.changes.max(1) && !delivery.is_counted {
            delivery.is_counted = true;
            self.twice += 1;
        }
    }

    /// How many orders were notified twice.
    pub(super) fn notified_twice(&self) -> u64 {
        self.twice
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use dojo_contract::Source;

    fn event(action: AuditAction, id: u128) -> AuditEvent {
        AuditEvent::new(Source::NotificationService, action, Uuid::from_u128(id), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn an_order_that_is_notified_twice_is_counted_once() {
        let mut deliveries = Deliveries::default();
        let mut say = |action, id, retry: u32| {
            deliveries.observe(&AuditEvent { retry_count: Some(retry), ..event(action, id) });
            deliveries.notified_twice()
        };
        assert_eq!(say(AuditAction::Created, 1, 0), 0);
        assert_eq!(say(AuditAction::Notified, 1, 0), 0);
        assert_eq!(say(AuditAction::Notified, 1, 1), 0, "another attempt");
        assert_eq!(say(AuditAction::Notified, 1, 0), 1);
        assert_eq!(say(AuditAction::Notified, 1, 0), 1);
        // An order is notified of each of its changes.
        say(AuditAction::Created, 2, 0);
        say(AuditAction::Notified, 2, 0);
        say(AuditAction::Updated, 2, 0);
        assert_eq!(say(AuditAction::Notified, 2, 0), 1);
        assert_eq!(say(AuditAction::Notified, 2, 0), 2);
        // What happened before the service started is not known.
        assert_eq!(say(AuditAction::Notified, 3, 0), 2);
        assert_eq!(say(AuditAction::Notified, 3, 0), 3);
    }

    #[test]
    fn the_orders_that_are_remembered_are_bounded() {
        let mut deliveries = Deliveries::default();
        (0..ORDERS as u128 + 50).for_each(|n| deliveries.observe(&event(AuditAction::Notified, n)));
        assert_eq!((deliveries.orders.len(), deliveries.seen.len()), (ORDERS, ORDERS));
    }
}
