//! Text for a terminal: without control characters, cut or wrapped to its width, with colours if the stream shows them.

use anstyle::{AnsiColor, Style};
use console::Term;
use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

pub(super) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const PLAIN: Style = Style::new();
pub(super) const CYAN: Style = AnsiColor::Cyan.on_default();
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
pub(crate) const RED: Style = AnsiColor::Red.on_default();

/// The fewest columns that something is laid out for. A terminal with fewer wraps by itself.
const FEWEST_COLUMNS: usize = 10;
/// With fewer columns than this, a long indent would leave no place for the text.
const NARROW: usize = 50;

/// Replaces control characters, so that a scenario from elsewhere can't control the terminal. Line ends stay.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Replaces control characters and line ends, so that a text from a scenario can't look like another line of this program.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Writes a line on stderr, without its colours if stderr shows none. A closed stderr is ignored.
pub fn line(text: impl Display) {
    let mut stderr = anstream::stderr().lock();
    let _ = writeln!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Writes to stdout, without its colours if stdout shows none. If the pipe is closed, the exit code still has the result.
pub fn print(text: &str) {
    let mut stdout = anstream::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Returns the text in a style.
pub(crate) fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Returns the columns of stdout, if it is a terminal.
pub(crate) fn columns_of_stdout() -> Option<usize> {
    io::stdout().is_terminal().then(|| columns(&Term::stdout()))
}

/// Returns the columns of a terminal.
pub(super) fn columns(term: &Term) -> usize {
    usize::from(term.size().1).max(FEWEST_COLUMNS)
}

/// Cuts a line to so many columns. Wide characters count twice.
pub(super) fn cut(text: &str, columns: usize) -> String {
    console::truncate_str(text, columns, "…").into_owned()
}

/// Wraps a line. Its further lines are indented by `hanging` columns, or by less if the terminal is narrow. Without columns it
/// stays one line.
pub(crate) fn wrapped(text: &str, hanging: usize, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else { return vec![text.to_owned()] };
    let hanging = " ".repeat(if columns < NARROW { 2 } else { hanging });
    let body = text.trim_start();
    let indent = &text[..text.len() - body.len()];
    let indent = if indent.len() < columns / 2 { indent } else { &hanging };
    let options = textwrap::Options::new(columns).initial_indent(indent).subsequent_indent(&hanging);
    textwrap::wrap(body, options).into_iter().map(|line| line.into_owned()).collect()
}

/// Returns a verdict with colours, wrapped to the columns of the terminal.
pub(super) fn coloured(report: &str, columns: Option<usize>) -> String {
    let mut text = String::new();
    for (index, line) in report.lines().enumerate() {
        let begins = |word: &str| line.trim_start().starts_with(word);
        let is_head = line.starts_with("  ") && !line.starts_with("   ");
        let style = match is_head {
            _ if index == 0 => BOLD,
            false => PLAIN,
            true if begins("met ") => GREEN,
            true if ["NOT MET ", "BROKEN ", "error "].into_iter().any(begins) => RED,
            true if begins("verdict ") => BOLD,
            true => PLAIN,
        };
        for line in wrapped(line, 11, columns) {
            text.push_str(&painted(style, &line));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wrapped_line_keeps_its_indent() {
        let lines =
            wrapped("  NOT MET  FRAUD_ALERT with VELOCITY: exactly 7 of the orders of Mallory", 11, Some(52));
        assert_eq!(
            lines,
            ["  NOT MET  FRAUD_ALERT with VELOCITY: exactly 7 of", "           the orders of Mallory"]
        );
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(text in any::<String>(), hanging in 0..20usize, columns in 10..120usize) {
            let text = printable(&text).replace('\n', " ");
            for line in wrapped(&text, hanging, Some(columns)) {
                prop_assert!(console::measure_text_width(&line) <= columns, "{line:?}");
            }
            prop_assert!(console::measure_text_width(&cut(&text, columns)) <= columns);
        }
    }
}
