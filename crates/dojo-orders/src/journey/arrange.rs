//! The order in which the records about an order happened. Pure.
//!
//! Each partition has an order, and no two partitions share one; the records' timestamps come from several clocks. So the
//! audit log is the spine, because every service writes down there what it does, and the records of `orders` and
//! `orders-dlq` find their places around it:
//!
//! 1. Before an audit event comes its cause: the record of `orders` that it is about, and every earlier record of that
//!    partition. Before a dead letter comes the record that died, and before a redriven record its dead letter.
//! 2. After an audit event comes its effect: the change, the retry, the dead letter or the redriven record that it
//!    announces.
//! 3. A record that no audit event announces (a process crashed in between, or somebody sent it by hand) stands where its
//!    partition and its timestamp put it.
//!
//! Every record appears once, and the order within a partition is never changed, whatever the records claim.

use crate::{
    journey::found::{About, Found, Kind, Report},
    log::stream_topic::StreamTopic,
};
use dojo_contract::AuditAction;
use std::collections::BTreeMap;

/// The records in their order. Each is named by its index in the list that was arranged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arranged {
    pub(crate) order: Vec<usize>,
    /// For each record the audit event that announces it.
    pub(crate) announced_by: Vec<Option<usize>>,
    /// For each audit event the record that it announces.
    pub(crate) announces: Vec<Option<usize>>,
}

/// Arranges the records of one order.
pub(crate) fn arrange(found: &[Found]) -> Arranged {
    let spine = spine(found);
    let (announces, announced_by) = announcements(found, &spine);
    let mut weave = Weave { found, lanes: lanes(found), announced_by, announces, order: Vec::new() };
    for event in spine {
        weave.add_causes(event);
        weave.add_unannounced_until(event);
        weave.order.push(event);
        weave.add_effect(event);
    }
    weave.add_the_rest();
    let Weave { order, announced_by, announces, .. } = weave;
    Arranged { order, announced_by, announces }
}

/// Returns the audit events in the order of `audit`. It has one partition; several are merged by time.
fn spine(found: &[Found]) -> Vec<usize> {
    let mut partitions = BTreeMap::<i32, Vec<usize>>::new();
    for (index, record) in found.iter().enumerate() {
        if record.topic == StreamTopic::Audit {
            partitions.entry(record.partition).or_default().push(index);
        }
    }
    let mut lanes: Vec<_> = partitions.into_values().map(|lane| Lane::of(found, lane)).collect();
    let mut spine = Vec::new();
    while let Some(earliest) = earliest(&lanes, |index| time(found, index)) {
        let Some(lane) = lanes.get_mut(earliest) else { break };
        spine.extend(lane.head());
        lane.next += 1;
    }
    spine
}

/// Returns the records of `orders` and `orders-dlq`, by partition.
fn lanes(found: &[Found]) -> BTreeMap<(StreamTopic, i32), Lane> {
    let mut partitions = BTreeMap::<_, Vec<usize>>::new();
    for (index, record) in found.iter().enumerate() {
        if record.topic != StreamTopic::Audit {
            partitions.entry((record.topic, record.partition)).or_default().push(index);
        }
    }
    partitions.into_iter().map(|(key, lane)| (key, Lane::of(found, lane))).collect()
}

/// The records of one partition, and how far they are placed.
#[derive(Debug)]
struct Lane {
    /// In the order of their offsets.
    records: Vec<usize>,
    next: usize,
    /// The records of this lane are just being placed.
    is_busy: bool,
}

impl Lane {
    fn of(found: &[Found], mut records: Vec<usize>) -> Self {
        records.sort_by_key(|index| found.get(*index).map(|record| record.offset));
        Self { records, next: 0, is_busy: false }
    }

    fn head(&self) -> Option<usize> {
        self.records.get(self.next).copied()
    }
}

/// Returns the lane whose next record is the earliest.
fn earliest<'a>(lanes: impl IntoIterator<Item = &'a Lane>, time: impl Fn(usize) -> i64) -> Option<usize> {
    let heads = lanes.into_iter().enumerate().filter_map(|(n, lane)| Some((n, time(lane.head()?))));
    heads.min_by_key(|(n, time)| (*time, *n)).map(|(n, _)| n)
}

/// Returns the time at which a record is placed if nothing else gives it a place.
fn time(found: &[Found], index: usize) -> i64 {
    // What doesn't know its time waits until something follows from it.
    found.get(index).and_then(own_time).unwrap_or(i64::MAX)
}

/// Returns when a record happened, in milliseconds since 1970, as far as the record itself says.
///
/// Retries and redriven records are the same event again, so their timestamp on Kafka is the event's: it says when the event
/// happened, and not when it was sent again.
pub(crate) fn own_time(record: &Found) -> Option<i64> {
    match &record.kind {
        Kind::Event { retry_count: 0, redrive_count: 0, .. } => record.timestamp,
        Kind::Event { retry_count: 0, redriven_at, .. } => *redriven_at,
        Kind::Event { .. } => None,
        Kind::Report(report) => Some(report.at),
        Kind::DeadLetter(_) | Kind::Unreadable { .. } => record.timestamp,
    }
}

/// For each record the record that it announces, or that announces it.
type Links = Vec<Option<usize>>;

/// Finds the record that each event of the spine announces; the first that fits and isn't announced yet.
fn announcements(found: &[Found], spine: &[usize]) -> (Links, Links) {
    let (mut announces, mut announced_by) = (vec![None; found.len()], vec![None; found.len()]);
    let mut others: Vec<_> =
        (0..found.len()).filter(|n| found.get(*n).is_some_and(|r| r.topic != StreamTopic::Audit)).collect();
    others.sort_by_key(|n| found.get(*n).map(|record| (record.topic, record.partition, record.offset)));
    for event in spine {
        let Some(Found { kind: Kind::Report(report), .. }) = found.get(*event) else { continue };
        let about = report.about.and_then(|about| found.iter().find(|record| is_at(record, about)));
        let fits = |n: &usize| {
            let record = found.get(*n).filter(|_| announced_by.get(*n) == Some(&None));
            record.is_some_and(|record| is_announced(report, about, record))
        };
        let Some(effect) = others.iter().copied().find(fits) else { continue };
        if let (Some(announces), Some(by)) = (announces.get_mut(*event), announced_by.get_mut(effect)) {
            (*announces, *by) = (Some(effect), Some(*event));
        }
    }
    (announces, announced_by)
}

/// Whether `record` is what `report`, which is about the record `about`, announces.
fn is_announced(report: &Report, about: Option<&Found>, record: &Found) -> bool {
    match (report.action, &record.kind) {
        (
            AuditAction::Created | AuditAction::Updated | AuditAction::Deleted,
            Kind::Event { action, retry_count: 0, redrive_count: 0, .. },
        ) => AuditAction::from(*action) == report.action && record.timestamp == Some(report.at),
        (AuditAction::Retry, Kind::Event { retry_count, .. }) => {
            Some(*retry_count) == report.retry_count
                && *retry_count > 0
                && about.is_none_or(|failed| is_retry_of(failed, record))
        }
        (
            AuditAction::Redriven,
            Kind::Event { retry_count: 0, redrive_count: 1.., dlq_offset, redriven_at, .. },
        ) => {
            let is_named = match report.reason.as_deref().and_then(named_offset) {
                Some(named) => *dlq_offset == Some(named) && redriven_at.is_none_or(|at| at == report.at),
                None => *redriven_at == Some(report.at),
            };
            is_named || report.about.is_some_and(|about| is_at(record, about))
        }
        (AuditAction::Dlq, Kind::DeadLetter(letter) | Kind::Unreadable { letter: Some(letter), .. }) => {
            letter.about.is_some() && letter.about == report.about
        }
        _ => false,
    }
}

fn is_at(record: &Found, (partition, offset): About) -> bool {
    record.topic == StreamTopic::Orders && record.partition == partition && record.offset == offset
}

/// Whether `record` may be a retry of the record that failed: the same event again, and behind it.
fn is_retry_of(failed: &Found, record: &Found) -> bool {
    let event = |of: &Found| match of.kind {
        Kind::Event { action, redrive_count, .. } => Some((action, redrive_count, of.timestamp)),
        _ => None,
    };
    let is_behind = failed.partition != record.partition || failed.offset < record.offset;
    event(failed) == event(record) && is_behind
}

/// Returns the offset of the dead letter that the reason of a redrive names.
fn named_offset(reason: &str) -> Option<i64> {
    let (_, named) = reason.rsplit_once("offset ")?;
    named.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Puts the records of all lanes into one order.
struct Weave<'a> {
    found: &'a [Found],
    lanes: BTreeMap<(StreamTopic, i32), Lane>,
    announced_by: Links,
    announces: Links,
    order: Vec<usize>,
}

impl Weave<'_> {
    /// Places what led to an audit event and to its effect.
    fn add_causes(&mut self, event: usize) {
        let effect = self.announces.get(event).copied().flatten();
        for index in [Some(event), effect].into_iter().flatten() {
            let Some((topic, partition, offset)) = self.cause(index) else { continue };
            // A `REDRIVEN` may be about the record that it announces, which comes after it.
            let is_effect = effect.and_then(|effect| self.found.get(effect)).is_some_and(|effect| {
                (effect.topic, effect.partition, effect.offset) == (topic, partition, offset)
            });
            if !is_effect {
                self.add_until((topic, partition), offset);
            }
        }
    }

    fn add_effect(&mut self, event: usize) {
        let effect = self.announces.get(event).copied().flatten();
        if let Some(record) = effect.and_then(|effect| self.found.get(effect)) {
            self.add_until((record.topic, record.partition), record.offset);
        }
    }

    /// Places the records that no event announces and that happened before this event.
    fn add_unannounced_until(&mut self, event: usize) {
        let until = time(self.found, event);
        for key in self.lanes.keys().copied().collect::<Vec<_>>() {
            while let Some(head) = self.lanes.get(&key).and_then(Lane::head) {
                let is_announced = self.announced_by.get(head).copied().flatten().is_some();
                if is_announced || time(self.found, head) > until {
                    break;
                }
                self.add_head(key, head);
            }
        }
    }

    fn add_the_rest(&mut self) {
        while let Some(n) = earliest(self.lanes.values(), |index| time(self.found, index)) {
            let Some((key, lane)) = self.lanes.iter().nth(n) else { return };
            let (key, Some(head)) = (*key, lane.head()) else { return };
            self.add_head(key, head);
        }
    }

    fn add_head(&mut self, key: (StreamTopic, i32), head: usize) {
        let offset = self.found.get(head).map_or(i64::MAX, |record| record.offset);
        self.add_until(key, offset);
    }

    /// Places the records of a lane up to an offset, each after its causes. A lane that is busy isn't entered again, so
    /// records that claim to be each other's causes can't make this endless, and it is never nested deeper than there are
    /// lanes.
    fn add_until(&mut self, key: (StreamTopic, i32), offset: i64) {
        let Some(lane) = self.lanes.get_mut(&key).filter(|lane| !lane.is_busy) else { return };
        lane.is_busy = true;
        while let Some(head) = self.lanes.get(&key).and_then(Lane::head) {
            if self.found.get(head).is_none_or(|record| record.offset > offset) {
                break;
            }
            if let Some((topic, partition, offset)) = self.cause(head) {
                self.add_until((topic, partition), offset);
            }
            self.order.push(head);
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.next += 1;
            }
        }
        if let Some(lane) = self.lanes.get_mut(&key) {
            lane.is_busy = false;
        }
    }

    /// Returns the place of the record that led to a record.
    fn cause(&self, index: usize) -> Option<(StreamTopic, i32, i64)> {
        let of_orders = |(partition, offset): About| (StreamTopic::Orders, partition, offset);
        match &self.found.get(index)?.kind {
            Kind::Report(report) => report.about.map(of_orders),
            Kind::DeadLetter(letter) | Kind::Unreadable { letter: Some(letter), .. } => {
                letter.about.map(of_orders)
            }
            // `orders-dlq` has one partition.
            Kind::Event { dlq_offset, .. } => dlq_offset.map(|offset| (StreamTopic::DeadLetters, 0, offset)),
            Kind::Unreadable { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journey::found::DeadLetter;
    use dojo_contract::{OrderAction, Source};
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// When the order was made, in every example.
    const MADE: i64 = 1_000;
    const REDRIVEN: &str = "redrive 1 of 3: from orders-dlq, partition 0, offset 0";

    fn found(topic: StreamTopic, partition: i32, offset: i64, timestamp: i64, kind: Kind) -> Found {
        Found { topic, partition, offset, timestamp: Some(timestamp), headers: BTreeMap::new(), kind }
    }

    /// The `created` of the order on `orders`, the first time or again.
    fn made(offset: i64, retry_count: u32, redrive_count: u32) -> Found {
        let dlq_offset = (redrive_count > 0).then_some(0);
        let kind = Kind::Event {
            action: OrderAction::Created,
            retry_count,
            redrive_count,
            dlq_offset,
            redriven_at: None,
        };
        found(StreamTopic::Orders, 1, offset, MADE, kind)
    }

    fn audit(offset: i64, at: i64, action: AuditAction, about: Option<About>) -> Found {
        report(offset, at, action, about, None, None)
    }

    fn retry(offset: i64, at: i64, number: u32, about: About) -> Found {
        report(offset, at, AuditAction::Retry, Some(about), Some(number), None)
    }

    fn report(
        offset: i64,
        at: i64,
        action: AuditAction,
        about: Option<About>,
        retry_count: Option<u32>,
        reason: Option<String>,
    ) -> Found {
        let report = Report {
            source: Source::NotificationService,
            action,
            at,
            retry_count,
            instance_id: None,
            reason,
            rule_version: None,
            alerts: Vec::new(),
            about,
        };
        found(StreamTopic::Audit, 0, offset, at, Kind::Report(Box::new(report)))
    }

    fn letter(offset: i64, at: i64, about: About) -> Found {
        let letter = DeadLetter {
            about: Some(about),
            instance_id: None,
            reason: None,
            rule_version: None,
            retry_count: None,
            redrive_count: None,
        };
        found(StreamTopic::DeadLetters, 0, offset, at, Kind::DeadLetter(Box::new(letter)))
    }

    /// The order of the records, each by its topic and offset.
    fn order(mut records: Vec<Found>) -> String {
        // The order in which they come must not matter.
        records.reverse();
        let name = |index: usize| {
            let record = &records[index];
            format!("{}{}", record.topic.letter(), record.offset)
        };
        arrange(&records).order.into_iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_life_with_retries_a_death_and_a_redrive_is_told_as_it_happened() {
        let records = vec![
            made(4, 0, 0),
            made(5, 1, 0),
            made(8, 2, 0),
            made(9, 0, 1),
            audit(0, MADE, AuditAction::Created, None),
            audit(1, 1_010, AuditAction::FraudCheckPassed, Some((1, 4))),
            retry(2, 1_020, 1, (1, 4)),
            retry(3, 1_030, 2, (1, 5)),
            audit(4, 1_040, AuditAction::Dlq, Some((1, 8))),
            report(5, 9_000, AuditAction::Redriven, Some((1, 8)), None, Some(REDRIVEN.to_owned())),
            audit(6, 9_010, AuditAction::Notified, Some((1, 9))),
            letter(0, 1_040, (1, 8)),
        ];
        assert_eq!(order(records), "a0 o4 a1 a2 o5 a3 o8 a4 d0 a5 o9 a6");
    }

    #[test]
    fn a_redrive_that_names_the_record_it_sends_comes_before_it() {
        let records = vec![
            made(4, 0, 0),
            made(9, 0, 1),
            audit(0, MADE, AuditAction::Dlq, Some((1, 4))),
            letter(0, MADE, (1, 4)),
            audit(1, 9_000, AuditAction::Redriven, Some((1, 9))),
        ];
        assert_eq!(order(records), "o4 a0 d0 a1 o9");
    }

    #[test]
    fn a_redrive_that_was_announced_twice_and_sent_once_belongs_to_the_second_event() {
        let mut redriven = made(9, 0, 1);
        if let Kind::Event { redriven_at, .. } = &mut redriven.kind {
            *redriven_at = Some(9_000);
        }
        let announces = |offset, at| {
            report(offset, at, AuditAction::Redriven, Some((1, 4)), None, Some(REDRIVEN.to_owned()))
        };
        let records =
            vec![made(4, 0, 0), redriven, letter(0, 1_500, (1, 4)), announces(0, 8_000), announces(1, 9_000)];
        assert_eq!(order(records), "o4 d0 a0 a1 o9");
    }

    #[test]
    fn a_cause_comes_before_its_effect_whatever_the_clocks_say() {
        let records = vec![
            made(4, 0, 0),
            audit(0, MADE, AuditAction::Created, None),
            audit(1, MADE - 500, AuditAction::Notified, Some((1, 4))),
        ];
        assert_eq!(order(records), "a0 o4 a1");
    }

    #[test]
    fn the_retries_of_two_events_of_one_order_are_told_apart() {
        let updated = |offset, retry_count| {
            let kind = Kind::Event {
                action: OrderAction::Updated,
                retry_count,
                redrive_count: 0,
                dlq_offset: None,
                redriven_at: None,
            };
            found(StreamTopic::Orders, 1, offset, 1_005, kind)
        };
        let records = vec![
            made(4, 0, 0),
            updated(5, 0),
            made(6, 1, 0),
            updated(7, 1),
            audit(0, MADE, AuditAction::Created, None),
            audit(1, 1_005, AuditAction::Updated, None),
            retry(2, 1_010, 1, (1, 4)),
            retry(3, 1_011, 1, (1, 5)),
            audit(4, 1_020, AuditAction::Notified, Some((1, 6))),
            audit(5, 1_030, AuditAction::Notified, Some((1, 7))),
        ];
        assert_eq!(order(records), "a0 o4 a1 o5 a2 o6 a3 o7 a4 a5");
    }

    #[test]
    fn an_audit_event_may_stand_alone_or_twice() {
        let records = vec![
            audit(0, MADE - 900, AuditAction::Created, None),
            audit(1, MADE, AuditAction::Created, None),
            made(4, 0, 0),
        ];
        assert_eq!(order(records), "a0 a1 o4");
    }

    #[test]
    fn a_record_that_no_event_announces_stands_where_its_time_puts_it() {
        let by_hand = |offset, at| {
            let kind = Kind::Unreadable { why: String::new(), letter: None };
            found(StreamTopic::Orders, 1, offset, at, kind)
        };
        let records = vec![
            made(4, 0, 0),
            by_hand(5, 1_015),
            by_hand(6, 5_000),
            audit(0, MADE, AuditAction::Created, None),
            audit(1, 1_010, AuditAction::FraudCheckPassed, Some((1, 4))),
            audit(2, 1_020, AuditAction::Notified, Some((1, 4))),
            letter(0, 1_018, (1, 5)),
        ];
        assert_eq!(order(records), "a0 o4 a1 o5 d0 a2 o6");
    }

    #[test]
    fn a_retry_whose_event_is_missing_waits_until_something_follows_from_it() {
        let records = vec![
            made(4, 0, 0),
            made(5, 1, 0),
            audit(0, MADE, AuditAction::Created, None),
            audit(1, 1_010, AuditAction::FraudCheckPassed, Some((1, 4))),
            audit(2, 1_020, AuditAction::Notified, Some((1, 5))),
        ];
        assert_eq!(order(records), "a0 o4 a1 o5 a2");
    }

    #[test]
    fn records_that_claim_to_be_each_others_causes_are_all_told() {
        let mut redriven = made(4, 0, 1);
        redriven.partition = 0;
        let records = vec![redriven, letter(0, MADE, (0, 4)), letter(1, MADE, (0, i64::MAX))];
        assert_eq!(order(records), "o4 d0 d1");
    }

    fn any_kind(topic: StreamTopic) -> BoxedStrategy<Kind> {
        let about = || prop::option::of((0..3, 0..30i64));
        let unreadable = Just(Kind::Unreadable { why: String::new(), letter: None });
        match topic {
            StreamTopic::Orders => prop_oneof![
                5 => (prop::bool::ANY, 0..3u32, 0..3u32, prop::option::of(0..30i64), prop::option::of(0..40i64)).prop_map(
                    |(created, retry_count, redrive_count, dlq_offset, redriven_at)| {
                        let action = if created { OrderAction::Created } else { OrderAction::Deleted };
                        Kind::Event { action, retry_count, redrive_count, dlq_offset, redriven_at }
                    }
                ),
                1 => unreadable,
            ]
            .boxed(),
            StreamTopic::DeadLetters => about()
                .prop_map(|about| match letter(0, 0, about.unwrap_or_default()).kind {
                    Kind::DeadLetter(letter) => Kind::DeadLetter(Box::new(DeadLetter { about, ..*letter })),
                    other => other,
                })
                .boxed(),
            _ => {
                let actions = [
                    AuditAction::Created,
                    AuditAction::Deleted,
                    AuditAction::Retry,
                    AuditAction::Dlq,
                    AuditAction::Redriven,
                    AuditAction::Notified,
                ];
                (prop::sample::select(actions.to_vec()), about(), 0..40i64, prop::option::of(0..3u32), 0..30i64)
                    .prop_map(|(action, about, at, retries, named)| {
                        report(0, at, action, about, retries, Some(format!("offset {named}"))).kind
                    })
                    .boxed()
            }
        }
    }

    fn any_record() -> impl Strategy<Value = Found> {
        let topics = vec![StreamTopic::Orders, StreamTopic::Audit, StreamTopic::DeadLetters];
        (prop::sample::select(topics), 0..3i32, 0..30i64, prop::option::of(0..40i64)).prop_flat_map(
            |(topic, partition, offset, timestamp)| {
                any_kind(topic)
                    .prop_map(move |kind| Found { timestamp, ..found(topic, partition, offset, 0, kind) })
            },
        )
    }

    proptest! {
        #[test]
        fn every_record_is_told_once_and_no_partition_loses_its_order(
            records in prop::collection::vec(any_record(), 0..60),
        ) {
            // A place holds one record.
            let places: HashMap<_, _> =
                records.into_iter().map(|record| ((record.topic, record.partition, record.offset), record)).collect();
            let records: Vec<_> = places.into_values().collect();
            let arranged = arrange(&records);
            let mut told = arranged.order.clone();
            told.sort_unstable();
            prop_assert_eq!(told, (0..records.len()).collect::<Vec<_>>());
            let mut last = HashMap::new();
            for index in &arranged.order {
                let Found { topic, partition, offset, .. } = &records[*index];
                let before = last.insert((topic, partition), offset);

                prop_assert!(before.is_none_or(|before| before < offset));
            }
            for (event, effect) in arranged.announces.iter().enumerate() {
                prop_assert!(effect.is_none_or(|effect| arranged.announced_by[effect] == Some(event)));
            }
        }
    }
}
