//! What the settings want of the loop's instance: to work or not, and under which guarantee.

use super::options::ConsumerOptions;
use crate::{SettingsFollower, SettingsSnapshot};
use dojo_contract::{DesiredState, Guarantee};
use tokio::sync::watch;

/// What the settings want of the loop's instance.
pub(super) struct Wanted {
    instance_id: String,
    has_guarantee: bool,
    settings: Option<watch::Receiver<SettingsSnapshot>>,
    guarantee: Guarantee,
    state: DesiredState,
}

impl Wanted {
    pub(super) fn of(consume: &ConsumerOptions) -> Self {
        let mut settings = consume.settings.as_ref().map(SettingsFollower::changes);
        // So that the first question looks at the settings.
        settings.iter_mut().for_each(watch::Receiver::mark_changed);
        Self {
            instance_id: consume.instance.id.clone(),
            has_guarantee: consume.has_guarantee,
            settings,
            guarantee: Guarantee::default(),
            state: DesiredState::default(),
        }
    }

    /// Returns the guarantee that is wanted.
    pub(super) fn guarantee(&mut self) -> Guarantee {
        self.look();
        self.guarantee
    }

    /// Returns whether the instance is to leave its group.
    pub(super) fn is_stopped(&mut self) -> bool {
        self.look();
        self.state == DesiredState::Stopped
    }

    /// Looks at the settings, only if they have changed, since the loop asks before every record.
    fn look(&mut self) {
        if let Some(settings) = &mut self.settings
            && settings.has_changed().unwrap_or(false)
        {
            let now = &settings.borrow_and_update().settings;
            self.state = now.control(&self.instance_id).state;
            if self.has_guarantee {
                self.guarantee = now.guarantee(&self.instance_id);
            }
        }
    }
}
