//! The expectations of events, and what each has counted.

use super::{Example, event::Event, filter::Filter, own_order::OwnOrder};

use crate::{MAX_EXPECTATIONS, document::Count};
use serde_json::Value;
use std::collections::HashMap;

/// Most examples that are kept for an expectation.
pub(super) const EXAMPLES: usize = 3;

/// Counts of what an expectation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Orders of this run that the expectation is about.
    pub orders: u64,
    /// Records without an order that it is about.
    pub records: u64,
    /// Events that match.
    pub seen: u64,
    /// Orders with as many events as `perOrder` asks for, or which went through all actions of `inOrder`.
    pub fitting: u64,
    /// Orders and records that may still have events to come.
    pub unsettled: u64,
}

/// An expectation's filter, counts and examples.
#[derive(Debug)]
pub(super) struct Watcher {
    pub filter: Filter,
    pub tally: Tally,
    /// Folded orders that have matching events; with `perOrder` and `inOrder` those that don't fit.
    pub evicted_with: Vec<Example>,
    /// Folded orders that have none.
    pub evicted_without: Vec<Example>,
}

/// The expectations that look at the orders of one customer.
#[derive(Debug, Default)]
struct List {
    /// Their indexes; the position is the bit in [`Fact::counted`](super::own_order::Fact).
    of: Vec<usize>,
    /// The bits of those that count repetitions.
    repetitions: u64,
}

/// Every expectation of events.
#[derive(Debug)]
pub(super) struct Watchers {
    all: Vec<Watcher>,
    /// First those without a customer, then one list for each customer that an expectation names.
    lists: Vec<List>,
    customers: HashMap<String, u32>,
    has_conditions: bool,
}

impl Watchers {
    pub fn new(filters: Vec<Filter>) -> Self {
        let has_conditions = filters.iter().any(Filter::has_conditions);
        let mut customers = HashMap::new();
        for customer in filters.iter().filter_map(|filter| filter.customer.clone()) {
            let next = customers.len() as u32 + 1;
            customers.entry(customer).or_insert(next);
        }
        let watcher = |filter| Watcher {
            filter,
            tally: Tally::default(),
            evicted_with: Vec::new(),
            evicted_without: Vec::new(),
        };
        let all: Vec<_> = filters.into_iter().map(watcher).collect();
        let mut lists = Vec::new();
        for number in 0..=customers.len() as u32 {
            let mut list = List::default();
            for (index, watcher) in all.iter().enumerate().take(MAX_EXPECTATIONS) {
                let customer = watcher.filter.customer.as_ref();
                if customer.is_some_and(|customer| customers.get(customer) != Some(&number)) {
                    continue;
                }
                list.repetitions |= u64::from(watcher.filter.duplicates) << list.of.len();
                list.of.push(index);
            }
            lists.push(list);
        }
        Self { all, lists, customers, has_conditions }
    }

    pub fn get(&self, index: usize) -> Option<&Watcher> {
        self.all.get(index)
    }

    /// Returns the number of the list that looks at the orders of a customer.
    pub fn list_of(&self, customer: &str) -> u32 {
        self.customers.get(customer).copied().unwrap_or(0)
    }

    /// Returns the event's JSON, if an expectation must look at its fields.
    pub fn json(&self, data: &str) -> Value {
        if self.has_conditions { serde_json::from_str(data).unwrap_or(Value::Null) } else { Value::Null }
    }

    /// Returns the expectations that count an event, whatever its customer.
    pub fn counting(&self, event: &Event, json: &Value) -> Box<[u32]> {
        let counting = self.all.iter().enumerate().filter(|(_, watcher)| watcher.filter.counts(event, json));
        counting.map(|(index, _)| index as u32).collect()
    }

    /// Returns the bits of the expectations of a list that count an event.
    pub fn bits(&self, list: u32, event: &Event, json: &Value) -> u64 {
        self.bits_of(list, |index| {
            self.all.get(index).is_some_and(|watcher| watcher.filter.counts(event, json))
        })
    }

    /// Returns the bits of these expectations in a list.
    pub fn bits_of(&self, list: u32, counts: impl Fn(usize) -> bool) -> u64 {
        let counting = self.of(list).iter().enumerate().filter(|(_, index)| counts(**index));
        counting.fold(0, |bits, (bit, _)| bits | 1 << bit)
    }

    /// Returns the bits of the expectations of a list that count repetitions.
    pub fn repetitions(&self, list: u32) -> u64 {
        self.lists.get(list as usize).map_or(0, |list| list.repetitions)
    }

    /// Returns the bit of an expectation among those that look at the order.
    pub fn bit(&self, order: &OwnOrder, index: usize) -> Option<u32> {
        let bit = self.of(order.list).iter().position(|of| *of == index)?;
        self.all.get(index)?.filter.looks_at(order).then_some(bit as u32)
    }

    /// Returns what an order contributes to each expectation of its list.
    pub fn tallies(&self, order: &OwnOrder) -> Vec<Tally> {
        let tally = |(bit, index): (usize, &usize)| {
            self.all.get(*index).map(|watcher| tally(&watcher.filter, order, bit as u32)).unwrap_or_default()
        };
        self.of(order.list).iter().enumerate().map(tally).collect()
    }

    /// Replaces what an order contributed to the expectations of a list.
    pub fn replace(&mut self, list: u32, before: Vec<Tally>, after: Vec<Tally>) {
        let of = self.lists.get(list as usize).map(|list| &list.of[..]).unwrap_or_default();
        for ((index, before), after) in of.iter().zip(before).zip(after) {
            let Some(Watcher { tally, .. }) = self.all.get_mut(*index) else { continue };
            tally.orders = tally.orders + after.orders - before.orders;
            tally.records = tally.records + after.records - before.records;
            tally.seen = tally.seen + after.seen - before.seen;
            tally.fitting = tally.fitting + after.fitting - before.fitting;
            tally.unsettled = tally.unsettled + after.unsettled - before.unsettled;
        }
    }

    /// Keeps an order that is evicted as an example of the expectations that still need one.
    pub fn keep_example(&mut self, order: &OwnOrder, example: impl Fn(u32) -> Example) {
        let of = self.lists.get(order.list as usize).map(|list| &list.of[..]).unwrap_or_default();
        for (bit, index) in of.iter().enumerate() {
            let Some(watcher) = self.all.get_mut(*index) else { continue };
            if !watcher.filter.looks_at(order) {
                continue;
            }
            let bit = bit as u32;
            let examples = match &watcher.filter.count {
                count @ (Count::PerOrder(_) | Count::InOrder(_)) => {
                    if fits(order, bit, count) {
                        continue;
                    }
                    &mut watcher.evicted_with
                }
                _ if order.count(bit) > 0 => &mut watcher.evicted_with,
                _ => &mut watcher.evicted_without,
            };
            if examples.len() < EXAMPLES {
                examples.push(example(bit));
            }
        }
    }

    fn of(&self, list: u32) -> &[usize] {
        self.lists.get(list as usize).map(|list| &list.of[..]).unwrap_or_default()
    }
}

/// Returns whether the order has what a count asks of every single order.
pub(super) fn fits(order: &OwnOrder, bit: u32, count: &Count) -> bool {
    match count {
        Count::PerOrder(n) => order.count(bit) == *n,
        Count::InOrder(steps) => order.is_in_order(bit, steps),
        _ => false,
    }
}

fn tally(filter: &Filter, order: &OwnOrder, bit: u32) -> Tally {
    if !filter.looks_at(order) {
        return Tally::default();
    }
    let is_order = u64::from(!order.is_record);
    Tally {
        orders: is_order,
        records: 1 - is_order,
        seen: order.count(bit),
        fitting: is_order * u64::from(fits(order, bit, &filter.count)),
        unsettled: u64::from(!filter.is_settled(order)),
    }
}
