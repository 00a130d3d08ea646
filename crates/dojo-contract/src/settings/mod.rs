//! Settings that change while the dojo runs: one record on `dojo-settings` per setting, keyed by its name. Beside them
//! stands what single instances are asked to do: see [`Control`].
//!
//! The state is the fold of the topic: a later record replaces an earlier one of the same key, a null value removes
//! it. An instance uses the first of: the topic's value for this instance, the topic's value for all instances, the
//! environment's value, the built-in default.

mod error;
pub use error::SettingsError;

mod name;
pub use name::{Setting, SettingName, is_instance_id};

mod value;
pub use value::{Guarantee, OnExhausted, SettingValue};

mod defaults;
pub use defaults::{Defaults, ValueSource};

mod control;
pub use control::{Control, ControlKind, DesiredProcess, DesiredState, InstanceControl};

mod patch;
pub use patch::SettingsPatch;

mod schema;
pub use schema::InstanceId;

use rust_decimal::Decimal;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// More settings than any workshop has: every instance can have its own of each.
const MAX_SETTINGS: usize = 1_000;
/// More instances than any workshop stops, crashes and adds.
const MAX_CONTROLLED: usize = 200;

/// The state of the topic `dojo-settings`: up to a thousand values, and what up to two hundred instances are asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    values: BTreeMap<SettingName, SettingValue>,
    controls: BTreeMap<String, InstanceControl>,
}

impl Settings {
    /// Applies one record. A record that isn't valid changes nothing.
    pub fn apply(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), SettingsError> {
        let wrong = |message: String| SettingsError::Value { name: key.to_owned(), message };
        let value: Option<Value> = value
            .map(|bytes| serde_json::from_slice(bytes).map_err(|e| wrong(format!("is not JSON: {e}"))))
            .transpose()?;
        if let Some((instance, kind)) = ControlKind::of_key(key) {
            return self.apply_control(instance, kind, value.as_ref()).map_err(wrong);
        }
        let name: SettingName = key.parse()?;
        let Some(value) = value else {
            self.values.remove(&name);
            return Ok(());
        };
        let value = name.setting.check(&value).map_err(wrong)?;
        if self.values.len() >= MAX_SETTINGS && !self.values.contains_key(&name) {
            return Err(wrong(format!("is one setting too many: there are {MAX_SETTINGS}; remove others")));
        }
        self.values.insert(name, value);
        Ok(())
    }

    fn apply_control(
        &mut self,
        instance: &str,
        kind: ControlKind,
        value: Option<&Value>,
    ) -> Result<(), String> {
        let mut control = self.control(instance);
        control.apply(kind, value)?;
        if control == InstanceControl::default() {
            self.controls.remove(instance);
        } else if self.controls.len() < MAX_CONTROLLED || self.controls.contains_key(instance) {
            self.controls.insert(instance.to_owned(), control);
        } else {
            return Err(format!("is about one instance too many: there are {MAX_CONTROLLED}; remove others"));
        }
        Ok(())
    }

    /// Returns the topic's own value of `name`.
    pub fn get(&self, name: &SettingName) -> Option<SettingValue> {
        self.values.get(name).copied()
    }

    /// Returns the value that the topic has under the key of a record. A wish that asks for the default counts as none.
    pub fn value_of(&self, key: &str) -> Option<Value> {
        let Some((instance, kind)) = ControlKind::of_key(key) else {
            return self.get(&key.parse().ok()?).map(SettingValue::to_json);
        };
        let InstanceControl { state, crash, process } = self.control(instance);
        let wish = match kind {
            ControlKind::State if state == DesiredState::default() => None,
            ControlKind::State => Some(Control::State(state)),
            ControlKind::Crash => crash.map(Control::Crash),
            ControlKind::Process => process.map(Control::Process),
        };
        wish.map(Control::to_json)
    }

    /// Returns every setting that the topic has, with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&SettingName, SettingValue)> {
        self.values.iter().map(|(name, value)| (name, *value))
    }

    /// Returns what `instance` is asked to do.
    pub fn control(&self, instance: &str) -> InstanceControl {
        self.controls.get(instance).copied().unwrap_or_default()
    }

    /// Returns every instance that is asked to do something other than by default.
    pub fn controls(&self) -> impl Iterator<Item = (&str, InstanceControl)> {
        self.controls.iter().map(|(instance, control)| (instance.as_str(), *control))
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
            _ => Guarantee::default(),
        }
    }

    /// Returns what `instance` does with an event of which the last retry failed.
    pub fn on_exhausted(&self, instance: &str) -> OnExhausted {
        match self.for_instance(instance, Setting::OnExhausted, &Defaults::default()) {
            (SettingValue::OnExhausted(choice), _) => choice,
            _ => OnExhausted::default(),
        }
    }

    /// Returns how long a delivery of `instance` takes.
    pub fn delivery_time(&self, instance: &str) -> Duration {
        let (value, _) = self.for_instance(instance, Setting::DeliveryMillis, &Defaults::default());
        Duration::from_millis(value.number().and_then(|millis| millis.try_into().ok()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FieldError, Service};
    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::{Map, json};

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
    fn a_rate_with_more_digits_than_a_decimal_holds_is_rounded() {
        let parse = |rate: &str| {
            let patch = format!(r#"{{"failRate": {rate}}}"#);
            SettingsPatch::parse(&serde_json::from_str(&patch).unwrap(), &Settings::default())
        };
        for (rate, rounded) in [
            ("1.5e-28", "0.0000000000000000000000000002"),
            ("1e-126", "0"),
            ("1.580227183843843e-20", "0.0000000000000000000158022718"),
        ] {
            assert_eq!(parse(rate).unwrap().records[0].1.as_deref(), Some(rounded), "{rate}");
        }
        for rate in ["-1e-126", "1e126", "1e999999"] {
            assert!(parse(rate).is_err(), "{rate}");
        }
    }

    #[test]
    fn a_patch_names_at_most_a_hundred_instances() {
        let patch = |count: usize| {
            let instances: Map<_, _> = (0..count).map(|n| (format!("n-{n}"), Value::Null)).collect();
            SettingsPatch::parse(&json!({"instances": instances}), &Settings::default())
        };
        assert!(patch(100).is_ok());
        let refused = patch(101).unwrap_err();
        assert_eq!(
            refused,
            [FieldError::new("instances", "has 101 instances: give at most 100 in one patch")]
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

    #[test]
    fn what_happens_to_an_exhausted_event_and_how_long_a_delivery_takes_can_be_set() {
        let mut settings = Settings::default();
        assert_eq!(settings.on_exhausted("n"), OnExhausted::DeadLetter);
        assert_eq!(settings.delivery_time("n"), Duration::ZERO);
        patched(&mut settings, json!({"onExhausted": "drop", "deliveryMillis": 5000}));
        assert_eq!(settings.on_exhausted("n"), OnExhausted::Drop);
        assert_eq!(settings.delivery_time("n"), Duration::from_secs(5));
        let wrong = json!({"onExhausted": "never", "deliveryMillis": 5001});
        let errors = SettingsPatch::parse(&wrong, &settings).unwrap_err();
        assert!(errors[1].message.contains("give a whole number from 0 to 5000"), "{errors:?}");
        assert!(errors[0].message.contains(r#"give "dlq", "drop" or "retry""#), "{errors:?}");
    }

    fn control(settings: &mut Settings, control: Control) {
        let value = control.to_json().to_string();
        settings.apply(&control.key("audit-1"), Some(value.as_bytes())).unwrap();
    }

    #[test]
    fn what_an_instance_is_asked_to_do_is_read_beside_its_settings() {
        let mut settings = Settings::default();
        let started_at = DateTime::UNIX_EPOCH;
        control(&mut settings, Control::State(DesiredState::Stopped));
        control(&mut settings, Control::Crash(started_at));
        control(&mut settings, Control::Process(DesiredProcess::Of(Service::Audit)));
        let asked = InstanceControl {
            state: DesiredState::Stopped,
            crash: Some(started_at),
            process: Some(DesiredProcess::Of(Service::Audit)),
        };
        assert_eq!(settings.control("audit-1"), asked);
        assert_eq!(settings.control("audit-2"), InstanceControl::default());
        for kind in [ControlKind::State, ControlKind::Crash, ControlKind::Process] {
            settings.apply(&kind.key("audit-1"), None).unwrap();
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn the_value_under_a_key_is_what_its_record_says() {
        let mut settings = Settings::default();
        for (key, value) in [
            ("failRate", "0.25"),
            ("instances.n-1.failRate", "1"),
            ("instances.n-1.state", "\"stopped\""),
            ("instances.n-1.process", "\"none\""),
            ("instances.n-1.crash", "\"2026-01-01T00:00:00.000Z\""),
        ] {
            assert_eq!(settings.value_of(key), None);
            settings.apply(key, Some(value.as_bytes())).unwrap();
            assert_eq!(settings.value_of(key).unwrap().to_string(), value);
        }
        settings.apply("instances.n-1.state", Some(br#""running""#)).unwrap();
        assert_eq!(settings.value_of("instances.n-1.state"), None, "that is the default");
        assert_eq!(settings.value_of("speed"), None);
    }

    #[test]
    fn a_patch_of_settings_leaves_what_instances_are_asked_to_do() {
        let mut settings = Settings::default();
        control(&mut settings, Control::State(DesiredState::Stopped));
        patched(&mut settings, json!({"instances": {"audit-1": null}}));
        patched(&mut settings, json!({"instances": null}));
        assert_eq!(settings.control("audit-1").state, DesiredState::Stopped);
        assert!(SettingsPatch::parse(&json!({"instances": {"a": {"state": "stopped"}}}), &settings).is_err());
    }

    #[test]
    fn a_wish_that_makes_no_sense_changes_nothing() {
        let mut settings = Settings::default();
        control(&mut settings, Control::State(DesiredState::Stopped));
        let before = settings.clone();
        for (key, value) in [
            ("instances.audit-1.state", r#""asleep""#),
            ("instances.audit-1.state", "1"),
            ("instances.audit-1.state", ""),
            ("instances.audit-1.crash", r#""now""#),
            ("instances.audit-1.process", r#""order""#),
            ("instances.a b.state", r#""stopped""#),
            ("state", r#""stopped""#),
        ] {
            assert!(settings.apply(key, Some(value.as_bytes())).is_err(), "{key} {value}");
        }
        assert_eq!(settings, before);
    }

    #[test]
    fn the_number_of_controlled_instances_is_bounded() {
        let mut settings = Settings::default();
        for n in 0..MAX_CONTROLLED {
            settings.apply(&ControlKind::State.key(&format!("n-{n}")), Some(br#""stopped""#)).unwrap();
        }
        let one_more = ControlKind::State.key("one-more");
        assert!(settings.apply(&one_more, Some(br#""stopped""#)).is_err());
        assert_eq!(settings.apply(&one_more, None), Ok(()));
        assert_eq!(settings.apply(&ControlKind::State.key("n-1"), None), Ok(()));
        assert_eq!(settings.apply(&one_more, Some(br#""stopped""#)), Ok(()));
    }

    proptest! {
        #[test]
        fn a_name_comes_back_from_its_key(instance in proptest::option::of("[a-zA-Z0-9._-]{1,20}"), n in 0usize..5) {
            let name = SettingName { instance, setting: Setting::ALL[n] };
            prop_assert_eq!(name.to_string().parse::<SettingName>().unwrap(), name);
        }

        #[test]
        fn no_key_and_no_value_panics(key in ".{0,40}", value in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Settings::default().apply(&key, Some(&value));
        }
    }
}
