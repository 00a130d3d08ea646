//! Settings that change while the dojo runs: one record on `dojo-settings` per setting, keyed by its name.
//!
//! The state is the fold of the topic: a later record replaces an earlier one of the same key, a null value removes
//! it. An instance uses the first of: the topic's value for this instance, the topic's value for all instances, the
//! environment's value, the built-in default.

use crate::FieldError;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt, str::FromStr};

const INSTANCES: &str = "instances";
const MAX_RETRIES_LIMIT: u32 = 10;

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// Probability of a failed delivery, 0 to 1.
    FailRate,
    /// How often a failed delivery is retried, 0 to 10.
    MaxRetries,
    /// How often an event can take effect: see [`Guarantee`].
    Guarantee,
}

/// The delivery guarantee of a service that consumes `orders` and produces what follows.
///
/// Covers what is on Kafka: the records it reads, the records it writes, and its offsets. It doesn't cover the world
/// outside, such as an e-mail that was sent before a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Guarantee {
    /// Offsets are committed after what followed is acknowledged. A crash repeats the uncommitted records.
    #[default]
    AtLeastOnce,
    /// What followed and the offsets are one Kafka transaction (KIP-98): both become visible, or neither does.
    ExactlyOnce,
}

impl Guarantee {
    /// Both guarantees, the default first.
    pub const ALL: [Self; 2] = [Self::AtLeastOnce, Self::ExactlyOnce];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "atLeastOnce",
            Self::ExactlyOnce => "exactlyOnce",
        }
    }
}

/// A value that a setting can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingValue {
    /// A value of [`Setting::FailRate`] or [`Setting::MaxRetries`].
    Number(Decimal),
    /// A value of [`Setting::Guarantee`].
    Guarantee(Guarantee),
}

impl SettingValue {
    /// Returns the number, if the value is one.
    pub fn number(self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(number),
            Self::Guarantee(_) => None,
        }
    }

    /// Returns the value as JSON; a number keeps its digits, without trailing zeros.
    pub fn to_json(self) -> Value {
        match self {
            Self::Number(number) => number.normalize().to_string().parse().map_or(Value::Null, Value::Number),
            Self::Guarantee(guarantee) => guarantee.name().into(),
        }
    }
}

impl Setting {
    /// Every setting.
    pub const ALL: [Self; 3] = [Self::FailRate, Self::MaxRetries, Self::Guarantee];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::FailRate => "failRate",
            Self::MaxRetries => "maxRetries",
            Self::Guarantee => "guarantee",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// Returns `value` as a value of this setting, or which values the setting allows.
    fn check(self, value: &Value) -> Result<SettingValue, String> {
        // Read from the number's own digits, so that 0.1 stays 0.1.
        let number = || {
            let text = value.as_number()?.to_string();
            text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text)).ok()
        };
        let (checked, allowed) = match self {
            Self::FailRate => {
                let rate = number().filter(is_rate);
                (rate.map(SettingValue::Number), "a number from 0 to 1".to_owned())
            }
            Self::MaxRetries => {
                let range = Decimal::ZERO..=Decimal::from(MAX_RETRIES_LIMIT);
                let retries = number().filter(|n| n.is_integer() && range.contains(n));
                (retries.map(SettingValue::Number), format!("a whole number from 0 to {MAX_RETRIES_LIMIT}"))
            }
            Self::Guarantee => {
                let guarantee = Guarantee::ALL.into_iter().find(|guarantee| value == guarantee.name());
                let [one, other] = Guarantee::ALL.map(Guarantee::name);
                (guarantee.map(SettingValue::Guarantee), format!("\"{one}\" or \"{other}\""))
            }
        };
        checked.ok_or_else(|| format!("is {value}: give {allowed}"))
    }
}

/// A setting for all instances or for one; as text, the key of its record: `failRate` or
/// `instances.notification-2.failRate`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SettingName {
    /// The instance that it applies to; `None`: all instances.
    pub instance: Option<String>,
    /// The setting.
    pub setting: Setting,
}

impl SettingName {
    /// Names `setting` of all instances.
    pub fn for_all(setting: Setting) -> Self {
        Self { instance: None, setting }
    }

    /// Names `setting` of `instance` alone.
    pub fn for_instance(instance: impl Into<String>, setting: Setting) -> Self {
        Self { instance: Some(instance.into()), setting }
    }
}

impl fmt::Display for SettingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.instance {
            None => f.write_str(self.setting.name()),
            Some(instance) => write!(f, "{INSTANCES}.{instance}.{}", self.setting.name()),
        }
    }
}

impl FromStr for SettingName {
    type Err = SettingsError;

    fn from_str(key: &str) -> Result<Self, SettingsError> {
        let unknown = || SettingsError::UnknownName(key.to_owned());
        let (instance, name) = match key.split_once('.') {
            Some((INSTANCES, rest)) => {
                let (instance, name) = rest.rsplit_once('.').ok_or_else(unknown)?;
                (Some(instance.to_owned()), name)
            }
            _ => (None, key),
        };
        Ok(Self { instance, setting: Setting::from_name(name).ok_or_else(unknown)? })
    }
}

/// Why a `dojo-settings` record isn't a valid setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum SettingsError {
    #[error("no setting is called `{0}`")]
    UnknownName(String),
    #[error("`{name}` {message}")]
    Value { name: String, message: String },
}

/// Where a value comes from, the highest priority first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueSource {
    /// The topic `dojo-settings`.
    Topic,
    /// The process's environment or command line.
    Environment,
    /// The built-in default.
    Default,
}

/// The values that apply where the topic has none: flags of every service that shows or uses them.
#[derive(clap::Args, Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// Probability of a failed notification, 0 to 1, while the settings have no other; 0.3 without this flag. Every
    /// service should be given the same
    #[arg(long, env = "FAIL_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub fail_rate: Option<Decimal>,

    /// How often a failed notification is retried, 0 to 10, while the settings have no other number; 2 without this flag.
    /// Every service should be given the same
    #[arg(
        long,
        env = "MAX_RETRIES",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_RETRIES_LIMIT)),
    )]
    pub max_retries: Option<u32>,
}

/// Reads a probability, as a flag gives it.
fn parse_rate(text: &str) -> Result<Decimal, String> {
    let rate = text.parse().ok().filter(is_rate);
    rate.ok_or_else(|| format!("`{text}` isn't a probability: give a number from 0 to 1, such as 0.3"))
}

fn is_rate(number: &Decimal) -> bool {
    (Decimal::ZERO..=Decimal::ONE).contains(number)
}

impl Defaults {
    /// The built-in failure rate, 0.3.
    pub const FAIL_RATE: Decimal = Decimal::from_parts(3, 0, 0, false, 1);
    /// The built-in number of retries, 2.
    pub const MAX_RETRIES: u32 = 2;

    fn get(&self, setting: Setting) -> (SettingValue, ValueSource) {
        let (given, default) = match setting {
            Setting::FailRate => (self.fail_rate, SettingValue::Number(Self::FAIL_RATE)),
            Setting::MaxRetries => {
                let default = SettingValue::Number(Self::MAX_RETRIES.into());
                (self.max_retries.map(Decimal::from), default)
            }
            Setting::Guarantee => (None, SettingValue::Guarantee(Guarantee::default())),
        };
        given.map_or((default, ValueSource::Default), |value| {
            (SettingValue::Number(value), ValueSource::Environment)
        })
    }
}

/// More settings than any workshop has: every instance can have its own of each.
const MAX_SETTINGS: usize = 1_000;

/// The state of the topic `dojo-settings`: up to a thousand values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings(BTreeMap<SettingName, SettingValue>);

impl Settings {
    /// Applies one record. A record that isn't a valid setting changes nothing.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), SettingsError> {
        let name: SettingName = key.parse()?;
        let Some(bytes) = value else {
            self.0.remove(&name);
            return Ok(());
        };
        let wrong = |message: String| SettingsError::Value { name: key.to_owned(), message };
        let value: Value = serde_json::from_slice(bytes).map_err(|e| wrong(format!("is not JSON: {e}")))?;
        let value = name.setting.check(&value).map_err(wrong)?;
        if self.0.len() >= MAX_SETTINGS && !self.0.contains_key(&name) {
            return Err(wrong(format!("is one setting too many: there are {MAX_SETTINGS}; remove others")));
        }
        self.0.insert(name, value);
        Ok(())
    }

    /// Returns the topic's own value of `name`.
    pub fn get(&self, name: &SettingName) -> Option<SettingValue> {
        self.0.get(name).copied()
    }

    /// Returns every setting that the topic has, with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&SettingName, SettingValue)> {
        self.0.iter().map(|(name, value)| (name, *value))
    }

    /// Returns the value that every instance without its own value uses, and where it comes from.
    pub fn for_all(&self, setting: Setting, defaults: &Defaults) -> (SettingValue, ValueSource) {
        self.get(&SettingName::for_all(setting))
            .map_or_else(|| defaults.get(setting), |value| (value, ValueSource::Topic))
    }

    /// Returns the value that `instance` uses, and where it comes from.
    pub fn for_instance(
        &self,
        instance: &str,
        setting: Setting,
        defaults: &Defaults,
    ) -> (SettingValue, ValueSource) {
        self.get(&SettingName::for_instance(instance, setting))
            .map_or_else(|| self.for_all(setting, defaults), |value| (value, ValueSource::Topic))
    }

    /// Returns the failure rate of `instance`.
    pub fn fail_rate(&self, instance: &str, defaults: &Defaults) -> Decimal {
        let (value, _) = self.for_instance(instance, Setting::FailRate, defaults);
        value.number().unwrap_or(Defaults::FAIL_RATE)
    }

    /// Returns how often `instance` retries.
    pub fn max_retries(&self, instance: &str, defaults: &Defaults) -> u32 {
        let (value, _) = self.for_instance(instance, Setting::MaxRetries, defaults);
        value.number().and_then(|number| number.try_into().ok()).unwrap_or(Defaults::MAX_RETRIES)
    }

    /// Returns the delivery guarantee of `instance`.
    pub fn guarantee(&self, instance: &str) -> Guarantee {
        match self.for_instance(instance, Setting::Guarantee, &Defaults::default()) {
            (SettingValue::Guarantee(guarantee), _) => guarantee,
            (SettingValue::Number(_), _) => Guarantee::default(),
        }
    }
}

/// A change to settings, as `PATCH /settings` takes it: a JSON Merge Patch (RFC 7396), where null removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsPatch {
    /// The records to write, one for each setting: its name, and its JSON or null.
    pub records: Vec<(SettingName, Option<String>)>,
}

impl SettingsPatch {
    /// Reads a patch to `current`, or returns everything that is wrong with it. A patch is applied as a whole or not at all.
    pub fn parse(patch: &Value, current: &Settings) -> Result<Self, Vec<FieldError>> {
        let Value::Object(members) = patch else {
            return Err(vec![FieldError::new(
                "",
                "is not a JSON object: give one such as {\"failRate\": 0.5}",
            )]);
        };
        let (mut records, mut errors) = (Vec::new(), Vec::new());
        for (name, value) in members {
            match (name.as_str(), value) {
                (INSTANCES, Value::Object(instances)) => {
                    for (instance, values) in instances {
                        read_instance(instance, values, current, &mut records, &mut errors);
                    }
                }
                (INSTANCES, Value::Null) => records.extend(removals(current, |i| i.is_some())),
                (INSTANCES, _) => errors.push(FieldError::new(
                    INSTANCES,
                    "is not an object: give {\"<instance id>\": {\"failRate\": 0.9}} or null",
                )),
                _ => read_setting(None, name, value, &mut records, &mut errors),
            }
        }
        let mut after = current.clone();
        for (name, value) in &records {
            if let Err(error) = after.apply(&name.to_string(), value.as_deref().map(str::as_bytes)) {
                errors.push(FieldError::new(INSTANCES, error.to_string()));
                break;
            }
        }
        if errors.is_empty() { Ok(Self { records }) } else { Err(errors) }
    }
}

type Records = Vec<(SettingName, Option<String>)>;

fn removals(current: &Settings, of: impl Fn(Option<&str>) -> bool) -> Records {
    current
        .iter()
        .filter(|(name, _)| of(name.instance.as_deref()))
        .map(|(name, _)| (name.clone(), None))
        .collect()
}

fn read_instance(
    instance: &str,
    values: &Value,
    current: &Settings,
    records: &mut Records,
    errors: &mut Vec<FieldError>,
) {
    let field = format!("{INSTANCES}.{instance}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if instance.is_empty() || instance.len() > 100 || !instance.chars().all(allowed) {
        errors.push(FieldError::new(
            field,
            "isn't an instance id: give 1 to 100 of a-z, A-Z, 0-9, '-', '_', '.'",
        ));
        return;
    }
    match values {
        Value::Null => records.extend(removals(current, |i| i == Some(instance))),
        Value::Object(values) => read_settings(instance, values, records, errors),
        _ => errors.push(FieldError::new(field, "is not an object: give {\"failRate\": 0.9} or null")),
    }
}

fn read_settings(
    instance: &str,
    values: &Map<String, Value>,
    records: &mut Records,
    errors: &mut Vec<FieldError>,
) {
    for (name, value) in values {
        read_setting(Some(instance), name, value, records, errors);
    }
}

fn read_setting(
    instance: Option<&str>,
    name: &str,
    value: &Value,
    records: &mut Records,
    errors: &mut Vec<FieldError>,
) {
    let field = || instance.map_or_else(|| name.to_owned(), |i| format!("{INSTANCES}.{i}.{name}"));
    let Some(setting) = Setting::from_name(name) else {
        let known = Setting::ALL.map(Setting::name).join(", ");
        errors.push(FieldError::new(field(), format!("isn't a setting: give {known} or {INSTANCES}")));
        return;
    };
    let setting_name = SettingName { instance: instance.map(str::to_owned), setting };
    match value {
        Value::Null => records.push((setting_name, None)),
        value => match setting.check(value) {
            Ok(value) => records.push((setting_name, Some(value.to_json().to_string()))),
            Err(message) => errors.push(FieldError::new(field(), message)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn patched(settings: &mut Settings, patch: Value) {
        for (name, value) in SettingsPatch::parse(&patch, settings).unwrap().records {
            settings.apply(&name.to_string(), value.as_deref().map(str::as_bytes)).unwrap();
        }
    }

    fn rate(settings: &Settings, instance: &str) -> String {
        settings.fail_rate(instance, &Defaults::default()).to_string()
    }

    #[test]
    fn the_number_of_settings_is_bounded() {
        let mut settings = Settings::default();
        for n in 0..MAX_SETTINGS {
            settings.apply(&format!("instances.n-{n}.failRate"), Some(b"0.5")).unwrap();
        }
        assert!(settings.apply("instances.one-more.failRate", Some(b"0.5")).is_err());
        assert!(settings.apply("instances.n-1.failRate", Some(b"0.7")).is_ok());
        let one_more: Value =
            serde_json::from_str(r#"{"instances": {"one-more": {"failRate": 0.5}}}"#).unwrap();
        let refused = SettingsPatch::parse(&one_more, &settings).unwrap_err();
        assert!(refused[0].message.contains("one setting too many"), "{refused:?}");
    }

    #[test]
    fn a_value_for_one_instance_wins_until_null_removes_it() {
        let mut settings = Settings::default();
        assert_eq!(rate(&settings, "notification-2"), "0.3");
        patched(&mut settings, json!({"failRate": 0.9, "instances": {"notification-2": {"failRate": 0.1}}}));
        assert_eq!(
            (rate(&settings, "notification-1"), rate(&settings, "notification-2")),
            ("0.9".into(), "0.1".into())
        );
        patched(&mut settings, json!({"instances": {"notification-2": null}}));
        assert_eq!(rate(&settings, "notification-2"), "0.9");
        patched(&mut settings, json!({"failRate": null, "instances": null}));
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn the_topic_wins_over_the_environment_and_the_environment_over_the_default() {
        let environment = Defaults { fail_rate: Some(Decimal::ONE), max_retries: None };
        let mut settings = Settings::default();
        let number = |n| SettingValue::Number(n);
        assert_eq!(
            settings.for_all(Setting::FailRate, &environment),
            (number(Decimal::ONE), ValueSource::Environment)
        );
        assert_eq!(settings.for_all(Setting::MaxRetries, &environment).1, ValueSource::Default);
        patched(&mut settings, json!({"failRate": 0}));
        let rate = settings.for_all(Setting::FailRate, &environment);
        assert_eq!(rate, (number(Decimal::ZERO), ValueSource::Topic));
    }

    #[test]
    fn a_guarantee_can_be_set_for_all_and_for_one() {
        let mut settings = Settings::default();
        assert_eq!(settings.guarantee("fraud-1"), Guarantee::AtLeastOnce);
        patched(&mut settings, json!({"guarantee": "exactlyOnce"}));
        patched(&mut settings, json!({"instances": {"fraud-1": {"guarantee": "atLeastOnce"}}}));
        assert_eq!(settings.guarantee("fraud-1"), Guarantee::AtLeastOnce);
        assert_eq!(settings.guarantee("notification-1"), Guarantee::ExactlyOnce);
        let errors = SettingsPatch::parse(&json!({"guarantee": "twice"}), &settings).unwrap_err();
        assert!(errors[0].message.contains(r#"give "atLeastOnce" or "exactlyOnce""#), "{errors:?}");
    }

    #[test]
    fn everything_wrong_with_a_patch_is_reported_at_once() {
        let patch = json!({
            "failRate": 1.5, "maxRetries": 2.5, "speed": 1, "instances": {"a b": {}, "n": {"failRate": "0.5"}, "m": 1}
        });
        let errors = SettingsPatch::parse(&patch, &Settings::default()).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(
            fields,
            ["failRate", "maxRetries", "speed", "instances.a b", "instances.n.failRate", "instances.m"]
        );
    }

    #[test]
    fn a_record_that_is_not_a_valid_setting_changes_nothing() {
        let mut settings = Settings::default();
        patched(&mut settings, json!({"failRate": 0.5}));
        let before = settings.clone();
        for (key, value) in
            [("failRate", "{"), ("failRate", "7"), ("", "1"), ("instances.x", "1"), ("no", "1")]
        {
            assert!(settings.apply(key, Some(value.as_bytes())).is_err(), "{key} {value}");
        }
        assert_eq!(settings, before);
    }

    proptest! {
        #[test]
        fn a_name_comes_back_from_its_key(instance in proptest::option::of("[a-zA-Z0-9._-]{1,20}"), n in 0usize..3) {
            let name = SettingName { instance, setting: Setting::ALL[n] };
            prop_assert_eq!(name.to_string().parse::<SettingName>().unwrap(), name);
        }

        #[test]
        fn no_key_and_no_value_panics(key in ".{0,40}", value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Settings::default().apply(&key, Some(&value));
        }
    }
}
