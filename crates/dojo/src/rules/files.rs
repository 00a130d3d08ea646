//! Finds rules and files with cases, and reads them.

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
/// The path doesn't tell.
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

/// Returns the files with `extension` among `paths`, and in those that are folders, sorted. Definitions for editors, which end
/// with `.d.rhai`, aren't rules.
///
/// # Errors
/// A path doesn't exist, or a folder can't be read.
pub(crate) fn find(paths: &[PathBuf], extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            find_in(path, extension, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn find_in(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = entries.with_context(|| format!("cannot read the folder {}", folder.display()))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, is_hidden) = (entry.path(), entry.file_name().as_encoded_bytes().starts_with(b"."));
        // Links to folders aren't followed, since they may form a circle.
        if entry.file_type()?.is_dir() && !is_hidden {
            find_in(&path, extension, found)?;
        } else if path.is_file()
            && path.extension().is_some_and(|e| e == extension)
            && !is_hidden
            && !entry.file_name().as_encoded_bytes().ends_with(b".d.rhai")
        {
            found.push(path);
        }
    }
    Ok(())
}
