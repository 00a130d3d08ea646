//! What was said about recorded orders at the time: the verdicts on `audit`, in a few bytes an order.
//!
//! Verdicts repeat, so each different one is kept once, and an order has only its number.

use dojo_contract::{AuditAction, Source};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

/// The type under which an error of the rule is counted, beside the types of alerts.
pub const RULE_ERROR: &str = "RULE_ERROR";
/// The most types of alerts that are told apart; the others are [`OTHER`].
const MAX_TYPES: usize = 200;
const OTHER: &str = "(other types)";
/// The most different verdicts. A rule has far fewer: a set of types for each version.
const MAX_VERDICTS: usize = 100_000;

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
pub struct Said<'a> {
    /// The verdict.
    pub verdict: &'a Verdict,
    /// Its place among all verdicts, in the order in which they were given.
    pub rank: u32,
}

/// The names of types, each kept once.
#[derive(Debug, Default)]
pub struct TypeNames(BTreeSet<Arc<str>>);

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

/// The number of a verdict, and its rank.
type NumberAndRank = (u32, u32);

/// The verdicts on the orders of some ranges of offsets.
#[derive(Debug)]
pub struct SaidVerdicts {
    /// For each offset of a partition's range the number of the verdict, and its rank.
    partitions: BTreeMap<i32, (i64, Vec<Option<NumberAndRank>>)>,
    verdicts: Vec<Verdict>,
    numbers: HashMap<Verdict, u32>,
    versions: BTreeSet<Arc<str>>,
    next_rank: u32,
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

impl SaidVerdicts {
    /// Creates a table for the orders in `ranges`, of which no verdict is known yet.
    pub fn on(ranges: &BTreeMap<i32, Range<i64>>) -> Self {
        let table = |range: &Range<i64>| {
            let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or_default();
            (range.start, vec![None; length])
        };
        Self {
            partitions: ranges.iter().map(|(partition, range)| (*partition, table(range))).collect(),
            verdicts: Vec::new(),
            numbers: HashMap::new(),
            versions: BTreeSet::new(),
            next_rank: 0,
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
        let (Source::FraudService, Some(partition), Some(offset)) =
            (event.source, event.partition, event.offset)
        else {
            return;
        };
        let Some((start, table)) = self.partitions.get_mut(&partition) else { return };
        let index = offset.checked_sub(*start).and_then(|index| usize::try_from(index).ok());
        let Some(place) = index.and_then(|index| table.get_mut(index)).filter(|place| place.is_none()) else {
            return;
        };
        let mut types: Types = event.alerts.iter().flatten().map(|alert| names.get(&alert.kind)).collect();
        if event.action == AuditAction::RuleError {
            types.insert(names.get(RULE_ERROR));
        }
        let version: Arc<str> = event.rule_version.unwrap_or_default().as_ref().into();
        self.versions.insert(Arc::clone(&version));
        let is_partial = event.window_stats.is_some_and(|stats| stats.partial);
        let verdict = Verdict { version, is_partial, types };
        let number = match self.numbers.get(&verdict) {
            Some(number) => *number,
            None if self.verdicts.len() >= MAX_VERDICTS => return,
            None => {
                let number = u32::try_from(self.verdicts.len()).unwrap_or(u32::MAX);
                self.verdicts.push(verdict.clone());
                self.numbers.insert(verdict, number);
                number
            }
        };
        *place = Some((number, self.next_rank));
        self.next_rank = self.next_rank.saturating_add(1);
    }

    /// Returns whether a verdict was given by this version of the rule.
    pub fn has_version(&self, version: &str) -> bool {
        self.versions.contains(version)
    }

    /// Returns the verdict on the order at a position of `orders`.
    pub fn on_order(&self, partition: i32, offset: i64) -> Option<Said<'_>> {
        let (start, table) = self.partitions.get(&partition)?;
        let index = usize::try_from(offset.checked_sub(*start)?).ok()?;
        let (number, rank) = (*table.get(index)?)?;
        Some(Said { verdict: self.verdicts.get(number as usize)?, rank })
    }
}
