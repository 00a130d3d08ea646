//! A rules folder with a live rule in it, and waiting for what it does.

use crate::facts::{fraud_facts, order, window};
use dojo_rules::{FraudRule, LiveRule, Rule, WatchMode};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const MODES: [WatchMode; 3] = WatchMode::ALL;

/// A rules folder, the live rule in it, and its shutdown.
pub(crate) struct Dojo {
    pub(crate) parent: TempDir,
    pub(crate) live: LiveRule<FraudRule>,
    _shutdown: DropGuard,
}

impl Dojo {
    /// Starts with what `prepare` puts into the parent of the rules folder.
    pub(crate) fn start(mode: WatchMode, prepare: impl FnOnce(&Path)) -> Self {
        let parent = TempDir::new().unwrap();
        prepare(&parent.path().join("rules"));
        let shutdown = CancellationToken::new();
        let live = LiveRule::open(&parent.path().join("rules"), mode, shutdown.clone());
        Self { parent, live, _shutdown: shutdown.drop_guard() }
    }

    /// Starts with a working file that raises the alert `kind`.
    pub(crate) fn with(mode: WatchMode, kind: &str) -> Self {
        Self::start(mode, |dir| {
            fs::create_dir(dir).unwrap();
            fs::write(dir.join(FraudRule::FILE), source(kind)).unwrap();
        })
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.parent.path().join("rules")
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.dir().join(FraudRule::FILE)
    }

    /// Returns the alerts of the rule in force for an ordinary order.
    pub(crate) fn finds(&self) -> Vec<String> {
        alerts(&self.live.current().rule)
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < Duration::from_secs(20), "{what}: still not; {:?}", self.live.error());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub(crate) fn until_it_finds(&self, kind: &str) {
        self.until(kind, |dojo| dojo.finds() == [kind] && dojo.live.error().is_none());
    }

    #[track_caller]
    pub(crate) fn until_the_error_says(&self, text: &str) {
        self.until(text, |dojo| dojo.live.error().is_some_and(|error| error.contains(text)));
    }
}

/// Returns the alerts of a rule for an ordinary order.
pub(crate) fn alerts(rule: &FraudRule) -> Vec<String> {
    let alerts = rule.judge(fraud_facts(order(1, "1"), window(1, 1))).unwrap();
    alerts.into_iter().map(|alert| alert.kind).collect()
}

/// A rule that raises the alert `kind`.
pub(crate) fn source(kind: &str) -> String {
    format!("[alert(\"{kind}\", \"LOW\", \"\")]")
}
