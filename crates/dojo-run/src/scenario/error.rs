//! The error of a scenario that can't be parsed: what is wrong, where, the line itself, and what to write instead.
//!
//! Errors come from the YAML parser, whose words (serde's) are rephrased here, and from the crate's own checks.

use serde_yaml::Error as YamlError;
use std::fmt;

/// A position in the text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The start of a text.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a scenario can't be parsed. `Display` writes the whole message: several lines, without a newline at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    file: String,
    message: String,
    help: Option<String>,
    place: Option<(Position, String)>,
}

impl std::error::Error for ParseError {}

impl ParseError {
    /// An error about the text as a whole.
    pub(super) fn whole(file: &str, message: impl Into<String>, help: &str) -> Self {
        Self { file: file.into(), message: message.into(), help: Some(help.into()), place: None }
    }

    /// An error at one position.
    pub(super) fn at(file: &str, source: &str, position: Position, message: String) -> Self {
        // YAML has more line ends than `lines` knows, but editors write only the two that it knows.
        let line = source.lines().nth(position.line.saturating_sub(1)).unwrap_or_default().to_owned();
        Self { file: file.into(), message, help: None, place: Some((position, line)) }
    }

    /// The YAML parser's error about `source`.
    pub(super) fn from_yaml(file: &str, source: &str, error: &YamlError) -> Self {
        let (message, help) = rephrase(&bare_message(error));
        match error.location() {
            Some(at) => {
                let position = Position { line: at.line(), column: at.column() };
                Self { help, ..Self::at(file, source, position, message) }
            }
            None => Self { file: file.into(), message, help, place: None },
        }
    }

    /// The error's position, if it has one.
    pub fn position(&self) -> Option<Position> {
        self.place.as_ref().map(|(position, _)| *position)
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", printable(&self.message))?;
        match &self.place {
            None => write!(f, "\n  --> {}", self.file)?,
            Some((position, line)) => {
                let number = position.line.to_string();
                let margin = " ".repeat(number.len());
                let (line, caret) = excerpt(line, position.column);
                write!(f, "\n {margin} --> {}:{position}", self.file)?;
                write!(f, "\n {margin} |\n {number} | {line}\n {margin} | {}^", " ".repeat(caret))?;
            }
        }
        match &self.help {
            Some(help) => write!(f, "\n   = {}", printable(help)),
            None => Ok(()),
        }
    }
}

/// Returns the part of a line around `column` that fits a terminal, and how many of its characters are before the column.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 120;
    const BEFORE: usize = 60;
    let caret = column.saturating_sub(1);
    let skipped = if line.chars().count() > WIDTH { caret.saturating_sub(BEFORE) } else { 0 };
    (printable(&line.chars().skip(skipped).take(WIDTH).collect::<String>()), caret - skipped)
}

/// Replaces control characters, so that a scenario from elsewhere can't control the terminal that shows its errors.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Returns the parser's message without its path and its position, which `Display` shows in another form.
fn bare_message(error: &YamlError) -> String {
    let mut message = error.to_string();
    if let Some(at) = error.location() {
        let place = format!(" at line {} column {}", at.line(), at.column());
        if let Some(cut) = message.strip_suffix(&place) {
            message.truncate(cut.len());
        } else if let Some(from) = message.find(&place) {
            message.replace_range(from..from + place.len(), "");
        }
    }
    match message.split_once(": ") {
        Some((path, rest)) if is_path(path) => rest.to_owned(),
        _ => message,
    }
}

fn is_path(text: &str) -> bool {
    let root = text.split(['.', '[']).next().unwrap_or_default();
    ["name", "lesson", "settings", "steps"].contains(&root) && !text.contains('`')
}

/// Rephrases a message of serde and adds what to do about it. An unknown message stays as it is.
fn rephrase(message: &str) -> (String, Option<String>) {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    for kind in ["unknown field", "unknown variant"] {
        let Some((named, known)) = message.strip_prefix(kind).and_then(|rest| rest.split_once(", expected "))
        else {
            continue;
        };
        let (named, known) = (named.trim().trim_matches('`'), quoted(known));
        let message = match (nearest(named, &known), kind) {
            (None, _) if named == "<<" => {
                "a scenario can't use YAML's merge key `<<`; write the members out".to_owned()
            }
            (Some(near), _) => format!("unknown name `{named}`; did you mean `{near}`?"),
            (None, "unknown field") => format!("unknown name `{named}`; remove it"),
            (None, _) => format!("unknown name `{named}`"),
        };
        return (message, Some(format!("known names here: {}", known.join(", "))));
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        let help =
            "add it; a member belongs to the name above it only if it is indented further than that name";
        return (format!("{field} is missing"), Some(help.to_owned()));
    }
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) =
            message.strip_prefix(kind).and_then(|rest| rest.rsplit_once(", expected "))
        {
            return (format!("expected {}; found {}", plain(expected), plain(found)), None);
        }
    }
    for (theirs, ours) in REPLACED {
        if message.contains(theirs) {
            return ((*ours).to_owned(), None);
        }
    }
    let help =
        EXPLAINED.iter().find(|(theirs, _)| message.contains(theirs)).map(|(_, help)| (*help).to_owned());
    (message.to_owned(), help)
}

/// Messages of the YAML parser that say too little, and what replaces them.
const REPLACED: &[(&str, &str)] = &[
    ("repetition limit exceeded", "the aliases expand to too many values; write them out, or use a `flood`"),
    ("EOF while parsing a value", "the file is empty; write at least `name` and `steps`"),
    ("more than one document", "there is a second document after `---`; put each scenario into its own file"),
    ("unknown anchor", "this alias has no anchor; put `&` and its name before a value further up"),
];

/// Messages of the YAML scanner that don't say what to do, and what to do.
const EXPLAINED: &[(&str, &str)] = &[
    ("cannot start any token", "indent with spaces, not with tabs; quote text that begins with a sign"),
    ("mapping values are not allowed", "quote text that has a `:` in it, or correct the indentation"),
    (
        "did not find expected",
        "check the text before this position for a missing bracket, quote or comma, or a wrong indentation",
    ),
];

/// Replaces serde's name of a value by one that a facilitator knows.
fn plain(found: &str) -> String {
    match found {
        "unit value" | "Option value" => "nothing".to_owned(),
        "map" | "a map" => "a mapping (`name: value`)".to_owned(),
        "sequence" => "a list".to_owned(),
        "enum" => "a YAML tag (`!…`)".to_owned(),
        other => other.replacen("string ", "text ", 1),
    }
}

/// Returns the known name that was probably meant.
fn nearest<'a>(named: &str, known: &'a [String]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&named.to_lowercase(), &name.to_lowercase());
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_message_of_serde_stays_as_it_is() {
        assert_eq!(rephrase("something new in serde").0, "something new in serde");
    }

    #[test]
    fn a_long_line_is_cut_around_the_position() {
        let line = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let (shown, caret) = excerpt(&line, 501);
        assert_eq!((shown.chars().nth(caret), shown.chars().count()), (Some('x'), 120));
    }

    #[test]
    fn a_scenario_cannot_control_the_terminal() {
        let error = ParseError::at("f", "a\u{1b}[2Jb", Position::START, "bad \u{7}".into());
        assert!(!error.to_string().contains(['\u{1b}', '\u{7}']), "{error}");
    }
}
