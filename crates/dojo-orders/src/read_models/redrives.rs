//! What became of the dead letters that were sent back to `orders`.
//!
//! Two topics tell it. A record of `orders` with the header `dojo-dlq-offset` says that the dead letter at that offset was
//! redriven; the retries of that record have the same header. An event of `audit` names the record of `orders` that it is
//! about, and so says how the delivery ended. The topics are read by different readers, so an event may be read before the
//! record that it is about: it then waits for that record.
//!
//! Two redrives of one dead letter are shown as two. Within one order service there is only one; two replicas may each send
//! one if they are asked at the same moment.
//!
//! Memory is bounded: the redrives of the newest dead letters are kept, and what is older counts as redriven, because
//! nobody knows any more that it was not.

use chrono::{DateTime, Utc};
use dojo_contract::{
    AuditAction, AuditEvent,
    header::{self, Headers},
    time,
};
use serde::Serialize;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    ops::Range,
};
use utoipa::ToSchema;

/// Dead letters whose redrives are kept: some 30 MiB.
const LETTERS: usize = 100_000;
/// Redrives of one dead letter, and records on `orders` of one redrive; the newest are kept. With `onExhausted` `retry` an
/// event is retried without end.
const REDRIVES: usize = 8;
const TRIES: usize = 16;
/// Events of `audit` that wait for the record that they are about.
const WAITING: usize = 10_000;

/// The partition and offset of a record of `orders`.
pub(crate) type Place = (i32, i64);

/// A dead letter's return to `orders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Redrive {
    /// When it happened.
    #[serde(with = "time")]
    pub(crate) at: DateTime<Utc>,
    /// The partition of the redriven record on `orders`.
    pub(crate) partition: i32,
    /// The offset of the redriven record on `orders`.
    pub(crate) offset: i64,
    pub(crate) redrive_count: u32,
    /// `NOTIFIED`, `DLQ`, `DROPPED`, or `RETRY` while it is being retried; null until there is an outcome.
    #[schema(required)]
    pub(crate) outcome: Option<AuditAction>,
}

#[derive(Debug)]
struct Kept {
    redrive: Redrive,
    /// The redriven record and its retries, oldest first.
    tries: VecDeque<Place>,
    /// The offset on `audit` of the event that told the outcome.
    told_at: i64,
}

/// An outcome, and the offset of its event on `audit`.
type Told = (i64, AuditAction);

/// The redrives of the newest dead letters.
#[derive(Debug)]
pub(crate) struct Redrives {
    /// By offset on `orders-dlq`; at most `kept` of them.
    letters: BTreeMap<i64, VecDeque<Kept>>,
    kept: usize,
    /// The dead letter of each of `tries`.
    places: HashMap<Place, i64>,
    /// Outcomes of records that were not read yet; the newest [`WAITING`].
    waiting: HashMap<Place, Told>,
    /// The keys of `waiting`, oldest first; also of some that have gone.
    waited: VecDeque<Place>,
    /// Redrives of dead letters before this offset were forgotten.
    forgotten_before: i64,
}

impl Default for Redrives {
    fn default() -> Self {
        Self::keeping(LETTERS)
    }
}

impl Redrives {
    fn keeping(kept: usize) -> Self {
        Self {
            letters: BTreeMap::new(),
            kept,
            places: HashMap::new(),
            waiting: HashMap::new(),
            waited: VecDeque::new(),
            forgotten_before: 0,
        }
    }

    /// Takes in the record at `place` of `orders`, if it is a redriven one or a retry of one.
    pub(super) fn record(&mut self, place: Place, timestamp: Option<i64>, headers: &Headers) {
        let Some(letter) = header::number(headers, header::DLQ_OFFSET) else { return };
        if letter < self.forgotten_before {
            return;
        }
        let at = header::number(headers, header::REDRIVEN_AT).or(timestamp);
        let at = at.and_then(time::from_kafka).unwrap_or_default();
        let is_retry = header::has(headers, header::RETRY_COUNT);
        let redrives = self.letters.entry(letter).or_default();
        let known = redrives.iter_mut().rev().find(|kept| is_retry && kept.redrive.at == at);
        if let Some(kept) = known {
            kept.tries.push_back(place);
            if kept.tries.len() > TRIES
                && let Some(oldest) = kept.tries.pop_front()
            {
                self.places.remove(&oldest);
            }
        } else {
            let redrive = Redrive {
                at,
                partition: place.0,
                offset: place.1,
                redrive_count: header::count(headers, header::REDRIVE_COUNT).unwrap_or_default(),
                outcome: None,
            };
            redrives.push_back(Kept { redrive, tries: [place].into(), told_at: -1 });
            if redrives.len() > REDRIVES
                && let Some(oldest) = redrives.pop_front()
            {
                remove_all(&mut self.places, &oldest);
            }
        }
        self.places.insert(place, letter);
        if let Some(told) = self.waiting.remove(&place) {
            self.end(letter, place, told);
        }
        self.forget_the_oldest();
    }

    /// Takes in an event of `audit`. `is_ahead` knows whether the record at a place was not read yet.
    pub(super) fn told(
        &mut self,
        audit_offset: i64,
        event: &AuditEvent,
        is_ahead: impl FnOnce(Place) -> bool,
    ) {
        let is_outcome = matches!(
            event.action,
            AuditAction::Notified | AuditAction::Dlq | AuditAction::Dropped | AuditAction::Retry
        );
        let Some(place) = event.partition.zip(event.offset).filter(|_| is_outcome) else { return };
        let told = (audit_offset, event.action);
        if let Some(letter) = self.places.get(&place) {
            self.end(*letter, place, told);
        } else if is_ahead(place) {
            self.waiting.insert(place, told);
            self.waited.push_back(place);
            // Most records are not redriven ones, so nobody takes their outcomes out.
            if self.waited.len() > WAITING
                && let Some(oldest) = self.waited.pop_front()
            {
                self.waiting.remove(&oldest);
            }
        }
    }

    fn end(&mut self, letter: i64, place: Place, (audit_offset, outcome): Told) {
        let redrives = self.letters.get_mut(&letter).into_iter().flatten();
        for kept in redrives.filter(|kept| kept.tries.contains(&place) && kept.told_at < audit_offset) {
            kept.told_at = audit_offset;
            kept.redrive.outcome = Some(outcome);
        }
    }

    fn forget_the_oldest(&mut self) {
        while self.letters.len() > self.kept
            && let Some((letter, redrives)) = self.letters.pop_first()
        {
            redrives.iter().for_each(|kept| remove_all(&mut self.places, kept));
            self.forgotten_before = letter + 1;
        }
    }

    /// Forgets what stands on a partition of `orders` whose log starts over.
    pub(super) fn forget(&mut self, partition: i32) {
        self.letters.retain(|_, redrives| {
            redrives.retain(|kept| kept.redrive.partition != partition);
            !redrives.is_empty()
        });
        self.places.retain(|place, _| place.0 != partition);
        self.waiting.retain(|place, _| place.0 != partition);
        if self.letters.is_empty() {
            self.forgotten_before = 0;
        }
    }

    /// The redrives of the dead letter at that offset of `orders-dlq`, oldest first.
    pub(crate) fn of(&self, letter: i64) -> impl Iterator<Item = &Redrive> {
        self.letters.get(&letter).into_iter().flatten().map(|kept| &kept.redrive)
    }

    /// The redrives of a dead letter, each with the places of its record on `orders` and of that record's newest retries.
    pub(crate) fn with_tries(&self, letter: i64) -> impl Iterator<Item = (&Redrive, &VecDeque<Place>)> {
        self.letters.get(&letter).into_iter().flatten().map(|kept| (&kept.redrive, &kept.tries))
    }

    /// How many of these dead letters are known to be redriven.
    pub(crate) fn count(&self, letters: Range<i64>) -> usize {
        self.letters.range(letters).count()
    }

    /// The redrives of dead letters before this offset are no longer known.
    pub(crate) fn forgotten_before(&self) -> i64 {
        self.forgotten_before
    }

    /// When the first redrive that has not ended was sent.
    pub(super) fn first_open(&self) -> Option<DateTime<Utc>> {
        let redrives = self.letters.values().flatten().map(|kept| &kept.redrive);
        let is_open = |redrive: &&Redrive| matches!(redrive.outcome, None | Some(AuditAction::Retry));
        redrives.filter(is_open).map(|redrive| redrive.at).min()
    }
}

fn remove_all(places: &mut HashMap<Place, i64>, kept: &Kept) {
    for place in &kept.tries {
        places.remove(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dojo_contract::Source;
    use uuid::Uuid;

    fn headers(letter: i64, at: i64, retry: Option<u32>) -> Headers {
        let mut headers = Headers::new();
        header::set(&mut headers, header::DLQ_OFFSET, letter.to_string());
        header::set(&mut headers, header::REDRIVEN_AT, at.to_string());
        header::set(&mut headers, header::REDRIVE_COUNT, "1");
        if let Some(retry) = retry {
            header::set(&mut headers, header::RETRY_COUNT, retry.to_string());
        }
        headers
    }

    fn event(action: AuditAction, (partition, offset): Place) -> AuditEvent {
        AuditEvent {
            partition: Some(partition),
            offset: Some(offset),
            ..AuditEvent::new(Source::NotificationService, action, Uuid::nil(), DateTime::UNIX_EPOCH)
        }
    }

    fn outcomes(redrives: &Redrives, letter: i64) -> Vec<Option<AuditAction>> {
        redrives.of(letter).map(|redrive| redrive.outcome).collect()
    }

    const READ: fn(Place) -> bool = |_| false;
    const AHEAD: fn(Place) -> bool = |_| true;

    #[test]
    fn a_redrive_and_its_retries_are_one_and_end_with_the_last_word_on_audit() {
        let mut redrives = Redrives::default();
        redrives.record((1, 50), None, &headers(7, 1_000, None));
        let redrive = redrives.of(7).next().unwrap();
        assert_eq!((redrive.partition, redrive.offset, redrive.redrive_count), (1, 50, 1));
        assert_eq!((redrive.at.timestamp_millis(), redrive.outcome), (1_000, None));
        redrives.told(10, &event(AuditAction::Retry, (1, 50)), READ);
        assert_eq!(outcomes(&redrives, 7), [Some(AuditAction::Retry)]);
        redrives.record((1, 60), None, &headers(7, 1_000, Some(1)));
        redrives.told(11, &event(AuditAction::Notified, (1, 60)), READ);
        redrives.told(9, &event(AuditAction::Retry, (1, 50)), READ);
        assert_eq!(outcomes(&redrives, 7), [Some(AuditAction::Notified)], "an older event comes late");
        assert_eq!(redrives.of(7).next().unwrap().offset, 50);
        assert_eq!((redrives.count(0..100), redrives.count(8..100)), (1, 0));
    }

    #[test]
    fn an_outcome_that_is_read_before_its_record_waits_for_it() {
        let mut redrives = Redrives::default();
        redrives.told(3, &event(AuditAction::Dropped, (0, 5)), AHEAD);
        redrives.told(4, &event(AuditAction::Dlq, (0, 6)), READ);
        redrives.told(5, &event(AuditAction::FraudAlert, (0, 7)), AHEAD);
        for offset in 5..8 {
            redrives.record((0, offset), None, &headers(offset, 1, None));
        }
        let told: Vec<_> = (5..8).flat_map(|letter| outcomes(&redrives, letter)).collect();
        assert_eq!(told, [Some(AuditAction::Dropped), None, None]);
    }

    #[test]
    fn two_redrives_of_one_dead_letter_are_two() {
        let mut redrives = Redrives::default();
        redrives.record((0, 5), None, &headers(7, 1_000, None));
        redrives.record((0, 6), None, &headers(7, 1_001, None));
        redrives.record((0, 7), None, &headers(7, 1_001, Some(1)));
        redrives.told(1, &event(AuditAction::Dlq, (0, 7)), READ);
        assert_eq!(outcomes(&redrives, 7), [None, Some(AuditAction::Dlq)]);
        assert_eq!(redrives.first_open().map(|at| at.timestamp_millis()), Some(1_000));
        redrives.told(2, &event(AuditAction::Notified, (0, 5)), READ);
        assert_eq!(redrives.first_open(), None);
    }

    #[test]
    fn a_retry_whose_redriven_record_is_no_longer_on_the_log_is_known_all_the_same() {
        let mut redrives = Redrives::default();
        redrives.record((2, 9), Some(77), &headers(4, 1_000, Some(2)));
        redrives.told(1, &event(AuditAction::Notified, (2, 9)), READ);
        assert_eq!(outcomes(&redrives, 4), [Some(AuditAction::Notified)]);
    }

    #[test]
    fn a_record_without_the_header_is_no_redrive() {
        let mut redrives = Redrives::default();
        let mut wrong = Headers::new();
        header::set(&mut wrong, header::DLQ_OFFSET, "seven");
        redrives.record((0, 1), None, &wrong);
        redrives.record((0, 2), None, &Headers::new());
        assert!(redrives.letters.is_empty() && redrives.places.is_empty());
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_older_counts_as_forgotten() {
        let mut redrives = Redrives::keeping(3);
        for letter in 0..5 {
            redrives.record((0, letter), None, &headers(letter, 1, None));
        }
        assert_eq!((redrives.count(0..9), redrives.places.len(), redrives.forgotten_before()), (3, 3, 2));
        redrives.record((0, 9), None, &headers(1, 1, None));
        assert_eq!(redrives.count(0..9), 3, "it is older than what was forgotten");
        for offset in 10..200 {
            redrives.record((0, offset), None, &headers(4, 1, Some(1)));
            redrives.record((1, offset), None, &headers(3, offset, None));
        }
        assert_eq!((redrives.of(4).count(), redrives.of(3).count()), (1, REDRIVES));
        assert_eq!(redrives.places.len(), 1 + TRIES + REDRIVES);
        for offset in 0..2 * WAITING as i64 {
            redrives.told(offset, &event(AuditAction::Notified, (2, offset)), AHEAD);
        }
        assert_eq!((redrives.waiting.len(), redrives.waited.len()), (WAITING, WAITING));
        redrives.record((2, 2 * WAITING as i64 - 1), None, &headers(5, 1, None));
        assert_eq!(outcomes(&redrives, 5), [Some(AuditAction::Notified)], "the newest outcomes wait");
    }

    #[test]
    fn a_partition_whose_log_starts_over_loses_its_redrives() {
        let mut redrives = Redrives::keeping(2);
        for letter in 0..3 {
            redrives.record((0, letter), None, &headers(letter, 1, None));
        }
        redrives.told(1, &event(AuditAction::Notified, (0, 99)), AHEAD);
        redrives.forget(1);
        assert_eq!((redrives.count(0..9), redrives.forgotten_before()), (2, 1));
        redrives.forget(0);
        assert_eq!((redrives.count(0..9), redrives.forgotten_before()), (0, 0));
        assert!(redrives.places.is_empty() && redrives.waiting.is_empty());
    }
}
