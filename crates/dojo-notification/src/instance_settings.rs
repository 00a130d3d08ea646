//! The settings of one instance, looked up again only when they have changed, since every record needs them.

use dojo_contract::{Defaults, OnExhausted};
use dojo_kafka::{SettingsFollower, SettingsSnapshot};
use rust_decimal::Decimal;
use std::time::Duration;
use tokio::sync::watch;

/// The values that apply to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) fail_rate: Decimal,
    pub(crate) max_retries: u32,
    pub(crate) on_exhausted: OnExhausted,
    pub(crate) delivery_time: Duration,
}

/// Follows the settings of an instance.
pub(crate) struct InstanceSettings {
    instance_id: String,
    defaults: Defaults,
    changes: watch::Receiver<SettingsSnapshot>,
    values: Values,
}

impl InstanceSettings {
    /// Follows the settings of `instance_id`; `defaults` apply where the topic has no value.
    pub(crate) fn new(instance_id: &str, settings: &SettingsFollower, defaults: Defaults) -> Self {
        let changes = settings.changes();
        let values = values(&changes.borrow(), instance_id, &defaults);
        Self { instance_id: instance_id.to_owned(), defaults, changes, values }
    }

    /// Returns the values that apply now.
    pub(crate) fn values(&mut self) -> Values {
        if self.changes.has_changed().unwrap_or(false) {
            self.values = values(&self.changes.borrow_and_update(), &self.instance_id, &self.defaults);
        }
        self.values
    }
}

fn values(snapshot: &SettingsSnapshot, instance: &str, defaults: &Defaults) -> Values {
    let settings = &snapshot.settings;
    Values {
        fail_rate: settings.fail_rate(instance, defaults),
        max_retries: settings.max_retries(instance, defaults),
        on_exhausted: settings.on_exhausted(instance),
        delivery_time: settings.delivery_time(instance),
    }
}
