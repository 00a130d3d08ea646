//! Crashing on command: the process ends at once, as if it had been killed.

use crate::{Instance, SettingsSnapshot};
use tokio::sync::watch;

/// What a process that was killed ends with: 128 and the number of `SIGKILL`.
const KILLED: i32 = 137;

/// Ends the process as soon as the settings ask this very process to crash. No client is closed, so that its group misses
/// it only when its session expires.
pub(crate) fn crash_when_asked(instance: &Instance, mut settings: watch::Receiver<SettingsSnapshot>) {
    let instance = instance.clone();
    tokio::spawn(async move {
        let is_asked = |snapshot: &SettingsSnapshot| {
            snapshot.settings.control(&instance.id).crash == Some(instance.started_at)
        };
        if settings.wait_for(is_asked).await.is_ok() {
            tracing::warn!(instance = instance.id, "crashing, as it was asked to");
            std::process::exit(KILLED);
        }
    });
}
