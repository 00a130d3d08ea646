//! Puts an error of the YAML parser into words: the file, the line, the column, and the name that was probably meant.

use dojo_scenario::language::nearest;
use serde_yaml::Error;

/// Returns the error about `file` as `file:line:column: message`, which editors and terminals turn into a link.
pub(crate) fn explain(file: &str, error: &Error) -> String {
    let mut message = error.to_string();
    let mut place = file.to_owned();
    if let Some(at) = error.location() {
        let (line, column) = (at.line(), at.column());
        place = format!("{file}:{line}:{column}");
        if let Some(bare) = message.strip_suffix(&format!(" at line {line} column {column}")) {
            message.truncate(bare.len());
        }
    }
    match meant(&message) {
        Some(meant) => format!("{place}: {message}; did you mean `{meant}`?"),
        None => format!("{place}: {message}"),
    }
}

/// Returns the known name that is most like the unknown one of ``unknown field `a`, expected one of `b`, `c` ``.
fn meant(message: &str) -> Option<&str> {
    let (_, names) =
        message.split_once("unknown field ").or_else(|| message.split_once("unknown variant "))?;
    let mut quoted = names.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    nearest(unknown, quoted)
}
