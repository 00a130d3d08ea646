//! The folder of a report. A file in it is replaced in one step, so that a reader never finds half of one.

use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

/// Why a report can't be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write the report to `{folder}`: {what}: {reason}; give --report a folder that you may write to, on a disk with room"
)]
pub struct FolderError {
    folder: String,
    what: String,
    reason: Box<dyn Error + Send + Sync>,
}

/// A folder with report files.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Returns a folder, which is created if it doesn't exist.
    ///
    /// # Errors
    /// It can't be created.
    pub fn create(path: &Path) -> Result<Self, FolderError> {
        let folder = Self(path.to_owned());
        fs::create_dir_all(path).map_err(|error| folder.error("the folder can't be created", error))?;
        Ok(folder)
    }

    /// Writes a file, or replaces it.
    ///
    /// # Errors
    /// There is no text, or the file can't be written.
    pub fn write(
        &self,
        name: &str,
        text: impl FnOnce() -> Result<String, Box<dyn Error + Send + Sync>>,
    ) -> Result<(), FolderError> {
        let text = text().map_err(|error| self.error(name, error))?;
        self.replace(name, &text).map_err(|error| self.error(name, error))
    }

    fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        // Of two commands that write to one folder, each has its own new file.
        let new = self.0.join(format!(".{name}.{}", std::process::id()));
        let replaced = fs::write(&new, text).and_then(|()| fs::rename(&new, self.0.join(name)));
        if replaced.is_err() {
            let _ = fs::remove_file(&new);
        }
        replaced
    }

    fn error(&self, what: &str, reason: impl Into<Box<dyn Error + Send + Sync>>) -> FolderError {
        FolderError { folder: self.0.display().to_string(), what: what.to_owned(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_stays() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let folder = Folder::create(&path).unwrap();
        for text in ["a long text", "short"] {
            folder.write("report.json", || Ok(text.to_owned())).unwrap();
            assert_eq!(fs::read_to_string(path.join("report.json")).unwrap(), text);
        }
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_told_and_leaves_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::create(parent.path()).unwrap();
        fs::create_dir(parent.path().join("report.json")).unwrap();
        let error = folder.write("report.json", || Ok(String::new())).unwrap_err().to_string();
        assert!(error.contains("report.json: ") && error.contains("give --report a folder"), "{error}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
