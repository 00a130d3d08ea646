//! The observer of a run: takes everything that is seen, and judges.

use super::{
    Breach, Evidence, Judgement, RequestKind, Tally,
    answers::{self, AllAnswers},
    api::TopicList,
    dojo_state::{self, DojoState},
    event::{Event, RecordPosition},
    filter::Filter,
    orders::{Awaited, Effect, Orders},
    promises::{Promise, Promises},
    verdict,
};
use crate::{
    Placeholders,
    document::{
        Always, Expectation, HttpExpectation, LagExpectation, MembersExpectation, OwnerExpectation,
        RebalancesExpectation, Subject,
    },
};
use dojo_contract::RunCounts;
use serde::Deserialize as _;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Most own dead letters whose offsets are kept.
const MAX_LETTERS: usize = 10_000;

/// What an expectation looks at.
#[derive(Debug)]
enum Observed {
    /// The events that the watcher of this index counts.
    Events(usize),
    Lag(LagExpectation),
    Owner {
        group: String,
        partition: i32,
        is: Option<String>,
        is_not: Option<String>,
    },
    Members(MembersExpectation),
    Rebalances(RebalancesExpectation),
    Http(HttpExpectation),
}

/// What must be asked for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// `GET /status`, for [`Observer::status`].
    pub status: bool,
    /// `GET /rebalances`, for [`Observer::rebalances`].
    pub rebalances: bool,
    /// `GET /topics`, for [`Observer::committed`].
    pub committed: bool,
}

/// Observes a run. Every time is an argument.
#[derive(Debug)]
pub struct Observer {
    run: String,
    expected: BTreeMap<usize, Observed>,
    orders: Orders,
    awaited: Awaited,
    answers: AllAnswers,
    state: DojoState,
    promises: Promises,
    /// Offsets of own dead letters that can be sent back.
    letters: BTreeSet<u64>,
}

impl Observer {
    /// Observes for the expectations of a run and for its promises. Each expectation has a number, under which it is judged, and
    /// the number of its repetition.
    pub fn new<'a>(
        run: &str,
        expectations: impl IntoIterator<Item = (usize, &'a Expectation, u64)>,
        always: Option<&Always>,
    ) -> Self {
        let (mut filters, mut expected): (Vec<Filter>, _) = (Vec::new(), BTreeMap::new());
        let mut answers = AllAnswers::default();
        for (number, expectation, repetition) in expectations {
            let of = Placeholders { run, number: 1, repetition };
            let watched = match &expectation.subject {
                Subject::Events(events) => {
                    let filter = Filter::new(events, of);
                    // A repetition has the same expectations again and again.
                    let known = filters.iter().position(|known| known.text == filter.text);
                    Observed::Events(known.unwrap_or_else(|| {
                        filters.push(filter);
                        filters.len() - 1
                    }))
                }
                Subject::Owner(OwnerExpectation { group, partition, is, is_not }) => Observed::Owner {
                    group: group.clone(),
                    partition: *partition,
                    is: is.as_ref().map(|text| text.fill(of)),
                    is_not: is_not.as_ref().map(|text| text.fill(of)),
                },
                Subject::Lag(lag) => Observed::Lag(lag.clone()),
                Subject::Members(members) => Observed::Members(members.clone()),
                Subject::Rebalances(rebalances) => Observed::Rebalances(rebalances.clone()),
                Subject::Http(http) => {
                    answers.watch(http);
                    Observed::Http(http.clone())
                }
            };
            expected.insert(number, watched);
        }
        Self {
            run: run.to_owned(),
            expected,
            orders: Orders::new(filters),
            awaited: Awaited::default(),
            answers,
            state: DojoState::default(),
            promises: Promises::new(always),
            letters: BTreeSet::new(),
        }
    }

    /// Watches at most `capacity` orders at once.
    #[cfg(test)]
    pub(super) fn with_capacity(self, capacity: usize) -> Self {
        Self { orders: self.orders.with_capacity(capacity), ..self }
    }

    /// Notes that the step of an expectation begins, which forgets the state of the dojo: an older one must not meet it.
    pub fn begin(&mut self, number: usize) {
        if matches!(
            self.expected.get(&number),
            Some(Observed::Lag(_) | Observed::Owner { .. } | Observed::Members(_))
        ) {
            self.state.forget();
        }
    }

    /// Returns what must be asked for while the run waits for this expectation.
    pub fn needs(&self, waits_for: Option<usize>) -> Needs {
        let watched = waits_for.and_then(|number| self.expected.get(&number));
        let counts_rebalances = |watched| matches!(watched, &Observed::Rebalances(_));
        let is_lag = matches!(watched, Some(Observed::Lag(_)));
        Needs {
            status: is_lag || matches!(watched, Some(Observed::Owner { .. } | Observed::Members(_))),
            // From the beginning of the run: the first answer shows what was before.
            rebalances: self.expected.values().any(counts_rebalances),
            committed: is_lag || self.promises.promised().contains(&Promise::OffsetsForward),
        }
    }

    /// Adds an order of this run: its POST was answered.
    pub fn claim(&mut self, order: Uuid, customer: &str, now: Instant) {
        self.orders.claim(order, customer, now);
        self.effects(now);
    }

    /// Notes that the API has acknowledged an update or the deletion of an own order: the customer is notified of that, too.
    pub fn changed(&mut self, order: Uuid, now: Instant) {
        self.orders.changed(order, now);
        self.effects(now);
    }

    /// Waits for a record of `orders` that this run caused, such as a redrive's or one that was produced by hand: nothing counts
    /// as settled before it has arrived on the stream.
    pub fn await_record(&mut self, partition: i32, offset: i64) {
        self.awaited.wait(RecordPosition::new(partition, offset));
    }

    /// Adds an event of `GET /events` with its `data:`. Returns whether anything of this run changed.
    pub fn event(&mut self, name: &str, data: &str, now: Instant) -> bool {
        if name == "order"
            && let Some(place) = Event::place_in(data)
        {
            self.awaited.arrived(place);
        }
        let Some(event) = Event::read(name, data, &self.run) else { return false };
        let is_new = self.orders.event(event, data, now);
        self.effects(now);
        is_new
    }

    /// Adds the answer to a request of the step of this name.
    pub fn answered(&mut self, request: RequestKind, step: Option<&str>, status: u16, latency: Duration) {
        self.answers.add(request, step, status, latency);
    }

    /// Takes the answer of `GET /status`.
    pub fn status(&mut self, answer: &Value) {
        self.state.status(answer);
    }

    /// Takes the answer of `GET /rebalances`. The first one, before the first step, shows what was before the run.
    pub fn rebalances(&mut self, answer: &Value) {
        self.state.rebalances(answer);
    }

    /// Takes the answer of `GET /topics`, which has the offsets that the groups have committed.
    pub fn committed(&mut self, answer: &Value, now: Instant) {
        if let Ok(list) = TopicList::deserialize(answer) {
            self.state.topics(&list);
            self.promises.topics(&list, now);
        }
    }

    /// Looks for promises that time breaks. Call it several times a second.
    pub fn tick(&mut self, now: Instant) {
        self.promises.tick(&self.orders, now);
    }

    /// Judges an expectation by its number, with everything that was seen so far.
    pub fn judge(&self, number: usize, time_is_up: bool) -> Judgement {
        match self.expected.get(&number) {
            None => Judgement::unknown(),
            Some(Observed::Events(watcher)) => {
                verdict::judge(&self.orders, *watcher, self.awaited.is_waiting(), time_is_up)
            }
            Some(Observed::Lag(lag)) => self.state.judge_lag(lag, time_is_up),
            Some(Observed::Owner { group, partition, is, is_not }) => {
                self.state.judge_owner(group, *partition, is.as_deref(), is_not.as_deref(), time_is_up)
            }
            Some(Observed::Members(members)) => self.state.judge_members(members, time_is_up),
            Some(Observed::Rebalances(rebalances)) => self.state.judge_rebalances(rebalances, time_is_up),
            Some(Observed::Http(http)) => self.answers.judge(http, time_is_up),
        }
    }

    /// Returns the evidence that an expectation is met, or that it isn't.
    pub fn evidence(&self, number: usize, met: bool) -> Evidence {
        let of = |group: &str, look: &str| Evidence {
            members: self.state.members(group),
            look: (!met).then(|| look.to_owned()),
            ..Evidence::default()
        };
        match self.expected.get(&number) {
            None => Evidence::default(),
            Some(Observed::Events(watcher)) => verdict::evidence(&self.orders, *watcher, met),
            Some(Observed::Lag(lag)) => of(&lag.group, dojo_state::LOOK_FOR_LAG),
            Some(Observed::Owner { group, .. }) => of(group, dojo_state::LOOK_FOR_MEMBERS),
            Some(Observed::Members(members)) => of(&members.group, dojo_state::LOOK_FOR_MEMBERS),
            Some(Observed::Rebalances(rebalances)) => of(&rebalances.group, dojo_state::LOOK_FOR_MEMBERS),
            Some(Observed::Http(_)) => {
                Evidence { look: (!met).then(|| answers::LOOK.to_owned()), ..Evidence::default() }
            }
        }
    }

    /// Returns the counts of an expectation of events.
    pub fn tally(&self, number: usize) -> Option<Tally> {
        match self.expected.get(&number) {
            Some(Observed::Events(watcher)) => {
                self.orders.watchers.get(*watcher).map(|watcher| watcher.tally)
            }
            _ => None,
        }
    }

    /// Returns the counts of the events of this run's own orders.
    pub fn counts(&self) -> RunCounts {
        RunCounts { orders: self.orders.claimed, ..self.orders.counts }
    }

    /// Returns how many orders this run has.
    pub fn orders(&self) -> u64 {
        self.orders.claimed
    }

    /// Returns the offsets on `orders-dlq` of own dead letters that weren't sent back, the oldest first, at most 10,000. Letters
    /// that can't be read, and so can't be sent back, are not among them.
    pub fn dead_letter_offsets(&self) -> Vec<i64> {
        self.letters.iter().filter_map(|offset| i64::try_from(*offset).ok()).collect()
    }

    /// Returns how many orders the promise `settled` still waits for. A run doesn't end before.
    pub fn awaited(&self) -> usize {
        self.promises.awaited(&self.orders)
    }

    /// Returns the breaches that weren't returned yet: the first one of each promise.
    pub fn take_breaches(&mut self) -> Vec<Breach> {
        self.promises.take()
    }

    /// Returns the first breach of each broken promise, with the number of its breaches so far.
    pub fn breaches(&self) -> &[Breach] {
        self.promises.breaches()
    }

    /// Returns why the counts can't be trusted any more; the run must end with it.
    pub fn overflow(&self) -> Option<&'static str> {
        self.orders.overflow
    }

    fn effects(&mut self, now: Instant) {
        for effect in std::mem::take(&mut self.orders.effects) {
            match effect {
                Effect::DeadLetter(offset) if self.letters.len() < MAX_LETTERS => {
                    self.letters.insert(offset);
                }
                Effect::DeadLetter(_) => {}
                Effect::SentBack(offset) => {
                    if let Ok(offset) = u64::try_from(offset) {
                        self.letters.remove(&offset);
                    }
                }
                effect => self.promises.effect(effect, &self.orders, now),
            }
        }
    }
}
