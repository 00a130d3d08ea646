//! The ledger of a run: its own orders, and the distinct facts that arrived about each. Pure: the time is an argument.
//!
//! Facts are distinct by order, action, service and retry count, so an event that at-least-once delivery repeats counts
//! once. An order belongs to the run once its POST is answered. Its first events may arrive before that, so facts about
//! unknown orders are kept for as long as an answer may take.

use dojo_contract::{AuditAction, AuditEvent, DlqEvent, Source};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Most unknown orders whose facts are kept at once. With more, the first facts of an own order may be lost, so that the
/// counts are uncertain.
const MAX_UNKNOWN: usize = 100_000;

/// The kind of event behind a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An audit event.
    Audit(AuditAction),
    /// A record on the dead-letter topic.
    DeadLetter,
}

/// An event of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The order's id.
    pub order: Uuid,
    /// The kind of event.
    pub kind: Kind,
    /// The service that sent it; `None` for a dead letter.
    pub source: Option<Source>,
    /// The event's retry count, 0 without one.
    pub retry: u32,
    /// The types of the event's alerts.
    pub alerts: Vec<String>,
}

impl From<AuditEvent> for Fact {
    fn from(event: AuditEvent) -> Self {
        Self {
            order: event.order_id,
            kind: Kind::Audit(event.action),
            source: Some(event.source),
            retry: event.retry_count.unwrap_or(0),
            alerts: event.alerts.into_iter().flatten().map(|alert| alert.kind).collect(),
        }
    }
}

impl From<DlqEvent> for Fact {
    fn from(event: DlqEvent) -> Self {
        Self { order: event.order.id, kind: Kind::DeadLetter, source: None, retry: 0, alerts: Vec::new() }
    }
}

/// An order of this run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnOrder {
    /// The order's id.
    pub id: Uuid,
    /// The order's customer.
    pub customer: String,
    /// Its distinct facts, in the order of arrival.
    pub facts: Vec<Fact>,
}

/// The orders of a run, and the facts about them.
#[derive(Debug)]
pub struct Ledger {
    orders: Vec<OwnOrder>,
    index: HashMap<Uuid, usize>,
    /// Facts about unknown orders, at most [`MAX_UNKNOWN`] of them.
    unknown: HashMap<Uuid, Vec<Fact>>,
    /// Unknown orders by the time of their first fact. An order that was claimed is removed when it is at the front.
    arrivals: VecDeque<(Instant, Uuid)>,
    keep: Duration,
    overflowed: bool,
}

impl Ledger {
    /// An empty ledger that keeps facts about unknown orders for `keep`, the longest time between an order and its answer.
    pub fn new(keep: Duration) -> Self {
        Self {
            orders: Vec::new(),
            index: HashMap::new(),
            unknown: HashMap::new(),
            arrivals: VecDeque::new(),
            keep,
            overflowed: false,
        }
    }

    /// Adds an order of this run.
    pub fn claim(&mut self, id: Uuid, customer: String) {
        if let Entry::Vacant(entry) = self.index.entry(id) {
            entry.insert(self.orders.len());
            let facts = self.unknown.remove(&id).unwrap_or_default();
            self.orders.push(OwnOrder { id, customer, facts });
            self.forget_claimed();
        }
    }

    /// Adds a fact that arrived at `now`. Returns whether it is new and about an order of this run.
    pub fn observe(&mut self, fact: Fact, now: Instant) -> bool {
        self.forget(now);
        if let Some(order) = self.index.get(&fact.order).and_then(|at| self.orders.get_mut(*at)) {
            return add(&mut order.facts, fact);
        }
        let full = self.unknown.len() >= MAX_UNKNOWN;
        match self.unknown.entry(fact.order) {
            Entry::Occupied(mut known) => {
                add(known.get_mut(), fact);
            }
            Entry::Vacant(_) if full => self.overflowed = true,
            Entry::Vacant(unknown) => {
                self.arrivals.push_back((now, fact.order));
                unknown.insert(vec![fact]);
            }
        }
        false
    }

    /// The orders of this run, in the order of their answers.
    pub fn orders(&self) -> &[OwnOrder] {
        &self.orders
    }

    /// Whether a fact was dropped that may have been about an order of this run.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, id)) = self.arrivals.front() {
            if now.saturating_duration_since(*since) <= self.keep {
                break;
            }
            self.unknown.remove(id);
            self.arrivals.pop_front();
        }
    }

    fn forget_claimed(&mut self) {
        while self.arrivals.front().is_some_and(|(_, id)| !self.unknown.contains_key(id)) {
            self.arrivals.pop_front();
        }
    }
}

/// Adds a fact, or the further alerts of a repeated one. Returns whether anything is new.
fn add(facts: &mut Vec<Fact>, fact: Fact) -> bool {
    let same =
        |known: &&mut Fact| (known.kind, known.source, known.retry) == (fact.kind, fact.source, fact.retry);
    let Some(known) = facts.iter_mut().find(same) else {
        facts.push(fact);
        return true;
    };
    let before = known.alerts.len();
    for alert in fact.alerts {
        if !known.alerts.contains(&alert) {
            known.alerts.push(alert);
        }
    }
    known.alerts.len() > before
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEEP: Duration = Duration::from_secs(10);

    pub(crate) fn fact(order: u128, action: AuditAction, retry: u32) -> Fact {
        let source = match action {
            AuditAction::Created => Source::OrderService,
            AuditAction::FraudAlert | AuditAction::FraudCheckPassed => Source::FraudService,
            _ => Source::NotificationService,
        };
        Fact {
            order: Uuid::from_u128(order),
            kind: Kind::Audit(action),
            source: Some(source),
            retry,
            alerts: Vec::new(),
        }
    }

    fn facts(ledger: &Ledger) -> Vec<usize> {
        ledger.orders().iter().map(|order| order.facts.len()).collect()
    }

    #[test]
    fn an_event_before_the_answer_is_not_lost() {
        let mut ledger = Ledger::new(KEEP);
        let now = Instant::now();
        assert!(!ledger.observe(fact(1, AuditAction::Created, 0), now));
        ledger.claim(Uuid::from_u128(1), "Ada".into());
        assert!(ledger.observe(fact(1, AuditAction::Notified, 0), now));
        assert_eq!(facts(&ledger), [2]);
    }

    #[test]
    fn a_duplicate_counts_once_and_a_retry_is_not_a_duplicate() {
        let mut ledger = Ledger::new(KEEP);
        let now = Instant::now();
        ledger.claim(Uuid::from_u128(1), "Ada".into());
        for retry in [1, 1, 2, 1] {
            ledger.observe(fact(1, AuditAction::Retry, retry), now);
        }
        assert_eq!(facts(&ledger), [2]);
    }

    #[test]
    fn facts_about_unknown_orders_are_dropped_in_time() {
        let mut ledger = Ledger::new(KEEP);
        let now = Instant::now();
        ledger.observe(fact(1, AuditAction::Created, 0), now);
        ledger.observe(fact(2, AuditAction::Created, 0), now + KEEP + Duration::from_millis(1));
        assert_eq!((ledger.unknown.len(), ledger.arrivals.len(), ledger.overflowed()), (1, 1, false));
    }

    #[test]
    fn too_many_unknown_orders_at_once_are_noticed() {
        let mut ledger = Ledger::new(KEEP);
        let now = Instant::now();
        for order in 0..=MAX_UNKNOWN as u128 {
            ledger.observe(fact(order, AuditAction::Created, 0), now);
        }
        assert!(ledger.overflowed());
    }

    #[test]
    fn own_orders_are_not_counted_among_the_unknown() {
        let mut ledger = Ledger::new(KEEP);
        let now = Instant::now();
        let foreign = MAX_UNKNOWN as u128 + 10;
        for order in 0..=MAX_UNKNOWN as u128 {
            ledger.observe(fact(order, AuditAction::Created, 0), now);
            ledger.claim(Uuid::from_u128(order), "Ada".into());
        }
        assert!(ledger.arrivals.is_empty());
        ledger.observe(fact(foreign, AuditAction::Created, 0), now);
        assert_eq!((ledger.unknown.len(), ledger.arrivals.len(), ledger.overflowed()), (1, 1, false));
    }

    proptest! {
        #[test]
        fn whatever_the_order_of_answers_and_events_the_ledger_holds_the_same(
            events in proptest::collection::vec((0u128..4, 0u32..3), 0..40),
            answers in proptest::sample::subsequence(vec![0u128, 1, 2, 3], 0..=4),
            at in proptest::collection::vec(0usize..40, 4),
        ) {
            let now = Instant::now();
            let mut mixed = Ledger::new(KEEP);
            for (step, (order, retry)) in events.iter().enumerate() {
                for (answer, _) in answers.iter().zip(&at).filter(|(_, at)| **at == step) {
                    mixed.claim(Uuid::from_u128(*answer), String::new());
                }
                mixed.observe(fact(*order, AuditAction::Retry, *retry), now);
            }
            let mut answers_first = Ledger::new(KEEP);
            for answer in &answers {
                mixed.claim(Uuid::from_u128(*answer), String::new());
                answers_first.claim(Uuid::from_u128(*answer), String::new());
            }
            for (order, retry) in &events {
                answers_first.observe(fact(*order, AuditAction::Retry, *retry), now);
            }
            let sorted = |ledger: &Ledger| {
                let mut orders = ledger.orders().to_vec();
                orders.sort_by_key(|order| order.id);
                orders
            };
            prop_assert_eq!(sorted(&mixed), sorted(&answers_first));
        }
    }
}
