//! Notices that a file has changed, whatever way it was saved and wherever it lies.
//!
//! The folder is watched, not the file: most editors write a new file and rename it over the old one, and a watch on
//! the file would stay with the old. The folder itself may come late, go and come back. And some file systems (network
//! shares, containers' mounts) give no events at all, so unless told otherwise the file is also read four times a
//! second: a few kilobytes, compared byte by byte, because neither time nor length tells two quick saves apart.

use crate::snapshot::Snapshot;
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

/// How often the file is read where no event says to, and how soon the thread notices that it is to end.
const PERIOD: Duration = Duration::from_millis(250);
/// How long a file must stay the same before it counts as saved: an editor that writes in place leaves it empty, or cut
/// off, for a moment.
const SETTLE: Duration = Duration::from_millis(40);
/// How often a file that keeps changing is read again before it has to wait for the next look.
const PATIENCE: usize = 4;

/// How a rule's file is watched. As text (`RULES_WATCH`): `auto`, `native`, `poll`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WatchMode {
    /// By events and by reading it: right everywhere, and the default.
    #[default]
    Auto,
    /// By events alone, where the file is never to be read without a reason.
    Native,
    /// By reading it alone, where events are missing or too few watches are left.
    Poll,
}

impl WatchMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Native, Self::Poll];

    /// As the environment writes it.
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

/// A text that names no [`WatchMode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no way to watch rules: write auto, native or poll")]
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

/// Whoever wants to know.
pub(crate) trait Look: Send + 'static {
    /// Whether there is still somebody; the watching ends when there is not.
    fn is_wanted(&self) -> bool;
    /// The file has changed, and this is what it has come to.
    fn changed(&mut self, found: &Snapshot);
}

/// Starts a thread that tells `look` of every change after `seen`, until `shutdown`.
///
/// # Errors
/// The system gives no more threads.
pub(crate) fn spawn(
    path: PathBuf,
    mode: WatchMode,
    seen: Snapshot,
    shutdown: CancellationToken,
    look: impl Look,
) -> io::Result<()> {
    thread::Builder::new()
        .name("rule-watch".to_owned())
        .spawn(move || follow(&path, mode, seen, &shutdown, look))?;
    Ok(())
}

fn follow(
    path: &Path,
    mode: WatchMode,
    mut seen: Snapshot,
    shutdown: &CancellationToken,
    mut look: impl Look,
) {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut events = Events::new(dir);
    while !shutdown.is_cancelled() && look.is_wanted() {
        // What happened before the watch began gave no event, so its beginning is a reason to look, too.
        let attached = mode != WatchMode::Poll && events.attach();
        let woken = attached || events.wait(PERIOD);
        if (woken || mode != WatchMode::Native)
            && let Some(found) = settled(&seen, || Snapshot::take(path))
        {
            look.changed(&found);
            seen = found;
        }
    }
}

/// What the file has come to, if that is not `seen` and it has stopped changing.
fn settled(seen: &Snapshot, mut take: impl FnMut() -> Snapshot) -> Option<Snapshot> {
    let mut found = take();
    for _ in 0..PATIENCE {
        if found == *seen {
            return None;
        }
        thread::sleep(SETTLE);
        let again = take();
        if again == found {
            return Some(found);
        }
        found = again;
    }
    None
}

/// The system's events about one folder, for as long as it is the same folder.
struct Events {
    dir: PathBuf,
    watched: Option<(RecommendedWatcher, Identity)>,
    /// Set by an event that concerns the folder itself: the watch may have died with it.
    folder_moved: Arc<AtomicBool>,
    sender: mpsc::SyncSender<()>,
    wakes: mpsc::Receiver<()>,
    complained: bool,
}

impl Events {
    fn new(dir: &Path) -> Self {
        // A single place: a thousand events wake once.
        let (sender, wakes) = mpsc::sync_channel(1);
        Self {
            dir: dir.to_owned(),
            watched: None,
            folder_moved: Arc::default(),
            sender,
            wakes,
            complained: false,
        }
    }

    /// Sees to it that the folder that is there now is the one being watched; true when that took a new watch.
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
                self.complained = false;
                true
            }
            Err(error) => {
                if !self.complained {
                    tracing::warn!(folder = %self.dir.display(), %error, "the system gives no events about this \
                        folder; RULES_WATCH=poll does without them");
                }
                self.complained = true;
                false
            }
        }
    }

    fn watch(&self) -> notify::Result<RecommendedWatcher> {
        let (dir, folder_moved, sender) =
            (self.dir.clone(), Arc::clone(&self.folder_moved), self.sender.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event {
                // Reading the file is an event as well, and one that we cause ourselves.
                Ok(event) if is_mere_reading(event.kind) => return,
                Ok(event) if !event.paths.contains(&dir) => {}
                Ok(_) | Err(_) => folder_moved.store(true, Ordering::Release),
            }
            // Full means that a wake is on its way already.
            let _ = sender.try_send(());
        })?;
        watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }

    /// Waits for an event, at most for `limit`; true when one came.
    fn wait(&self, limit: Duration) -> bool {
        self.wakes.recv_timeout(limit).is_ok()
    }
}

fn is_mere_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Tells a folder from another one that took its name.
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

    /// What comes of a file that reads as `texts`, one after the other, and was `one` before.
    fn settled_on(texts: &[&str]) -> Option<Snapshot> {
        let mut texts = texts.iter();
        settled(&text("one"), || text(texts.next().expect("no more reading than that")))
    }

    fn text(text: &str) -> Snapshot {
        Snapshot::Bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn a_file_counts_when_it_reads_the_same_twice() {
        assert_eq!(settled_on(&["two", "two"]), Some(text("two")));
    }

    #[test]
    fn a_file_that_is_being_written_is_waited_for() {
        assert_eq!(settled_on(&["", "tw", "two", "two"]), Some(text("two")));
    }

    #[test]
    fn a_file_that_comes_back_to_what_it_was_has_not_changed() {
        assert_eq!(settled_on(&["one"]), None);
        assert_eq!(settled_on(&["", "one"]), None);
    }

    #[test]
    fn a_file_that_never_rests_is_left_for_the_next_look() {
        assert_eq!(settled_on(&["a", "b", "c", "d", "e"]), None);
    }

    #[test]
    fn reading_a_file_is_no_reason_to_read_it_again() {
        assert!(is_mere_reading(EventKind::Access(AccessKind::Open(AccessMode::Any))));
        assert!(is_mere_reading(EventKind::Access(AccessKind::Close(AccessMode::Read))));
        assert!(!is_mere_reading(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(!is_mere_reading(EventKind::Create(CreateKind::File)));
        assert!(!is_mere_reading(EventKind::Modify(ModifyKind::Any)));
    }
}
