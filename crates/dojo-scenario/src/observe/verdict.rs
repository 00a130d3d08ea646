//! Decides whether an expectation of events is met, from its tally.
//!
//! "At least" is met as soon as the number is reached. "Exactly", "at most", "per order" and "in order" could look met too
//! early, so they are decided when every order in question is settled, or when the time is up. **Silence proves nothing**:
//! while orders are unsettled, an expectation isn't met, even if the number fits. When an order is settled depends on what
//! is counted:
//!
//! - `created`: the order service's event has arrived.
//! - `FRAUD_ALERT`, `FRAUD_CHECK_PASSED`: fraud detection's verdict has arrived (one of the two, or `RULE_ERROR`).
//! - `NOTIFIED`, `RETRY`, `DLQ`, `DROPPED`: the delivery of each change has ended (`NOTIFIED`, `DLQ` or `DROPPED`), and every
//!   retry that the last event counts has arrived.
//! - `RULE_ERROR`: both of these.
//! - dead letters: delivery has ended, and if it ended with `DLQ`, the dead letter itself has arrived.
//! - records of `orders`: delivery has ended, and the order's record and those of its retries have arrived.
//! - anything else (`updated`, `deleted`, `REDRIVEN`, or no action at all) never settles, so the events that arrived before the
//!   time was up are counted.
//!
//! A repetition can come long after an order was settled, when a crashed instance's partition has a new reader. So an
//! expectation of `duplicates` waits until its time is up, unless it is "at least", and then needs settled orders, too.

use super::{
    Evidence, Example, Judgement,
    filter::Filter,
    orders::Orders,
    own_order::OwnOrder,
    watchers::{EXAMPLES, Tally, Watcher, fits},
};
use crate::{document::Count, scalar::counted};

/// Judges an expectation; `is_waiting` says that records of this run are still to arrive on the stream.
pub(super) fn judge(orders: &Orders, index: usize, is_waiting: bool, time_is_up: bool) -> Judgement {
    let Some(Watcher { filter, tally, .. }) = orders.watchers.get(index) else {
        return Judgement::unknown();
    };
    Judgement { met: decide(filter, *tally, is_waiting, time_is_up), seen: seen(filter, *tally, orders) }
}

/// Returns the evidence that an expectation is met, or that it isn't.
pub(super) fn evidence(orders: &Orders, index: usize, met: bool) -> Evidence {
    let Some(watcher) = orders.watchers.get(index) else { return Evidence::default() };
    if met {
        return Evidence { examples: supporting(orders, index, watcher), ..Evidence::default() };
    }
    let look = Some(look(&watcher.filter, watcher.tally));
    Evidence { examples: contradicting(orders, index, watcher), look, ..Evidence::default() }
}

/// Returns whether the expectation is met; `None` if that needs more time.
fn decide(filter: &Filter, tally: Tally, is_waiting: bool, time_is_up: bool) -> Option<bool> {
    if tally.orders + tally.records == 0 {
        // Without an order, no expectation is met: most likely the customer is misspelled. A record that was produced by hand
        // is known only when it arrives.
        return (time_is_up || !filter.counts_records()).then_some(false);
    }
    let fits = match filter.count {
        Count::AtLeast(n) if tally.seen >= n => return Some(true),
        Count::AtLeast(_) => false,
        Count::Exactly(n) => tally.seen == n,
        Count::AtMost(n) => tally.seen <= n,
        Count::PerOrder(_) | Count::InOrder(_) => tally.orders > 0 && tally.fitting == tally.orders,
    };
    let has_end = filter.settles.is_some();
    let is_settled = has_end && tally.unsettled == 0 && !is_waiting;
    let is_decided = is_settled && !filter.duplicates;
    (is_decided || time_is_up).then_some(fits && (is_settled || !has_end))
}

fn seen(filter: &Filter, tally: Tally, orders: &Orders) -> String {
    let Tally { orders: of, records, seen, fitting, unsettled } = tally;
    let of = counted(of, "order");
    let mut text = match &filter.count {
        Count::PerOrder(_) => format!("{seen} seen; {fitting} of {of} fit"),
        Count::InOrder(_) => format!("{seen} seen; {fitting} of {of} went through all of them"),
        _ if records > 0 => {
            format!("{seen} seen, of {of} and {} produced by hand", counted(records, "record"))
        }
        _ => format!("{seen} seen, of {of}"),
    };
    if filter.settles.is_some() && unsettled > 0 {
        text.push_str(&format!("; {unsettled} without an outcome yet"));
    }
    let forgotten = if filter.settles.is_none() { orders.evicted } else { orders.evicted_early };
    if forgotten > 0 && (filter.duplicates || filter.settles.is_none()) {
        text.push_str(&format!(
            "; {} settled and were no longer watched, so later events of them may be missed",
            counted(forgotten, "order")
        ));
    }
    text
}

/// Returns some of the orders that met the expectation: those with events that it counts, or, if it counts none, any.
fn supporting(orders: &Orders, index: usize, watcher: &Watcher) -> Vec<Example> {
    let Watcher { filter, tally, evicted_with, .. } = watcher;
    match &filter.count {
        Count::PerOrder(_) | Count::InOrder(_) => {
            orders.examples(index, &|order, bit| fits(order, bit, &filter.count))
        }
        _ if tally.seen == 0 => orders.examples(index, &|_, _| true),
        _ => {
            let mut examples = orders.examples(index, &|order, bit| order.count(bit) > 0);
            examples.extend(evicted_with.iter().cloned());
            examples.truncate(EXAMPLES);
            examples
        }
    }
}

/// Returns some of the orders that contradict the expectation.
fn contradicting(orders: &Orders, index: usize, watcher: &Watcher) -> Vec<Example> {
    let Watcher { filter, tally, evicted_with, evicted_without, .. } = watcher;
    let is_settled = |order: &OwnOrder| filter.is_settled(order);
    let (evicted, mut examples) = match &filter.count {
        Count::PerOrder(_) | Count::InOrder(_) => {
            let misfit = |order: &OwnOrder, bit| !fits(order, bit, &filter.count) || !is_settled(order);
            (Some(evicted_with), orders.examples(index, &misfit))
        }
        Count::Exactly(n) | Count::AtMost(n) if tally.seen > *n => {
            (Some(evicted_with), orders.examples(index, &|order, bit| order.count(bit) > 0))
        }
        Count::Exactly(n) | Count::AtLeast(n) if tally.seen < *n => {
            (Some(evicted_without), orders.examples(index, &|order, bit| order.count(bit) == 0))
        }
        _ => (None, orders.examples(index, &|order, _| !is_settled(order))),
    };
    examples.extend(evicted.into_iter().flatten().cloned());
    examples.truncate(EXAMPLES);
    examples
}

/// Returns where the reason is most likely to be found.
fn look(filter: &Filter, tally: Tally) -> String {
    let text = match (filter.is_about_fraud(), tally.unsettled > 0 && filter.settles.is_some()) {
        _ if tally.orders + tally.records == 0 && filter.customer.is_some() => {
            "this run has no order of that customer; compare the names"
        }
        _ if tally.orders + tally.records == 0 => {
            "this run has placed no order; put an `order` or a `flood` before the expectation"
        }
        (true, true) => {
            "is fraud detection running and keeping up? GET /status shows the instances and their lag"
        }
        (true, false) => {
            "does rules/fraud.rhai say this, and is that version in force? GET /status shows the version"
        }
        (false, true) => {
            "are the notification instances running and keeping up? GET /status shows the instances and their lag"
        }
        _ if filter.duplicates => {
            "which guarantee is in force, and was an instance crashed under load? GET /settings shows the guarantee"
        }
        (false, false) => {
            "do failRate, maxRetries and rules/notification.rhai allow this? GET /settings shows the settings"
        }
    };
    text.to_owned()
}
