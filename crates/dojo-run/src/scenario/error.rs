//! Why a scenario cannot be parsed, in the form that mends it fastest: what, where, the line itself, and what to write.
//!
//! Two sources say "no": the YAML parser, in serde's words, which are put into ours here; and our own checks.

use serde_yaml::Error as YamlError;
use std::fmt;

/// A place in the text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// Where a text begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a scenario cannot be parsed. `Display` is the whole message, over several lines, without a line end at its end.
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

    /// An error at one place.
    pub(super) fn at(file: &str, source: &str, position: Position, message: String) -> Self {
        // libyaml ends lines where YAML does; `lines` knows the two ends that editors write.
        let line = source.lines().nth(position.line.saturating_sub(1)).unwrap_or_default().to_owned();
        Self { file: file.into(), message, help: None, place: Some((position, line)) }
    }

    /// What the YAML parser says about `source`.
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

    /// Where it is, if it is at one place.
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

/// As much of a line as fits a terminal, around the place, and how many characters stand before it there.
fn excerpt(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 120;
    const BEFORE: usize = 60;
    let caret = column.saturating_sub(1);
    let skipped = if line.chars().count() > WIDTH { caret.saturating_sub(BEFORE) } else { 0 };
    (printable(&line.chars().skip(skipped).take(WIDTH).collect::<String>()), caret - skipped)
}

/// A scenario from elsewhere must not steer the terminal that shows its errors.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The parser's message without the path before it and the place behind it, which are shown in our own way.
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

/// Serde's words in ours, and what to do about it. Words that are not known stay as they are.
fn rephrase(message: &str) -> (String, Option<String>) {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    for kind in ["unknown field", "unknown variant"] {
        let Some((named, known)) = message.strip_prefix(kind).and_then(|rest| rest.split_once(", expected "))
        else {
            continue;
        };
        let (named, known) = (named.trim().trim_matches('`'), quoted(known));
        let said = match (nearest(named, &known), kind) {
            (None, _) if named == "<<" => {
                "YAML's merge key `<<` is not taken; write the members out".to_owned()
            }
            (Some(near), _) => format!("unknown name `{named}`; did you mean `{near}`?"),
            (None, "unknown field") => format!("unknown name `{named}`; take it away"),
            (None, _) => format!("unknown name `{named}`"),
        };
        return (said, Some(format!("known here: {}", known.join(", "))));
    }
    if let Some(field) = message.strip_prefix("missing field ") {
        let help =
            "add it; a member belongs to the name above it only if it is indented further than that name";
        return (format!("{field} is missing here"), Some(help.to_owned()));
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

/// Words of the YAML parser that say too little, and ours for them.
const REPLACED: &[(&str, &str)] = &[
    ("repetition limit exceeded", "the aliases unfold to too much; write it out, or make it a `flood`"),
    ("EOF while parsing a value", "there is nothing in it; a scenario has at least `name` and `steps`"),
    (
        "more than one document",
        "there is a second document after `---`; give each scenario a file of its own",
    ),
    (
        "unknown anchor",
        "this alias has no anchor; put `&` and its name before the value it stands for, further up",
    ),
];

/// Words of the YAML scanner that are right but do not say what to do.
const EXPLAINED: &[(&str, &str)] = &[
    ("cannot start any token", "indent with spaces, not with tabs; quote text that begins with a sign"),
    ("mapping values are not allowed", "quote text that has a `:` in it, or look at the indentation"),
    (
        "did not find expected",
        "look before this place: is a bracket, a quote or a comma missing, or a line indented unlike its neighbours?",
    ),
];

/// What serde calls a found value, in a facilitator's words.
fn plain(found: &str) -> String {
    match found {
        "unit value" | "Option value" => "nothing".to_owned(),
        "map" | "a map" => "a mapping (`name: value`)".to_owned(),
        "sequence" => "a list".to_owned(),
        "enum" => "a YAML tag (`!…`)".to_owned(),
        other => other.replacen("string ", "text ", 1),
    }
}

/// The known name that was probably meant.
fn nearest<'a>(named: &str, known: &'a [String]) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&named.to_lowercase(), &name.to_lowercase());
    let best = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_serde_that_are_not_known_stay_as_they_are() {
        assert_eq!(rephrase("something new in serde").0, "something new in serde");
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let line = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let (shown, caret) = excerpt(&line, 501);
        assert_eq!((shown.chars().nth(caret), shown.chars().count()), (Some('x'), 120));
    }

    #[test]
    fn a_scenario_cannot_steer_the_terminal() {
        let error = ParseError::at("f", "a\u{1b}[2Jb", Position::START, "bad \u{7}".into());
        assert!(!error.to_string().contains(['\u{1b}', '\u{7}']), "{error}");
    }
}
