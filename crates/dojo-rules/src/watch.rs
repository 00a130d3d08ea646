//! Watches a file for changes, however it is saved and on whichever file system it is.
//!
//! The folder is watched, not the file: most editors write a new file and rename it over the old one, and a watch on the
//! file would stay with the old one. The folder itself may be created late, removed and created again. Some file systems
//! (network shares, containers' mounts) send no events at all, so by default the file is also read four times a second: a
//! few kilobytes, compared byte by byte, because neither time nor length distinguishes two quick saves.

use crate::edited_file::{EditedFile, Reading};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};
use tokio_util::sync::CancellationToken;

/// How often the file is read without an event, and how soon the thread notices its shutdown.
const PERIOD: Duration = Duration::from_millis(250);

/// How a rule's file is watched. As text (`RULES_WATCH`): `auto`, `native`, `poll`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WatchMode {
    /// By events and by reading it regularly: works everywhere, and is the default.
    #[default]
    Auto,
    /// By events alone, so that the file isn't read without a change.
    Native,
    /// By reading it regularly, for systems without events or with too few watches left.
    Poll,
}

impl WatchMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Native, Self::Poll];

    /// The mode's name in `RULES_WATCH`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Native => "native",
            Self::Poll => "poll",
        }
    }
}

impl fmt::Display for WatchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that isn't the name of a [`WatchMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a watch mode; use auto, native or poll")]
pub struct UnknownWatchMode(String);

impl FromStr for WatchMode {
    type Err = UnknownWatchMode;

    fn from_str(text: &str) -> Result<Self, UnknownWatchMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.name() == text)
            .ok_or_else(|| UnknownWatchMode(text.to_owned()))
    }
}

/// Receives the changes of a watched file.
pub(crate) trait Subscriber: Send + 'static {
    /// Returns whether changes are still wanted; the thread ends when they aren't.
    fn is_subscribed(&self) -> bool;
    /// Takes the reading after a change.
    fn changed(&mut self, reading: &Reading);
}

/// Starts a thread that passes every change after `known` to `subscriber`, until `shutdown`.
///
/// # Errors
/// The system can't start another thread.
pub(crate) fn spawn(
    file: EditedFile,
    mode: WatchMode,
    known: Reading,
    shutdown: CancellationToken,
    subscriber: impl Subscriber,
) -> io::Result<()> {
    thread::Builder::new()
        .name("rule-watch".to_owned())
        .spawn(move || follow(&file, mode, known, &shutdown, subscriber))?;
    Ok(())
}

fn follow(
    file: &EditedFile,
    mode: WatchMode,
    mut known: Reading,
    shutdown: &CancellationToken,
    mut subscriber: impl Subscriber,
) {
    let dir = file.path().parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut events = Events::new(dir);
    while !shutdown.is_cancelled() && subscriber.is_subscribed() {
        // A change before the watch began sent no event, so a new watch is a reason to read the file, too.
        let attached = mode != WatchMode::Poll && events.attach();
        let woken = attached || events.wait(PERIOD);
        if (woken || mode != WatchMode::Native)
            && let Some(reading) = file.settled(&known)
            && reading != known
        {
            subscriber.changed(&reading);
            known = reading;
        }
    }
}

/// The file system's events about one folder, for as long as it is the same folder.
struct Events {
    dir: PathBuf,
    watched: Option<(RecommendedWatcher, Identity)>,
    /// Set by an event about the folder itself: the watch may have ended with the folder.
    folder_moved: Arc<AtomicBool>,
    sender: mpsc::SyncSender<()>,
    wakes: mpsc::Receiver<()>,
    /// Whether the log already has the warning that watching failed.
    warned: bool,
}

impl Events {
    fn new(dir: &Path) -> Self {
        // One place in the channel, so that a thousand events wake the thread once.
        let (sender, wakes) = mpsc::sync_channel(1);
        Self {
            dir: dir.to_owned(),
            watched: None,
            folder_moved: Arc::default(),
            sender,
            wakes,
            warned: false,
        }
    }

    /// Watches the folder that now has the path, if it isn't watched yet. Returns whether that took a new watch.
    fn attach(&mut self) -> bool {
        let present = Identity::of(&self.dir);
        let moved = self.folder_moved.swap(false, Ordering::AcqRel);
        if let Some((_, watched)) = &self.watched
            && !moved
            && present.as_ref() == Some(watched)
        {
            return false;
        }
        self.watched = None;
        let Some(identity) = present else { return false };
        match self.watch() {
            Ok(watcher) => {
                self.watched = Some((watcher, identity));
                self.warned = false;
                true
            }
            Err(error) => {
                if !self.warned {
                    tracing::warn!(folder = %self.dir.display(), %error, "the system sends no events about this \
                        folder; set RULES_WATCH=poll to do without them");
                }
                self.warned = true;
                false
            }
        }
    }

    fn watch(&self) -> notify::Result<RecommendedWatcher> {
        let (dir, folder_moved, sender) =
            (self.dir.clone(), Arc::clone(&self.folder_moved), self.sender.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event {
                // Reading the file sends an event, too, and this thread reads it.
                Ok(event) if is_reading(event.kind) => return,
                Ok(event) if !event.paths.contains(&dir) => {}
                Ok(_) | Err(_) => folder_moved.store(true, Ordering::Release),
            }
            // A full channel will already wake the thread.
            let _ = sender.try_send(());
        })?;
        watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    /// Waits up to `limit` for an event. Returns whether one came.
    fn wait(&self, limit: Duration) -> bool {
        self.wakes.recv_timeout(limit).is_ok()
    }
}

fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// What distinguishes a folder from another one that took its name.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    created: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, u64),
}

impl Identity {
    fn of(dir: &Path) -> Option<Self> {
        let metadata = fs::metadata(dir).ok().filter(fs::Metadata::is_dir)?;
        Some(Self {
            created: metadata.created().ok(),
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt;
                (metadata.dev(), metadata.ino())
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, ModifyKind};

    #[test]
    fn reading_a_file_is_no_reason_to_read_it_again() {
        assert!(is_reading(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(is_reading(EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(!is_reading(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(!is_reading(EventKind::Create(CreateKind::File)));
        assert!(!is_reading(EventKind::Modify(ModifyKind::Any)));
    }
}
