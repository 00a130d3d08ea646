//! Waits until a file of the scenarios changes: its content, or the time at which it was saved.

use crate::files::Stamp;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Some editors write a file in several steps, so a change counts once two looks in a row see the same.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

type Stamps = BTreeMap<PathBuf, Stamp>;

/// Waits until a file or folder isn't any more as it was. Returns what has changed, in words.
pub(super) async fn until_changed(before: &Stamps) -> Vec<String> {
    loop {
        sleep(LOOK_EVERY).await;
        let mut now = look(before).await;
        let deadline = Instant::now() + SETTLED_WITHIN;
        while now != *before && Instant::now() < deadline {
            sleep(LOOK_AGAIN_AFTER).await;
            let later = look(before).await;
            if later == now {
                break;
            }
            now = later;
        }
        let changes = changes(before, &now);
        if !changes.is_empty() {
            return changes;
        }
    }
}

async fn look(paths: &Stamps) -> Stamps {
    let paths: Vec<PathBuf> = paths.keys().cloned().collect();
    let look = move || {
        let stamp = |path: PathBuf| (Stamp::of(&path), path);
        paths.into_iter().map(stamp).map(|(stamp, path)| (path, stamp)).collect()
    };
    // Fails only if the runtime is shutting down, and then nobody waits for this.
    spawn_blocking(look).await.unwrap_or_default()
}

fn changes(before: &Stamps, now: &Stamps) -> Vec<String> {
    let change = |(path, now): (&PathBuf, &Stamp)| in_words(path, before.get(path)?, now);
    now.iter().filter_map(change).collect()
}

fn in_words(path: &Path, before: &Stamp, now: &Stamp) -> Option<String> {
    let shown = path.display();
    match (before, now) {
        _ if before == now => None,
        (_, Stamp::Absent) => Some(format!("{shown} was deleted")),
        (Stamp::Absent, _) => Some(format!("{shown} is there")),
        (Stamp::File { content: before, .. }, Stamp::File { content: now, .. }) if before == now => {
            Some(format!("{shown} was saved without a change"))
        }
        (Stamp::Folder(before), Stamp::Folder(now)) => {
            let added: Vec<_> = now.iter().filter(|file| !before.contains(file)).collect();
            // A file that was deleted says so itself.
            let shown = added.iter().map(|file| format!("{} was added", file.display())).collect::<Vec<_>>();
            Some(if shown.is_empty() {
                format!("{} has fewer files", path.display())
            } else {
                shown.join(", ")
            })
        }
        _ => Some(format!("{shown} changed")),
    }
}
