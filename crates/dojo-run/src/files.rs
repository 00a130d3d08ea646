//! The files and folders that a selection of scenarios consists of, each with a stamp that tells whether it has changed since.

use crate::candidate::scenario_files;
use dojo_scenario::MAX_BYTES;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// A file's modification time and the hash of its content, or the names in a folder, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// A file, as long as a scenario can be.
    File { modified: Option<SystemTime>, content: u64 },
    /// A folder, with the scenarios in it.
    Folder(Vec<PathBuf>),
    /// Nothing that can be read.
    Absent,
}

impl Stamp {
    /// Returns what is there now.
    pub fn of(path: &Path) -> Self {
        let stamp = if path.is_dir() {
            scenario_files(path).map(Self::Folder)
        } else {
            read(path).map(|(stamp, _)| stamp)
        };
        stamp.unwrap_or(Self::Absent)
    }
}

/// Every file and folder that was read.
#[derive(Debug, Default)]
pub(crate) struct Files(RefCell<BTreeMap<PathBuf, Stamp>>);

impl Files {
    /// Reads a file up to one byte more than is allowed, which is enough for an error about its size.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let read = read(path);
        let stamp = read.as_ref().map_or(Stamp::Absent, |(stamp, _)| stamp.clone());
        self.0.borrow_mut().insert(path.to_owned(), stamp);
        read.map(|(_, bytes)| bytes)
    }

    /// Returns the scenarios that are directly in a folder, sorted.
    pub fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let listed = scenario_files(folder);
        let stamp = listed.as_ref().map_or(Stamp::Absent, |files| Stamp::Folder(files.clone()));
        self.0.borrow_mut().insert(folder.to_owned(), stamp);
        listed
    }

    /// Returns everything that was read, as it was then.
    pub fn into_stamps(self) -> BTreeMap<PathBuf, Stamp> {
        self.0.into_inner()
    }
}

fn read(path: &Path) -> io::Result<(Stamp, Vec<u8>)> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    // Before the content: a change between the two is then a change since.
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let mut content = DefaultHasher::new();
    bytes.hash(&mut content);
    Ok((Stamp::File { modified, content: content.finish() }, bytes))
}
