//! Reads a small file that a person edits while the program runs.
//!
//! An editor that writes in place leaves the file empty, or cut off, for a moment. So a change counts only once two
//! readings in a row agree, and nothing was written between them: of two quick saves, both readings could find the same half.
//!
//! A reading is bounded: at most one byte more than the limit is read, and from a regular file alone, so that neither a
//! pipe nor a device under the file's name can hold up the reader.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

/// How long a file must stay the same before a change counts.
const SETTLE: Duration = Duration::from_millis(40);
/// How often a file that keeps changing is read again before it counts as still being written.
const MAX_REREADS: usize = 4;

/// The bytes of an [`EditedFile`] at one moment, or the reason why it has none.
pub type Reading = Result<Vec<u8>, FileError>;

/// Why an [`EditedFile`] gives no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// The file or its folder doesn't exist.
    #[error("the file is missing")]
    Missing,
    /// The path isn't a regular file, or the system refuses to read it.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// The file is larger than this limit, in bytes.
    #[error("the file is larger than the {0} bytes allowed")]
    TooLarge(usize),
    /// This line, counted from 1, has bytes that aren't UTF-8.
    #[error("the text is not UTF-8; save the file as UTF-8")]
    NotUtf8(usize),
}

/// A file that a person may edit at any time, read within a limit.
#[derive(Debug, Clone)]
pub struct EditedFile {
    path: PathBuf,
    max_bytes: usize,
}

impl EditedFile {
    /// A file of at most `max_bytes` at `path`. It doesn't have to exist yet.
    pub fn new(path: PathBuf, max_bytes: usize) -> Self {
        Self { path, max_bytes }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The most bytes that the file may have.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Reads the file as it is now. Blocks the thread for as long as the file system takes.
    ///
    /// # Errors
    /// Any [`FileError`] but [`FileError::NotUtf8`].
    pub fn read(&self) -> Reading {
        self.read_dated().reading
    }

    /// Reads the file until it equals `known`, or two readings in a row agree in their bytes and in when they were written, and
    /// returns that reading; `None` if the file kept changing. Blocks the thread for up to 160 ms, beside what the file system takes.
    pub fn settled(&self, known: &Reading) -> Option<Reading> {
        settled(known, || self.read_dated())
    }

    fn read_dated(&self) -> Dated {
        match read_at_most(&self.path, self.max_bytes as u64 + 1) {
            Ok((bytes, written)) => {
                let fits = bytes.len() <= self.max_bytes;
                Dated {
                    reading: if fits { Ok(bytes) } else { Err(FileError::TooLarge(self.max_bytes)) },
                    written,
                }
            }
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::NotFound => FileError::Missing,
                    _ => FileError::Unreadable(error.to_string()),
                };
                Dated { reading: Err(why), written: None }
            }
        }
    }
}

/// A reading, and when the file was last written to, if the file system knows.
#[derive(Debug, PartialEq, Eq)]
struct Dated {
    reading: Reading,
    written: Option<SystemTime>,
}

/// Returns the text in `bytes`, without the byte order mark that some editors put before it.
///
/// # Errors
/// [`FileError::NotUtf8`].
pub fn utf8_text(bytes: &[u8]) -> Result<&str, FileError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        FileError::NotUtf8(1 + before.iter().filter(|&&byte| byte == b'\n').count())
    })
}

fn read_at_most(path: &Path, max_bytes: u64) -> io::Result<(Vec<u8>, Option<SystemTime>)> {
    let mut options = fs::File::options();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Without this flag, opening a pipe waits for a writer.
        options.custom_flags(libc::O_NONBLOCK);
    }
    let file = options.open(path)?;
    // Asked of the open file, because another one may have taken the name since.
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes)?;
    Ok((bytes, metadata.modified().ok()))
}

fn settled(known: &Reading, mut read: impl FnMut() -> Dated) -> Option<Reading> {
    let mut found = read();
    for _ in 0..MAX_REREADS {
        if found.reading == *known {
            return Some(found.reading);
        }
        thread::sleep(SETTLE);
        let again = read();
        if again == found {
            return Some(found.reading);
        }
        found = again;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Reading {
        Ok(text.as_bytes().to_vec())
    }

    /// Settles a file that was `one` and now reads as `texts`, one after the other, each written at its own time or all at once.
    fn settled_if(texts: &[&str], at_once: bool) -> Option<Reading> {
        let mut texts = texts.iter().enumerate();
        settled(&bytes("one"), || {
            let (n, text) = texts.next().expect("no further reading");
            let seconds = if at_once { 0 } else { n as u64 };
            Dated {
                reading: bytes(text),
                written: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            }
        })
    }

    fn settled_on(texts: &[&str]) -> Option<Reading> {
        settled_if(texts, true)
    }

    #[test]
    fn half_of_one_save_and_half_of_the_next_do_not_agree() {
        assert_eq!(settled_if(&["tw", "tw", "tw", "tw", "tw"], false), None);
        assert_eq!(settled_if(&["tw", "one"], false), Some(bytes("one")));
    }

    #[test]
    fn a_change_counts_once_two_readings_agree() {
        assert_eq!(settled_on(&["two", "two"]), Some(bytes("two")));
        assert_eq!(settled_on(&["", "tw", "two", "two"]), Some(bytes("two")));
    }

    #[test]
    fn a_file_that_reads_as_before_is_settled_at_once() {
        assert_eq!(settled_on(&["one"]), Some(bytes("one")));
        assert_eq!(settled_on(&["", "one"]), Some(bytes("one")));
    }

    #[test]
    fn a_file_that_keeps_changing_is_not_settled() {
        assert_eq!(settled_on(&["a", "b", "c", "d", "e"]), None);
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = EditedFile::new(folder.path().join("rule"), 4);
        assert_eq!(file.read(), Err(FileError::Missing));
        fs::write(file.path(), "four").unwrap();
        assert_eq!(file.read(), bytes("four"));
        fs::write(file.path(), "fives").unwrap();
        assert_eq!(file.read(), Err(FileError::TooLarge(4)));
    }

    #[cfg(unix)]
    #[test]
    fn only_a_regular_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| EditedFile::new(folder.path().join(name), 4);
        let pipe = std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
        assert!(pipe.success());
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("device")).unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        for name in ["pipe", "device", "folder"] {
            let why = FileError::Unreadable("it is not a regular file".to_owned());
            assert_eq!(file(name).read(), Err(why), "{name}");
        }
    }

    #[test]
    fn text_is_utf8_without_its_byte_order_mark() {
        assert_eq!(utf8_text("\u{feff}[]".as_bytes()), Ok("[]"));
        assert_eq!(utf8_text(b"[]\n// caf\xe9\n"), Err(FileError::NotUtf8(2)));
    }
}
