//! The mistakes of a file: what is wrong, where, the line itself, and what to write instead. All of them are found at once.

use dojo_excerpt::SourceLine;
use std::{collections::HashMap, fmt, sync::Arc};

/// Most mistakes that are shown.
const SHOWN: usize = 50;
/// Most mistakes that are kept; further ones are counted.
const KEPT: usize = 200;

/// A position in a text. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Position {
    /// The file: 0 is the scenario, and each included file has the next number.
    pub file: usize,
    pub line: usize,
    pub column: usize,
}

impl Position {
    /// The start of the scenario.
    pub const START: Self = Self { file: 0, line: 1, column: 1 };
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A position in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's name, as messages show it.
    pub file: Arc<str>,
    /// The position in it.
    pub at: Position,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.at)
    }
}

/// A mistake in a file. `Display` writes the whole message: several lines, without a newline at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    file: Arc<str>,
    position: Option<Position>,
    line: Option<SourceLine>,
    message: String,
    help: Option<String>,
}

impl Mistake {
    /// A mistake of the file as a whole.
    pub fn whole(file: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            position: None,
            line: None,
            message: message.into(),
            help: Some(help.into()),
        }
    }

    /// Adds what to write instead.
    pub fn help(&mut self, help: impl Into<String>) {
        self.help = Some(help.into());
    }

    /// Adds what to write instead, if that is known.
    pub fn help_if(&mut self, help: Option<impl Into<String>>) {
        self.help = help.map(Into::into);
    }

    /// Returns what is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what to write instead, if that is known.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Returns the file, and the position in it if the mistake has one.
    pub fn place(&self) -> String {
        match self.position {
            Some(position) => format!("{}:{position}", self.file),
            None => self.file.to_string(),
        }
    }

    /// Returns where the mistake is; `None` for a mistake of the file as a whole.
    pub fn position(&self) -> Option<Position> {
        self.position
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", printable(&self.message))?;
        match (self.position, &self.line) {
            (Some(position), Some(line)) => {
                let margin = " ".repeat(line.number.to_string().len());
                write!(f, "\n {margin} --> {}:{position}\n {margin} |", self.file)?;
                line.to_string().lines().try_for_each(|line| write!(f, "\n {line}"))?;
            }
            (Some(position), None) => write!(f, "\n  --> {}:{position}", self.file)?,
            (None, _) => write!(f, "\n  --> {}", self.file)?,
        }
        match &self.help {
            Some(help) => write!(f, "\n   = {}", printable(help)),
            None => Ok(()),
        }
    }
}

/// Replaces control characters, so that a scenario from elsewhere can't control the terminal that shows its errors.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Every mistake of a scenario, in the order of the text. `Display` writes all of them, with an empty line between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    mistakes: Vec<Mistake>,
    more: usize,
}

impl ParseError {
    /// Returns the mistakes, at least one.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl std::error::Error for ParseError {}

impl From<Mistake> for ParseError {
    fn from(mistake: Mistake) -> Self {
        Self { mistakes: vec![mistake], more: 0 }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            mistake.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            1 => f.write_str("\n\nand 1 more mistake"),
            more => write!(f, "\n\nand {more} more mistakes"),
        }
    }
}

/// Collects the mistakes of a scenario and of the files that it includes.
#[derive(Debug)]
pub struct Mistakes {
    /// The name and the text of each file.
    files: Vec<(Arc<str>, Arc<str>)>,
    found: Vec<Mistake>,
    /// How many are found, and not kept.
    more: usize,
    /// What a mistake at a position needs to say in addition.
    notes: HashMap<Position, String>,
}

impl Mistakes {
    /// No mistakes yet in `file`, whose text is `source`.
    pub fn new(file: Arc<str>, source: Arc<str>) -> Self {
        Self { files: vec![(file, source)], found: Vec::new(), more: 0, notes: HashMap::new() }
    }

    /// Adds another file; returns its number.
    pub(super) fn open(&mut self, file: Arc<str>, source: Arc<str>) -> usize {
        self.files.push((file, source));
        self.files.len() - 1
    }

    /// Adds a mistake at a position.
    pub fn add(&mut self, at: Position, message: impl Into<String>) -> &mut Mistake {
        if self.found.len() > KEPT {
            self.found.truncate(KEPT);
            self.more += 1;
        }
        let index = self.found.len();
        let file = self.place(at).file;
        self.found.push(Mistake {
            file,
            position: Some(at),
            line: None,
            message: message.into(),
            help: None,
        });
        &mut self.found[index]
    }

    /// Sets what every mistake at this position says in addition.
    pub(super) fn note(&mut self, at: Position, note: String) {
        self.notes.insert(at, note);
    }

    /// Adds a mistake of the scenario as a whole.
    pub fn add_whole(&mut self, message: impl Into<String>, help: impl Into<String>) {
        let file = self.place(Position::START).file;
        self.found.push(Mistake::whole(&file, message, help));
    }

    /// Returns whether there is no mistake.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns how many mistakes there are so far, for [`forget_since`](Self::forget_since).
    pub(super) fn so_far(&self) -> (usize, usize) {
        (self.found.len(), self.more)
    }

    /// Forgets the mistakes that were found since there were `so_far`.
    pub(super) fn forget_since(&mut self, (found, more): (usize, usize)) {
        self.found.truncate(found);
        self.more = more;
    }

    /// Returns the place of a position.
    pub fn place(&self, at: Position) -> Place {
        Place { file: self.files.get(at.file).map_or_else(|| "".into(), |(name, _)| name.clone()), at }
    }

    /// Returns `value` if there is no mistake.
    ///
    /// # Errors
    /// The mistakes, in the order of the text.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, ParseError> {
        match value {
            Some(value) if self.found.is_empty() => Ok(value),
            _ => {
                self.found.sort_by_key(|mistake| mistake.position);
                // A file that is included twice has its mistakes twice.
                self.found.dedup_by(|a, b| {
                    (&a.file, line_and_column(a), &a.message) == (&b.file, line_and_column(b), &b.message)
                });
                let more = self.more + self.found.len().saturating_sub(SHOWN);
                self.found.truncate(SHOWN);
                for mistake in &mut self.found {
                    if let Some(note) = mistake.position.and_then(|at| self.notes.get(&at)) {
                        let help = mistake.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                        mistake.help = Some(format!("{note}{help}"));
                    }
                    let source = mistake.position.and_then(|at| Some((at, self.files.get(at.file)?)));
                    mistake.line =
                        source.and_then(|(at, (_, source))| SourceLine::of(source, at.line, Some(at.column)));
                }
                Err(ParseError { mistakes: self.found, more })
            }
        }
    }
}

fn line_and_column(mistake: &Mistake) -> Option<(usize, usize)> {
    mistake.position.map(|at| (at.line, at.column))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(source: &str) -> Mistakes {
        Mistakes::new("f.yaml".into(), source.into())
    }

    #[test]
    fn a_scenario_cannot_control_the_terminal() {
        let mut mistakes = mistakes("a\u{1b}[2Jb");
        mistakes.add(Position::START, "bad \u{7}").help("\u{1b}");
        let error = mistakes.finish(None::<()>).unwrap_err().to_string();
        assert!(!error.contains(['\u{1b}', '\u{7}']), "{error}");
    }

    #[test]
    fn many_mistakes_are_counted_and_not_kept() {
        let mut mistakes = mistakes("x");
        for column in 1..=100_000 {
            mistakes.add(Position { column, ..Position::START }, format!("mistake {column}"));
        }
        let error = mistakes.finish(None::<()>).unwrap_err();
        assert_eq!(error.mistakes().len(), SHOWN);
        assert!(error.to_string().ends_with("and 99950 more mistakes"), "{error}");
    }
}
