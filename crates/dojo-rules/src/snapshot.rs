//! What is to be found where a rule's file should be: its text, or why there is none.
//!
//! Reads at most what a rule may have, and only from a regular file: a pipe of that name would block for ever.

use crate::{RuleError, RuleErrorKind, sandbox::MAX_SOURCE};
use std::{fs, io, io::Read, path::Path};

/// The file at one moment; two equal ones mean that there is nothing new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Snapshot {
    /// No file, or no folder.
    Missing,
    /// Something that cannot be read as a file, and why.
    Unreadable(String),
    /// Bytes of a file, at most one more than a rule may have.
    Bytes(Vec<u8>),
}

impl Snapshot {
    pub fn take(path: &Path) -> Self {
        match read(path) {
            Ok(bytes) => Self::Bytes(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::Missing,
            Err(error) => Self::Unreadable(error.to_string()),
        }
    }

    /// The source in it.
    ///
    /// # Errors
    /// There is none, and why; `file` is what the error calls it.
    pub fn source<'a>(&'a self, file: &str) -> Result<&'a str, RuleError> {
        let wrong = |message: String| RuleError::whole(RuleErrorKind::Source, file, message);
        let bytes = match self {
            Self::Missing => return Err(wrong("the file is missing".to_owned())),
            Self::Unreadable(why) => return Err(wrong(format!("the file cannot be read: {why}"))),
            Self::Bytes(bytes) if bytes.len() > MAX_SOURCE => {
                return Err(wrong(format!("the file has more than the {MAX_SOURCE} bytes a rule may have")));
            }
            Self::Bytes(bytes) => bytes,
        };
        // Some editors start a file with a byte-order mark.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            let message = "the text is not UTF-8: save the file in that encoding".to_owned();
            RuleError { line: Some(line), ..wrong(message) }
        })
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_SOURCE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
