//! What a run has changed, and what becomes of it when the run changes the same thing again.
//!
//! Each thing has one entry: what was there before the run, and what the run set. If someone else changed the thing in
//! between, the run's next change puts back what that person set. An entry is noted before the change is made, and the
//! change may fail: so the run's last value but one counts as its own, too.

use crate::rule_save::tag_of;
use dojo_contract::{ControlKind, RuleChange, Run, RunChange, SettingChange, Settings};
use serde_json::Value;

/// A run may not change that many things.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a run may change {} things, and this one has", Run::MAX_CHANGES)]
pub(crate) struct TooManyChanges;

/// What stands where a run has changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Present {
    /// What was there before the run.
    Before,
    /// What the run set.
    OfTheRun,
    /// What someone else set meanwhile.
    OfSomeoneElse,
}

/// Returns what these records of `dojo-settings` change, given the settings in force. A crash can't be undone, so it is left
/// out.
pub(crate) fn of_records<'a>(
    records: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    settings: &Settings,
) -> Vec<RunChange> {
    let mut after = settings.clone();
    let change = |(key, value): (&str, Option<&'a str>)| {
        let is_crash = matches!(ControlKind::of_key(key), Some((_, ControlKind::Crash)));
        if is_crash || after.apply(key, value.map(str::as_bytes)).is_err() {
            return None;
        }
        let set = vec![after.value_of(key).unwrap_or_default()];
        Some(RunChange::Setting(SettingChange { key: key.to_owned(), before: settings.value_of(key), set }))
    };
    records.into_iter().filter_map(change).collect()
}

/// Adds `new` to the changes of a run. A first change to what is there already is left out.
pub(crate) fn add(changes: &mut Vec<RunChange>, new: RunChange) -> Result<(), TooManyChanges> {
    let earlier = changes.iter().position(|change| is_same_thing(change, &new));
    let merged = match (earlier.map(|at| changes.remove(at)), new) {
        (Some(RunChange::Setting(earlier)), RunChange::Setting(new)) => {
            RunChange::Setting(merge_settings(earlier, new))
        }
        (Some(RunChange::Rule(earlier)), RunChange::Rule(new)) => RunChange::Rule(merge_rules(earlier, new)),
        (_, RunChange::Setting(new)) if setting_is(&new, new.set.last()) == Present::Before => return Ok(()),
        (_, new) => new,
    };
    if changes.len() >= Run::MAX_CHANGES {
        return Err(TooManyChanges);
    }
    changes.push(merged);
    Ok(())
}

/// Says whose value `present` is.
pub(crate) fn setting_is(change: &SettingChange, present: Option<&Value>) -> Present {
    let present = present.unwrap_or(&Value::Null);
    if present == change.before.as_ref().unwrap_or(&Value::Null) {
        Present::Before
    } else if change.set.contains(present) {
        Present::OfTheRun
    } else {
        Present::OfSomeoneElse
    }
}

/// Says whose file has the tag `present`.
pub(crate) fn rule_is(change: &RuleChange, present: &str) -> Present {
    if present == tag_of(change.before.as_deref()) {
        Present::Before
    } else if change.set.iter().any(|own| own == present) {
        Present::OfTheRun
    } else {
        Present::OfSomeoneElse
    }
}

fn is_same_thing(a: &RunChange, b: &RunChange) -> bool {
    match (a, b) {
        (RunChange::Setting(a), RunChange::Setting(b)) => a.key == b.key,
        (RunChange::Rule(a), RunChange::Rule(b)) => a.rule == b.rule,
        _ => false,
    }
}

fn merge_settings(earlier: SettingChange, mut new: SettingChange) -> SettingChange {
    match setting_is(&earlier, new.before.as_ref()) {
        Present::OfSomeoneElse => new,
        Present::Before => SettingChange { before: earlier.before, ..new },
        Present::OfTheRun => {
            new.set.insert(0, new.before.unwrap_or_default());
            SettingChange { before: earlier.before, ..new }
        }
    }
}

fn merge_rules(earlier: RuleChange, mut new: RuleChange) -> RuleChange {
    let present = tag_of(new.before.as_deref());
    match rule_is(&earlier, &present) {
        Present::OfSomeoneElse => new,
        Present::Before => RuleChange { before: earlier.before, ..new },
        Present::OfTheRun => {
            new.set.insert(0, present);
            RuleChange { before: earlier.before, ..new }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn setting(before: Option<Value>, set: &[Value]) -> RunChange {
        RunChange::Setting(SettingChange { key: "failRate".into(), before, set: set.to_vec() })
    }

    fn after(changes: &[(Option<Value>, Value)]) -> Vec<RunChange> {
        let mut noted = Vec::new();
        changes.iter().for_each(|(before, set)| {
            add(&mut noted, setting(before.clone(), std::slice::from_ref(set))).unwrap();
        });
        noted
    }

    fn is_own(change: &RunChange, present: Option<Value>) -> Present {
        let RunChange::Setting(change) = change else { panic!("a setting") };
        setting_is(change, present.as_ref())
    }

    #[test]
    fn a_second_change_of_a_setting_keeps_what_was_there_before_the_first() {
        let changes = after(&[(Some(json!(0.3)), json!(1)), (Some(json!(1)), json!(0.5))]);
        assert_eq!(changes, [setting(Some(json!(0.3)), &[json!(1), json!(0.5)])]);
    }

    #[test]
    fn the_value_before_the_last_change_is_the_runs_own_because_that_change_may_fail() {
        let changes = after(&[(Some(json!(0.3)), json!(1)), (Some(json!(1)), json!(0.5))]);
        assert_eq!(is_own(&changes[0], Some(json!(1))), Present::OfTheRun);
        assert_eq!(is_own(&changes[0], Some(json!(0.5))), Present::OfTheRun);
        assert_eq!(is_own(&changes[0], Some(json!(0.3))), Present::Before);
        assert_eq!(is_own(&changes[0], None), Present::OfSomeoneElse);
        let third = after(&[(None, json!(1)), (Some(json!(1)), json!(0.5)), (Some(json!(0.5)), json!(0))]);
        assert_eq!(third, [setting(None, &[json!(0.5), json!(0)])]);
    }

    #[test]
    fn someone_elses_value_in_between_is_what_is_put_back() {
        let changes = after(&[(Some(json!(0.3)), json!(1)), (Some(json!(0.7)), json!(0.5))]);
        assert_eq!(changes, [setting(Some(json!(0.7)), &[json!(0.5)])]);
    }

    #[test]
    fn a_value_that_the_run_itself_puts_back_stays_noted_until_that_is_known_to_have_happened() {
        let changes = after(&[(None, json!(1)), (Some(json!(1)), Value::Null)]);
        assert_eq!(changes, [setting(None, &[json!(1), Value::Null])]);
        assert_eq!(is_own(&changes[0], Some(json!(1))), Present::OfTheRun);
        assert_eq!(is_own(&changes[0], None), Present::Before);
    }

    #[test]
    fn a_wish_for_what_is_there_and_a_crash_are_no_changes() {
        let mut settings = Settings::default();
        settings.apply("failRate", Some(b"0.3")).unwrap();
        let records = [
            ("failRate", Some("0.30")),
            ("instances.n-1.state", Some("\"running\"")),
            ("instances.n-1.crash", Some("\"2026-01-01T00:00:00.000Z\"")),
            ("instances.n-2.state", Some("\"stopped\"")),
        ];
        let mut changes = Vec::new();
        of_records(records, &settings).into_iter().for_each(|new| add(&mut changes, new).unwrap());
        let key = "instances.n-2.state".to_owned();
        let expected = SettingChange { key, before: None, set: vec![json!("stopped")] };
        assert_eq!(changes, [RunChange::Setting(expected)]);
    }

    #[test]
    fn a_rule_keeps_the_text_that_was_there_before_the_first_change() {
        let rule = |before: &str, set: &[&str]| {
            let set = set.iter().map(|text| tag_of(Some(text))).collect();
            RunChange::Rule(RuleChange { rule: "fraud".into(), before: Some(before.into()), set })
        };
        let mut changes = Vec::new();
        add(&mut changes, rule("a", &["b"])).unwrap();
        add(&mut changes, rule("b", &["c"])).unwrap();
        assert_eq!(changes, [rule("a", &["b", "c"])]);
        add(&mut changes, rule("x", &["d"])).unwrap();
        assert_eq!(changes, [rule("x", &["d"])]);
    }

    #[test]
    fn the_number_of_changes_is_bounded() {
        let change = |n: usize| {
            let key = format!("instances.n-{n}.failRate");
            RunChange::Setting(SettingChange { key, before: None, set: vec![json!(1)] })
        };
        let mut changes = Vec::new();
        (0..Run::MAX_CHANGES).for_each(|n| add(&mut changes, change(n)).unwrap());
        assert_eq!(add(&mut changes, change(Run::MAX_CHANGES)), Err(TooManyChanges));
        assert_eq!(add(&mut changes, change(0)), Ok(()));
    }
}
