//! Following the topic `dojo-settings`, so that a change applies from the next record on.

use crate::{Error, Isolation, KafkaConfig, Record, StartFrom, Tail, Tailed, tail};
use dojo_contract::{Settings, topic};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const CATCH_UP_WITHIN: Duration = Duration::from_secs(5);

/// The settings as of an offset of the topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SettingsSnapshot {
    /// The settings on the topic.
    pub settings: Arc<Settings>,
    /// The offset up to which, exclusively, the topic was read.
    pub offset: i64,
    /// Whether every record that existed at the start, or when another topic took the name, has been read.
    pub caught_up: bool,
}

impl SettingsSnapshot {
    /// Applies an event of the topic; returns whether the snapshot has changed.
    fn follow(&mut self, event: &Tailed<'_>) -> bool {
        match event {
            Tailed::Record(record) => {
                self.offset = record.offset + 1;
                self.apply(record);
            }
            Tailed::CaughtUp { .. } => self.caught_up = true,
            Tailed::Started { starts, .. } => {
                self.offset = starts.values().next().copied().unwrap_or_default();
            }
            // This is another topic under the same name, so the old one's settings no longer apply.
            Tailed::Gap { wanted, resumes, .. } if resumes < wanted => {
                *self = Self { offset: *resumes, ..Self::default() };
            }
            Tailed::Gap { .. } => return false,
        }
        true
    }

    fn apply(&mut self, record: &Record<'_>) {
        let offset = record.offset;
        let Some(key) = record.key.and_then(|key| std::str::from_utf8(key).ok()) else {
            tracing::warn!(offset, "a record of dojo-settings has no readable key; skipped");
            return;
        };
        if let Err(error) = Arc::make_mut(&mut self.settings).apply(key, record.value) {
            tracing::warn!(offset, %error, "a record of dojo-settings is skipped");
        }
    }
}

/// The state of `dojo-settings`, kept up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SettingsFollower {
    state: watch::Receiver<SettingsSnapshot>,
    _tail: Arc<Tail>,
}

impl SettingsFollower {
    /// Starts to follow the topic. Returns when every existing record has been read, or after five seconds.
    pub async fn start(
        kafka: &KafkaConfig,
        client_id: &str,
        shutdown: &CancellationToken,
    ) -> Result<Self, Error> {
        let (sender, mut state) = watch::channel(SettingsSnapshot::default());
        let client_id = format!("{client_id}-settings");
        let tail = tail(
            kafka,
            &client_id,
            topic::SETTINGS,
            StartFrom::Earliest,
            Isolation::ReadCommitted,
            shutdown,
            move |event| {
                sender.send_if_modified(|state| state.follow(&event));
            },
        )?;
        let wait = state.wait_for(|state| state.caught_up);
        let caught_up = matches!(tokio::time::timeout(CATCH_UP_WITHIN, wait).await, Ok(Ok(_)));
        if !caught_up {
            tracing::warn!(
                "the settings haven't been read yet; the environment and the defaults apply until then"
            );
        }
        Ok(Self { state, _tail: Arc::new(tail) })
    }

    /// Returns the current settings.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.state.borrow().settings)
    }

    /// Returns the offset up to which, exclusively, the topic was read.
    pub fn offset(&self) -> i64 {
        self.state.borrow().offset
    }

    /// Returns the current settings and the offset up to which they were read, both of the same moment.
    pub fn snapshot(&self) -> SettingsSnapshot {
        self.state.borrow().clone()
    }

    /// Watches the settings.
    pub fn changes(&self) -> watch::Receiver<SettingsSnapshot> {
        self.state.clone()
    }
}
