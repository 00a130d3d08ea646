//! Finds rules and files with cases, and tells the kind of a rule by its path.

use anyhow::Context as _;
use clap::Args;
use dojo_rules::RuleKind;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of the rules.
#[derive(Debug, Clone, Args)]
pub(crate) struct RulesDir {
    /// Folder of the rules
    #[arg(long, env = "RULES_DIR", value_name = "FOLDER", default_value = "rules")]
    pub(crate) rules_dir: PathBuf,
}

/// Returns the kind of a rule by its path: `fraud.rhai`, or any name in a folder `fraud`; `notification` likewise.
///
/// # Errors
/// The path names neither kind.
pub(crate) fn kind_of(path: &Path) -> anyhow::Result<RuleKind> {
    let is_called =
        |part: Option<&std::ffi::OsStr>, kind: RuleKind| part.is_some_and(|part| part == kind.name());
    let folder = path.parent().and_then(Path::file_name);
    let kind =
        RuleKind::ALL.into_iter().find(|kind| is_called(path.file_stem(), *kind) || is_called(folder, *kind));
    kind.with_context(|| {
        format!(
            "{}: is this a fraud rule or a notification rule? Call it fraud.rhai or notification.rhai, or put it into a \
             folder called fraud or notification",
            path.display()
        )
    })
}

/// Returns the `named` files, and those with one of the `extensions` in the folders among them, sorted; without a name,
/// those in the `default` folder. Definitions for editors, which end with `.d.rhai`, aren't rules.
///
/// A file or folder that can't be read is among them, so that its reader reports why.
pub(crate) fn find(named: &[PathBuf], default: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if named.is_empty() && default.is_dir() {
        find_in(default, extensions, &mut found);
    }
    for path in named {
        if path.is_dir() {
            find_in(path, extensions, &mut found);
        } else {
            found.push(path.clone());
        }
    }
    found
}

fn find_in(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let Ok(mut entries) = entries else {
        found.push(folder.to_owned());
        return;
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Links to folders aren't followed, since they may form a circle.
        let is_definition = entry.file_name().as_encoded_bytes().ends_with(b".d.rhai");
        if entry.file_type().is_ok_and(|file_type| file_type.is_dir()) {
            find_in(&path, extensions, found);
        } else if !is_definition
            && path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
        {
            found.push(path);
        }
    }
}
