//! Changes to settings, as `PATCH /settings` takes them.

use super::{
    Setting, SettingName, Settings,
    name::{INSTANCES, instance_key, is_instance_id},
};
use crate::FieldError;
use serde_json::{Map, Value};

/// Instances that one patch may name.
pub(super) const MAX_INSTANCES: usize = 100;

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
                (INSTANCES, Value::Object(instances)) if instances.len() > MAX_INSTANCES => {
                    let message = format!(
                        "has {} instances: give at most {MAX_INSTANCES} in one patch",
                        instances.len()
                    );
                    errors.push(FieldError::new(INSTANCES, message));
                }
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
    if !is_instance_id(instance) {
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
    let field = || instance.map_or_else(|| name.to_owned(), |i| instance_key(i, name));
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
