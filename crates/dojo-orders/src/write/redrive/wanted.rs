//! Which dead letters a request asks for, and which of them are refused before anything is read.
//!
//! Pure: a body, the ends of the log and the redrives that are known give a plan.

use crate::{log::stable_offsets::PartitionOffsets, read_models::redrives::Redrives};
use dojo_contract::{FieldError, price, time};
use rust_decimal::{Decimal, prelude::ToPrimitive as _};
use serde_json::Value;
use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
};

/// Dead letters that one request handles.
pub(super) const MOST: usize = 10_000;
/// Wrong offsets that a refusal names.
const MOST_ERRORS: usize = 20;
const SHOWN_CHARS: usize = 40;
/// Two wanted offsets that are further apart are read with a reader each: to read what is between them would take longer.
const FAR_APART: i64 = 10_000;

const GIVE: &str = "give `offsets`, a list of offsets on orders-dlq, or `all`: true";

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Every dead letter that wasn't redriven yet.
    All,
    Offsets(BTreeSet<i64>),
}

/// An offset that isn't redriven, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) offset: i64,
    pub(crate) reason: String,
}

impl Wanted {
    /// Reads a request's body, or names everything that is wrong with it.
    pub(super) fn read(body: &Value) -> Result<Self, Vec<FieldError>> {
        let error = |field: &str, message: String| Err(vec![FieldError::new(field, message)]);
        let Value::Object(members) = body else {
            return error("", "the body isn't a JSON object".to_owned());
        };
        if let Some(other) = members.keys().find(|name| *name != "all" && *name != "offsets") {
            let other: String = other.chars().take(SHOWN_CHARS).collect();
            return error(&other, format!("is unknown: {GIVE}"));
        }
        match (members.get("all"), members.get("offsets")) {
            (Some(Value::Bool(true)), None) => Ok(Self::All),
            (Some(_), None) => error("all", "isn't true: give true, or `offsets`".to_owned()),
            (None, Some(Value::Array(offsets))) if !offsets.is_empty() => read_offsets(offsets),
            (None, Some(_)) => error("offsets", "isn't a list of one offset or more".to_owned()),
            (Some(_), Some(_)) => error("all", "stands beside `offsets`: give one of the two".to_owned()),
            (None, None) => error("", GIVE.to_owned()),
        }
    }

    /// Plans the reading of `log`, refusing what needs no reading.
    pub(super) fn plan(self, log: PartitionOffsets, redrives: &Redrives) -> Plan {
        let offsets = match self {
            Self::All => {
                let open = log.earliest.max(redrives.forgotten_before())..log.stable;
                let runs = if open.is_empty() { VecDeque::new() } else { [open.clone()].into() };
                return Plan { runs, pending: Pending::All(open), refused: Vec::new(), left: 0 };
            }
            Self::Offsets(offsets) => offsets,
        };
        let left = offsets.len().saturating_sub(MOST);
        let (mut refused, mut pending) = (Vec::new(), BTreeSet::new());
        for offset in offsets.into_iter().take(MOST) {
            match off_the_log(offset, log).or_else(|| redriven_already(offset, redrives)) {
                Some(reason) => refused.push(Refused { offset, reason }),
                None => {
                    pending.insert(offset);
                }
            }
        }
        Plan { runs: runs(&pending), pending: Pending::Offsets(pending), refused, left }
    }
}

fn read_offsets(offsets: &[Value]) -> Result<Wanted, Vec<FieldError>> {
    // To JSON, 7.0 and 7 are the same number.
    let offset = |value: &Value| {
        let number = price::exact(value.as_number()?).filter(Decimal::is_integer);
        number.and_then(|number| number.to_i64()).filter(|offset| *offset >= 0)
    };
    let wrong = offsets.iter().enumerate().filter(|(_, value)| offset(value).is_none()).map(|(n, value)| {
        let shown: String = value.to_string().chars().take(SHOWN_CHARS).collect();
        FieldError::new(format!("offsets[{n}]"), format!("is {shown}: give a whole number, 0 or more"))
    });
    let wrong: Vec<_> = wrong.take(MOST_ERRORS).collect();
    if wrong.is_empty() {
        Ok(Wanted::Offsets(offsets.iter().filter_map(offset).collect()))
    } else {
        Err(wrong)
    }
}

/// What is read, and what is known without that.
#[derive(Debug)]
pub(super) struct Plan {
    /// The parts of the log to read.
    pub(super) runs: VecDeque<Range<i64>>,
    pub(super) pending: Pending,
    pub(super) refused: Vec<Refused>,
    /// Offsets beyond those that one request handles.
    pub(super) left: usize,
}

/// The dead letters that were not read yet.
#[derive(Debug)]
pub(super) enum Pending {
    /// The open ones of these.
    All(Range<i64>),
    Offsets(BTreeSet<i64>),
}

impl Pending {
    /// Returns which of the letters that are read are wanted at all.
    pub(super) fn filter(&self) -> impl Fn(i64) -> bool + Clone + Send + 'static {
        let offsets = match self {
            Self::All(_) => None,
            Self::Offsets(offsets) => Some(std::sync::Arc::new(offsets.clone())),
        };
        move |offset| offsets.as_ref().is_none_or(|offsets| offsets.contains(&offset))
    }

    /// The letter at `offset` was read.
    pub(super) fn read(&mut self, offset: i64) {
        match self {
            Self::All(open) => open.start = offset + 1,
            Self::Offsets(offsets) => {
                offsets.remove(&offset);
            }
        }
    }

    /// How many letters were not read; with [`Pending::All`] at most so many, since markers of transactions count, too.
    pub(super) fn left(&self, redrives: &Redrives) -> usize {
        match self {
            Self::All(open) if open.is_empty() => 0,
            Self::All(open) => {
                let offsets = usize::try_from(open.end - open.start).unwrap_or(usize::MAX);
                offsets.saturating_sub(redrives.count(open.clone()))
            }
            Self::Offsets(offsets) => offsets.len(),
        }
    }

    /// Refuses the offsets that were not among the letters, although the log was read from `earliest` to its end.
    pub(super) fn missing(self, earliest: i64) -> Vec<Refused> {
        let Self::Offsets(offsets) = self else { return Vec::new() };
        let refused = |offset| {
            let reason = if offset < earliest { removed(earliest) } else { NO_LETTER.to_owned() };
            Refused { offset, reason }
        };
        offsets.into_iter().map(refused).collect()
    }
}

const NO_LETTER: &str = "there is no dead letter at this offset: it holds the marker of a transaction, or a record of one that \
                         was aborted";

fn removed(earliest: i64) -> String {
    format!("it is no longer on the log: retention has removed everything before offset {earliest}")
}

/// Returns why there can't be a dead letter at `offset`.
fn off_the_log(offset: i64, log: PartitionOffsets) -> Option<String> {
    if offset < log.earliest {
        return Some(removed(log.earliest));
    }
    if offset >= log.end {
        return Some(format!("there is no such offset yet: the log ends before offset {}", log.end));
    }
    let is_open = offset >= log.stable;
    is_open.then(|| {
        "it stands behind a transaction that is still open: ask again once that has ended".to_owned()
    })
}

/// Returns why the dead letter at `offset` must not be sent once more.
pub(super) fn redriven_already(offset: i64, redrives: &Redrives) -> Option<String> {
    if offset < redrives.forgotten_before() {
        return Some(format!(
            "it may have been redriven already: this service no longer knows the redrives of dead letters before offset {}",
            redrives.forgotten_before()
        ));
    }
    redrives.of(offset).last().map(|redrive| {
        let (at, partition, offset) = (time::format(redrive.at), redrive.partition, redrive.offset);
        format!("it was redriven already, at {at}, to partition {partition}, offset {offset} of orders")
    })
}

/// Divides offsets into parts of the log that are worth one reader each.
fn runs(offsets: &BTreeSet<i64>) -> VecDeque<Range<i64>> {
    let mut runs = VecDeque::<Range<i64>>::new();
    for offset in offsets {
        match runs.back_mut() {
            Some(run) if offset - run.end < FAR_APART => run.end = offset + 1,
            _ => runs.push_back(*offset..offset.saturating_add(1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn log(earliest: i64, stable: i64, end: i64) -> PartitionOffsets {
        PartitionOffsets { earliest, end, stable, still_since: None }
    }

    fn offsets(offsets: impl IntoIterator<Item = i64>) -> Wanted {
        Wanted::Offsets(offsets.into_iter().collect())
    }

    #[test]
    fn a_body_asks_for_all_or_for_offsets() {
        assert_eq!(Wanted::read(&json!({"all": true})), Ok(Wanted::All));
        assert_eq!(Wanted::read(&json!({"offsets": [3, 1, 3.0]})), Ok(offsets([1, 3])));
    }

    #[test]
    fn anything_else_is_refused_with_its_field() {
        for (body, field) in [
            (json!([1]), ""),
            (json!({}), ""),
            (json!({"all": false}), "all"),
            (json!({"all": "true"}), "all"),
            (json!({"all": true, "offsets": [1]}), "all"),
            (json!({"offsets": []}), "offsets"),
            (json!({"offsets": 3}), "offsets"),
            (json!({"offset": 3}), "offset"),
            (json!({"all": true, "dryRun": true}), "dryRun"),
        ] {
            let errors = Wanted::read(&body).unwrap_err();
            assert_eq!((errors.len(), errors[0].field.as_str()), (1, field), "{body} {errors:?}");
        }
        let errors = Wanted::read(&json!({"offsets": [1, -1, 1.5, "2", null, 1e30]})).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(fields, ["offsets[1]", "offsets[2]", "offsets[3]", "offsets[4]", "offsets[5]"]);
        let many = json!({"offsets": vec!["x"; 9_000]});
        assert_eq!(Wanted::read(&many).unwrap_err().len(), MOST_ERRORS);
    }

    #[test]
    fn an_offset_that_the_log_does_not_have_is_refused_with_the_reason() {
        let plan = offsets([2, 5, 7, 9]).plan(log(5, 7, 9), &Redrives::default());
        let refused: Vec<_> = plan.refused.iter().map(|r| (r.offset, r.reason.as_str())).collect();
        assert_eq!(refused.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [2, 7, 9]);
        for ((_, reason), why) in
            refused.iter().zip(["before offset 5", "still open", "ends before offset 9"])
        {
            assert!(reason.contains(why), "{reason}");
        }
        assert_eq!((plan.runs.len(), &plan.runs[0]), (1, &(5..6)));
    }

    #[test]
    fn far_offsets_are_read_with_a_reader_each() {
        let near: BTreeSet<_> = [0, 1, FAR_APART, 5 * FAR_APART, i64::MAX].into();
        assert_eq!(runs(&near), [0..FAR_APART + 1, 5 * FAR_APART..5 * FAR_APART + 1, i64::MAX..i64::MAX]);
    }

    #[test]
    fn more_offsets_than_one_request_handles_are_left() {
        let most = MOST as i64;
        let plan = offsets(0..most + 5).plan(log(0, most + 9, most + 9), &Redrives::default());
        assert_eq!((plan.left, plan.pending.left(&Redrives::default())), (5, MOST));
        assert_eq!((plan.runs.len(), &plan.runs[0]), (1, &(0..most)));
    }

    #[test]
    fn what_was_not_found_is_refused() {
        let mut plan = offsets([3, 4, 5]).plan(log(0, 9, 9), &Redrives::default());
        let wanted = plan.pending.filter();
        assert!(wanted(3) && !wanted(6));
        plan.pending.read(4);
        let missing = plan.pending.missing(4);
        assert_eq!(missing.iter().map(|m| m.offset).collect::<Vec<_>>(), [3, 5]);
        assert!(
            missing[0].reason.contains("retention") && missing[1].reason.contains("marker"),
            "{missing:?}"
        );
    }

    #[test]
    fn all_begins_at_the_first_record_of_the_log() {
        let none = Redrives::default();
        let mut plan = Wanted::All.plan(log(5, 9, 12), &none);
        assert_eq!((&plan.runs[0], plan.pending.left(&none), plan.pending.filter()(8)), (&(5..9), 4, true));
        plan.pending.read(6);
        assert_eq!((plan.pending.left(&none), plan.pending.missing(0)), (2, Vec::new()));
        assert!(Wanted::All.plan(log(9, 9, 9), &none).runs.is_empty());
    }
}
