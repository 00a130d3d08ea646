//! From records in the order of their arrival to orders with their windows in the order of time: the
//! [merge](crate::merge) and the [windows](crate::window) together.
//!
//! Pure. The caller attaches to each order what it needs later (the record's position, say) as `T`.
//!
//! After a restart the windows are filled again from records that were judged before. Those come out, too, without a
//! window, so that each received record comes out once. In every partition they come out before any order that is still to be
//! judged.

use crate::{
    merge::{Due, Merge, Merged},
    window::{OrderWindow, Placed, WINDOW, Windows, is_far_ahead},
};
use dojo_contract::Order;
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// The offsets from which a partition is read and judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Start {
    /// The partition.
    pub partition: i32,
    /// The first offset that is read.
    pub read_from: i64,
    /// The first offset that wasn't judged before; the records from `read_from` up to here fill the windows.
    pub judge_from: i64,
}

/// A new order from the log.
#[derive(Debug, Clone)]
pub struct Incoming<T> {
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its event time, in milliseconds since 1970.
    pub time: i64,
    /// The order.
    pub order: Order,
    /// What the caller attached.
    pub tag: T,
}

/// An order whose turn has come.
#[derive(Debug)]
pub struct Counted<T> {
    /// The order as it came in.
    pub incoming: Incoming<T>,
    /// Its window. `None`: the order was judged before a restart, so no verdict is due.
    pub window: Option<Arc<OrderWindow>>,
}

/// The state of fraud detection over a set of partitions.
#[derive(Debug)]
pub struct Detector<T> {
    merge: Merge<Incoming<T>>,
    windows: Windows,
    starts: BTreeMap<i32, Start>,
    /// Partition and offset of further records that were judged before; at most those of one look-up on `audit`.
    judged: HashSet<(i32, i64)>,
}

impl<T> Default for Detector<T> {
    fn default() -> Self {
        Self::starting([], HashSet::new(), WINDOW, 0)
    }
}

impl<T> Detector<T> {
    /// Creates a detector of the partitions in `starts`, of which it has no records yet. `judged` has partition and offset of
    /// the records at `judge_from` or after it that were judged before. Its windows hold `span` milliseconds.
    pub fn starting(
        starts: impl IntoIterator<Item = Start>,
        judged: HashSet<(i32, i64)>,
        span: i64,
        now: i64,
    ) -> Self {
        let starts: BTreeMap<_, _> = starts.into_iter().map(|start| (start.partition, start)).collect();
        let merge = Merge::of(starts.keys().copied(), now);
        Self { merge, windows: Windows::holding(span), starts, judged }
    }

    /// Notes that orders up to an event time, in milliseconds since 1970, may be missing. Windows that reach back to it are
    /// partial.
    pub fn missing_until(self, time: Option<i64>) -> Self {
        self.windows.missing_until(time);
        self
    }

    /// Takes a new order, which arrived at `now`, in milliseconds since 1970.
    pub fn arrived(&mut self, incoming: Incoming<T>, now: i64) {
        self.restarted_below(incoming.partition, incoming.offset);
        // Clocks differ, so an order that is dated a little ahead counts as placed now.
        let time = incoming.time.min(now);
        let due = if is_far_ahead(incoming.time, now) {
            // It is counted alone, so no other order's count depends on its turn.
            Due::AtOnce
        } else if self.is_due(&incoming) {
            Due::At(time)
        } else {
            // The k orders judged before have the counts 1 to k, so the next order to be judged has k + 1, even if it was
            // placed before one of them.
            Due::Replayed(time)
        };
        self.merge.push(incoming.partition, due, incoming, now);
    }

    /// Notes a record that arrived at `now` and isn't a new order.
    pub fn passed(&mut self, partition: i32, offset: i64, now: i64) {
        self.restarted_below(partition, offset);
        self.merge.passed(partition, now);
    }

    /// Notes that `partition` has no more records at `now`.
    pub fn end(&mut self, partition: i32, now: i64) {
        self.merge.end(partition, now);
    }

    /// Returns the next order in the order of time, unless an earlier one may still come.
    pub fn next(&mut self, now: i64) -> Option<Counted<T>> {
        let Merged { record: incoming, .. } = self.merge.next(now)?;
        let placed = Placed::of(&incoming.order, incoming.time);
        let window = if self.is_due(&incoming) {
            Some(Arc::new(self.windows.count(placed, now)))
        } else {
            self.windows.recall(placed, now);
            None
        };
        Some(Counted { incoming, window })
    }

    /// Returns whether a verdict on the order is due: it had none before the restart.
    fn is_due(&self, order: &Incoming<T>) -> bool {
        self.starts.get(&order.partition).is_none_or(|start| order.offset >= start.judge_from)
            && !self.judged.contains(&(order.partition, order.offset))
    }

    /// Returns how many orders of `partition` wait for their turn. A bound on this number bounds the memory, since the names
    /// in an order are short.
    pub fn waiting(&self, partition: i32) -> usize {
        self.merge.waiting(partition)
    }

    /// Notices another log under the same name by an offset below the start: the topic was created again, and nothing in it
    /// was judged before.
    fn restarted_below(&mut self, partition: i32, offset: i64) {
        if let Some(start) = self.starts.get_mut(&partition).filter(|start| offset < start.read_from) {
            *start = Start { partition, read_from: offset, judge_from: offset };
            self.judged.retain(|(judged, _)| *judged != partition);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chrono::DateTime;
    use dojo_contract::OrderStatus;
    use dojo_rules::{OrderHistory as _, OrdersOf};
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use std::collections::BTreeSet;
    use uuid::Uuid;

    const NOON: i64 = 1_800_000_000_000;
    const MINUTE: i64 = 60_000;

    /// An order whose id is made of `id`.
    pub(crate) fn order(id: u128, customer: &str) -> Order {
        Order {
            id: Uuid::from_u128(id),
            customer_name: customer.to_owned(),
            item: "Pizza".to_owned(),
            quantity: 1,
            price: Decimal::TEN,
            status: OrderStatus::Created,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn incoming(partition: i32, offset: i64, time: i64) -> Incoming<()> {
        let id = (u128::from(partition as u32) << 64) + offset as u128;
        Incoming { partition, offset, time, order: order(id, "ada"), tag: () }
    }

    fn fresh(partitions: i32, now: i64) -> Detector<()> {
        let starts = (0..partitions).map(|p| Start { partition: p, read_from: 0, judge_from: 0 });
        Detector::starting(starts, HashSet::new(), WINDOW, now)
    }

    fn drain(detector: &mut Detector<()>, now: i64) -> Vec<Counted<()>> {
        std::iter::from_fn(|| detector.next(now)).collect()
    }

    #[test]
    fn an_order_dated_2099_neither_stalls_the_merge_nor_empties_a_window() {
        let mut detector = fresh(2, NOON);
        detector.end(1, NOON);
        for offset in 0..5 {
            detector.arrived(incoming(0, offset, NOON), NOON);
        }
        let in_2099 = 4_080_000_000_000;
        detector.arrived(incoming(1, 0, in_2099), NOON);
        detector.arrived(incoming(1, 1, NOON), NOON);
        detector.arrived(incoming(0, 5, NOON), NOON);
        detector.end(0, NOON);
        detector.end(1, NOON);
        let counts: Vec<_> = drain(&mut detector, NOON)
            .into_iter()
            .map(|c| (c.incoming.time == in_2099, c.window.unwrap().stats().customer_orders_in_window))
            .collect();
        assert_eq!(counts.len(), 8);
        assert_eq!(counts.iter().filter(|(ahead, _)| *ahead).collect::<Vec<_>>(), [&(true, 1)]);
        let own: Vec<_> = counts.iter().filter(|(ahead, _)| !ahead).map(|(_, n)| *n).collect();
        assert_eq!(own, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn an_order_that_was_judged_before_fills_the_windows_and_is_not_due() {
        let start = Start { partition: 0, read_from: 3, judge_from: 7 };
        let mut detector = Detector::starting([start], [(0, 7)].into(), WINDOW, NOON);
        for offset in 3..10 {
            detector.arrived(incoming(0, offset, NOON + offset), NOON + 100);
        }
        let due: Vec<_> = drain(&mut detector, NOON + 100)
            .into_iter()
            .filter_map(|c| Some((c.incoming.offset, c.window?.stats().customer_orders_in_window)))
            .collect();
        assert_eq!(due, [(8, 6), (9, 7)]);
    }

    #[test]
    fn a_window_that_reaches_back_to_missing_orders_is_partial() {
        let mut detector = fresh(1, NOON).missing_until(Some(NOON - 2 * MINUTE));
        for (offset, time) in [(0, NOON), (1, NOON - MINUTE - 1)] {
            detector.arrived(incoming(0, offset, time), NOON);
        }
        let partial = drain(&mut detector, NOON).into_iter().map(|c| c.window.unwrap().stats().partial);
        assert_eq!(partial.collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn an_order_that_was_overtaken_by_one_judged_before_is_counted_after_it() {
        // Partition 0 was judged up to its end; the record of partition 1 was placed before that, and was not judged.
        let judged = Start { partition: 0, read_from: 0, judge_from: 5 };
        let behind = Start { partition: 1, read_from: 0, judge_from: 0 };
        let mut detector = Detector::starting([judged, behind], HashSet::new(), WINDOW, NOON);
        detector.arrived(incoming(1, 0, NOON - 1), NOON);
        detector.end(1, NOON);
        for offset in 0..5 {
            detector.arrived(incoming(0, offset, NOON), NOON);
        }
        detector.end(0, NOON);
        let last = drain(&mut detector, NOON).pop().unwrap();
        assert_eq!((last.incoming.partition, last.window.unwrap().stats().customer_orders_in_window), (1, 6));
    }

    #[test]
    fn a_topic_that_was_created_again_is_judged_from_its_start() {
        let mut detector = Detector::starting(
            [Start { partition: 0, read_from: 90, judge_from: 100 }],
            [(0, 1)].into(),
            WINDOW,
            NOON,
        );
        detector.passed(0, 0, NOON);
        detector.arrived(incoming(0, 1, NOON), NOON);
        assert!(drain(&mut detector, NOON).iter().all(|c| c.window.is_some()));
    }

    /// Plays `logs` into a detector, with the partitions in the given turns; returns the orders that count more than five.
    fn alerted(logs: &[Vec<Incoming<()>>], turns: &[prop::sample::Index]) -> BTreeSet<Uuid> {
        let now = NOON + 60 * MINUTE;
        let mut detector = fresh(logs.len() as i32, now);
        let mut left: Vec<_> = logs.iter().enumerate().map(|(p, log)| (p as i32, log.iter())).collect();
        let mut alerted = BTreeSet::new();
        for turn in turns.iter().cycle() {
            if left.is_empty() {
                break;
            }
            let at = turn.index(left.len());
            let (partition, log) = &mut left[at];
            match log.next() {
                Some(record) => detector.arrived(record.clone(), now),
                None => {
                    detector.end(*partition, now);
                    drop(left.remove(at));
                }
            }
            // Each is asked when its turn comes, as the service does: later, its orders may be forgotten.
            let judged = std::iter::from_fn(|| detector.next(now));
            let over = judged.filter(|c| c.window.as_ref().unwrap().stats().customer_orders_in_window > 5);
            alerted.extend(over.map(|c| c.incoming.order.id));
        }
        alerted
    }

    /// Writes `orders` (partition, customer, time, delay) to three partitions, nearly in the order of time.
    fn logs(mut orders: Vec<(i32, u8, i64, i64)>) -> Vec<Vec<Incoming<()>>> {
        // Requests overtake one another.
        orders.sort_by_key(|(_, _, time, late)| time + late);
        let mut logs = vec![Vec::new(); 3];
        for (n, (partition, customer, time, _)) in orders.into_iter().enumerate() {
            let log: &mut Vec<Incoming<()>> = &mut logs[partition as usize];
            let (offset, order) = (log.len() as i64, order(n as u128, &format!("customer {customer}")));
            log.push(Incoming { partition, offset, time: NOON + time, order, tag: () });
        }
        logs
    }

    const SPAN: i64 = 10 * MINUTE;

    /// Judges all of `logs` with windows of ten minutes; returns each order that was due and what a rule may learn about it.
    fn judged(logs: &[Vec<Incoming<()>>], starts: Vec<Start>) -> Vec<(i32, i64, [u64; 2], Decimal, usize)> {
        let now = NOON + 60 * MINUTE;
        let mut detector = Detector::starting(starts.iter().copied(), HashSet::new(), SPAN, now);
        for (start, log) in starts.iter().zip(logs) {
            let read = log.iter().filter(|record| record.offset >= start.read_from);
            read.for_each(|record| detector.arrived(record.clone(), now));
            detector.end(start.partition, now);
        }
        // Each is asked when its turn comes, as the service does: later, its orders may be forgotten.
        let turns = std::iter::from_fn(|| detector.next(now));
        let due = turns.filter_map(|counted| Some((counted.incoming, counted.window?)));
        due.map(|(Incoming { partition, offset, .. }, window)| {
            let orders = [OrdersOf::Customer, OrdersOf::Everyone].map(|of| window.orders(of, 600));
            let answer =
                (partition, offset, orders, window.total(OrdersOf::Everyone, 450), window.recent(600).len());
            assert!(!window.is_partial());
            answer
        })
        .collect()
    }

    proptest! {
        /// An hour of orders of three customers, nearly in order within each partition.
        #[test]
        fn a_replay_gives_the_same_verdicts_in_whatever_order_partitions_are_read(
            orders in prop::collection::vec((0..3i32, 0..3u8, 0..20 * MINUTE, 0..50i64), 0..150),
            one in prop::collection::vec(any::<prop::sample::Index>(), 60),
            other in prop::collection::vec(any::<prop::sample::Index>(), 60),
        ) {
            let logs = logs(orders);
            prop_assert_eq!(alerted(&logs, &one), alerted(&logs, &other));
        }

        #[test]
        fn a_restart_at_any_order_changes_no_answer_about_a_long_span(
            orders in prop::collection::vec((0..3i32, 0..3u8, 0..40 * MINUTE, 0..50i64), 1..150),
            at: prop::sample::Index,
        ) {
            let logs = logs(orders);
            let whole = judged(&logs, (0..3).map(|p| Start { partition: p, read_from: 0, judge_from: 0 }).collect());
            let (before, after) = whole.split_at(at.index(whole.len()));
            // As `rebuild.rs` begins: earlier than the first order that wasn't judged by the span and a minute.
            let judge_from = |p: i32| before.iter().filter(|(partition, ..)| *partition == p).count() as i64;
            let first_due = |p: i32| Some(logs[p as usize].get(judge_from(p) as usize)?.time);
            let from = (0..3).filter_map(first_due).min().unwrap() - SPAN - MINUTE;
            let starts = (0..3).map(|partition| {
                let read_from = logs[partition as usize].iter().position(|record| record.time >= from);
                let judge_from = judge_from(partition);
                let read_from = read_from.map_or(judge_from, |offset| judge_from.min(offset as i64));
                Start { partition, read_from, judge_from }
            });
            prop_assert_eq!(judged(&logs, starts.collect()), after);
        }
    }
}
