//! An order of this run: the facts that arrived about it, in little memory, and what has happened to it.

use super::{
    Example, ExampleEvent,
    event::{About, Event, Kind, RecordPosition, Saying, is_change},
};
use crate::document::{Actions, EventTopic, action_name};
use dojo_contract::{AuditAction as Action, Source};
use uuid::Uuid;

/// The order service has reported the order.
pub(super) const CREATED: u8 = 1;
/// Fraud detection has judged the order.
pub(super) const JUDGED: u8 = 1 << 1;
/// The delivery of each of the order's changes has ended, and its retries were reported.
pub(super) const DELIVERED: u8 = 1 << 2;
/// The same, and the dead letters have arrived.
pub(super) const LETTERED: u8 = 1 << 3;
/// The same, and the order's records on `orders` have arrived.
pub(super) const RECORDED: u8 = 1 << 4;
/// Nothing more is to come.
pub(super) const SETTLED: u8 = CREATED | JUDGED | DELIVERED | LETTERED | RECORDED;

/// Most events of one order. With more, its counts are uncertain.
const MAX_FACTS: usize = 1_000;

/// A record that arrived about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact {
    pub saying: Saying,
    pub place: Option<RecordPosition>,
    /// Whether another record said the same before.
    pub is_duplicate: bool,
    /// The expectations that count it: a bit for each that looks at the order.
    pub counted: u64,
    /// The number of the alerts' names in [`Orders`](super::orders::Orders).
    pub alerts: u8,
}

/// An order of this run, or a record that it produced by hand.
#[derive(Debug)]
pub(super) struct OwnOrder {
    pub customer: Box<str>,
    /// The number of its claim, from 0.
    pub number: u64,
    /// The list of the expectations that look at it.
    pub list: u32,
    /// Whether it is a record without an order, which was produced by hand: no service reports on it.
    pub is_record: bool,
    /// Changes after its creation that the API has acknowledged.
    pub changes: u16,
    /// What has happened to it, as bits of [`SETTLED`].
    pub settled: u8,
    /// Whether it is in the queue of settled orders.
    pub is_queued: bool,
    pub facts: Vec<Fact>,
}

/// How an event changes an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The record is known.
    Again,
    /// Another record said the same before.
    Duplicate,
    /// It is new.
    New,
    /// The order has too many facts.
    TooMany,
}

impl OwnOrder {
    pub fn new(customer: String, number: u64, list: u32, is_record: bool) -> Self {
        Self {
            customer: customer.into(),
            number,
            list,
            is_record,
            changes: 0,
            settled: 0,
            is_queued: false,
            facts: Vec::with_capacity(4),
        }
    }

    /// Adds an event that the expectations `counts` count; those of `repetitions` count nothing else than duplicates.
    pub fn hear(&mut self, event: &Event, alerts: u8, counts: u64, repetitions: u64) -> Heard {
        let Event { saying, place, .. } = event;
        let same = self.facts.iter().position(|fact| fact.saying == *saying && !fact.is_duplicate);
        // The stream may deliver a record again. Without its place, a record can't be told from its repetition.
        let is_known = |fact: &Fact| fact.saying == *saying && (place.is_none() || fact.place == *place);
        if self.facts.iter().any(is_known) {
            return Heard::Again;
        }
        if self.facts.len() >= MAX_FACTS {
            return Heard::TooMany;
        }
        let is_duplicate = same.is_some();
        let counted = if is_duplicate { counts & repetitions } else { counts & !repetitions };
        if let Some(first) = same.and_then(|index| self.facts.get_mut(index)) {
            // What either of them says counts, and counts once.
            first.counted |= counts & !repetitions;
        }
        self.facts.push(Fact { saying: *saying, place: *place, is_duplicate, counted, alerts });
        self.settle();
        if is_duplicate { Heard::Duplicate } else { Heard::New }
    }

    /// Returns how many notifications are too many. A change is notified once, whether its first record or a retry led to it.
    pub fn repeated_notifications(&self) -> usize {
        let notified = Kind { topic: EventTopic::Audit, action: Some(Action::Notified) };
        let notifications = || self.facts.iter().filter(|fact| fact.saying.kind == notified);
        // Nearly every order has one at most, and this is asked with every event.
        if notifications().nth(1).is_none() {
            return 0;
        }
        let mut changes = Vec::new();
        let mut repeated = 0;
        for fact in notifications() {
            let change = self.change_of(fact.saying.about);
            if changes.contains(&change) {
                repeated += 1;
            } else {
                changes.push(change);
            }
        }
        repeated
    }

    /// Returns what all records of one change have in common, in place of one of its records. The record may arrive later
    /// than what was said about it.
    fn change_of(&self, about: About) -> (Option<Action>, u16, About) {
        let record = self.facts.iter().find(|fact| {
            fact.saying.kind.topic == EventTopic::Orders && fact.place.map(About::Record) == Some(about)
        });
        record.map_or((None, 0, about), |record| {
            let Saying { kind, redrive, about, .. } = record.saying;
            (kind.action, redrive, about)
        })
    }

    /// Returns how many of its facts the expectation counts that has this bit.
    pub fn count(&self, bit: u32) -> u64 {
        self.facts.iter().filter(|fact| fact.counted & (1 << bit) != 0).count() as u64
    }

    /// Returns whether the facts that the expectation counts include these actions, one after another.
    pub fn is_in_order(&self, bit: u32, steps: &[Actions]) -> bool {
        let mut steps = steps.iter().peekable();
        for fact in self.facts.iter().filter(|fact| fact.counted & (1 << bit) != 0) {
            let action = fact.saying.kind.action;
            steps.next_if(|step| action.is_some_and(|action| step.0.contains(&action)));
        }
        steps.peek().is_none()
    }

    /// Decides again what has happened to the order.
    pub fn settle(&mut self) {
        let bit = |holds: bool, bit: u8| if holds { bit } else { 0 };
        let of = |topic| self.distinct(move |kind| kind.topic == topic).count();
        let (letters, records) = (of(EventTopic::DeadLetters), of(EventTopic::Orders));
        if self.is_record {
            self.settled = bit(letters > 0, SETTLED);
            return;
        }
        let number = |action| self.audit(action).count();
        let changes = self.facts.iter().filter(|fact| is_change(&fact.saying) && !fact.is_duplicate).count();
        let delivered = self.delivery_ended(changes.max(1 + usize::from(self.changes)));
        let judged = number(Action::FraudAlert) + number(Action::FraudCheckPassed) > 0
            || self.audit(Action::RuleError).any(|fact| fact.saying.source == Some(Source::FraudService));
        let lettered = delivered && letters >= number(Action::Dlq);
        let recorded = delivered && changes > 0 && records >= changes + number(Action::Retry);
        self.settled = bit(number(Action::Created) > 0, CREATED)
            | bit(judged, JUDGED)
            | bit(delivered, DELIVERED)
            | bit(lettered, LETTERED)
            | bit(recorded, RECORDED);
    }

    /// Returns whether the delivery of so many changes has ended and the retries have arrived. After a rebalance, the last
    /// event of one instance may arrive before the retry of another.
    fn delivery_ended(&self, changes: usize) -> bool {
        let ends = [Action::Notified, Action::Dlq, Action::Dropped];
        let mut retries: Vec<_> = ends
            .into_iter()
            .flat_map(|action| self.audit(action))
            .map(|fact| u64::from(fact.saying.retry))
            .collect();
        if retries.len() < changes {
            return false;
        }
        retries.sort_unstable();
        let needed: u64 = retries.iter().take(changes).sum();
        self.audit(Action::Retry).count() as u64 >= needed
    }

    /// Returns the order with its facts in words; `alerts` has the names of alerts that came together, and `bit` is that of the
    /// expectation for which the order is an example.
    pub fn example(&self, id: Uuid, alerts: &[String], bit: Option<u32>) -> Example {
        let described = |fact: &Fact| {
            let alerts = alerts.get(usize::from(fact.alerts)).map_or("…", String::as_str);
            let again = if fact.is_duplicate { ", again" } else { "" };
            let counts = bit.is_some_and(|bit| fact.counted & (1 << bit) != 0);
            ExampleEvent { text: format!("{}{again}", described(fact, alerts)), counts }
        };
        Example {
            order: id,
            customer: self.customer.to_string(),
            events: self.facts.iter().map(described).collect(),
        }
    }

    fn audit(&self, action: Action) -> impl Iterator<Item = &Fact> {
        self.distinct(move |kind| kind == Kind { topic: EventTopic::Audit, action: Some(action) })
    }

    fn distinct(&self, counts: impl Fn(Kind) -> bool) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |fact| !fact.is_duplicate && counts(fact.saying.kind))
    }
}

/// Describes a fact in the words of the contract: `NOTIFIED (retry 2) at audit 0@17, about orders 1@5`.
fn described(fact: &Fact, alerts: &str) -> String {
    let Saying { kind, retry, redrive, about, .. } = fact.saying;
    let action = kind.action.map(action_name);
    let (topic, mut text) = match (kind.topic, action) {
        (EventTopic::Audit, action) => ("audit", action.unwrap_or_default()),
        (EventTopic::DeadLetters, Some(action)) => ("orders-dlq", format!("dead letter of {action}")),
        (EventTopic::DeadLetters, None) => ("orders-dlq", "unreadable dead letter".to_owned()),
        (EventTopic::Orders, Some(action)) => ("orders", format!("record of {action}")),
        (EventTopic::Orders, None) => ("orders", "unreadable record".to_owned()),
    };
    let of = |name: &str, number: u16| (number > 0).then(|| format!("{name} {number}"));
    let alerts = (!alerts.is_empty()).then(|| alerts.to_owned());
    let details: Vec<_> =
        [of("retry", retry), of("redrive", redrive), alerts].into_iter().flatten().collect();
    if !details.is_empty() {
        text.push_str(&format!(" ({})", details.join(", ")));
    }
    if let Some(place) = fact.place {
        text.push_str(&format!(" at {topic} {place}"));
    }
    if let About::Record(record) = about
        && kind.topic != EventTopic::Orders
    {
        text.push_str(&format!(", about orders {record}"));
    }
    text
}
