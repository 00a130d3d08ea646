//! The orders list: a fold of the topic `orders`, with nothing else in it.
//!
//! The list is read from the log's start at every start of the service, so a restart shows the same orders. Only original
//! records change it; a retry or a redrive is the same event again. The first `created` of an id counts, a deleted
//! order stays deleted, and an `updated` whose `created` the log no longer holds brings the order in.
//!
//! Memory is bounded: the list keeps the newest orders, deleted ones included, and only counts the older ones.

use chrono::{DateTime, Utc};
use dojo_contract::{NewOrder, Order, OrderAction, OrderEvent};
use rust_decimal::Decimal;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};
use uuid::Uuid;

/// Orders that the list keeps where the configuration doesn't say: some 50 MiB.
pub(crate) const KEPT: usize = 100_000;

/// The newest orders by id, and by age.
#[derive(Debug)]
pub(crate) struct OrderList {
    /// Up to `kept` entries. Deleted orders are among them, because a repeated request must find what became of the first.
    entries: HashMap<Uuid, Entry>,
    /// The keys of `entries`, oldest first.
    by_age: BTreeSet<Age>,
    kept: usize,
    /// The entries that are not deleted.
    len: usize,
    /// Orders of each partition that are older than the list; one number a partition.
    older: HashMap<i32, u64>,
}

type Age = (DateTime<Utc>, Uuid);

#[derive(Debug)]
struct Entry {
    created_at: DateTime<Utc>,
    partition: i32,
    /// Partition and offset of the newest original record about it, where they are known.
    place: Option<(i32, i64)>,
    /// Fingerprint of the request that created the order; `None` if the log has no `created`.
    asked: Option<Fingerprint>,
    /// `None` once deleted.
    order: Option<Arc<Order>>,
}

/// A hash of a request to create an order, which tells a repeated request from a different one.
/// Only compared within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    pub(crate) fn of(asked: &NewOrder) -> Self {
        let NewOrder { customer_name, item, quantity, price } = asked;
        Self::of_parts(customer_name, item, *quantity, price)
    }

    /// The fingerprint of the request that an order, as it was created, came from.
    fn of_created(order: &Order) -> Self {
        Self::of_parts(&order.customer_name, &order.item, order.quantity, &order.price)
    }

    fn of_parts(customer_name: &str, item: &str, quantity: i64, price: &Decimal) -> Self {
        let mut hasher = DefaultHasher::new();
        (customer_name, item, quantity, price).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What is known of the creation of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Creation {
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) asked: Option<Fingerprint>,
}

/// A part of the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Newest first.
    pub(crate) orders: Vec<Arc<Order>>,
    /// The next page begins after this order. `None`: this is the last page.
    pub(crate) next: Option<Uuid>,
}

/// The list doesn't have an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no order {id}{}", self.where_else())]
pub(crate) struct NoSuchOrder {
    pub(crate) id: Uuid,
    /// Orders that are older than the list.
    older: u64,
    kept: usize,
}

impl NoSuchOrder {
    fn where_else(&self) -> String {
        if self.older == 0 {
            return String::new();
        }
        format!(
            " among the newest {} (ORDERS_KEPT); {} older ones are no longer listed here, but their records are still on the topic \
             `orders`",
            self.kept, self.older
        )
    }
}

impl OrderList {
    /// An empty list that will keep the newest `kept` orders.
    pub(crate) fn new(kept: usize) -> Self {
        Self { entries: HashMap::new(), by_age: BTreeSet::new(), kept, len: 0, older: HashMap::new() }
    }

    /// Applies the event of an original record.
    pub(super) fn apply(&mut self, partition: i32, event: OrderEvent) {
        let OrderEvent { action, order, .. } = event;
        let id = order.id;
        let is_older = self.is_older((order.created_at, id));
        match (action, self.entries.get_mut(&id)) {
            (OrderAction::Created, Some(entry)) if entry.asked.is_some() => {}
            (OrderAction::Created, Some(entry)) => entry.asked = Some(Fingerprint::of_created(&order)),
            (OrderAction::Created, None) => {
                if is_older {
                    *self.older.entry(partition).or_default() += 1;
                    return;
                }
                let asked = Some(Fingerprint::of_created(&order));
                self.insert(partition, asked, order.created_at, id, Some(order));
            }
            (OrderAction::Updated, Some(entry)) => {
                if let Some(current) = &mut entry.order {
                    self.by_age.remove(&(entry.created_at, id));
                    self.by_age.insert((order.created_at, id));
                    entry.created_at = order.created_at;
                    *current = Arc::new(order);
                }
            }
            (OrderAction::Updated, None) => {
                self.insert(partition, None, order.created_at, id, Some(order));
            }
            (OrderAction::Deleted, Some(entry)) => {
                if entry.order.take().is_some() {
                    self.len -= 1;
                }
            }
            (OrderAction::Deleted, None) if is_older => {
                let older = self.older.entry(partition).or_default();
                *older = older.saturating_sub(1);
            }
            (OrderAction::Deleted, None) => self.insert(partition, None, order.created_at, id, None),
        }
    }

    /// Notes where the newest original record about an order stands.
    pub(super) fn stands_at(&mut self, id: Uuid, partition: i32, offset: i64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.place = Some((partition, offset));
        }
    }

    /// Partition and offset of the newest original record about an order.
    pub(crate) fn place(&self, id: Uuid) -> Option<(i32, i64)> {
        self.entries.get(&id)?.place
    }

    /// Whether an order that isn't in the list is older than all that are, and the list is full.
    fn is_older(&self, age: Age) -> bool {
        self.entries.len() >= self.kept && self.by_age.first().is_some_and(|oldest| age < *oldest)
    }

    fn insert(
        &mut self,
        partition: i32,
        asked: Option<Fingerprint>,
        created_at: DateTime<Utc>,
        id: Uuid,
        order: Option<Order>,
    ) {
        if self.is_older((created_at, id)) {
            return;
        }
        self.len += usize::from(order.is_some());
        self.by_age.insert((created_at, id));
        self.entries
            .insert(id, Entry { created_at, partition, place: None, asked, order: order.map(Arc::new) });
        if self.entries.len() > self.kept
            && let Some((_, oldest)) = self.by_age.pop_first()
            && let Some(entry) = self.entries.remove(&oldest)
            && entry.order.is_some()
        {
            self.len -= 1;
            *self.older.entry(entry.partition).or_default() += 1;
        }
    }

    /// Forgets a partition whose log starts over.
    pub(super) fn forget(&mut self, partition: i32) {
        let (by_age, len) = (&mut self.by_age, &mut self.len);
        self.entries.retain(|id, entry| {
            let is_kept = entry.partition != partition;
            if !is_kept {
                by_age.remove(&(entry.created_at, *id));
                *len -= usize::from(entry.order.is_some());
            }
            is_kept
        });
        self.older.remove(&partition);
    }

    /// Finds an order that is not deleted.
    pub(crate) fn get(&self, id: Uuid) -> Result<Arc<Order>, NoSuchOrder> {
        let order = self.entries.get(&id).and_then(|entry| entry.order.clone());
        order.ok_or_else(|| NoSuchOrder { id, older: self.older(), kept: self.kept })
    }

    /// How an order came to be, also of a deleted one.
    pub(crate) fn creation(&self, id: Uuid) -> Option<Creation> {
        let entry = self.entries.get(&id)?;
        Some(Creation { created_at: entry.created_at, asked: entry.asked })
    }

    /// How many orders the list has.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How many orders are older than the list. Approximate where the log lacks the `created` of an order, or has it twice
    /// because a request was repeated after its order had left the list.
    pub(crate) fn older(&self) -> u64 {
        self.older.values().sum()
    }

    /// Up to `limit` orders, newest first, after the order `after`, which may have been deleted since; `None` where
    /// the list doesn't have it.
    pub(crate) fn page(&self, limit: usize, after: Option<Uuid>) -> Option<Page> {
        let older = match after {
            None => self.by_age.range(..),
            Some(id) => self.by_age.range(..(self.entries.get(&id)?.created_at, id)),
        };
        let mut older = older.rev().filter_map(|(_, id)| self.entries.get(id)?.order.clone());
        let orders: Vec<_> = older.by_ref().take(limit).collect();
        let next = older.next().and(orders.last()).map(|order| order.id);
        Some(Page { orders, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use dojo_contract::OrderStatus;
    use proptest::prelude::*;

    fn asked() -> NewOrder {
        NewOrder { customer_name: "Ada".into(), item: "Pizza".into(), quantity: 1, price: 9.into() }
    }

    fn event(action: OrderAction, id: u128, second: i64) -> OrderEvent {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        OrderEvent { action, order: asked().into_order(Uuid::from_u128(id), at), timestamp: at }
    }

    fn ids(page: &Page) -> Vec<u128> {
        page.orders.iter().map(|o| o.id.as_u128()).collect()
    }

    #[test]
    fn a_deleted_order_stays_deleted_but_is_remembered() {
        let mut orders = OrderList::new(1_000);
        orders.apply(0, event(OrderAction::Created, 1, 1));
        orders.apply(0, event(OrderAction::Deleted, 1, 1));
        orders.apply(0, event(OrderAction::Updated, 1, 1));
        assert_eq!((orders.get(Uuid::from_u128(1)).ok(), orders.len()), (None, 0));
        let creation = orders.creation(Uuid::from_u128(1)).unwrap();
        assert_eq!(creation.asked, Some(Fingerprint::of(&asked())));
    }

    #[test]
    fn the_first_creation_counts() {
        let mut orders = OrderList::new(1_000);
        orders.apply(0, event(OrderAction::Created, 1, 1));
        let mut again = event(OrderAction::Created, 1, 2);
        again.order.item = "Soup".into();
        orders.apply(0, again);
        assert_eq!(orders.get(Uuid::from_u128(1)).unwrap().item, "Pizza");
    }

    #[test]
    fn an_update_without_its_creation_brings_the_order_in() {
        let mut orders = OrderList::new(1_000);
        let mut update = event(OrderAction::Updated, 1, 1);
        update.order.status = OrderStatus::Delivered;
        orders.apply(0, update);
        assert_eq!(orders.get(Uuid::from_u128(1)).unwrap().status, OrderStatus::Delivered);
        assert_eq!(orders.creation(Uuid::from_u128(1)).unwrap().asked, None);
    }

    #[test]
    fn pages_continue_after_an_order_that_was_deleted() {
        let mut orders = OrderList::new(1_000);
        (1..=5).for_each(|n| orders.apply(0, event(OrderAction::Created, n, n as i64)));
        let first = orders.page(2, None).unwrap();
        assert_eq!((ids(&first), first.next), (vec![5, 4], Some(Uuid::from_u128(4))));
        orders.apply(0, event(OrderAction::Deleted, 4, 4));
        let rest = orders.page(9, first.next).unwrap();
        assert_eq!((ids(&rest), rest.next), (vec![3, 2, 1], None));
        assert_eq!(orders.page(9, Some(Uuid::from_u128(77))), None);
    }

    #[test]
    fn a_partition_whose_log_restarts_loses_its_orders() {
        let mut orders = OrderList::new(1_000);
        orders.apply(0, event(OrderAction::Created, 1, 1));
        orders.apply(1, event(OrderAction::Created, 2, 2));
        orders.forget(0);
        assert_eq!(ids(&orders.page(9, None).unwrap()), [2]);
        assert_eq!(orders.creation(Uuid::from_u128(1)), None);
    }

    #[test]
    fn only_the_newest_are_kept_and_the_older_ones_are_counted() {
        let mut orders = OrderList::new(3);
        (1..=5).for_each(|n| orders.apply(0, event(OrderAction::Created, n, n as i64)));
        assert_eq!(
            (ids(&orders.page(9, None).unwrap()), orders.len(), orders.older()),
            (vec![5, 4, 3], 3, 2)
        );
        // The partitions of a log are not read in the order of time.
        orders.apply(1, event(OrderAction::Created, 9, 0));
        assert_eq!((orders.len(), orders.older()), (3, 3));
        let missing = orders.get(Uuid::from_u128(1)).unwrap_err().to_string();
        assert!(missing.contains("among the newest 3 (ORDERS_KEPT); 3 older ones"), "{missing}");
        assert_eq!(orders.creation(Uuid::from_u128(1)), None);
        orders.apply(0, event(OrderAction::Updated, 1, 1));
        orders.apply(1, event(OrderAction::Deleted, 9, 0));
        assert_eq!((orders.len(), orders.older()), (3, 2));
        orders.forget(0);
        assert_eq!((orders.len(), orders.older(), orders.by_age.len()), (0, 0, 0));
    }

    #[test]
    fn a_deleted_order_takes_a_place_until_it_is_the_oldest() {
        let mut orders = OrderList::new(2);
        orders.apply(0, event(OrderAction::Created, 1, 1));
        orders.apply(0, event(OrderAction::Deleted, 1, 1));
        orders.apply(0, event(OrderAction::Created, 2, 2));
        orders.apply(0, event(OrderAction::Created, 3, 3));
        assert_eq!((orders.entries.len(), orders.len(), orders.older()), (2, 2, 0));
    }

    proptest! {
        #[test]
        fn pages_give_every_order_once_newest_first_whatever_arrives_between(
            seconds in prop::collection::vec(0i64..5, 0..40), limit in 1usize..7,
        ) {
            let mut orders = OrderList::new(1_000);
            let mut all: Vec<_> = (1u128..).zip(&seconds).map(|(n, s)| (*s, n)).collect();
            all.iter().for_each(|(s, n)| orders.apply(0, event(OrderAction::Created, *n, *s)));
            all.sort();
            all.reverse();
            let (mut seen, mut after, mut newer) = (Vec::new(), None, 1_000);
            loop {
                let page = orders.page(limit, after).unwrap();
                prop_assert!(page.orders.len() <= limit);
                seen.extend(ids(&page));
                newer += 1;
                orders.apply(0, event(OrderAction::Created, newer, 10));
                match page.next {
                    None => break,
                    next => after = next,
                }
            }
            prop_assert_eq!(seen, all.into_iter().map(|(_, n)| n).collect::<Vec<_>>());
        }
    }
}
