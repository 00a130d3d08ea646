//! Gives a new file the name of an old one, unless the old one isn't the expected one any more.
//!
//! Another program can save between a comparison and a rename, and the rename would destroy what it saved. So on Linux the two files
//! exchange their names in one step, and then the old one is compared: if another program has saved it, it gets its name back.
//!
//! Two gaps remain. Elsewhere, and on file systems that can't exchange names, the comparison is made just before the rename. And what a
//! program writes into the old file after the comparison, because it had opened the file before, is lost with the old file.

use dojo_rules::{EditedFile, FileError, Reading};
use std::{io, path::Path};
use tempfile::NamedTempFile;

/// How often a file gets its name back from a program that saves again and again.
const MAX_RETURNS: usize = 10;

/// Replaces the file `target` by `new` if `check` accepts what `target` has. Blocks the thread.
///
/// # Errors
/// That of `check`, or the system's. The file is as another program saved it last.
pub(crate) fn replace<E: From<io::Error>>(
    new: NamedTempFile,
    target: &EditedFile,
    check: impl Fn(&Reading) -> Result<(), E>,
) -> Result<(), E> {
    check(&target.read())?;
    let beside = EditedFile::new(new.path().to_owned(), target.max_bytes());
    let mut put = beside.read();
    match exchange(new.path(), target.path()) {
        Ok(()) => {}
        Err(error) if is_unsupported(&error) => {
            new.persist(target.path()).map_err(|failed| failed.error)?;
            return Ok(());
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return check(&Err(FileError::Missing)).and(Err(error.into()));
        }
        Err(error) => return Err(error.into()),
    }
    // Dropping `new` removes the old file, which has its name now.
    let mut old = beside.read();
    let Err(refused) = check(&old) else { return Ok(()) };
    for _ in 0..MAX_RETURNS {
        match exchange(new.path(), target.path()) {
            Ok(()) => {}
            // The other program has removed its file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(refused),
            Err(error) => return Err(kept(new, &error).into()),
        }
        let returned = beside.read();
        if returned == put {
            return Err(refused);
        }
        // The other program has saved once more, and the newest file must have the name.
        put = std::mem::replace(&mut old, returned);
    }
    Err(kept(new, &io::Error::other("another program keeps saving it")).into())
}

/// Leaves the file of the other program where it is, and says where that is.
fn kept(old: NamedTempFile, why: &io::Error) -> io::Error {
    let path = old.path().display().to_string();
    match old.keep() {
        Ok(_) => io::Error::other(format!("{why}; what another program saved is in {path}")),
        Err(failed) => failed.error,
    }
}

#[cfg(target_os = "linux")]
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

#[cfg(not(target_os = "linux"))]
fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns whether the system or the file system can't exchange names.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::{cell::Cell, fs, path::PathBuf};

    const CHANGED: &str = "the file isn't the old one";

    /// Saves the text, as another program does.
    type Save = fn(&Path, &str);

    fn in_place(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    fn by_renaming(path: &Path, text: &str) {
        let new = path.with_extension("tmp");
        fs::write(&new, text).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// A folder with a file that has the text `old`.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            fs::write(folder.path(), "old").unwrap();
            folder
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("fraud.rhai")
        }

        /// Replaces the file by `new` if it has the text `old`. `meanwhile` is called right after each comparison, from 1.
        fn replace(&self, meanwhile: impl Fn(usize)) -> io::Result<()> {
            let new = NamedTempFile::new_in(self.0.path()).unwrap();
            fs::write(new.path(), "new").unwrap();
            let comparisons = Cell::new(0);
            replace(new, &EditedFile::new(self.path(), 100), |reading| {
                comparisons.set(comparisons.get() + 1);
                let is_old = *reading == Ok(b"old".to_vec());
                meanwhile(comparisons.get());
                if is_old { Ok(()) } else { Err(io::Error::other(CHANGED)) }
            })
        }

        /// What the file has; nothing is left beside it.
        fn has(&self) -> Option<String> {
            let text = fs::read_to_string(self.path()).ok();
            assert_eq!(fs::read_dir(self.0.path()).unwrap().count(), usize::from(text.is_some()));
            text
        }
    }

    #[test]
    fn a_file_that_nobody_changes_is_replaced() {
        let folder = Folder::new();
        folder.replace(|_| ()).unwrap();
        assert_eq!(folder.has().as_deref(), Some("new"));
    }

    #[test]
    fn what_is_saved_after_the_last_comparison_gets_its_name_back() {
        for save in [in_place as Save, by_renaming] {
            let folder = Folder::new();
            let refused = folder.replace(|n| {
                if n == 1 {
                    save(&folder.path(), "other")
                }
            });
            assert_eq!(refused.unwrap_err().to_string(), CHANGED);
            assert_eq!(folder.has().as_deref(), Some("other"));
        }
    }

    #[test]
    fn what_is_saved_while_a_file_gets_its_name_back_stays() {
        for save in [in_place as Save, by_renaming] {
            let folder = Folder::new();
            let refused = folder.replace(|n| save(&folder.path(), &format!("other {n}")));
            assert_eq!(refused.unwrap_err().to_string(), CHANGED);
            assert_eq!(folder.has().as_deref(), Some("other 2"));
        }
    }

    #[test]
    fn a_file_that_is_removed_after_the_last_comparison_is_not_created() {
        let folder = Folder::new();
        let refused = folder.replace(|n| {
            if n == 1 {
                fs::remove_file(folder.path()).unwrap()
            }
        });
        assert_eq!(refused.unwrap_err().to_string(), CHANGED);
        assert_eq!(folder.has(), None);
    }

    #[test]
    fn a_folder_that_takes_the_name_after_the_last_comparison_keeps_it() {
        let folder = Folder::new();
        let refused = folder.replace(|n| {
            if n == 1 {
                fs::remove_file(folder.path()).unwrap();
                fs::create_dir(folder.path()).unwrap();
            }
        });
        assert_eq!(refused.unwrap_err().to_string(), CHANGED);
        assert!(folder.path().is_dir());
    }
}
