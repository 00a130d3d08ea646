//! The orders of a run, and what the expectations have counted of them. Counts are kept up to date as events arrive.
//!
//! An order belongs to the run once its POST is answered. Its first events may arrive before that, so events of unknown
//! orders are kept for as long as an answer may take.
//!
//! Memory is bounded: with more orders than [`CAPACITY`], the oldest settled one is evicted: only the counts remember it. Its
//! later events, such as duplicates, are then missed, and findings say so.

use super::{
    Example, counts,
    event::{Event, RecordPosition},
    filter::Filter,
    own_order::{Heard, OwnOrder, SETTLED},
    watchers::{EXAMPLES, Tally, Watchers},
};
use crate::document::EventTopic;
use dojo_contract::{AuditAction, RunCounts};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Most orders that are watched at once: those of a minute at 3,000/s, and some more.
pub const CAPACITY: usize = 200_000;
/// Most unknown orders whose events are kept at once. With more, the first events of an own order may be lost.
const MAX_UNKNOWN: usize = 100_000;
/// The longest time between the first event of an order and the answer to its POST.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
/// A late duplicate comes within this time after its order was settled: a session of a consumer group, and a rebalance.
const KEEP: Duration = Duration::from_secs(60);
/// Most events of one unknown order that are kept.
const MAX_EVENTS_OF_UNKNOWN: usize = 100;
const UNKNOWN_ORDERS: &str = "more than 100,000 orders of other clients were on their way at once, so events of this run may be lost; \
    run the scenario while nothing else places that many orders";
const UNSETTLED_ORDERS: &str = "more than 200,000 orders wait for their outcome, which is more than a run can watch; lower the rate of \
    the flood, or look whether notification and fraud detection keep up (GET /status)";
const TOO_MANY_EVENTS: &str = "an order has more than 1,000 events, which is more than a run can watch; change it less often, and look whether \
     `onExhausted: retry` sends it round without end";

/// What happened to an own order, for the promises.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    /// The order is new, or was changed: it has an outcome to come.
    Awaited(Uuid),
    /// A second `NOTIFIED` came about one change.
    NotifiedTwice(Uuid),
    /// A rule failed, and why.
    RuleFailed(Uuid, String),
    /// A dead letter came that can be sent back: its offset.
    DeadLetter(u64),
    /// A dead letter was sent back.
    SentBack(i64),
}

/// An event of an unknown order.
#[derive(Debug)]
struct Early {
    event: Event,
    /// The expectations that count it, whatever the customer.
    counting: Box<[u32]>,
}

/// The orders of a run.
#[derive(Debug)]
pub(super) struct Orders {
    pub watchers: Watchers,
    own: HashMap<Uuid, OwnOrder>,
    unknown: HashMap<Uuid, Vec<Early>>,
    /// Unknown orders by the time of their first event. An order that was claimed is removed when it is at the front.
    arrivals: VecDeque<(Instant, Uuid)>,
    /// Settled orders by the time when they were settled first. One that was changed since stays until it is at the front.
    settled: VecDeque<(Instant, Uuid)>,
    /// The names of alerts that came together; an order keeps the number.
    alerts: Vec<String>,
    capacity: usize,
    max_unknown: usize,
    /// Orders that were claimed.
    pub claimed: u64,
    /// Events of own orders.
    pub counts: RunCounts,
    /// Orders that were evicted.
    pub evicted: u64,
    /// Those of them that had been settled for less than [`KEEP`].
    pub evicted_early: u64,
    /// Why the counts can't be trusted any more.
    pub overflow: Option<&'static str>,
    /// What happened since the effects were taken last.
    pub effects: Vec<Effect>,
}

impl Orders {
    pub fn new(filters: Vec<Filter>) -> Self {
        Self {
            watchers: Watchers::new(filters),
            own: HashMap::new(),
            unknown: HashMap::new(),
            arrivals: VecDeque::new(),
            settled: VecDeque::new(),
            alerts: vec![String::new()],
            capacity: CAPACITY,
            max_unknown: MAX_UNKNOWN,
            claimed: 0,
            counts: RunCounts::default(),
            evicted: 0,
            evicted_early: 0,
            overflow: None,
            effects: Vec::new(),
        }
    }

    /// Watches at most `capacity` orders at once, and keeps the events of as many unknown ones.
    #[cfg(test)]
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, max_unknown: capacity, ..self }
    }

    /// Adds an order of this run.
    pub fn claim(&mut self, id: Uuid, customer: &str, now: Instant) {
        let customer = dojo_contract::normalize_name(customer);
        let list = self.watchers.list_of(&customer);
        if !self.add(id, OwnOrder::new(customer, self.claimed, list, false), now) {
            return;
        }
        self.claimed += 1;
        self.effects.push(Effect::Awaited(id));
        let early = self.unknown.remove(&id).unwrap_or_default();
        if early.len() >= MAX_EVENTS_OF_UNKNOWN {
            self.overflow = self.overflow.or(Some(TOO_MANY_EVENTS));
        }
        for Early { event, counting } in early {
            let bits = self.watchers.bits_of(list, |index| counting.contains(&(index as u32)));
            self.hear(event, bits, now);
        }
        while self.arrivals.front().is_some_and(|(_, id)| !self.unknown.contains_key(id)) {
            self.arrivals.pop_front();
        }
        self.evict(now);
    }

    /// Notes that the API has acknowledged a change of the order: the delivery of it has an end, too.
    pub fn changed(&mut self, id: Uuid, now: Instant) {
        self.change(id, now, |order| {
            order.changes = order.changes.saturating_add(1);
            order.settle();
        });
        self.effects.push(Effect::Awaited(id));
    }

    /// Adds an event with its `data:`. Returns whether it is about this run and new.
    pub fn event(&mut self, event: Event, data: &str, now: Instant) -> bool {
        self.forget(now);
        let json = self.watchers.json(data);
        if event.is_record {
            let record = OwnOrder::new("a record produced by hand".to_owned(), self.claimed, 0, true);
            self.add(event.order, record, now);
        }
        if let Some(order) = self.own.get(&event.order) {
            let bits = self.watchers.bits(order.list, &event, &json);
            let is_new = self.hear(event, bits, now);
            self.evict(now);
            return is_new;
        }
        let counting = self.watchers.counting(&event, &json);
        let (full, id) = (self.unknown.len() >= self.max_unknown, event.order);
        match self.unknown.entry(id) {
            Entry::Occupied(mut known) if known.get().len() < MAX_EVENTS_OF_UNKNOWN => {
                known.get_mut().push(Early { event, counting });
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(_) if full => self.overflow = self.overflow.or(Some(UNKNOWN_ORDERS)),
            Entry::Vacant(unknown) => {
                self.arrivals.push_back((now, id));
                unknown.insert(vec![Early { event, counting }]);
            }
        }
        false
    }

    pub fn own(&self, id: &Uuid) -> Option<&OwnOrder> {
        self.own.get(id)
    }

    /// Returns an order with its facts in words.
    pub fn example(&self, id: Uuid) -> Option<Example> {
        self.own.get(&id).map(|order| order.example(id, &self.alerts, None))
    }

    /// Returns the first watched orders for which `is_one` is true; it gets the order's bit of the expectation.
    pub fn examples(&self, index: usize, is_one: &dyn Fn(&OwnOrder, u32) -> bool) -> Vec<Example> {
        let mut found: Vec<(&Uuid, &OwnOrder, u32)> = Vec::new();
        for (id, order) in &self.own {
            // Of hundreds of thousands, nearly all come after those that were found.
            if found.get(EXAMPLES - 1).is_some_and(|(_, last, _)| last.number < order.number) {
                continue;
            }
            let Some(bit) = self.watchers.bit(order, index).filter(|bit| is_one(order, *bit)) else {
                continue;
            };
            found.push((id, order, bit));
            found.sort_unstable_by_key(|(_, order, _)| order.number);
            found.truncate(EXAMPLES);
        }
        found.into_iter().map(|(id, order, bit)| order.example(*id, &self.alerts, Some(bit))).collect()
    }

    /// Adds an order; returns whether it is new.
    fn add(&mut self, id: Uuid, order: OwnOrder, now: Instant) -> bool {
        let Entry::Vacant(entry) = self.own.entry(id) else { return false };
        let (list, before) = (order.list, self.watchers.tallies(&order).len());
        let after = self.watchers.tallies(entry.insert(order));
        self.watchers.replace(list, vec![Tally::default(); before], after);
        self.queue_if_settled(id, now);
        true
    }

    fn hear(&mut self, event: Event, bits: u64, now: Instant) -> bool {
        let (id, kind) = (event.order, event.saying.kind);
        let alerts = self.alerts_number(&event);
        let repetitions = self.own.get(&id).map_or(0, |order| self.watchers.repetitions(order.list));
        let (mut heard, mut notified_again) = (Heard::Again, false);
        self.change(id, now, |order| {
            let before = order.repeated_notifications();
            heard = order.hear(&event, alerts, bits, repetitions);
            notified_again = order.repeated_notifications() > before;
        });
        if notified_again {
            self.effects.push(Effect::NotifiedTwice(id));
        }
        if matches!(heard, Heard::New) {
            counts::count(&mut self.counts, kind);
        }
        match (heard, kind.action) {
            (Heard::Again, _) => return false,
            (Heard::TooMany, _) => self.overflow = self.overflow.or(Some(TOO_MANY_EVENTS)),
            (Heard::New, Some(AuditAction::RuleError)) => {
                self.effects.push(Effect::RuleFailed(id, event.reason.unwrap_or_default()));
            }
            _ => {}
        }
        if let (EventTopic::DeadLetters, Some(_), Some(place)) = (kind.topic, kind.action, event.place) {
            self.effects.push(Effect::DeadLetter(place.offset()));
        }
        self.effects.extend(event.sends_back.map(Effect::SentBack));
        true
    }

    /// Changes an order and keeps the counts up to date.
    fn change(&mut self, id: Uuid, now: Instant, change: impl FnOnce(&mut OwnOrder)) {
        let Some(order) = self.own.get_mut(&id) else { return };
        let (before, was_settled) = (self.watchers.tallies(order), order.settled == SETTLED);
        change(order);
        self.watchers.replace(order.list, before, self.watchers.tallies(order));
        if was_settled && order.settled != SETTLED {
            self.effects.push(Effect::Awaited(id));
        }
        self.queue_if_settled(id, now);
    }

    fn queue_if_settled(&mut self, id: Uuid, now: Instant) {
        if let Some(order) = self.own.get_mut(&id)
            && order.settled == SETTLED
            && !order.is_queued
        {
            order.is_queued = true;
            self.settled.push_back((now, id));
        }
    }

    /// Folds the orders that were settled first, until there is room.
    fn evict(&mut self, now: Instant) {
        while self.own.len() > self.capacity {
            let Some((since, id)) = self.settled.pop_front() else {
                self.overflow = self.overflow.or(Some(UNSETTLED_ORDERS));
                return;
            };
            let Entry::Occupied(mut entry) = self.own.entry(id) else { continue };
            if entry.get().settled != SETTLED {
                entry.get_mut().is_queued = false;
                continue;
            }
            let order = entry.remove();
            let alerts = &self.alerts;
            self.watchers.keep_example(&order, |bit| order.example(id, alerts, Some(bit)));
            self.evicted += 1;
            self.evicted_early += u64::from(now.saturating_duration_since(since) < KEEP);
        }
    }

    fn forget(&mut self, now: Instant) {
        while let Some((since, id)) = self.arrivals.front() {
            if now.saturating_duration_since(*since) <= ANSWER_WITHIN {
                break;
            }
            self.unknown.remove(id);
            self.arrivals.pop_front();
        }
    }

    /// Returns the number of the event's alerts, which an order keeps in place of their names.
    fn alerts_number(&mut self, event: &Event) -> u8 {
        if event.alerts.is_empty() {
            return 0;
        }
        let names: Vec<_> = event.alerts.iter().map(|alert| alert.kind.as_str()).collect();
        let names = names.join(", ");
        let known = self.alerts.iter().position(|known| *known == names);
        let number = known.unwrap_or(self.alerts.len());
        let Ok(number) = u8::try_from(number) else { return u8::MAX };
        if known.is_none() && number < u8::MAX {
            self.alerts.push(names);
        }
        number
    }
}

/// Where the stream has got to on `orders`, and up to where this run's own records are.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    seen: HashMap<u64, u64>,
    wanted: HashMap<u64, u64>,
}

impl Awaited {
    /// Notes a record of `orders` that has arrived.
    pub fn arrived(&mut self, place: RecordPosition) {
        let seen = self.seen.entry(place.partition()).or_default();
        *seen = (*seen).max(place.offset() + 1);
    }

    /// Waits for a record of `orders`.
    pub fn wait(&mut self, place: RecordPosition) {
        let wanted = self.wanted.entry(place.partition()).or_default();
        *wanted = (*wanted).max(place.offset() + 1);
    }

    /// Returns whether a record that is waited for hasn't arrived.
    pub fn is_waiting(&self) -> bool {
        self.wanted.iter().any(|(partition, wanted)| self.seen.get(partition).unwrap_or(&0) < wanted)
    }
}
