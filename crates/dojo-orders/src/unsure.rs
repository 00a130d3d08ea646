//! Changes whose record was sent to `orders` and not acknowledged: nobody knows whether it is on the log, until this
//! service reads it there, which may be before its sender gives up or long after.
//!
//! Bounded in number: the oldest are forgotten. By then their records have come, or the network that held them is gone.

use crate::audit_trail::about;
use chrono::{DateTime, Utc};
use dojo_contract::{AuditEvent, OrderEvent};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// Far more than are sent within the time after which a record is given up.
const MOST: usize = 65_536;

/// A change: those to one order are made one after another, so no two have the same time. Oldest first.
type Change = (DateTime<Utc>, Uuid);

/// What is known of changes without an acknowledgement. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unsure {
    changes: Arc<Mutex<BTreeMap<Change, State>>>,
}

#[derive(Debug)]
enum State {
    /// Its sender waits for the acknowledgement.
    Sent,
    /// Its sender still waits, and it was read there.
    Read { partition: i32, offset: i64 },
    /// Its sender waits no more; this is to be said once it is read.
    Unknown(Box<AuditEvent>),
}

/// A change whose sender waits for the acknowledgement; dropped, there is nothing unsure about it any more.
#[derive(Debug)]
pub(crate) struct Pending {
    unsure: Unsure,
    change: Option<Change>,
}

impl Unsure {
    /// A record is about to be sent, of which `event` tells.
    pub(crate) fn begin(&self, event: &AuditEvent) -> Pending {
        let change = (event.timestamp, event.order_id);
        let mut changes = self.changes();
        changes.insert(change, State::Sent);
        if changes.len() > MOST {
            changes.pop_first();
        }
        drop(changes);
        Pending { unsure: self.clone(), change: Some(change) }
    }

    /// `event` was read on `orders`; what is to be said of it, where its sender no longer can.
    pub(crate) fn read(&self, event: &OrderEvent, partition: i32, offset: i64) -> Option<AuditEvent> {
        let change = (event.timestamp, event.order.id);
        let mut changes = self.changes();
        let state = changes.get_mut(&change)?;
        match std::mem::replace(state, State::Read { partition, offset }) {
            State::Unknown(event) => {
                changes.remove(&change);
                Some(about(*event, partition, offset))
            }
            State::Sent | State::Read { .. } => None,
        }
    }

    fn changes(&self) -> MutexGuard<'_, BTreeMap<Change, State>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pending {
    /// No acknowledgement came. What is to be said now, where the record is known to be on the log all the same; else
    /// `event` is said once it is read.
    pub(crate) fn unknown(mut self, event: AuditEvent) -> Option<AuditEvent> {
        let change = self.change.take()?;
        let mut changes = self.unsure.changes();
        if let State::Read { partition, offset } = changes.get(&change)? {
            let event = about(event, *partition, *offset);
            changes.remove(&change);
            return Some(event);
        }
        changes.insert(change, State::Unknown(Box::new(event)));
        None
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(change) = self.change.take() {
            self.unsure.changes().remove(&change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use dojo_contract::{AuditAction, NewOrder, OrderAction, Source};

    fn change(second: i64) -> (OrderEvent, AuditEvent) {
        let timestamp = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        let asked =
            NewOrder { customer_name: "Ada".into(), item: "Pizza".into(), quantity: 1, price: 9.into() };
        let order = asked.into_order(Uuid::from_u128(1), timestamp);
        let audit = AuditEvent::new(Source::OrderService, AuditAction::Created, order.id, timestamp);
        (OrderEvent { action: OrderAction::Created, order, timestamp }, audit)
    }

    #[test]
    fn what_was_acknowledged_is_not_told_again() {
        let unsure = Unsure::default();
        let (order, audit) = change(1);
        drop(unsure.begin(&audit));
        assert_eq!(unsure.read(&order, 0, 7), None);
        assert!(unsure.changes().is_empty());
    }

    #[test]
    fn what_comes_after_its_sender_gave_up_is_told_once() {
        let unsure = Unsure::default();
        let (order, audit) = change(1);
        assert_eq!(unsure.begin(&audit).unknown(audit.clone()), None);
        assert_eq!(unsure.read(&order, 2, 7), Some(about(audit, 2, 7)));
        assert_eq!(unsure.read(&order, 2, 7), None);
        assert!(unsure.changes().is_empty());
    }

    #[test]
    fn what_was_read_before_its_sender_gave_up_is_told_at_once() {
        let unsure = Unsure::default();
        let (order, audit) = change(1);
        let pending = unsure.begin(&audit);
        assert_eq!(unsure.read(&order, 2, 7), None);
        assert_eq!(pending.unknown(audit.clone()), Some(about(audit, 2, 7)));
        assert!(unsure.changes().is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let unsure = Unsure::default();
        for second in 0..=MOST as i64 {
            let (_, audit) = change(second);
            assert_eq!(unsure.begin(&audit).unknown(audit), None);
        }
        assert_eq!(unsure.changes().len(), MOST);
        assert_eq!(unsure.read(&change(0).0, 0, 0), None);
        assert!(unsure.read(&change(1).0, 0, 0).is_some());
    }
}
