//! The files of a scenario: where they come from, and what a file must be before its YAML is read.

use super::{Mistake, ParseError, Position};
use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// The longest text of a file, in bytes: far more than a person writes.
pub const MAX_BYTES: usize = 64 * 1024;
/// How many files may include one another in a chain.
const MAX_DEPTH: usize = 5;
/// Most files that a scenario opens. Otherwise a few files that include one another many times would be millions.
const MAX_FILES: usize = 100;

/// Where the files that a scenario names come from, and the variables that the caller sets.
#[derive(Clone, Copy)]
pub struct Sources<'a> {
    /// Reads a file: up to one byte more than [`MAX_BYTES`]. The path begins with the folder of the scenario as it was named.
    pub read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
    /// Values for variables of the scenario, in place of those in `vars:`.
    pub variables: &'a BTreeMap<String, String>,
}

impl fmt::Debug for Sources<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("variables", self.variables).finish_non_exhaustive()
    }
}

/// Returns the text of a file.
///
/// # Errors
/// The file is too long, or isn't UTF-8.
pub fn text_of(file: &str, bytes: &[u8]) -> Result<Arc<str>, ParseError> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is longer than {} KiB", MAX_BYTES / 1024);
        return Err(Mistake::whole(file, message, "use a `flood` for many similar orders").into());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("the file is not UTF-8 at byte {}", error.valid_up_to());
        Mistake::whole(file, message, "save the file as UTF-8")
    })?;
    // A byte order mark says nothing in UTF-8 (RFC 3629, section 6); some editors write one.
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).into())
}

/// Why a file isn't read: what is wrong, and what to do about it.
type Refusal = (String, Option<&'static str>);

/// The files that are being read: the scenario, the file that it includes, and so on.
#[derive(Debug)]
pub(super) struct Files<'a> {
    sources: Sources<'a>,
    chain: Vec<PathBuf>,
    opened: usize,
}

impl<'a> Files<'a> {
    pub(super) fn new(file: &str, sources: Sources<'a>) -> Self {
        Self { sources, chain: vec![plain(Path::new(file))], opened: 0 }
    }

    /// Reads the text of `name`, which is relative to the innermost file. Returns its path, too.
    ///
    /// # Errors
    /// What is wrong, and how to mend it.
    pub(super) fn read(&mut self, name: &str) -> Result<(PathBuf, Arc<str>), Refusal> {
        self.opened += 1;
        if self.opened > MAX_FILES {
            return Err((format!("the scenario opens more than {MAX_FILES} files"), None));
        }
        let folder = self.chain.last().and_then(|file| file.parent()).unwrap_or(Path::new(""));
        let path = plain(&folder.join(name));
        let shown = path.display();
        let bytes = (self.sources.read)(&path).map_err(|error| {
            let help = "a relative path starts in the folder of this file";
            (format!("cannot read `{shown}`: {error}"), Some(help))
        })?;
        match text_of(&shown.to_string(), &bytes) {
            Ok(text) => Ok((path, text)),
            Err(error) => {
                let reason = error.mistakes().first().map_or("", Mistake::message);
                Err((format!("cannot use `{shown}`: {reason}"), None))
            }
        }
    }

    /// Makes `path` the innermost file.
    ///
    /// # Errors
    /// The file includes itself, or the chain is too long.
    pub(super) fn enter(&mut self, path: PathBuf) -> Result<(), Refusal> {
        if self.chain.contains(&path) {
            let chain: Vec<_> =
                self.chain.iter().chain([&path]).map(|path| path.display().to_string()).collect();
            let help = "remove one of these includes";
            return Err((format!("the file includes itself: {}", chain.join(" includes ")), Some(help)));
        }
        if self.chain.len() > MAX_DEPTH {
            return Err((format!("more than {MAX_DEPTH} files include one another"), None));
        }
        self.chain.push(path);
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.chain.pop();
    }
}

/// Removes `.` and `folder/..` from a path, so that one file has one path.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if plain
                    .components()
                    .next_back()
                    .is_some_and(|last| matches!(last, Component::Normal(_))) =>
            {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// The start of a file.
pub(super) fn start_of(file: usize) -> Position {
    Position { file, ..Position::START }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_has_one_path() {
        let shown = |path: &str| plain(Path::new(path)).display().to_string();
        assert_eq!(shown("./a/../b/./c.yaml"), "b/c.yaml");
        assert_eq!(shown("../a.yaml"), "../a.yaml");
        assert_eq!(shown("/x/../a.yaml"), "/a.yaml");
    }
}
