//! What the undo of a run says: what was put back, what was left alone and why, each in a sentence.

use crate::write::runs::changes::Present;
use dojo_contract::{
    ControlKind, Defaults, RuleChange, SettingChange, SettingName, SettingValue, Settings, ValueSource,
};
use serde_json::Value;

/// What a key of `dojo-settings` is about.
enum Thing {
    Setting(SettingName),
    State(String),
    Process(String),
    Other(String),
}

impl Thing {
    fn of(key: &str) -> Self {
        match (ControlKind::of_key(key), key.parse()) {
            (Some((instance, ControlKind::State)), _) => Self::State(instance.to_owned()),
            (Some((instance, ControlKind::Process)), _) => Self::Process(instance.to_owned()),
            (None, Ok(name)) => Self::Setting(name),
            _ => Self::Other(key.to_owned()),
        }
    }
}

/// Says what has become of a value. `settings` has the value as it is now.
pub(crate) fn of_setting(
    change: &SettingChange,
    present: Present,
    settings: &Settings,
    defaults: &Defaults,
) -> String {
    let value = settings.value_of(&change.key);
    let is_back = present != Present::OfSomeoneElse;
    match Thing::of(&change.key) {
        Thing::Setting(name) if is_back => put_back(&name, settings, defaults),
        Thing::Setting(name) => match value {
            Some(value) => {
                format!("{} was changed to {value} by someone else meanwhile and stays", of(&name))
            }
            None => format!("{} was removed by someone else meanwhile and stays so", of(&name)),
        },
        Thing::State(id) => {
            let wish = if value.is_none() { "to work" } else { "to stop" };
            match is_back {
                true => format!("{id} is asked {wish} again"),
                false => format!("{id} was asked {wish} by someone else meanwhile, and that stays"),
            }
        }
        Thing::Process(id) if is_back => {
            // Without a value, the supervisor runs what it began with, and the run's first wish says whether that has the instance.
            let there = match &change.before {
                Some(before) => before.as_str() != Some("none"),
                None => change.set.first().and_then(Value::as_str) == Some("none"),
            };
            if there {
                format!("{id} is there again")
            } else {
                format!("{id}, which the run added, is gone again")
            }
        }
        Thing::Process(id) => format!("{id} was added or removed by someone else meanwhile and stays so"),
        Thing::Other(key) if is_back => format!("`{key}` is as it was before"),
        Thing::Other(key) => format!("`{key}` was changed by someone else meanwhile and stays"),
    }
}

fn put_back(name: &SettingName, settings: &Settings, defaults: &Defaults) -> String {
    let own = settings.get(name).map(SettingValue::to_json);
    match (own, &name.instance) {
        (Some(value), _) => format!("{} is {value} again", of(name)),
        (None, Some(_)) => format!("{} follows the value of all instances again", of(name)),
        (None, None) => {
            let (value, source) = settings.for_all(name.setting, defaults);
            let whose =
                if source == ValueSource::Environment { "the environment's value" } else { "its default" };
            format!("{} is {} again, {whose}", of(name), value.to_json())
        }
    }
}

fn of(name: &SettingName) -> String {
    match &name.instance {
        None => format!("`{}`", name.setting.name()),
        Some(instance) => format!("`{}` of {instance}", name.setting.name()),
    }
}

/// Says what has become of a rule's file.
pub(crate) fn of_rule(change: &RuleChange, present: Present) -> String {
    let rule = &change.rule;
    match (present, &change.before) {
        (Present::OfSomeoneElse, _) => {
            format!("the {rule} rule was changed by someone else meanwhile and stays")
        }
        (_, None) => format!("the {rule} rule is the built-in one again"),
        (_, Some(before)) => {
            let version = dojo_rules::version(before.trim_start_matches('\u{feff}'));
            format!("the {rule} rule is its version {version} again")
        }
    }
}

/// Says that something could not be put back.
pub(crate) fn of_failure(thing: &str, why: &str) -> String {
    format!("{thing} could not be put back: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;
    use serde_json::json;

    /// What is said of a change of `key`, when the topic has `now` under it.
    fn said(key: &str, before: Option<Value>, set: Value, present: Present, now: Option<Value>) -> String {
        let mut settings = Settings::default();
        settings.apply(key, now.map(|now| now.to_string()).as_deref().map(str::as_bytes)).unwrap();
        let change = SettingChange { key: key.to_owned(), before, set: vec![set] };
        of_setting(&change, present, &settings, &Defaults::default())
    }

    fn back(key: &str, before: Option<Value>, set: Value) -> String {
        said(key, before.clone(), set, Present::OfTheRun, before)
    }

    #[test]
    fn a_setting_that_is_put_back_is_said_with_its_value() {
        assert_eq!(back("failRate", Some(json!(0.5)), json!(1)), "`failRate` is 0.5 again");
        assert_eq!(back("failRate", None, json!(1)), "`failRate` is 0.3 again, its default");
        let change = SettingChange { key: "failRate".into(), before: None, set: vec![json!(1)] };
        let environment = Defaults { fail_rate: Some(Decimal::new(2, 1)), max_retries: None };
        let text = of_setting(&change, Present::Before, &Settings::default(), &environment);
        assert_eq!(text, "`failRate` is 0.2 again, the environment's value");
        let own = "instances.notification-2.failRate";
        assert_eq!(back(own, Some(json!(0.9)), json!(1)), "`failRate` of notification-2 is 0.9 again");
        let follows = "`failRate` of notification-2 follows the value of all instances again";
        assert_eq!(back(own, None, json!(1)), follows);
    }

    #[test]
    fn what_someone_else_has_changed_is_said_with_what_stays() {
        let stays = |key, now| said(key, None, json!(1), Present::OfSomeoneElse, now);
        let changed = "`failRate` was changed to 0.5 by someone else meanwhile and stays";
        assert_eq!(stays("failRate", Some(json!(0.5))), changed);
        assert_eq!(stays("failRate", None), "`failRate` was removed by someone else meanwhile and stays so");
        let state = stays("instances.fraud-1.state", None);
        assert_eq!(state, "fraud-1 was asked to work by someone else meanwhile, and that stays");
    }

    #[test]
    fn instances_are_said_to_work_again_to_be_there_again_or_to_be_gone() {
        let (state, process) = ("instances.n-2.state", "instances.n-2.process");
        assert_eq!(back(state, None, json!("stopped")), "n-2 is asked to work again");
        assert_eq!(back(state, Some(json!("stopped")), Value::Null), "n-2 is asked to stop again");
        assert_eq!(back(process, None, json!("notification")), "n-2, which the run added, is gone again");
        assert_eq!(back(process, None, json!("none")), "n-2 is there again");
        assert_eq!(back(process, Some(json!("notification")), json!("none")), "n-2 is there again");
        assert_eq!(
            back(process, Some(json!("none")), json!("notification")),
            "n-2, which the run added, is gone again"
        );
    }

    #[test]
    fn a_rule_is_said_with_its_version() {
        let change = |before: Option<&str>| RuleChange {
            rule: "fraud".into(),
            before: before.map(str::to_owned),
            set: Vec::new(),
        };
        let back = of_rule(&change(Some("x")), Present::OfTheRun);
        assert_eq!(back, format!("the fraud rule is its version {} again", dojo_rules::version("x")));
        assert_eq!(of_rule(&change(None), Present::Before), "the fraud rule is the built-in one again");
        let stays = "the fraud rule was changed by someone else meanwhile and stays";
        assert_eq!(of_rule(&change(None), Present::OfSomeoneElse), stays);
    }
}
