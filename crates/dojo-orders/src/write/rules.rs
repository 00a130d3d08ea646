//! Changes of rules' files. What a run changes is noted on `dojo-runs` before the file is written.

use crate::{
    rule_files::RuleFiles,
    rule_save::{SaveError, Saved},
    write::{ANSWER_WITHIN, WriteError, runs::journal::RunJournal},
};
use dojo_contract::{RuleChange, RunChange};
use dojo_rules::RuleKind;
use std::sync::Arc;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

/// Changes the files of rules.
pub(crate) struct RuleWriter {
    files: Arc<RuleFiles>,
    journal: Arc<RunJournal>,
    /// Held from the note of a change until the file is written.
    turn: Mutex<()>,
}

/// Why a rule's file wasn't changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuleError {
    /// The file can't be saved, or must not be.
    #[error(transparent)]
    Save(#[from] SaveError),
    /// The change couldn't be noted, or the run may change nothing.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl RuleWriter {
    pub(crate) fn new(files: Arc<RuleFiles>, journal: Arc<RunJournal>) -> Self {
        Self { files, journal, turn: Mutex::default() }
    }

    /// Saves `source` as the file of a rule if one of the tags is that of the present file, for a run if there is one.
    pub(crate) async fn save(
        &self,
        kind: RuleKind,
        expected: Vec<String>,
        source: String,
        run: Option<&str>,
    ) -> Result<Saved, RuleError> {
        let Some(run) = run else {
            let is_expected = move |tag: &str| expected.iter().any(|expected| expected == tag);
            return self.blocking(move |files| files.save(kind, is_expected, &source)).await;
        };
        let _turn = self.turn().await?;
        let change = {
            let source = source.clone();
            let is_expected = move |tag: &str| expected.iter().any(|expected| expected == tag);
            self.blocking(move |files| files.change(kind, is_expected, &source)).await?
        };
        let noted = RuleChange { rule: kind.name().to_owned(), before: change.before, set: vec![change.tag] };
        self.journal.note(run, vec![RunChange::Rule(noted)]).await?;
        let present = change.present;
        self.blocking(move |files| files.save(kind, |tag| tag == present, &source)).await
    }

    /// Returns the tag of the present file, once no change is under way.
    pub(crate) async fn tag(&self, kind: RuleKind) -> Result<String, RuleError> {
        let _turn = self.turn().await?;
        self.blocking(move |files| files.tag(kind)).await
    }

    /// Makes `text` the file of a rule again if the present one has the tag `expected`; without a text, removes the file.
    pub(crate) async fn put_back(
        &self,
        kind: RuleKind,
        expected: String,
        text: Option<String>,
    ) -> Result<(), RuleError> {
        let _turn = self.turn().await?;
        self.blocking(move |files| files.put_back(kind, &expected, text.as_deref())).await
    }

    async fn turn(&self) -> Result<MutexGuard<'_, ()>, WriteError> {
        timeout(ANSWER_WITHIN, self.turn.lock()).await.map_err(|_| WriteError::TooLate)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RuleFiles) -> Result<T, SaveError> + Send + 'static,
    ) -> Result<T, RuleError> {
        let files = Arc::clone(&self.files);
        let done = tokio::task::spawn_blocking(move || work(&files)).await;
        Ok(done.map_err(|error| WriteError::Defect(error.to_string()))??)
    }
}
