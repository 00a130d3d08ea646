//! Compares the verdicts of a backtest with those that were given at the time.
//!
//! Pure. If the rule's version judged some of the orders before, only those are compared: the backtest is a replay. Otherwise the
//! rule is a draft, and the verdicts of every version are compared.

use super::recorded_verdicts::{Types, Verdict};
use dojo_contract::Order;
use dojo_rules::{AlertChange, BacktestAlerts, BacktestExample};
use std::{collections::BTreeMap, sync::Arc};

/// The most orders that a report names for each type of alert.
const MAX_EXAMPLES: usize = 20;

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Orders in the span that is compared.
    pub(super) orders: u64,
    /// Of these, the orders that were compared.
    pub(super) compared: u64,
    /// Orders without a verdict at the time.
    pub(super) unjudged: u64,
    /// Orders whose windows lacked orders, at the time or in the backtest.
    pub(super) partial: u64,
    /// In a replay, orders that another version of the rule judged.
    pub(super) other_versions: u64,
    /// Whether only verdicts of the rule's version were compared.
    pub(super) is_replay: bool,
    /// What changes, by the type of alert.
    pub(super) alerts: Vec<BacktestAlerts>,
}

/// A verdict of the backtest.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewVerdict<'a> {
    pub(super) order: &'a Order,
    /// Partition of its record.
    pub(super) partition: i32,
    /// Offset of its record.
    pub(super) offset: i64,
    /// Its new alerts.
    pub(super) types: &'a Types,
    /// The verdict at the time.
    pub(super) recorded: &'a Verdict,
}

/// Takes verdicts one after another.
#[derive(Debug)]
pub(super) struct Comparison {
    version: String,
    unjudged: u64,
    partial: u64,
    with_own: Changes,
    with_any: Changes,
}

/// The changes of verdicts, by the type of alert.
#[derive(Debug, Default)]
struct Changes {
    compared: u64,
    types: BTreeMap<Arc<str>, BacktestAlerts>,
}

impl Comparison {
    /// Starts a comparison of this version of the rule.
    pub(super) fn of(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            unjudged: 0,
            partial: 0,
            with_own: Changes::default(),
            with_any: Changes::default(),
        }
    }

    /// Counts an order without a verdict at the time.
    pub(super) fn unjudged(&mut self) {
        self.unjudged += 1;
    }

    /// Counts an order whose windows lack orders.
    pub(super) fn partial(&mut self) {
        self.partial += 1;
    }

    /// Compares the verdicts on an order.
    pub(super) fn compare(&mut self, verdict: &NewVerdict<'_>) {
        self.with_any.take(verdict);
        if *verdict.recorded.version == *self.version {
            self.with_own.take(verdict);
        }
    }

    /// Returns the result.
    pub(super) fn finish(self) -> Compared {
        let Self { unjudged, partial, with_own, with_any, .. } = self;
        let judged = with_any.compared;
        let is_replay = with_own.compared > 0;
        let Changes { compared, types } = if is_replay { with_own } else { with_any };
        Compared {
            orders: judged + unjudged + partial,
            compared,
            unjudged,
            partial,
            other_versions: judged - compared,
            is_replay,
            alerts: types.into_values().collect(),
        }
    }
}

impl Changes {
    fn take(&mut self, verdict: &NewVerdict<'_>) {
        self.compared += 1;
        let (before, after) = (&verdict.recorded.types, verdict.types);
        for kind in before {
            self.of(kind).before += 1;
        }
        for kind in after {
            self.of(kind).after += 1;
        }
        for kind in before.symmetric_difference(after) {
            let alerts = self.of(kind);
            let change = if after.contains(kind) { AlertChange::Added } else { AlertChange::Removed };
            match change {
                AlertChange::Added => alerts.added += 1,
                AlertChange::Removed => alerts.removed += 1,
            }
            if alerts.examples.len() < MAX_EXAMPLES {
                alerts.examples.push(BacktestExample {
                    order_id: verdict.order.id,
                    customer_name: verdict.order.customer_name.clone(),
                    change,
                    partition: verdict.partition,
                    offset: verdict.offset,
                });
            }
        }
    }

    fn of(&mut self, kind: &Arc<str>) -> &mut BacktestAlerts {
        self.types
            .entry(Arc::clone(kind))
            .or_insert_with(|| BacktestAlerts { kind: kind.to_string(), ..BacktestAlerts::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::tests::order;

    fn types(names: &[&str]) -> Types {
        names.iter().map(|name| Arc::from(*name)).collect()
    }

    /// Compares verdicts of the version "v2": the version at the time, alerts at the time, alerts now.
    fn compared<'a>(orders: impl IntoIterator<Item = (&'a str, &'a [&'a str], &'a [&'a str])>) -> Compared {
        let mut comparison = Comparison::of("v2");
        for (n, (version, before, after)) in (0..).zip(orders) {
            let recorded = Verdict { version: version.into(), is_partial: false, types: types(before) };
            comparison.compare(&NewVerdict {
                order: &order(n, "ada"),
                partition: 0,
                offset: n as i64,
                types: &types(after),
                recorded: &recorded,
            });
        }
        comparison.finish()
    }

    #[test]
    fn an_alert_that_an_order_keeps_is_no_change() {
        let compared = compared([("v1", &["BURST"][..], &["BURST"][..])]);
        let burst = &compared.alerts[0];
        assert_eq!((burst.before, burst.after, burst.added, burst.removed), (1, 1, 0, 0));
    }

    #[test]
    fn an_alert_that_moves_to_another_order_is_two_changes() {
        let compared = compared([("v1", &["BURST"][..], &[][..]), ("v1", &[], &["BURST"])]);
        let burst = &compared.alerts[0];
        assert_eq!((burst.before, burst.after, burst.added, burst.removed), (1, 1, 1, 1));
        assert_eq!(burst.examples.len(), 2);
    }

    #[test]
    fn a_rule_that_changes_every_order_names_the_first_twenty() {
        let compared = compared((0..1_000).map(|_| ("v1", &[][..], &["BURST"][..])));
        let burst = &compared.alerts[0];
        assert_eq!((burst.added, burst.examples.len()), (1_000, 20));
        assert_eq!(burst.examples[19].offset, 19);
    }

    #[test]
    fn verdicts_of_other_versions_are_counted_separately_in_a_replay() {
        let replay = compared([("v1", &[][..], &["BURST"][..]), ("v2", &[], &[])]);
        assert_eq!((replay.is_replay, replay.other_versions, replay.compared), (true, 1, 1));
        assert!(replay.alerts.is_empty());
        let draft = compared([("v1", &[][..], &["BURST"][..])]);
        assert_eq!((draft.is_replay, draft.other_versions, draft.compared), (false, 0, 1));
    }
}
