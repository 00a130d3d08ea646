//! Decides whether an expectation is met, from the facts in the ledger. Pure.
//!
//! "At least" is met as soon as the number is reached. "Exactly", "at most" and "per order" could look met too early, so
//! they are decided when every order in question is settled, or when the time is up. **Silence proves nothing**: while
//! orders are unsettled, an expectation isn't met, even if the number fits. When an order is settled depends on what is
//! counted:
//!
//! - `created`: the order service's event has arrived.
//! - `FRAUD_ALERT`, `FRAUD_CHECK_PASSED`: fraud detection's verdict has arrived (one of the two, or `RULE_ERROR`).
//! - `NOTIFIED`, `RETRY`, `DLQ`, `DROPPED`: delivery has ended (`NOTIFIED`, `DLQ` or `DROPPED`), and every retry that the
//!   last event counts has arrived.
//! - `RULE_ERROR`: both of these.
//! - dead letters: delivery has ended, and if it ended with `DLQ`, the dead letter itself has arrived.
//! - anything else never settles, so the events that arrived before the time was up are counted.

use crate::{
    ledger::{Fact, Kind, OwnOrder},
    scenario::{Count, Expectation, Subject, action_name},
};
use dojo_contract::{AuditAction as Action, Source};
use std::time::Duration;
use uuid::Uuid;

/// Most examples of one finding.
const EXAMPLES: usize = 3;

/// Whether an expectation was met, and what was seen.
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
    /// How long the decision took.
    pub took: Duration,
    /// Some of the orders that contradict it; empty if it was met.
    pub examples: Vec<Example>,
}

impl Finding {
    /// Says how many were seen, and after which time that was decided.
    pub fn seen(&self) -> String {
        match self.took.as_millis() {
            0 => format!("{} seen at once", self.tally.seen),
            millis => format!("{} seen after {millis} ms", self.tally.seen),
        }
    }
}

/// An order, and its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The order's id.
    pub order: Uuid,
    /// The order's customer.
    pub customer: String,
    /// Its events in the order of arrival, in the words of the contract.
    pub facts: Vec<String>,
}

/// Counts of what an expectation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Orders of this run that the expectation is about.
    pub orders: usize,
    /// Events that match.
    pub seen: u64,
    /// Orders with as many events as `perOrder` asks for; 0 for any other count.
    pub fitting: usize,
    /// Orders that may still have events to come.
    pub unsettled: usize,
}

/// The state of an expectation at one moment.
#[derive(Debug)]
pub(crate) struct Judgement {
    /// What has been seen.
    pub tally: Tally,
    /// Whether the expectation is met; `None` if that needs more time.
    pub met: Option<bool>,
    /// Some of the orders that contradict it; empty unless it is missed.
    pub examples: Vec<Example>,
}

/// Judges one expectation of one run.
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

    /// Counts what has been seen so far.
    fn tally(&self, orders: &[OwnOrder]) -> Tally {
        let mut tally = Tally::default();
        for order in self.in_question(orders) {
            let matching = self.matching(order);
            tally.orders += 1;
            tally.seen += matching;
            tally.fitting += usize::from(self.expectation.count == Count::PerOrder(matching));
            tally.unsettled += usize::from(!self.is_settled(order));
        }
        tally
    }

    /// Judges what has been seen so far, all of it at one moment.
    pub fn judge(&self, orders: &[OwnOrder], time_is_up: bool) -> Judgement {
        let tally = self.tally(orders);
        let met = self.decide(tally, time_is_up);
        let examples = if met == Some(false) { self.examples(orders) } else { Vec::new() };
        Judgement { tally, met, examples }
    }

    /// Returns whether the expectation is met; `None` if that needs more time.
    fn decide(&self, tally: Tally, time_is_up: bool) -> Option<bool> {
        if tally.orders == 0 {
            // Without an order, no expectation is met: most likely the customer is misspelled.
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

    /// Some of the orders that contradict the expectation.
    fn examples(&self, orders: &[OwnOrder]) -> Vec<Example> {
        let seen: u64 = self.in_question(orders).map(|order| self.matching(order)).sum();
        let contradicts = |order: &&OwnOrder| match self.expectation.count {
            Count::PerOrder(n) => self.matching(order) != n || !self.is_settled(order),
            Count::Exactly(n) | Count::AtMost(n) if seen > n => self.matching(order) > 0,
            Count::AtMost(_) => !self.is_settled(order),
            Count::Exactly(n) if seen == n => !self.is_settled(order),
            Count::Exactly(_) | Count::AtLeast(_) => self.matching(order) == 0,
        };
        self.in_question(orders)
            .filter(contradicts)
            .take(EXAMPLES)
            .map(|order| Example {
                order: order.id,
                customer: order.customer.clone(),
                facts: order.facts.iter().map(described).collect(),
            })
            .collect()
    }

    fn in_question<'o>(&self, orders: &'o [OwnOrder]) -> impl Iterator<Item = &'o OwnOrder> + use<'a, 'o> {
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

/// Whether delivery has ended and all its retries have arrived. After a rebalance, the last event of one instance may
/// arrive before the retry of another.
fn delivery_ended(order: &OwnOrder) -> bool {
    let ends = [Action::Notified, Action::Dlq, Action::Dropped].map(Kind::Audit);
    let Some(end) = order.facts.iter().find(|fact| ends.contains(&fact.kind)) else { return false };
    let retries = order.facts.iter().filter(|fact| fact.kind == Kind::Audit(Action::Retry)).count();
    retries >= end.retry as usize
}

fn described(fact: &Fact) -> String {
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
        Judge::new(expectation, None).judge(orders, time_is_up).met
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
    fn at_least_is_met_at_once_and_missed_only_when_all_orders_are_settled() {
        let one = expecting(&[Action::Notified], Count::AtLeast(1));
        assert_eq!(decided(&one, &[order(&[(Action::Notified, 0)]), order(&[])], false), Some(true));
        assert_eq!(decided(&one, &[order(&[(Action::Dlq, 0)]), order(&[])], false), None);
        assert_eq!(decided(&one, &[order(&[(Action::Dlq, 0)])], false), Some(false));
    }

    #[test]
    fn a_last_event_that_overtook_its_retries_waits_for_them() {
        let retries = expecting(&[Action::Retry], Count::Exactly(2));
        let overtaken = [order(&[(Action::Retry, 1), (Action::Dlq, 2)])];
        assert_eq!(decided(&retries, &overtaken, false), None);
        let complete = [order(&[(Action::Retry, 1), (Action::Dlq, 2), (Action::Retry, 2)])];
        assert_eq!(decided(&retries, &complete, false), Some(true));
    }

    #[test]
    fn per_order_is_decided_for_every_single_order() {
        let each = expecting(&[Action::FraudAlert, Action::FraudCheckPassed], Count::PerOrder(1));
        let both = order(&[(Action::FraudAlert, 0), (Action::FraudCheckPassed, 0)]);
        assert_eq!(decided(&each, &[order(&[(Action::FraudAlert, 0)])], false), Some(true));
        assert_eq!(decided(&each, &[both, order(&[(Action::RuleError, 0)])], true), Some(false));
    }

    #[test]
    fn an_event_that_may_always_come_is_decided_when_the_time_is_up() {
        let none = expecting(&[Action::Redriven], Count::AtMost(0));
        assert_eq!(decided(&none, &[order(&[(Action::Dlq, 0)])], false), None);
        assert_eq!(decided(&none, &[order(&[(Action::Dlq, 0)])], true), Some(true));
    }

    #[test]
    fn no_orders_meet_no_expectation() {
        let none = expecting(&[Action::FraudAlert], Count::Exactly(0));
        let judge = Judge::new(&none, Some("Mallroy"));
        let judgement = judge.judge(&[order(&[(Action::FraudCheckPassed, 0)])], false);
        assert_eq!((judgement.tally.orders, judgement.met), (0, Some(false)));
    }

    #[test]
    fn a_rule_error_of_notification_is_not_a_fraud_verdict() {
        let one = expecting(&[Action::FraudAlert], Count::Exactly(0));
        assert_eq!(decided(&one, &[order(&[(Action::RuleError, 0)])], false), None);
    }
}
