//! Saves a rule's file for a person who edits it in the browser, while others may edit it on disk.
//!
//! Except in the two gaps that `rule_replace` names, nothing is overwritten that the person hasn't seen: the file is compared with the
//! entity tag that they edited, and again when the new file takes its name. A watcher never sees half a file, because the new one is complete before that.
//!
//! The new file has the mode of the old one, and its owner if this process may give files away. A process that may not becomes the
//! owner.

use crate::rule_replace::replace;
use dojo_rules::{EditedFile, FileError, Reading, RuleError, RuleKind, utf8_text};
use sha2::{Digest as _, Sha256};
use std::{
    borrow::Cow,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

const BYTE_ORDER_MARK: &str = "\u{feff}";
/// How many symbolic links in a row are followed, as on Linux.
const MAX_LINKS: usize = 40;

/// A file that was saved.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) version: String,
    pub(crate) tag: String,
}

/// Why a file wasn't saved. It is as it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SaveError {
    /// The file isn't the one that the person edited. Has the present tag.
    #[error("the file on disk has changed")]
    Changed(String),
    /// What has the file's name can't be edited here, such as a folder.
    #[error(transparent)]
    NotEditable(#[from] FileError),
    /// The source is longer than this many bytes.
    #[error("the source is larger than {0} bytes")]
    TooLarge(usize),
    /// The source isn't a rule that can be in force.
    #[error(transparent)]
    Invalid(#[from] RuleError),
    /// The file isn't text.
    #[error("the file isn't UTF-8 text, so it couldn't be put back when the run ends: put a text file there")]
    NotText,
    /// The system refuses to write here.
    #[error("{0}")]
    ReadOnly(#[source] io::Error),
    /// Writing failed.
    #[error("{0}")]
    Failed(#[source] io::Error),
}

impl From<io::Error> for SaveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(error),
            _ => Self::Failed(error),
        }
    }
}

/// Returns the entity tag of a file: another one for other bytes. A missing file has one, too, because it can be created.
/// `None` for what can't be edited.
pub(crate) fn tag(reading: &Reading) -> Option<String> {
    match reading {
        Ok(bytes) => {
            let digest = Sha256::digest(bytes);
            let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            Some(format!("\"{digits}\""))
        }
        Err(FileError::Missing) => Some("\"missing\"".to_owned()),
        Err(_) => None,
    }
}

/// Returns the entity tag of a file with that text; without a text, of a missing file.
pub(crate) fn tag_of(text: Option<&str>) -> String {
    tag(&text.map(|text| text.as_bytes().to_vec()).ok_or(FileError::Missing)).unwrap_or_default()
}

/// What saving a source would change.
#[derive(Debug)]
pub(crate) struct FileChange {
    /// Tag of the present file.
    pub(crate) present: String,
    /// Text of the present file; `None` if there is no file.
    pub(crate) before: Option<String>,
    /// Tag of the file that would be saved.
    pub(crate) tag: String,
}

/// Returns what [`save`] would change. Blocks the thread.
///
/// # Errors
/// The file can't be saved, or must not be; or it isn't text, so that nobody could put it back.
pub(crate) fn change(
    file: &EditedFile,
    kind: RuleKind,
    expected: impl Fn(&str) -> bool,
    source: &str,
) -> Result<FileChange, SaveError> {
    let present = file.read();
    let tag_of_present = expect(&present, expected)?;
    let (text, _) = checked(file, kind, &present, source)?;
    let before = match present {
        Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| SaveError::NotText)?),
        Err(_) => None,
    };
    Ok(FileChange { present: tag_of_present, before, tag: tag_of(Some(&text)) })
}

/// Makes `text` the file again, whatever it says, if the tag of the present one is `expected`; without a text, removes the file.
/// Blocks the thread.
///
/// # Errors
/// The file is another one, or can't be written.
pub(crate) fn put_back(file: &EditedFile, expected: &str, text: Option<&str>) -> Result<(), SaveError> {
    let present = file.read();
    expect(&present, |tag| tag == expected)?;
    match text {
        Some(text) => write(file, &present, |tag| tag == expected, text),
        None if present.is_ok() => Ok(fs::remove_file(target(file.path())?)?),
        None => Ok(()),
    }
}

/// Returns the tag of the present file if it is expected.
fn expect(present: &Reading, expected: impl Fn(&str) -> bool) -> Result<String, SaveError> {
    match tag(present) {
        Some(tag) if expected(&tag) => Ok(tag),
        Some(tag) => Err(SaveError::Changed(tag)),
        None => Err(SaveError::NotEditable(present.clone().err().unwrap_or(FileError::Missing))),
    }
}

/// Returns `source` in the form of the present file, and its version as a rule.
fn checked<'a>(
    file: &EditedFile,
    kind: RuleKind,
    present: &Reading,
    source: &'a str,
) -> Result<(Cow<'a, str>, String), SaveError> {
    let text = fitting(file, present, source)?;
    let version = kind.check(&file.path().display().to_string(), without_mark(&text))?;
    Ok((text, version))
}

/// Returns the source that a rule would have once it was saved: with the line ends of the present file. Blocks the thread.
///
/// # Errors
/// [`SaveError::TooLarge`].
pub(crate) fn as_saved(file: &EditedFile, source: &str) -> Result<String, SaveError> {
    let text = fitting(file, &file.read(), source)?;
    Ok(without_mark(&text).to_owned())
}

/// Returns `source` in the form of the present file, if it isn't too large.
fn fitting<'a>(file: &EditedFile, present: &Reading, source: &'a str) -> Result<Cow<'a, str>, SaveError> {
    let text = with_form_of(present.as_deref().unwrap_or_default(), source);
    if text.len() <= file.max_bytes() { Ok(text) } else { Err(SaveError::TooLarge(file.max_bytes())) }
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Saves `source` if the file's tag is `expected` and the source is a rule. A byte order mark and the line ends of the present
/// file stay. Blocks the thread.
///
/// # Errors
/// The file can't be saved, or must not be.
pub(crate) fn save(
    file: &EditedFile,
    kind: RuleKind,
    expected: impl Fn(&str) -> bool,
    source: &str,
) -> Result<Saved, SaveError> {
    let present = file.read();
    expect(&present, &expected)?;
    let (text, version) = checked(file, kind, &present, source)?;
    write(file, &present, expected, &text)?;
    Ok(Saved { version, tag: tag_of(Some(&text)) })
}

/// Makes `text` the file, if its tag is still `expected`.
fn write(
    file: &EditedFile,
    present: &Reading,
    expected: impl Fn(&str) -> bool,
    text: &str,
) -> Result<(), SaveError> {
    let unchanged = |now: &Reading| expect(now, &expected).map(drop);
    let target = target(file.path())?;
    let folder = target.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut beside = beside(&target, folder)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_all()?;
    if present.is_ok() {
        replace(beside, &EditedFile::new(target.clone(), file.max_bytes()), unchanged)?;
    } else {
        unchanged(&file.read())?;
        beside.persist_noclobber(&target).map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => changed(file),
            _ => failed.error.into(),
        })?;
    }
    // So that the name survives a power cut. Not every file system can do it, and the file is in place.
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

fn changed(file: &EditedFile) -> SaveError {
    SaveError::Changed(tag(&file.read()).unwrap_or_default())
}

/// Creates a file beside the target, with the permissions and the owner of the target.
fn beside(target: &Path, folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rule.").suffix(".new");
    let old = fs::metadata(target);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask limits the permissions of a new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let beside = builder.tempfile_in(folder)?;
    if let Ok(old) = old {
        #[cfg(unix)]
        give_to_owner(beside.as_file(), &old)?;
        beside.as_file().set_permissions(old.permissions())?;
    }
    Ok(beside)
}

/// Gives a new file the owner of an old one, as far as the system allows it: root may choose the user, others only a group they are in.
#[cfg(unix)]
fn give_to_owner(new: &fs::File, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let own = new.metadata()?;
    if own.gid() != old.gid() {
        let _ = fchown(new, None, Some(old.gid()));
    }
    if own.uid() != old.uid() {
        let _ = fchown(new, Some(old.uid()), None);
    }
    Ok(())
}

/// Returns the file that `path` stands for. A symbolic link stays, and what it points to is written.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&path) {
            Ok(to) => path = path.parent().unwrap_or(Path::new("")).join(to),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many symbolic links"))
}

/// Returns `source` with the byte order mark and the line ends of `present`: a browser sends neither.
fn with_form_of<'a>(present: &[u8], source: &'a str) -> Cow<'a, str> {
    let mark = if present.starts_with(BYTE_ORDER_MARK.as_bytes()) { BYTE_ORDER_MARK } else { "" };
    let first_line = utf8_text(present).unwrap_or_default().split_inclusive('\n').next().unwrap_or_default();
    let has_crlf = first_line.ends_with("\r\n");
    let own = without_mark(source);
    if mark.is_empty() && !has_crlf && !own.contains("\r\n") {
        return Cow::Borrowed(own);
    }
    let lines = own.replace("\r\n", "\n");
    let lines = if has_crlf { lines.replace('\n', "\r\n") } else { lines };
    Cow::Owned(format!("{mark}{lines}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_in(folder: &Path) -> EditedFile {
        EditedFile::new(folder.join("fraud.rhai"), 1_000)
    }

    fn saved(file: &EditedFile, source: &str) -> Result<Saved, SaveError> {
        let present = tag(&file.read()).unwrap();
        save(file, RuleKind::Fraud, |tag| tag == present, source)
    }

    #[test]
    fn a_byte_order_mark_and_line_ends_stay_as_they_are_on_disk() {
        for (present, source, written) in [
            ("[]\n", "[]\n[]\n", "[]\n[]\n"),
            ("[]\n", "\u{feff}[]\r\n", "[]\n"),
            ("[]\r\n", "[]\n[]\n", "[]\r\n[]\r\n"),
            ("\u{feff}[]\r\n", "[]\n", "\u{feff}[]\r\n"),
        ] {
            assert_eq!(with_form_of(present.as_bytes(), source), written, "{present:?}");
        }
    }

    #[test]
    fn a_missing_file_is_created_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = rule_in(folder.path());
        let saved = saved(&file, "[]").unwrap();
        assert_eq!(file.read(), Ok(b"[]".to_vec()));
        assert_eq!(tag(&file.read()), Some(saved.tag));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_changes_while_the_draft_is_checked_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let file = rule_in(folder.path());
        fs::write(file.path(), "[]").unwrap();
        let present = tag(&file.read()).unwrap();
        // The first comparison sees the file as it was, and the second one what was saved since.
        let changes_once = |tag: &str| {
            let is_expected = tag == present;
            fs::write(file.path(), "[] // by another editor").unwrap();
            is_expected
        };
        let refused = save(&file, RuleKind::Fraud, changes_once, "[] // mine").unwrap_err();
        assert!(matches!(refused, SaveError::Changed(tag) if tag != present));
        assert_eq!(file.read(), Ok(b"[] // by another editor".to_vec()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_rule_that_is_broken_or_too_long_is_not_saved() {
        let folder = tempfile::tempdir().unwrap();
        let file = rule_in(folder.path());
        assert!(matches!(saved(&file, "[").unwrap_err(), SaveError::Invalid(_)));
        let long = format!("[] // {}", "x".repeat(1_000));
        assert!(matches!(saved(&file, &long).unwrap_err(), SaveError::TooLarge(1_000)));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_of_a_file_stays_and_a_link_still_points_to_it() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("shared.rhai");
        fs::write(&target, "[]").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        let file = rule_in(folder.path());
        symlink(&target, file.path()).unwrap();
        saved(&file, "[] // new").unwrap();
        assert!(fs::symlink_metadata(file.path()).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "[] // new");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn the_owner_of_a_file_stays_where_this_process_may_give_files_away() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        let folder = tempfile::tempdir().unwrap();
        let file = rule_in(folder.path());
        fs::write(file.path(), "[]").unwrap();
        if chown(file.path(), Some(12_345), Some(23_456)).is_err() {
            println!("skipped: only root can give files away");
            return;
        }
        saved(&file, "[] // new").unwrap();
        let now = fs::metadata(file.path()).unwrap();
        assert_eq!((now.uid(), now.gid()), (12_345, 23_456));
    }

    #[test]
    fn of_two_people_who_save_the_same_file_one_is_told_that_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = rule_in(folder.path());
        fs::write(file.path(), "[]").unwrap();
        let present = tag(&file.read()).unwrap();
        save(&file, RuleKind::Fraud, |tag| tag == present, "[] // Ada").unwrap();
        let second = save(&file, RuleKind::Fraud, |tag| tag == present, "[] // Bob").unwrap_err();
        assert!(matches!(second, SaveError::Changed(_)));
        assert_eq!(file.read(), Ok(b"[] // Ada".to_vec()));
    }
}
