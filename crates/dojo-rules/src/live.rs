//! A rule in step with its file: the newest version that works, and why the file is not in force where it is not.
//!
//! A thread of its own watches the file (see [`crate::WatchMode`]), compiles what was saved, and swaps the version as a
//! whole: a reader has one or the other, never a mixture. A broken file changes only the error.

use crate::{
    Rule, RuleError, WatchMode,
    snapshot::Snapshot,
    watch::{self, Look},
};
use metrics::counter;
use sha2::{Digest, Sha256};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

/// A rule that works, and which one it is.
#[derive(Debug)]
pub struct Version<R> {
    /// The rule.
    pub rule: R,
    /// The first 8 hexadecimal digits of the SHA-256 of its source.
    pub version: String,
    /// Whether it is the copy in the program, because there has been no working file yet.
    pub built_in: bool,
}

impl<R> Version<R> {
    fn new(rule: R, source: &str, built_in: bool) -> Self {
        Self { rule, version: version(source), built_in }
    }
}

fn version(source: &str) -> String {
    Sha256::digest(source).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// What holds at one moment.
#[derive(Debug)]
pub struct InForce<R> {
    /// The version that decides.
    pub version: Arc<Version<R>>,
    /// Why the file as it stands is not that version; `None` when it is.
    pub error: Option<String>,
}

/// A rule that follows its file. A clone is another handle to the same one; the watching ends with the last of them, or
/// with the shutdown.
#[derive(Debug)]
pub struct LiveRule<R: Rule> {
    shared: Arc<Shared<R>>,
}

impl<R: Rule> Clone for LiveRule<R> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

#[derive(Debug)]
struct Shared<R> {
    path: PathBuf,
    in_force: channel::Sender<InForce<R>>,
}

impl<R: Rule> LiveRule<R> {
    /// Reads `dir`/[`Rule::FILE`] and follows it until `shutdown`. Never fails: where the folder or the file is missing
    /// or broken, the built-in rule is in force and [`LiveRule::error`] says why, until a working file appears.
    ///
    /// Reads the file once before it returns; may be called on any thread.
    pub fn open(dir: &Path, mode: WatchMode, shutdown: CancellationToken) -> Self {
        let path = dir.join(R::FILE);
        let built_in = Arc::new(Version::new(R::built_in(), R::BUILT_IN, true));
        let (in_force, _) = channel::channel(InForce { version: built_in, error: None });
        let shared = Arc::new(Shared { path: path.clone(), in_force });

        let first = Snapshot::take(&path);
        shared.apply(&first);
        let follower = Follower { rule: Arc::downgrade(&shared) };
        if let Err(error) = watch::spawn(path, mode, first, shutdown, follower) {
            tracing::error!(file = %shared.path.display(), %error, "cannot start the thread that watches this rule: \
                what is saved now takes effect at the next start");
        }
        Self { shared }
    }

    /// The version in force. Cheap enough to ask for every event; keep the answer no longer than that.
    pub fn current(&self) -> Arc<Version<R>> {
        Arc::clone(&self.shared.in_force.borrow().version)
    }

    /// Why the file as it stands is not in force, as `rules/fraud.rhai:12:8: …`; `None` when it is.
    pub fn error(&self) -> Option<String> {
        self.shared.in_force.borrow().error.clone()
    }

    /// Wakes whenever the version or the error changes.
    pub fn changes(&self) -> channel::Receiver<InForce<R>> {
        self.shared.in_force.subscribe()
    }
}

impl<R: Rule> Shared<R> {
    /// Makes what was found the rule in force, or says why not; answers whether it is in force.
    fn apply(&self, found: &Snapshot) -> bool {
        let file = self.path.display().to_string();
        let compiled = found.source(&file).and_then(|source| Ok((R::compile(&file, source)?, source)));
        match compiled {
            Ok((rule, source)) => {
                self.reload(&file, Version::new(rule, source, false));
                true
            }
            Err(error) => {
                self.refuse(&error);
                false
            }
        }
    }

    fn reload(&self, file: &str, version: Version<R>) {
        tracing::info!("{file} is in force, version {}", version.version);
        self.in_force.send_replace(InForce { version: Arc::new(version), error: None });
    }

    fn refuse(&self, error: &RuleError) {
        self.in_force.send_modify(|in_force| {
            let version = &in_force.version.version;
            let stays = if in_force.version.built_in {
                format!("the built-in rule ({version}) is in force")
            } else {
                format!("the last good version ({version}) stays in force")
            };
            let said = format!("{error}; {stays}");
            tracing::warn!("{said}");
            in_force.error = Some(said);
        });
    }
}

/// The watching thread's end of a rule: it must not keep alive what nobody uses any more.
struct Follower<R> {
    rule: Weak<Shared<R>>,
}

impl<R: Rule> Look for Follower<R> {
    fn is_wanted(&self) -> bool {
        self.rule.strong_count() > 0
    }

    fn changed(&mut self, found: &Snapshot) {
        if let Some(rule) = self.rule.upgrade() {
            let outcome = if rule.apply(found) { "applied" } else { "refused" };
            let name = R::FILE.trim_end_matches(".rhai");
            counter!("dojo_rule_reloads_total", "rule" => name, "outcome" => outcome).increment(1);
        }
    }
}
