//! Compares the verdicts of a backtest with those that were given at the time.
//!
//! Pure. Two orders that overtook one another on their way may swap an alert: if the sixth order is suspicious, it matters
//! which of two came sixth. So an alert that one order lost and another one got is a swap, and no change, if the service
//! judged the two in the opposite order.

use super::said::{RULE_ERROR, Said, Types};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use uuid::Uuid;

/// The most orders that a report names for each type of alert.
pub const MAX_EXAMPLES: usize = 20;

/// Which verdicts a backtest is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baseline {
    /// Those of this version of the rule, because there are some: a replay.
    Version(Arc<str>),
    /// Those of any version, because the rule is new: a draft.
    Any,
}

/// An order that got another verdict than at the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The order's id.
    pub order_id: Uuid,
    /// Its customer.
    pub customer: Arc<str>,
    /// Partition of its record.
    pub partition: i32,
    /// Offset of its record.
    pub offset: i64,
    /// Whether it got an alert that it didn't have at the time.
    pub is_added: bool,
    /// Its place among the verdicts at the time.
    said: u32,
    /// Its place among the verdicts of the backtest.
    judged: u32,
}

/// What changes about one type of alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeChanges {
    /// Orders that had it at the time.
    pub before: u64,
    /// Orders that have it now.
    pub after: u64,
    /// Orders that have it now and didn't at the time, without swaps.
    pub added: u64,
    /// Orders that had it at the time and don't have it now, without swaps.
    pub removed: u64,
    /// Pairs of orders that swapped it.
    pub swaps: u64,
    /// The first of the orders that are added or removed.
    pub examples: Vec<Changed>,
}

/// Counts of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compared {
    /// Orders that were judged again.
    pub orders: u64,
    /// Of these, the orders that were compared.
    pub compared: u64,
    /// Orders without a verdict at the time.
    pub unjudged: u64,
    /// Orders whose windows were partial at the time.
    pub partial: u64,
    /// Orders that another version of the rule judged, if there are verdicts of this one.
    pub other_versions: u64,
    /// What changes, by the type of alert.
    pub types: BTreeMap<Arc<str>, TypeChanges>,
}

/// An order that is judged again.
#[derive(Debug, Clone, Copy)]
pub struct Rejudged<'a> {
    /// The order's id.
    pub order_id: Uuid,
    /// Its customer.
    pub customer: &'a str,
    /// Partition of its record.
    pub partition: i32,
    /// Offset of its record.
    pub offset: i64,
    /// Its new alerts.
    pub types: &'a Types,
    /// What was said at the time.
    pub said: Option<Said<'a>>,
}

/// Takes verdicts one after another, in the order in which the backtest gives them.
#[derive(Debug)]
pub struct Comparison {
    baseline: Baseline,
    counts: Compared,
    changed: BTreeMap<Arc<str>, Vec<Changed>>,
    customers: BTreeSet<Arc<str>>,
    judged: u32,
}

impl Comparison {
    /// Starts a comparison with the verdicts of `baseline`.
    pub fn with(baseline: Baseline) -> Self {
        Self {
            baseline,
            counts: Compared::default(),
            changed: BTreeMap::new(),
            customers: BTreeSet::new(),
            judged: 0,
        }
    }

    /// Takes the next verdict.
    pub fn take(&mut self, order: &Rejudged<'_>) {
        self.judged = self.judged.saturating_add(1);
        self.counts.orders += 1;
        let Some(said) = order.said else {
            self.counts.unjudged += 1;
            return;
        };
        if said.verdict.is_partial {
            self.counts.partial += 1;
            return;
        }
        if matches!(&self.baseline, Baseline::Version(version) if said.verdict.version != *version) {
            self.counts.other_versions += 1;
            return;
        }
        self.counts.compared += 1;
        let (before, after) = (&said.verdict.types, order.types);
        for kind in before {
            self.counts.types.entry(Arc::clone(kind)).or_default().before += 1;
        }
        for kind in after {
            self.counts.types.entry(Arc::clone(kind)).or_default().after += 1;
        }
        for kind in before.symmetric_difference(after) {
            let changed = Changed {
                order_id: order.order_id,
                customer: self.customer(order.customer),
                partition: order.partition,
                offset: order.offset,
                is_added: after.contains(kind),
                said: said.rank,
                judged: self.judged,
            };
            self.changed.entry(Arc::clone(kind)).or_default().push(changed);
        }
    }

    fn customer(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.customers.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.customers.insert(Arc::clone(&name));
        name
    }

    /// Finds the swaps and returns the result.
    pub fn finish(self) -> Compared {
        let Self { mut counts, changed, .. } = self;
        for (kind, changed) in changed {
            let types = counts.types.entry(Arc::clone(&kind)).or_default();
            // An error of the rule isn't handed from one order to another.
            let (swaps, left) = if *kind == *RULE_ERROR { (0, changed) } else { without_swaps(changed) };
            types.swaps = swaps;
            types.added = left.iter().filter(|changed| changed.is_added).count() as u64;
            types.removed = left.len() as u64 - types.added;
            types.examples = left.into_iter().take(MAX_EXAMPLES).collect();
        }
        counts
    }
}

impl Compared {
    /// Returns how many orders would get or lose an alert, over all types.
    pub fn changes(&self) -> u64 {
        self.types.values().map(|types| types.added + types.removed).sum()
    }
}

/// Removes swaps from the changes of one type: first those between orders of one customer, then those between any.
fn without_swaps(changed: Vec<Changed>) -> (u64, Vec<Changed>) {
    let mut by_customer = HashMap::<Arc<str>, Vec<Changed>>::new();
    for changed in changed {
        by_customer.entry(Arc::clone(&changed.customer)).or_default().push(changed);
    }
    let (mut swaps, mut left) = (0, Vec::new());
    for (_, of_customer) in by_customer {
        let (found, rest) = unpaired(of_customer);
        swaps += found;
        left.extend(rest);
    }
    left.sort_by_key(|changed| changed.judged);
    let (found, left) = unpaired(left);
    (swaps + found, left)
}

/// Pairs changes in the order in which they were judged: an alert that an order lost goes to a later one that was judged before
/// it at the time.
fn unpaired(changed: Vec<Changed>) -> (u64, Vec<Changed>) {
    // The orders that lost the alert and have no partner yet, by their rank at the time.
    let mut lost = BTreeMap::<u32, Changed>::new();
    let (mut swaps, mut left) = (0, Vec::new());
    for changed in changed {
        if !changed.is_added {
            lost.insert(changed.said, changed);
        } else if lost.last_key_value().is_some_and(|(said, _)| *said > changed.said) {
            lost.pop_last();
            swaps += 1;
        } else {
            left.push(changed);
        }
    }
    left.extend(lost.into_values());
    left.sort_by_key(|changed| changed.judged);
    (swaps, left)
}

#[cfg(test)]
mod tests {
    use super::{super::said::Verdict, *};

    fn types(names: &[&str]) -> Types {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    /// Compares orders, given in the order of the backtest: customer, rank at the time, alerts at the time, alerts now.
    fn compared(baseline: Baseline, orders: &[(&str, u32, &[&str], &[&str])]) -> Compared {
        let mut comparison = Comparison::with(baseline);
        for (n, (customer, rank, before, after)) in (0..).zip(orders) {
            let verdict = Verdict { version: "v1".into(), is_partial: false, types: types(before) };
            comparison.take(&Rejudged {
                order_id: Uuid::from_u128(n),
                customer,
                partition: 0,
                offset: n as i64,
                types: &types(after),
                said: Some(Said { verdict: &verdict, rank: *rank }),
            });
        }
        comparison.finish()
    }

    fn of_type(compared: &Compared, kind: &str) -> (u64, u64, u64, u64, u64) {
        let types = &compared.types[kind];
        (types.before, types.after, types.added, types.removed, types.swaps)
    }

    #[test]
    fn equal_verdicts_are_no_change() {
        let orders: &[(&str, u32, &[&str], &[&str])] =
            &[("ada", 0, &[], &[]), ("ada", 1, &["BURST"], &["BURST"])];
        let compared = compared(Baseline::Any, orders);
        assert_eq!((compared.changes(), of_type(&compared, "BURST")), (0, (1, 1, 0, 0, 0)));
    }

    #[test]
    fn an_alert_that_an_overtaken_order_hands_on_is_a_swap() {
        // At the time the first order was judged second, and it was the one too many.
        let orders: &[(&str, u32, &[&str], &[&str])] =
            &[("ada", 7, &["VELOCITY"], &[]), ("ada", 6, &[], &["VELOCITY"])];
        let compared = compared(Baseline::Any, orders);
        assert_eq!((compared.changes(), of_type(&compared, "VELOCITY")), (0, (1, 1, 0, 0, 1)));
    }

    #[test]
    fn orders_of_two_customers_may_swap_too() {
        let orders: &[(&str, u32, &[&str], &[&str])] =
            &[("ada", 7, &["BURST"], &[]), ("bob", 6, &[], &["BURST"])];
        assert_eq!(compared(Baseline::Any, orders).changes(), 0);
    }

    #[test]
    fn an_alert_that_moves_between_orders_judged_in_the_same_order_is_a_change() {
        let orders: &[(&str, u32, &[&str], &[&str])] =
            &[("ada", 6, &["AMOUNT"], &[]), ("bob", 7, &[], &["AMOUNT"])];
        let compared = compared(Baseline::Any, orders);
        assert_eq!((compared.changes(), of_type(&compared, "AMOUNT")), (2, (1, 1, 1, 1, 0)));
        assert_eq!(compared.types["AMOUNT"].examples.len(), 2);
    }

    #[test]
    fn verdicts_of_other_versions_are_counted_apart_in_a_replay() {
        let orders: &[(&str, u32, &[&str], &[&str])] = &[("ada", 0, &[], &["BURST"])];
        let replay = compared(Baseline::Version("v2".into()), orders);
        assert_eq!((replay.other_versions, replay.compared, replay.changes()), (1, 0, 0));
        assert_eq!(compared(Baseline::Version("v1".into()), orders).changes(), 1);
    }
}
