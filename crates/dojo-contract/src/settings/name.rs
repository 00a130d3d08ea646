//! The names of settings, which are the keys of their records.

use super::error::SettingsError;
use serde::Serialize;
use std::{fmt, str::FromStr};

/// What the keys of everything that is for one instance begin with.
pub(super) const INSTANCES: &str = "instances";

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// Probability of a failed delivery, 0 to 1.
    FailRate,
    /// How often a failed delivery is retried, 0 to 10.
    MaxRetries,
    /// What happens to an event after its last retry: see [`OnExhausted`](super::OnExhausted).
    OnExhausted,
    /// How long a delivery takes, 0 to 5,000 ms. An instance makes one delivery at a time.
    DeliveryMillis,
    /// How often an event can take effect: see [`Guarantee`](super::Guarantee).
    Guarantee,
}

impl Setting {
    /// Every setting.
    pub const ALL: [Self; 5] =
        [Self::FailRate, Self::MaxRetries, Self::OnExhausted, Self::DeliveryMillis, Self::Guarantee];

    /// The name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::FailRate => "failRate",
            Self::MaxRetries => "maxRetries",
            Self::OnExhausted => "onExhausted",
            Self::DeliveryMillis => "deliveryMillis",
            Self::Guarantee => "guarantee",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
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
            Some(instance) => f.write_str(&instance_key(instance, self.setting.name())),
        }
    }
}

impl FromStr for SettingName {
    type Err = SettingsError;

    fn from_str(key: &str) -> Result<Self, SettingsError> {
        let (instance, name) = match split_instance_key(key) {
            Some((instance, name)) => (Some(instance.to_owned()), name),
            None => (None, key),
        };
        let setting = Setting::from_name(name).ok_or_else(|| SettingsError::UnknownName(key.to_owned()))?;
        Ok(Self { instance, setting })
    }
}

/// Returns the key of what is called `name` of `instance`.
pub(super) fn instance_key(instance: &str, name: &str) -> String {
    format!("{INSTANCES}.{instance}.{name}")
}

/// Returns instance and name of a key that [`instance_key`] could have made.
pub(super) fn split_instance_key(key: &str) -> Option<(&str, &str)> {
    let (first, rest) = key.split_once('.')?;
    if first == INSTANCES { rest.rsplit_once('.') } else { None }
}

/// The longest id of an instance.
pub(super) const INSTANCE_ID_MAX_LEN: usize = 100;

/// Whether `id` can be the id of an instance in a key: 1 to 100 of `a-z`, `A-Z`, `0-9`, `-`, `_`, `.`.
pub fn is_instance_id(id: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=INSTANCE_ID_MAX_LEN).contains(&id.len()) && id.chars().all(allowed)
}
