//! The promises of `always`, checked while the run goes on. The first breach of each is reported with its example; the others are
//! counted.

use super::{
    Example,
    api::TopicList,
    orders::{CAPACITY, Effect, Orders},
    own_order::{DELIVERED, JUDGED},
};
use crate::{document::Always, scalar::written};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// A promise of `always`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// Each acknowledged order is notified or dead-lettered, and judged, in time.
    Settled(Duration),
    /// No committed offset goes backwards.
    OffsetsForward,
    /// No order event is notified twice.
    NotifiedOnce,
    /// No rule fails.
    NoRuleErrors,
}

impl Promise {
    /// Returns the promises of a scenario.
    pub fn of(always: &Always) -> Vec<Self> {
        let promised = [
            always.settled.map(Self::Settled),
            always.offsets.map(|_| Self::OffsetsForward),
            always.notified.map(|_| Self::NotifiedOnce),
            always.rule_errors.map(|_| Self::NoRuleErrors),
        ];
        promised.into_iter().flatten().collect()
    }
}

/// Writes the promise as a scenario does.
impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settled(within) => write!(f, "settled: {}", written(*within)),
            Self::OffsetsForward => f.write_str("offsets: forward"),
            Self::NotifiedOnce => f.write_str("notified: once"),
            Self::NoRuleErrors => f.write_str("ruleErrors: none"),
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The promise.
    pub promise: Promise,
    /// When it was broken first.
    pub at: Instant,
    /// What broke it first, in a sentence.
    pub text: String,
    /// The order that broke it first; `None` if it isn't about an order.
    pub example: Option<Example>,
    /// How often it was broken so far.
    pub count: u64,
}

/// Says what broke the promise first.
impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { promise, text, example, count, .. } = self;
        write!(f, "{promise}: ")?;
        if *count > 1 {
            write!(f, "{count} times, first: ")?;
        }
        f.write_str(text)?;
        example.iter().try_for_each(|example| write!(f, "; of {}: {}", example.customer, example.events()))
    }
}

/// The promises, and which of them are broken.
#[derive(Debug, Default)]
pub(super) struct Promises {
    promised: Vec<Promise>,
    within: Option<Duration>,
    /// Acknowledged orders without an outcome, the oldest first. Settled ones are removed when they are at the front.
    awaited: VecDeque<(Instant, Uuid)>,
    /// The highest committed offset, by group, topic and partition.
    committed: BTreeMap<(String, String, i32), i64>,
    breaches: Vec<Breach>,
    /// How many of the breaches were taken.
    taken: usize,
}

impl Promises {
    pub fn new(always: Option<&Always>) -> Self {
        let Some(always) = always else { return Self::default() };
        Self { promised: Promise::of(always), within: always.settled, ..Self::default() }
    }

    /// Takes note of what happened to an own order.
    pub fn effect(&mut self, effect: Effect, orders: &Orders, now: Instant) {
        match effect {
            Effect::Awaited(id)
                if self.within.is_some() && orders.own(&id).is_some_and(|order| !order.is_record) =>
            {
                while self.awaited.front().is_some_and(|(_, id)| has_outcome(orders, id)) {
                    self.awaited.pop_front();
                }
                if self.awaited.len() > 2 * CAPACITY {
                    // One order that waits for long must not keep those behind it.
                    self.awaited.retain(|(_, id)| !has_outcome(orders, id));
                }
                self.awaited.push_back((now, id));
            }
            Effect::NotifiedTwice(id) => self.of_order(Promise::NotifiedOnce, id, orders, now, || {
                "was notified twice about the same change".to_owned()
            }),
            Effect::RuleFailed(id, reason) => {
                self.of_order(Promise::NoRuleErrors, id, orders, now, || {
                    format!("made a rule fail: {reason}")
                });
            }
            Effect::Awaited(_) | Effect::DeadLetter(_) | Effect::SentBack(_) => {}
        }
    }

    /// Finds the orders that were acknowledged too long ago.
    pub fn tick(&mut self, orders: &Orders, now: Instant) {
        let Some(within) = self.within else { return };
        while let Some((since, id)) = self.awaited.front().copied() {
            let is_settled = has_outcome(orders, &id);
            if !is_settled && now.saturating_duration_since(since) <= within {
                return;
            }
            self.awaited.pop_front();
            if is_settled {
                continue;
            }
            let bits = orders.own(&id).map_or(0, |order| order.settled);
            let missing = match (bits & DELIVERED != 0, bits & JUDGED != 0) {
                (true, _) => "no verdict of fraud detection",
                (false, true) => "neither NOTIFIED nor a dead letter",
                (false, false) => "neither a delivery nor a verdict of fraud detection",
            };
            let text = || format!("was acknowledged {} ago and has {missing}", written(within));
            self.of_order(Promise::Settled(within), id, orders, now, text);
        }
    }

    /// Returns how many acknowledged orders have no outcome yet, of those that the promise `settled` is about and that haven't
    /// broken it.
    pub fn awaited(&self, orders: &Orders) -> usize {
        self.awaited.iter().filter(|(_, id)| !has_outcome(orders, id)).count()
    }

    /// Compares the committed offsets with those before.
    pub fn topics(&mut self, list: &TopicList, now: Instant) {
        if !self.promised.contains(&Promise::OffsetsForward) {
            return;
        }
        for topic in &list.topics {
            for group in &topic.groups {
                for at in &group.partitions {
                    let Some(position) = at.position else { continue };
                    let key = (group.group.clone(), topic.name.clone(), at.partition);
                    let before = self.committed.insert(key, position);
                    if let Some(before) = before.filter(|before| position < *before) {
                        let (group, topic, partition) = (&group.group, &topic.name, at.partition);
                        let text = format!(
                            "the committed offset of {group} in {topic}, partition {partition}, went from {before} back to {position}"
                        );
                        self.broken(Promise::OffsetsForward, now, || (text, None));
                    }
                }
            }
        }
    }

    /// Returns the breaches that weren't returned yet.
    pub fn take(&mut self) -> Vec<Breach> {
        let new = self.breaches.get(self.taken..).map(<[_]>::to_vec).unwrap_or_default();
        self.taken = self.breaches.len();
        new
    }

    /// Returns the promises.
    pub fn promised(&self) -> &[Promise] {
        &self.promised
    }

    /// Returns the first breach of each promise, with the number of breaches so far.
    pub fn breaches(&self) -> &[Breach] {
        &self.breaches
    }

    fn of_order(
        &mut self,
        promise: Promise,
        id: Uuid,
        orders: &Orders,
        now: Instant,
        text: impl FnOnce() -> String,
    ) {
        self.broken(promise, now, || (format!("order {id} {}", text()), orders.example(id)));
    }

    fn broken(&mut self, promise: Promise, now: Instant, text: impl FnOnce() -> (String, Option<Example>)) {
        if !self.promised.contains(&promise) {
            return;
        }
        match self.breaches.iter_mut().find(|breach| breach.promise == promise) {
            Some(breach) => breach.count += 1,
            None => {
                let (text, example) = text();
                self.breaches.push(Breach { promise, at: now, text, example, count: 1 });
            }
        }
    }
}

/// Returns whether the order has its outcome. Only an order with an outcome is evicted.
fn has_outcome(orders: &Orders, id: &Uuid) -> bool {
    let bits = DELIVERED | JUDGED;
    orders.own(id).is_none_or(|order| order.settled & bits == bits)
}
