//! The delivery guarantee that the settings ask for.

use super::options::ConsumerOptions;
use crate::{SettingsFollower, SettingsSnapshot};
use dojo_contract::Guarantee;
use tokio::sync::watch;

/// The guarantee that the settings ask for from the loop's instance.
pub(super) struct WantedGuarantee {
    instance_id: String,
    settings: Option<watch::Receiver<SettingsSnapshot>>,
    wanted: Guarantee,
}

impl WantedGuarantee {
    pub(super) fn of(consume: &ConsumerOptions) -> Self {
        let mut settings = consume.settings.as_ref().map(SettingsFollower::changes);
        // So that the first record looks at the settings.
        settings.iter_mut().for_each(watch::Receiver::mark_changed);
        Self { instance_id: consume.instance.id.clone(), settings, wanted: Guarantee::default() }
    }

    /// Returns the guarantee. The loop asks before every record, so this looks at the settings only after a change.
    pub(super) fn get(&mut self) -> Guarantee {
        if let Some(settings) = &mut self.settings
            && settings.has_changed().unwrap_or(false)
        {
            self.wanted = settings.borrow_and_update().settings.guarantee(&self.instance_id);
        }
        self.wanted
    }
}
