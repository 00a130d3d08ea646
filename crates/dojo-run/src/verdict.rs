//! Whether an expectation is met, from what the ledger holds. Pure.
//!
//! "At least" is met as soon as the number is reached. "Exactly", "at most" and "per order" could be met too early, so
//! they are decided when every order looked at is settled, or when the time is up: **silence proves nothing**, so an
//! expectation is not met while orders are unsettled, however well the number fits. Settled means, by what is counted:
//!
//! - `created`: the order service said it.
//! - `FRAUD_ALERT`, `FRAUD_CHECK_PASSED`: fraud detection gave its verdict (one of the two, or `RULE_ERROR`).
//! - `NOTIFIED`, `RETRY`, `DLQ`, `DROPPED`: delivery ended (`NOTIFIED`, `DLQ` or `DROPPED`), and every retry that this
//!   end tells of was seen, too.
//! - `RULE_ERROR`: both of these.
//! - dead letters: delivery ended, and if it ended with `DLQ`, the dead letter itself arrived.
//! - anything else has no end that could be waited for, so what counts is what came by the end of the time.

use crate::{
    ledger::{Fact, Kind, OwnOrder},
    scenario::{Count, Expectation, Subject, action_name},
};
use dojo_contract::{AuditAction as Action, Source};
use std::time::Duration;
use uuid::Uuid;

const EXAMPLES: usize = 3;

/// What became of an expectation.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The index of its step, from 0.
    pub step: usize,
    /// What was expected.
    pub expectation: Expectation,
    /// Whether it was met.
    pub met: bool,
    /// What was seen.
    pub tally: Tally,
    /// How long it took to decide.
    pub took: Duration,
    /// Some of the orders that speak against it; empty if it was met.
    pub examples: Vec<Example>,
}

impl Finding {
    /// How many were seen, and when that was clear, for a person.
    pub fn seen(&self) -> String {
        match self.took.as_millis() {
            0 => format!("{} seen at once", self.tally.seen),
            millis => format!("{} seen after {millis} ms", self.tally.seen),
        }
    }
}

/// An order, and what happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The order.
    pub order: Uuid,
    /// Whose it is.
    pub customer: String,
    /// What happened, in the order of arrival, in the words of the contract.
    pub facts: Vec<String>,
}

/// What has been seen of what an expectation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many of the run's orders were looked at.
    pub orders: usize,
    /// Facts counted.
    pub seen: u64,
    /// Orders that have as many as `perOrder` wants; 0 for any other count.
    pub fitting: usize,
    /// Orders of which more may still be heard.
    pub unsettled: usize,
}

/// One expectation of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    expectation: &'a Expectation,
    customer: Option<&'a str>,
}

impl<'a> Judge<'a> {
    /// A judge of `expectation`, which looks at the orders of `customer` alone, if one is given.
    pub fn new(expectation: &'a Expectation, customer: Option<&'a str>) -> Self {
        Self { expectation, customer }
    }

    /// What has been seen so far.
    pub fn tally(&self, orders: &[OwnOrder]) -> Tally {
        let mut tally = Tally::default();
        for order in self.looked_at(orders) {
            let matching = self.matching(order);
            tally.orders += 1;
            tally.seen += matching;
            tally.fitting += usize::from(self.expectation.count == Count::PerOrder(matching));
            tally.unsettled += usize::from(!self.is_settled(order));
        }
        tally
    }

    /// Whether the expectation is met; `None` where that needs more time.
    pub fn decide(&self, tally: Tally, time_is_up: bool) -> Option<bool> {
        if tally.orders == 0 {
            // Nobody's orders fulfil anything: most likely the customer is misspelled.
            return Some(false);
        }
        let fits = match self.expectation.count {
            Count::AtLeast(n) if tally.seen >= n => return Some(true),
            Count::AtLeast(_) => false,
            Count::Exactly(n) => tally.seen == n,
            Count::AtMost(n) => tally.seen <= n,
            Count::PerOrder(_) => tally.fitting == tally.orders,
        };
        let settled = tally.unsettled == 0 && self.has_an_end();
        (settled || time_is_up).then_some(fits && (settled || !self.has_an_end()))
    }

    /// Some of the orders that speak against the expectation.
    pub fn examples(&self, orders: &[OwnOrder]) -> Vec<Example> {
        let seen: u64 = self.looked_at(orders).map(|order| self.matching(order)).sum();
        let speaks_against = |order: &&OwnOrder| match self.expectation.count {
            Count::PerOrder(n) => self.matching(order) != n || !self.is_settled(order),
            Count::Exactly(n) | Count::AtMost(n) if seen > n => self.matching(order) > 0,
            Count::AtMost(_) => !self.is_settled(order),
            Count::Exactly(n) if seen == n => !self.is_settled(order),
            Count::Exactly(_) | Count::AtLeast(_) => self.matching(order) == 0,
        };
        self.looked_at(orders)
            .filter(speaks_against)
            .take(EXAMPLES)
            .map(|order| Example {
                order: order.id,
                customer: order.customer.clone(),
                facts: order.facts.iter().map(told).collect(),
            })
            .collect()
    }

    fn looked_at<'o>(&self, orders: &'o [OwnOrder]) -> impl Iterator<Item = &'o OwnOrder> + use<'a, 'o> {
        let customer = self.customer;
        orders.iter().filter(move |order| customer.is_none_or(|customer| order.customer == customer))
    }

    fn matching(&self, order: &OwnOrder) -> u64 {
        let counts = |fact: &&Fact| match (&self.expectation.subject, fact.kind) {
            (Subject::DeadLetter, kind) => kind == Kind::DeadLetter,
            (Subject::Audit { actions, alert }, Kind::Audit(action)) => {
                actions.contains(&action) && alert.as_ref().is_none_or(|alert| fact.alerts.contains(alert))
            }
            (Subject::Audit { .. }, Kind::DeadLetter) => false,
        };
        order.facts.iter().filter(counts).count() as u64
    }

    fn has_an_end(&self) -> bool {
        match &self.expectation.subject {
            Subject::DeadLetter => true,
            Subject::Audit { actions, .. } => {
                !actions.iter().any(|a| matches!(a, Action::Updated | Action::Deleted | Action::Redriven))
            }
        }
    }

    fn is_settled(&self, order: &OwnOrder) -> bool {
        match &self.expectation.subject {
            Subject::DeadLetter => {
                delivery_ended(order) && (!has(order, Action::Dlq) || has_kind(order, Kind::DeadLetter))
            }
            Subject::Audit { actions, .. } => actions.iter().all(|action| match action {
                Action::Created => has(order, Action::Created),
                Action::FraudAlert | Action::FraudCheckPassed => fraud_decided(order),
                Action::Notified | Action::Retry | Action::Dlq | Action::Dropped => delivery_ended(order),
                Action::RuleError => fraud_decided(order) && delivery_ended(order),
                Action::Updated | Action::Deleted | Action::Redriven => false,
            }),
        }
    }
}

fn has_kind(order: &OwnOrder, kind: Kind) -> bool {
    order.facts.iter().any(|fact| fact.kind == kind)
}

fn has(order: &OwnOrder, action: Action) -> bool {
    has_kind(order, Kind::Audit(action))
}

fn fraud_decided(order: &OwnOrder) -> bool {
    let broken = |fact: &Fact| {
        fact.kind == Kind::Audit(Action::RuleError) && fact.source == Some(Source::FraudService)
    };
    has(order, Action::FraudAlert) || has(order, Action::FraudCheckPassed) || order.facts.iter().any(broken)
}

/// An end that tells of retries is one only when they were seen: after a rebalance, another instance may be faster.
fn delivery_ended(order: &OwnOrder) -> bool {
    let ends = [Action::Notified, Action::Dlq, Action::Dropped].map(Kind::Audit);
    let Some(end) = order.facts.iter().find(|fact| ends.contains(&fact.kind)) else { return false };
    let retries = order.facts.iter().filter(|fact| fact.kind == Kind::Audit(Action::Retry)).count();
    retries >= end.retry as usize
}

fn told(fact: &Fact) -> String {
    match fact.kind {
        Kind::DeadLetter => "dead letter".to_owned(),
        Kind::Audit(action) => {
            let name = action_name(action);
            match (fact.retry, fact.alerts.is_empty()) {
                (0, true) => name,
                (retry, true) => format!("{name} (retry {retry})"),
                (_, false) => format!("{name} ({})", fact.alerts.join(", ")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::fact;

    fn order(facts: &[(Action, u32)]) -> OwnOrder {
        OwnOrder {
            id: Uuid::from_u128(1),
            customer: "Ada".into(),
            facts: facts.iter().map(|(action, retry)| fact(1, *action, *retry)).collect(),
        }
    }

    fn expecting(actions: &[Action], count: Count) -> Expectation {
        Expectation {
            subject: Subject::Audit { actions: actions.into(), alert: None },
            customer: None,
            count,
            within: Duration::from_secs(1),
        }
    }

    fn decided(expectation: &Expectation, orders: &[OwnOrder], time_is_up: bool) -> Option<bool> {
        let judge = Judge::new(expectation, None);
        judge.decide(judge.tally(orders), time_is_up)
    }

    #[test]
    fn no_alert_is_not_proven_by_silence() {
        let none = expecting(&[Action::FraudAlert], Count::Exactly(0));
        let silent = [order(&[(Action::Created, 0), (Action::Notified, 0)])];
        assert_eq!(decided(&none, &silent, false), None);
        assert_eq!(decided(&none, &silent, true), Some(false));
        assert_eq!(decided(&none, &[order(&[(Action::FraudCheckPassed, 0)])], false), Some(true));
    }

    #[test]
    fn at_least_is_met_at_once_and_missed_only_when_all_is_settled() {
        let one = expecting(&[Action::Notified], Count::AtLeast(1));
        assert_eq!(decided(&one, &[order(&[(Action::Notified, 0)]), order(&[])], false), Some(true));
        assert_eq!(decided(&one, &[order(&[(Action::Dlq, 0)]), order(&[])], false), None);
        assert_eq!(decided(&one, &[order(&[(Action::Dlq, 0)])], false), Some(false));
    }

    #[test]
    fn an_end_that_overtook_its_retries_waits_for_them() {
        let retries = expecting(&[Action::Retry], Count::Exactly(2));
        let overtaken = [order(&[(Action::Retry, 1), (Action::Dlq, 2)])];
        assert_eq!(decided(&retries, &overtaken, false), None);
        let complete = [order(&[(Action::Retry, 1), (Action::Dlq, 2), (Action::Retry, 2)])];
        assert_eq!(decided(&retries, &complete, false), Some(true));
    }

    #[test]
    fn per_order_looks_at_every_single_order() {
        let each = expecting(&[Action::FraudAlert, Action::FraudCheckPassed], Count::PerOrder(1));
        let both = order(&[(Action::FraudAlert, 0), (Action::FraudCheckPassed, 0)]);
        assert_eq!(decided(&each, &[order(&[(Action::FraudAlert, 0)])], false), Some(true));
        assert_eq!(decided(&each, &[both, order(&[(Action::RuleError, 0)])], true), Some(false));
    }

    #[test]
    fn what_has_no_end_is_decided_when_the_time_is_up() {
        let none = expecting(&[Action::Redriven], Count::AtMost(0));
        assert_eq!(decided(&none, &[order(&[(Action::Dlq, 0)])], false), None);
        assert_eq!(decided(&none, &[order(&[(Action::Dlq, 0)])], true), Some(true));
    }

    #[test]
    fn nobodys_orders_fulfil_nothing() {
        let none = expecting(&[Action::FraudAlert], Count::Exactly(0));
        let judge = Judge::new(&none, Some("Mallroy"));
        let tally = judge.tally(&[order(&[(Action::FraudCheckPassed, 0)])]);
        assert_eq!((tally.orders, judge.decide(tally, false)), (0, Some(false)));
    }

    #[test]
    fn a_rule_error_of_notification_is_no_fraud_verdict() {
        let one = expecting(&[Action::FraudAlert], Count::Exactly(0));
        assert_eq!(decided(&one, &[order(&[(Action::RuleError, 0)])], false), None);
    }
}
