//! Puts back what a run has changed, the newest change first: whether the run has ended, or its runner has fallen silent.
//!
//! What was changed by someone else meanwhile stays. While Kafka is away the undo waits; if the service stops meanwhile, the
//! next one finds the run on the topic and begins again. Whatever was put back before is then recognized, because it is what
//! was there before the run.

use crate::{
    read_models::runs::Runs,
    rule_save::SaveError,
    write::{
        ANSWER_WITHIN, WriteError,
        rules::{RuleError, RuleWriter},
        runs::{
            changes::{Present, rule_is, setting_is},
            journal::RunJournal,
            report::RunEnd,
            words,
        },
        settings::{Change, SettingsWriter},
    },
};
use dojo_contract::{Defaults, RuleChange, Run, RunChange, RunState, SettingChange, Settings};
use dojo_rules::RuleKind;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// The pause before something is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How often a file that can't be written is tried.
const FILE_TRIES: u32 = 5;

/// Ends runs.
pub(crate) struct RunUndo {
    journal: Arc<RunJournal>,
    settings: Arc<SettingsWriter>,
    rules: Arc<RuleWriter>,
    defaults: Defaults,
    shutdown: CancellationToken,
}

impl RunUndo {
    pub(crate) fn new(
        journal: Arc<RunJournal>,
        settings: Arc<SettingsWriter>,
        rules: Arc<RuleWriter>,
        defaults: Defaults,
        shutdown: CancellationToken,
    ) -> Self {
        Self { journal, settings, rules, defaults, shutdown }
    }

    /// Puts back what a run has changed, and ends the run; one that hasn't said how it ended is abandoned. Does nothing if that is
    /// under way or done.
    pub(crate) fn begin(self: &Arc<Self>, id: &str, ended: Option<RunEnd>) {
        if !self.journal.begin_end(id) {
            return;
        }
        let (undo, id) = (Arc::clone(self), id.to_owned());
        tokio::spawn(async move { undo.shutdown.run_until_cancelled(undo.all(&id, ended.as_ref())).await });
    }

    async fn all(&self, id: &str, ended: Option<&RunEnd>) {
        let run = loop {
            match self.journal.settled(id).await {
                Ok(run) => break run,
                Err(WriteError::NoSuchRun(_)) => return,
                Err(error) => tracing::debug!(run = id, %error, "the changes of a run can't be put back yet"),
            }
            sleep(AGAIN_AFTER).await;
        };
        let mut undone = Vec::new();
        for change in run.changes.iter().rev() {
            undone.extend(match change {
                RunChange::Setting(change) => self.setting(change).await,
                RunChange::Rule(change) => self.rule(change).await,
            });
        }
        let scenario = &run.scenario;
        if ended.is_none() {
            tracing::warn!(run = id, scenario, ?undone, "a run was abandoned: its runner fell silent");
        }
        while let Err(error) = self.journal.end(id, ended, &undone).await {
            if matches!(error, WriteError::NoSuchRun(_)) {
                tracing::warn!(run = id, scenario, ?undone, "a run that has ended is gone from `dojo-runs`");
                return;
            }
            tracing::debug!(run = id, %error, "the end of a run isn't on `dojo-runs` yet");
            sleep(AGAIN_AFTER).await;
        }
    }

    /// Puts a setting back. Returns what came of it; nothing if it was as before already, since nobody sees a change then.
    async fn setting(&self, change: &SettingChange) -> Option<String> {
        loop {
            let choose = |settings: &Settings| {
                let present = setting_is(change, settings.value_of(&change.key).as_ref());
                let before = change.before.as_ref().map(ToString::to_string);
                let mut after = settings.clone();
                if present != Present::OfTheRun {
                    return Ok((Vec::new(), (present, after)));
                }
                let put_back = after.apply(&change.key, before.as_deref().map(str::as_bytes));
                put_back.map_err(|error| WriteError::Conflict(error.to_string()))?;
                Ok((vec![(change.key.clone(), before)], (present, after)))
            };
            match self.settings.change(None, choose).await {
                Ok(Change { chosen: (Present::Before, _), .. }) => return None,
                Ok(Change { chosen: (present, settings), .. }) => {
                    return Some(words::of_setting(change, present, &settings, &self.defaults));
                }
                Err(error @ (WriteError::Conflict(_) | WriteError::Defect(_))) => {
                    return Some(words::of_failure(&format!("`{}`", change.key), &error.to_string()));
                }
                Err(error) => {
                    tracing::debug!(key = change.key, %error, "not put back yet");
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
    }

    /// Puts a rule back. Returns what came of it; nothing if it was as before already.
    async fn rule(&self, change: &RuleChange) -> Option<String> {
        let thing = format!("the {} rule", change.rule);
        let Some(kind) = RuleKind::ALL.into_iter().find(|kind| kind.name() == change.rule) else {
            return Some(words::of_failure(&thing, "there is no such rule"));
        };
        let mut tries = 0;
        loop {
            match self.try_rule(kind, change).await {
                Ok(Present::Before) => return None,
                Ok(present) => return Some(words::of_rule(change, present)),
                Err(error) if tries >= FILE_TRIES => {
                    return Some(words::of_failure(&thing, &error.to_string()));
                }
                // The next try sees what someone else has saved.
                Err(error) => tracing::debug!(rule = change.rule, %error, "not put back yet"),
            }
            tries += 1;
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn try_rule(&self, kind: RuleKind, change: &RuleChange) -> Result<Present, RuleError> {
        let present = match self.rules.tag(kind).await {
            // What isn't a file any more isn't the run's.
            Err(RuleError::Save(SaveError::NotEditable(_))) => return Ok(Present::OfSomeoneElse),
            tag => tag?,
        };
        let whose = rule_is(change, &present);
        if whose == Present::OfTheRun {
            self.rules.put_back(kind, present, change.before.clone()).await?;
        }
        Ok(whose)
    }
}

/// Waits until a run that has ended is over. Returns it; an error if its changes aren't put back in time, or its runner was silent
/// for too long before.
pub(crate) async fn until_over(runs: &Runs, id: &str) -> Result<Arc<Run>, WriteError> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    let mut changes = runs.changes();
    loop {
        changes.mark_unchanged();
        let run = runs.get(id).ok_or_else(|| WriteError::NoSuchRun(id.to_owned()))?;
        match run.state {
            RunState::Ended => return Ok(run),
            RunState::Abandoned => return Err(WriteError::RunIsOver(Box::new(Run::clone(&run)))),
            RunState::Running => {}
        }
        if timeout_at(deadline, changes.changed()).await.is_err() {
            return Err(WriteError::NotEndedYet(id.to_owned()));
        }
    }
}
