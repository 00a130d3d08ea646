//! The files that are perhaps scenarios: what is in a folder, and which of its files are only parts of others.

use dojo_scenario::{ParseError, Scenario, Sources, is_part};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

/// Most scenarios of a folder. More are refused.
const MAX_IN_FOLDER: usize = 1_000;

/// A file that is perhaps a scenario.
#[derive(Debug)]
pub struct Candidate {
    /// Its path.
    pub file: PathBuf,
    /// The scenario, or its mistakes.
    pub parsed: Result<Scenario, ParseError>,
    /// Whether it was found in a folder and has no name, so that it may be a part of another file.
    may_be_part: bool,
    /// The files that it names, as far as it could be read.
    opened: BTreeSet<PathBuf>,
}

impl Candidate {
    /// Parses the content of a file. Reads the files that it names with `read`.
    pub fn parse(
        file: PathBuf,
        bytes: &[u8],
        in_folder: bool,
        variables: &BTreeMap<String, String>,
        read: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
    ) -> Self {
        let opened = RefCell::new(BTreeSet::new());
        let read = |path: &Path| {
            opened.borrow_mut().insert(path.to_owned());
            read(path)
        };
        let parsed = Scenario::parse(&file.display().to_string(), bytes, &Sources { read: &read, variables });
        let may_be_part = in_folder && parsed.is_err() && is_part(bytes);
        Self { file, parsed, may_be_part, opened: opened.into_inner() }
    }

    /// A file that can't be read.
    pub fn unread(file: PathBuf, error: ParseError) -> Self {
        Self { file, parsed: Err(error), may_be_part: false, opened: BTreeSet::new() }
    }
}

/// Returns the candidates without the files that others include.
pub fn without_parts(candidates: Vec<Candidate>) -> Vec<Candidate> {
    let parts: BTreeSet<_> = candidates.iter().flat_map(|one| &one.opened).map(|file| real(file)).collect();
    candidates.into_iter().filter(|one| !(one.may_be_part && parts.contains(&real(&one.file)))).collect()
}

/// Returns the `.yaml` and `.yml` files directly in a folder, sorted.
///
/// # Errors
/// The folder can't be read, or has too many of them.
pub fn scenario_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml");
        // Reading a named pipe would wait for its writer.
        if is_yaml && path.is_file() {
            files.push(path);
        }
        if files.len() > MAX_IN_FOLDER {
            return Err(io::Error::other(format!("it has more than {MAX_IN_FOLDER} scenarios")));
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the one path of a file that has several.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
