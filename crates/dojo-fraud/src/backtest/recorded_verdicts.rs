//! The verdicts on `audit`, in a few bytes per order.
//!
//! Pure. Verdicts repeat, so each different one is kept once, and an order has only its number.

use dojo_contract::{AuditAction, Source};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroU32,
    ops::Range,
    sync::Arc,
};

/// The type under which an error of the rule is counted, beside the types of alerts.
pub const RULE_ERROR: &str = "RULE_ERROR";
/// The most types of alerts that are told apart; the others are [`OTHER`].
const MAX_TYPES: usize = 200;
const OTHER: &str = "(other types)";
/// The most different verdicts. A rule has far fewer: a set of types for each version.
pub(super) const MAX_VERDICTS: usize = 10_000;
/// The most bytes of a version; the versions of rules have 8.
const MAX_VERSION: usize = 64;

/// The types of the alerts that an order got; empty if it passed.
pub type Types = BTreeSet<Arc<str>>;

/// A verdict, without what differs from order to order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Verdict {
    /// Version of the rule.
    pub version: Arc<str>,
    /// Whether orders were missing in its windows.
    pub is_partial: bool,
    /// Its alerts.
    pub types: Types,
}

/// The verdict on one order.
#[derive(Debug, Clone, Copy)]
pub struct RecordedVerdict<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// Its place among all verdicts, in the order in which they were given.
    pub rank: NonZeroU32,
}

/// The names of types, each kept once.
#[derive(Debug)]
pub struct TypeNames(BTreeSet<Arc<str>>);

impl Default for TypeNames {
    fn default() -> Self {
        // However many types there are, an error keeps its own name.
        Self([RULE_ERROR.into()].into())
    }
}

impl TypeNames {
    /// Returns the one copy of a name.
    pub fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = if self.0.len() < MAX_TYPES { name.into() } else { OTHER.into() };
        self.0.insert(Arc::clone(&name));
        name
    }
}

/// The verdicts on the orders of some ranges of offsets.
#[derive(Debug)]
pub struct RecordedVerdicts {
    partitions: BTreeMap<i32, Partition>,
    verdicts: Vec<Verdict>,
    numbers: HashMap<Verdict, u32>,
    next_rank: NonZeroU32,
    is_full: bool,
}

#[derive(Debug)]
struct Partition {
    /// The first offset of the range.
    start: i64,
    /// For each offset the rank of the verdict, and its number. Takes 8 bytes.
    places: Vec<Option<(NonZeroU32, u32)>>,
    /// The last offset with a verdict.
    last: Option<i64>,
}

/// The part of an audit event that a verdict is about.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    source: Source,
    action: AuditAction,
    partition: Option<i32>,
    offset: Option<i64>,
    #[serde(borrow)]
    rule_version: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    alerts: Option<Vec<Alert<'a>>>,
    #[serde(default)]
    window_stats: Option<Stats>,
}

#[derive(Deserialize)]
struct Alert<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Stats {
    #[serde(default)]
    partial: bool,
}

impl RecordedVerdicts {
    /// Creates a table for the orders in `ranges`, of which no verdict is known yet.
    pub fn on(ranges: &BTreeMap<i32, Range<i64>>) -> Self {
        let table = |range: &Range<i64>| {
            let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
            Partition { start: range.start, places: vec![None; length], last: None }
        };
        Self {
            partitions: ranges.iter().map(|(partition, range)| (*partition, table(range))).collect(),
            verdicts: Vec::new(),
            numbers: HashMap::new(),
            next_rank: NonZeroU32::MIN,
            is_full: false,
        }
    }

    /// Takes a record of `audit`. Only the first verdict on an order counts: after a crash it may be there twice.
    pub fn take(&mut self, value: &[u8], names: &mut TypeNames) {
        // Most records of `audit` are of other services, and reading all of their JSON would take most of the time.
        const FRAUD: &[u8] = b"fraud-service";
        if memchr::memmem::find(value, FRAUD).is_none() {
            return;
        }
        let Ok(event) = serde_json::from_slice::<Event<'_>>(value) else { return };
        let (Source::FraudService, Some(number), Some(offset)) =
            (event.source, event.partition, event.offset)
        else {
            return;
        };
        if self.place(number, offset) != Some(None) {
            return;
        }
        let mut types: Types = event.alerts.iter().flatten().map(|alert| names.get(&alert.kind)).collect();
        if event.action == AuditAction::RuleError {
            types.insert(names.get(RULE_ERROR));
        }
        let version = event.rule_version.filter(|version| version.len() <= MAX_VERSION).unwrap_or_default();
        let version: Arc<str> = version.as_ref().into();
        let is_partial = event.window_stats.is_some_and(|stats| stats.partial);
        let Some(verdict) = self.number(Verdict { version, is_partial, types }) else {
            self.is_full = true;
            return;
        };
        let rank = self.next_rank;
        self.next_rank = rank.saturating_add(1);
        if let Some(partition) = self.partitions.get_mut(&number) {
            partition.set(offset, (rank, verdict));
        }
    }

    /// Returns the number of a verdict; `None` if there are too many different ones.
    fn number(&mut self, verdict: Verdict) -> Option<u32> {
        if let Some(number) = self.numbers.get(&verdict) {
            return Some(*number);
        }
        let number =
            u32::try_from(self.verdicts.len()).ok().filter(|_| self.verdicts.len() < MAX_VERDICTS)?;
        self.verdicts.push(verdict.clone());
        self.numbers.insert(verdict, number);
        Some(number)
    }

    /// Returns whether a verdict was left out because there are too many different ones.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns the verdict on the order at a position of `orders`.
    pub fn on_order(&self, partition: i32, offset: i64) -> Option<RecordedVerdict<'_>> {
        let (rank, number) = self.place(partition, offset)??;
        Some(RecordedVerdict { verdict: self.verdicts.get(number as usize)?, rank })
    }

    /// Returns whether neither the order at this offset nor a later one of its partition has a verdict.
    pub fn is_after_last(&self, partition: i32, offset: i64) -> bool {
        self.partitions.get(&partition).is_none_or(|partition| partition.last < Some(offset))
    }

    fn place(&self, partition: i32, offset: i64) -> Option<Option<(NonZeroU32, u32)>> {
        let partition = self.partitions.get(&partition)?;
        partition.places.get(partition.index(offset)?).copied()
    }
}

impl Partition {
    fn index(&self, offset: i64) -> Option<usize> {
        usize::try_from(offset.checked_sub(self.start)?).ok()
    }

    fn set(&mut self, offset: i64, verdict: (NonZeroU32, u32)) {
        if let Some(place) = self.index(offset).and_then(|index| self.places.get_mut(index)) {
            *place = Some(verdict);
            self.last = self.last.max(Some(offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records a verdict of `version` with alerts of these types on the order at `offset` of partition 0.
    fn record(
        recorded: &mut RecordedVerdicts,
        names: &mut TypeNames,
        offset: i64,
        version: &str,
        action: &str,
        types: &[String],
    ) {
        let alerts: Vec<_> = types.iter().map(|kind| serde_json::json!({"type": kind})).collect();
        let event = serde_json::json!({
            "source": "fraud-service", "action": action, "partition": 0, "offset": offset,
            "ruleVersion": version, "alerts": alerts,
        });
        recorded.take(event.to_string().as_bytes(), names);
    }

    #[test]
    fn an_error_of_the_rule_keeps_its_name_among_any_number_of_types() {
        let (mut recorded, mut names) = (RecordedVerdicts::on(&[(0, 0..2)].into()), TypeNames::default());
        let types: Vec<_> = (0..500).map(|n| format!("TYPE_{n}")).collect();
        record(&mut recorded, &mut names, 0, "v1", "FRAUD_ALERT", &types);
        record(&mut recorded, &mut names, 1, "v1", "RULE_ERROR", &[]);
        assert_eq!(recorded.on_order(0, 0).unwrap().verdict.types.len(), MAX_TYPES);
        assert_eq!(recorded.on_order(0, 1).unwrap().verdict.types, [Arc::from(RULE_ERROR)].into());
    }

    #[test]
    fn too_many_different_verdicts_are_noticed() {
        let most = MAX_VERDICTS as i64;
        let (mut recorded, mut names) =
            (RecordedVerdicts::on(&[(0, 0..most + 1)].into()), TypeNames::default());
        for offset in 0..most {
            record(&mut recorded, &mut names, offset, &offset.to_string(), "FRAUD_CHECK_PASSED", &[]);
        }
        assert!(!recorded.is_full());
        record(&mut recorded, &mut names, most, "one more", "FRAUD_CHECK_PASSED", &[]);
        assert!(recorded.is_full());
    }

    #[test]
    fn the_first_verdict_on_an_order_counts() {
        let (mut recorded, mut names) = (RecordedVerdicts::on(&[(0, 5..7)].into()), TypeNames::default());
        for (offset, version) in [(5, "v1"), (5, "v2"), (4, "v3")] {
            record(&mut recorded, &mut names, offset, version, "FRAUD_CHECK_PASSED", &[]);
        }
        assert_eq!(&*recorded.on_order(0, 5).unwrap().verdict.version, "v1");
        assert!(recorded.on_order(0, 4).is_none() && recorded.on_order(0, 6).is_none());
        assert!(recorded.is_after_last(0, 6) && !recorded.is_after_last(0, 5));
    }

    #[test]
    fn a_place_takes_eight_bytes() {
        assert_eq!(size_of::<Option<(NonZeroU32, u32)>>(), 8);
    }
}
