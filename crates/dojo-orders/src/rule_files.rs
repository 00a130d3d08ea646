//! The rule files as this service sees them. The services that evaluate the rules watch the files themselves, and report on
//! `dojo-status` what they see.

use crate::{
    rule_save::{self, FileChange, SaveError, Saved},
    rule_switches::RuleSwitches,
};
use chrono::{DateTime, TimeDelta, Utc};
use dojo_contract::Service;
use dojo_rules::{EditedFile, FileError, FraudRule, LiveRule, NotificationRule, Rule, RuleKind, WatchMode};
use parking_lot::Mutex;
use std::{path::Path, sync::Arc};
use tokio_util::sync::CancellationToken;

/// How soon a save is noticed, even on a busy machine.
const NOTICED_WITHIN: TimeDelta = TimeDelta::seconds(2);

/// The files of all rules.
pub(crate) struct RuleFiles {
    fraud: Followed<FraudRule>,
    notification: Followed<NotificationRule>,
    /// Held while a file is compared and replaced.
    saving: Mutex<()>,
}

/// A rule, and the version that was in force before the present one.
struct Followed<R: Rule> {
    rule: LiveRule<R>,
    earlier: Arc<Mutex<Option<GoodSource>>>,
}

/// The source of a version that works.
#[derive(Debug, Clone)]
pub(crate) struct GoodSource {
    pub(crate) version: String,
    pub(crate) source: Arc<str>,
}

/// A rule file at one moment.
pub(crate) struct RuleFile {
    pub(crate) kind: RuleKind,
    pub(crate) service: Service,
    pub(crate) file: EditedFile,
    /// The version in force.
    pub(crate) good: GoodSource,
    /// The version that was in force before.
    pub(crate) earlier: Option<GoodSource>,
    pub(crate) built_in: bool,
    pub(crate) error: Option<String>,
}

impl RuleFiles {
    /// Reads the files once, and follows them in tasks; call it in a runtime and where a file may be read.
    pub(crate) fn open(
        dir: &Path,
        mode: WatchMode,
        switches: &Arc<RuleSwitches>,
        shutdown: &CancellationToken,
    ) -> Self {
        Self {
            fraud: Followed::open(dir, mode, Service::Fraud, switches, shutdown),
            notification: Followed::open(dir, mode, Service::Notification, switches, shutdown),
            saving: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, kind: RuleKind) -> RuleFile {
        match kind {
            RuleKind::Fraud => self.fraud.seen(kind, Service::Fraud),
            RuleKind::Notification => self.notification.seen(kind, Service::Notification),
        }
    }

    /// Saves `source` as the file of a rule if `expected` accepts the tag of the present one. Blocks the thread.
    ///
    /// # Errors
    /// The file stays as it is.
    pub(crate) fn save(
        &self,
        kind: RuleKind,
        expected: impl Fn(&str) -> bool,
        source: &str,
    ) -> Result<Saved, SaveError> {
        let file = self.get(kind).file;
        // Of two requests with the same tag, the second one sees what the first one wrote.
        let _alone = self.saving.lock();
        rule_save::save(&file, kind, expected, source)
    }

    /// Returns what [`save`](Self::save) would change. Blocks the thread.
    ///
    /// # Errors
    /// The file can't be saved, or must not be.
    pub(crate) fn change(
        &self,
        kind: RuleKind,
        expected: impl Fn(&str) -> bool,
        source: &str,
    ) -> Result<FileChange, SaveError> {
        rule_save::change(&self.get(kind).file, kind, expected, source)
    }

    /// Returns the tag of a rule's file. Blocks the thread.
    ///
    /// # Errors
    /// What has the file's name can't be read.
    pub(crate) fn tag(&self, kind: RuleKind) -> Result<String, SaveError> {
        let reading = self.get(kind).file.read();
        let unreadable = || reading.clone().err().unwrap_or(FileError::Missing);
        Ok(rule_save::tag(&reading).ok_or_else(unreadable)?)
    }

    /// Makes `text` the file of a rule again if the tag of the present one is `expected`; without a text, removes the file.
    /// Blocks the thread.
    ///
    /// # Errors
    /// The file stays as it is.
    pub(crate) fn put_back(
        &self,
        kind: RuleKind,
        expected: &str,
        text: Option<&str>,
    ) -> Result<(), SaveError> {
        let file = self.get(kind).file;
        let _alone = self.saving.lock();
        rule_save::put_back(&file, expected, text)
    }
}

/// Returns when the file that is in force was saved. A file that was moved here can have an older time; then the present time counts.
async fn saved(path: &Path) -> DateTime<Utc> {
    let now = Utc::now();
    let written = tokio::fs::metadata(path).await.and_then(|file| file.modified()).map(DateTime::<Utc>::from);
    written.ok().filter(|written| *written <= now && now - written < NOTICED_WITHIN).unwrap_or(now)
}

impl<R: Rule> Followed<R> {
    fn open(
        dir: &Path,
        mode: WatchMode,
        service: Service,
        switches: &Arc<RuleSwitches>,
        shutdown: &CancellationToken,
    ) -> Self {
        let rule = LiveRule::<R>::open(dir, mode, shutdown.clone());
        let earlier = Arc::new(Mutex::new(None));
        let (mut changes, keep) = (rule.changes(), Arc::clone(&earlier));
        let (switches, shutdown) = (Arc::clone(switches), shutdown.clone());
        let path = rule.file().path().to_owned();
        let mut known = rule.current();
        switches.file_shows(service, &known.version, Utc::now());
        tokio::spawn(async move {
            while let Some(Ok(())) = shutdown.run_until_cancelled(changes.changed()).await {
                let now = Arc::clone(&changes.borrow_and_update().version);
                if now.version != known.version {
                    switches.file_shows(service, &now.version, saved(&path).await);
                    let source = Arc::clone(&known.source);
                    *keep.lock() = Some(GoodSource { version: known.version.clone(), source });
                    known = now;
                }
            }
        });
        Self { rule, earlier }
    }

    fn seen(&self, kind: RuleKind, service: Service) -> RuleFile {
        let current = self.rule.current();
        RuleFile {
            kind,
            service,
            file: self.rule.file().clone(),
            good: GoodSource { version: current.version.clone(), source: Arc::clone(&current.source) },
            earlier: self.earlier.lock().clone(),
            built_in: current.built_in,
            error: self.rule.error(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, time::Duration};

    #[tokio::test]
    async fn a_switch_begins_when_its_file_was_saved() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let written = file.as_file().metadata().unwrap().modified().unwrap();
        assert_eq!(saved(file.path()).await, DateTime::<Utc>::from(written));

        // A file that is moved over the rule has the time at which it was written.
        let before = Utc::now();
        let hour_ago = written - Duration::from_secs(3_600);
        fs::File::options().write(true).open(file.path()).unwrap().set_modified(hour_ago).unwrap();
        assert!(saved(file.path()).await >= before);
        assert!(saved(Path::new("/nowhere.rhai")).await >= before);
    }
}
