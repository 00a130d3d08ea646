//! A rule that follows its file: the newest version that works, and the error of a file that doesn't.
//!
//! A thread watches the file (see [`crate::WatchMode`]), compiles it when it is saved, and swaps the version as a whole, so
//! that a reader gets the old version or the new one, never a mixture. A broken file changes only the error.

use crate::{
    Rule, RuleError, RuleErrorKind, WatchMode,
    edited_file::{EditedFile, FileError, Reading, utf8_text},
    sandbox::MAX_SOURCE,
    watch::{self, Subscriber},
};
use metrics::counter;
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{Arc, Weak},
};
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

/// A rule that works, and its version.
#[derive(Debug)]
pub struct Version<R> {
    /// The rule.
    pub rule: R,
    /// The first 8 hexadecimal digits of the SHA-256 of its source.
    pub version: String,
    /// Its source, for callers who show it.
    pub source: Arc<str>,
    /// Whether the rule is the copy in the program, because there has been no working file yet.
    pub built_in: bool,
}

impl<R> Version<R> {
    fn new(rule: R, source: &str, built_in: bool) -> Self {
        Self { rule, version: version(source), source: source.into(), built_in }
    }
}

/// Returns the version of a source: the first 8 hexadecimal digits of its SHA-256.
pub fn version(source: &str) -> String {
    Sha256::digest(source).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The state of a rule at one moment.
#[derive(Debug)]
pub struct InForce<R> {
    /// The version in force.
    pub version: Arc<Version<R>>,
    /// Why the file isn't in force; `None` if it is.
    pub error: Option<String>,
}

/// A rule that follows its file. A clone is another handle to the same rule; watching ends with the last handle, or with
/// the shutdown.
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
    file: EditedFile,
    in_force: channel::Sender<InForce<R>>,
}

impl<R: Rule> LiveRule<R> {
    /// Reads `dir`/[`Rule::FILE`] and follows it until `shutdown`. Never fails: while the folder or the file is missing or
    /// broken, the built-in rule is in force and [`LiveRule::error`] says why.
    ///
    /// Blocks the thread to read the file once.
    pub fn open(dir: &Path, mode: WatchMode, shutdown: CancellationToken) -> Self {
        let file = EditedFile::new(dir.join(R::FILE), MAX_SOURCE);
        let built_in = Arc::new(Version::new(R::built_in(), R::BUILT_IN, true));
        let (in_force, _) = channel::channel(InForce { version: built_in, error: None });
        let shared = Arc::new(Shared { file: file.clone(), in_force });

        let first = file.read();
        shared.apply(&first);
        let follower = Follower { rule: Arc::downgrade(&shared) };
        if let Err(error) = watch::spawn(file, mode, first, shutdown, follower) {
            tracing::error!(file = %shared.file.path().display(), %error, "cannot start the thread that watches this \
                rule; changes take effect at the next start");
        }
        Self { shared }
    }

    /// Returns the version in force. Cheap enough for every event; don't keep it for longer than one.
    pub fn current(&self) -> Arc<Version<R>> {
        Arc::clone(&self.shared.in_force.borrow().version)
    }

    /// Returns why the file isn't in force: the text of a [`RuleError`], and what is in force instead. `None` if it is.
    pub fn error(&self) -> Option<String> {
        self.shared.in_force.borrow().error.clone()
    }

    /// Returns the file, for callers who show its text.
    pub fn file(&self) -> &EditedFile {
        &self.shared.file
    }

    /// Returns a receiver that wakes when the version or the error changes.
    pub fn changes(&self) -> channel::Receiver<InForce<R>> {
        self.shared.in_force.subscribe()
    }
}

impl<R: Rule> Shared<R> {
    /// Puts the rule of a reading in force, or keeps its error. Returns whether the rule is in force.
    fn apply(&self, reading: &Reading) -> bool {
        let file = self.file.path().display().to_string();
        let compiled = source(reading, &file).and_then(|source| Ok((R::compile(&file, source)?, source)));
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
            let message = format!("{error}\n{stays}");
            tracing::warn!("{message}");
            in_force.error = Some(message);
        });
    }
}

/// Reads a rule's source from its file.
///
/// # Errors
/// The file is missing, too large, not UTF-8, or can't be read.
pub fn read_rule(path: &Path) -> Result<String, RuleError> {
    let reading = EditedFile::new(path.to_owned(), MAX_SOURCE).read();
    source(&reading, &path.display().to_string()).map(str::to_owned)
}

/// The source in a reading of `file`.
fn source<'a>(reading: &'a Reading, file: &str) -> Result<&'a str, RuleError> {
    reading.as_deref().map_err(FileError::clone).and_then(utf8_text).map_err(|error| {
        let line = if let FileError::NotUtf8(line) = error { Some(line) } else { None };
        RuleError { line, ..RuleError::whole(RuleErrorKind::Source, file, error.to_string()) }
    })
}

/// The watching thread's handle to a rule. It is weak, so that the thread doesn't keep an unused rule alive.
struct Follower<R> {
    rule: Weak<Shared<R>>,
}

impl<R: Rule> Subscriber for Follower<R> {
    fn is_subscribed(&self) -> bool {
        self.rule.strong_count() > 0
    }

    fn changed(&mut self, reading: &Reading) {
        if let Some(rule) = self.rule.upgrade() {
            let outcome = if rule.apply(reading) { "applied" } else { "refused" };
            let name = R::FILE.trim_end_matches(".rhai");
            counter!("dojo_rule_reloads_total", "rule" => name, "outcome" => outcome).increment(1);
        }
    }
}
