//! Changes to settings. They go to the compacted topic `dojo-settings`, from where every instance applies them and reports
//! that on `dojo-status`; a change is done once all live instances have.

use crate::{
    read_models::ReadModels,
    write::{
        ANSWER_WITHIN, WriteError,
        runs::{changes, journal::RunJournal},
    },
};
use chrono::Utc;
use dojo_contract::{Settings, SettingsPatch, topic};
use dojo_kafka::{Outgoing, Producer, SettingsFollower};
use futures::future::try_join_all;
use serde_json::Value;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

/// How long live instances may take to apply a change.
const APPLIED_WITHIN: Duration = Duration::from_secs(2);

/// A record for `dojo-settings`: its key, and its JSON; without JSON it removes what the key stands for.
pub(super) type SettingsRecord = (String, Option<String>);

/// A change that is on the topic.
pub(super) struct Change<T> {
    /// What the caller chose beside the records.
    pub(super) chosen: T,
    /// Offset after its last record.
    pub(super) offset: i64,
    /// When the caller stops waiting for its effects.
    pub(super) until: Instant,
}

/// Knows and changes the settings.
pub(crate) struct SettingsWriter {
    producer: Producer,
    models: Arc<ReadModels>,
    instance_id: String,
    /// Where a run's changes are noted before they are made.
    journal: Arc<RunJournal>,
    follower: OnceLock<SettingsFollower>,
    /// A change is relative to the settings in force, so changes are made one after the other.
    turn: Mutex<()>,
}

impl SettingsWriter {
    pub(crate) fn new(
        producer: Producer,
        models: Arc<ReadModels>,
        instance_id: String,
        journal: Arc<RunJournal>,
    ) -> Self {
        Self { producer, models, instance_id, journal, follower: OnceLock::new(), turn: Mutex::default() }
    }

    /// From now on the settings are known.
    pub(crate) fn follow(&self, follower: SettingsFollower) {
        // Set once, by the start of the service.
        let _ = self.follower.set(follower);
    }

    /// The settings; `None` until they were read from Kafka.
    pub(crate) fn follower(&self) -> Option<&SettingsFollower> {
        self.follower.get()
    }

    /// Applies `patch`, a JSON Merge Patch (RFC 7396), for a run if there is one. Returns the live instances that have not applied
    /// it in time.
    pub(crate) async fn patch(&self, patch: &Value, run: Option<&str>) -> Result<Vec<String>, WriteError> {
        let choose = |settings: &Settings| {
            let patch = SettingsPatch::parse(patch, settings)?;
            Ok((patch.records.into_iter().map(|(name, value)| (name.to_string(), value)).collect(), ()))
        };
        let Change { offset, until, .. } = self.change(run, choose).await?;
        Ok(self.wait_until_applied(offset, until).await)
    }

    /// Writes the records that `choose` derives from the settings in force, once they are noted if they belong to a run. Changes are made one after the other, each once
    /// this service has read the records of the one before.
    pub(super) async fn change<T>(
        &self,
        run: Option<&str>,
        choose: impl FnOnce(&Settings) -> Result<(Vec<SettingsRecord>, T), WriteError>,
    ) -> Result<Change<T>, WriteError> {
        if self.producer.is_away() {
            return Err(WriteError::NotReady(self.producer.connectivity().borrow().to_string()));
        }
        let unread = || WriteError::NotReady("the settings are still being read from Kafka".to_owned());
        let follower = self.follower().ok_or_else(unread)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        let _turn = timeout_at(deadline, self.turn.lock()).await.map_err(|_| WriteError::TooLate)?;
        let settings = follower.settings();
        let (records, chosen) = choose(&settings)?;
        if let Some(run) = run {
            let records = records.iter().map(|(key, value)| (key.as_str(), value.as_deref()));
            let noted = self.journal.note(run, changes::of_records(records, &settings));
            timeout_at(deadline, noted).await.map_err(|_| WriteError::TooLate)??;
        }
        let sends = records.into_iter().map(|(key, value)| {
            self.producer.send(Outgoing {
                topic: topic::SETTINGS,
                key: Some(key.into_bytes()),
                value: value.map(String::into_bytes),
                headers: Vec::new(),
                timestamp: None,
            })
        });
        let unknown = |error: dojo_kafka::Error| WriteError::OutcomeUnknown(error.to_string());
        let late = |_| WriteError::OutcomeUnknown("not done within 5 s".to_owned());
        let delivered = timeout_at(deadline, try_join_all(sends)).await.map_err(late)?.map_err(unknown)?;
        let offset = delivered.iter().map(|d| d.offset + 1).max().unwrap_or_default();
        let until = deadline.min(Instant::now() + APPLIED_WITHIN);
        let mut own = follower.changes();
        // If Kafka is slow, the next change begins with what is known by then.
        let _ = timeout_at(until, own.wait_for(|settings| settings.offset >= offset)).await;
        Ok(Change { chosen, offset, until })
    }

    /// Waits until every live instance has applied what stands before `offset`; returns the rest, or this one alone if it
    /// hasn't read that far.
    async fn wait_until_applied(&self, offset: i64, until: Instant) -> Vec<String> {
        let has_read = self.follower().is_some_and(|follower| follower.offset() >= offset);
        if !has_read {
            return vec![self.instance_id.clone()];
        }
        let mut changes = self.models.instances.changes();
        loop {
            changes.mark_unchanged();
            let behind = self.models.instances.behind(offset, Utc::now());
            if behind.is_empty() {
                return behind;
            }
            if timeout_at(until, changes.changed()).await.is_err() {
                // One may have fallen silent meanwhile.
                return self.models.instances.behind(offset, Utc::now());
            }
        }
    }
}
