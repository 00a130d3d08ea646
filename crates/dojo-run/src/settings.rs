//! The settings before a scenario, and the patch that restores them. Pure.
//!
//! Only settings that the scenario changes are restored, so that changes on the page meanwhile stay. A value that didn't
//! come from the settings topic (but from the environment, or the default) is restored by removing the scenario's.

use crate::scenario::SettingsChange;
use dojo_contract::{SettingName, SettingValue, Settings, SettingsPatch, ValueSource};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

const INSTANCES: &str = "instances";

/// A value as `GET /settings` shows it.
#[derive(Deserialize)]
struct Shown {
    value: Value,
    source: ValueSource,
}

/// Returns the settings of the topic in the answer of `GET /settings`, which are all that a PATCH can change. Unknown
/// settings, of a newer server, are ignored.
///
/// # Errors
/// The part of the answer that is wrong.
pub fn on_topic(shown: &Value) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let members = shown.as_object().ok_or("it is not a JSON object")?;
    read(members, None, &mut settings)?;
    for (instance, values) in members.get(INSTANCES).and_then(Value::as_object).into_iter().flatten() {
        let values =
            values.as_object().ok_or_else(|| format!("`{INSTANCES}.{instance}` is not a JSON object"))?;
        read(values, Some(instance), &mut settings)?;
    }
    Ok(settings)
}

fn read(members: &Map<String, Value>, instance: Option<&str>, settings: &mut Settings) -> Result<(), String> {
    for (name, shown) in members {
        let Ok(name) = name.parse::<SettingName>() else { continue };
        let name = SettingName { instance: instance.map(str::to_owned), ..name };
        let shown = Shown::deserialize(shown).map_err(|e| format!("`{name}`: {e}"))?;
        if shown.source == ValueSource::Topic {
            let value = shown.value.to_string();
            settings.apply(&name.to_string(), Some(value.as_bytes())).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// Returns the patch that undoes `changes` to the settings `before`.
pub fn restoring<'a>(before: &Settings, changes: impl IntoIterator<Item = &'a SettingsChange>) -> Value {
    // A null for several settings (`instances: null`) changes those before; the scenario's own are in its changes by name.
    let touched: BTreeSet<SettingName> = changes
        .into_iter()
        .filter_map(|change| SettingsPatch::parse(&Value::Object(change.0.clone()), before).ok())
        .flat_map(|patch| patch.records)
        .map(|(name, _)| name)
        .collect();
    let mut patch = Map::new();
    let mut instances = Map::new();
    for name in touched {
        let value = before.get(&name).map_or(Value::Null, SettingValue::to_json);
        match &name.instance {
            None => patch.insert(name.setting.name().to_owned(), value),
            Some(instance) => match instances.entry(instance.as_str()).or_insert_with(|| Map::new().into()) {
                Value::Object(values) => values.insert(name.setting.name().to_owned(), value),
                _ => None,
            },
        };
    }
    if !instances.is_empty() {
        patch.insert(INSTANCES.to_owned(), instances.into());
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(json: Value) -> SettingsChange {
        SettingsChange(json.as_object().unwrap().clone())
    }

    fn before() -> Settings {
        on_topic(&json!({
            "failRate": {"value": 0.9, "source": "topic"},
            "maxRetries": {"value": 2, "source": "default"},
            "tomorrow": {"value": [], "source": "topic"},
            "instances": {"notification-2": {"failRate": {"value": 0.25, "source": "topic"}}},
        }))
        .unwrap()
    }

    #[test]
    fn a_value_of_the_topic_is_restored_and_any_other_removed() {
        let patch = restoring(&before(), &[change(json!({"failRate": 0})), change(json!({"maxRetries": 1}))]);
        assert_eq!(patch, json!({"failRate": 0.9, "maxRetries": null}));
    }

    #[test]
    fn a_setting_that_was_not_changed_stays_as_it_is() {
        assert_eq!(restoring(&before(), &[change(json!({"failRate": 1}))]), json!({"failRate": 0.9}));
        assert_eq!(restoring(&before(), &[]), json!({}));
    }

    #[test]
    fn values_of_single_instances_are_restored_after_all_were_removed() {
        let changes = [
            change(json!({"instances": null})),
            change(json!({"instances": {"notification-1": {"failRate": 1}}})),
        ];
        assert_eq!(
            restoring(&before(), &changes),
            json!({"instances": {"notification-1": {"failRate": null}, "notification-2": {"failRate": 0.25}}})
        );
    }

    #[test]
    fn an_answer_without_settings_is_refused() {
        assert!(on_topic(&json!([])).is_err());
        assert!(on_topic(&json!({"failRate": 0.3})).unwrap_err().contains("failRate"));
        assert!(on_topic(&json!({"failRate": {"value": 7, "source": "topic"}})).is_err());
    }
}
