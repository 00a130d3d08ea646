//! The line of a text that an error is about, with a caret below the character: for rules and scenarios.

use std::fmt;
use unicode_width::UnicodeWidthChar;

/// Most columns of a line that are shown. A longer line is cut on both sides of the caret.
const MAX_COLUMNS: usize = 100;
/// Most characters of a line that are shown. A character may need no column.
const MAX_CHARACTERS: usize = 2 * MAX_COLUMNS;
/// Columns to the left of the caret in a line that is cut.
const BEFORE_CARET: usize = 60;
const TAB: usize = 4;

/// A line of a text, as it is shown: tabs are spaces, and a long line is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The number of the line, from 1.
    pub number: usize,
    /// The text of the line.
    pub text: String,
    /// Columns of the text before the caret, if the mistake has a column.
    pub caret: Option<usize>,
}

impl SourceLine {
    /// Returns line `number` of `source`, with a caret below the character `column`; both count from 1.
    pub fn of(source: &str, number: usize, column: Option<usize>) -> Option<Self> {
        let line = source.split('\n').nth(number.checked_sub(1)?)?.trim_end_matches('\r');
        let before = column.map_or(0, |column| column.saturating_sub(1));
        // rhai's columns end at 65,535.
        let start =
            line.chars().take(before).fold((0, 0), |(index, width), c| (index + 1, width + columns(c)));
        let fits = line.chars().map(columns).sum::<usize>() <= MAX_COLUMNS;
        let skipped = if fits { 0 } else { start.1.saturating_sub(BEFORE_CARET) };
        let (mut text, mut caret, mut passed, mut shown) = (String::new(), 0, 0, 0);
        if skipped > 0 {
            text.push('…');
            caret = 1;
        }
        for (index, c) in line.chars().enumerate() {
            passed += columns(c);
            if passed <= skipped {
                continue;
            }
            shown += 1;
            if passed - skipped > MAX_COLUMNS || shown > MAX_CHARACTERS {
                text.push('…');
                break;
            }
            match c {
                '\t' => text.extend(std::iter::repeat_n(' ', TAB)),
                // A control character would move the cursor of the terminal.
                c if c.is_control() => text.push('\u{fffd}'),
                c => text.push(c),
            }
            if index < start.0 {
                caret += columns(c);
            }
        }
        Some(Self { number, text, caret: column.map(|_| caret) })
    }
}

/// Returns how many columns a terminal needs for a character.
fn columns(c: char) -> usize {
    if c == '\t' { TAB } else { c.width().unwrap_or(1) }
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.to_string();
        write!(f, "{number} | {}", self.text)?;
        let Some(caret) = self.caret else { return Ok(()) };
        write!(f, "\n{:margin$} | {:caret$}^", "", "", margin = number.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str, line: usize, column: usize) -> String {
        SourceLine::of(source, line, Some(column)).unwrap().to_string()
    }

    #[test]
    fn the_caret_is_below_the_character() {
        assert_eq!(shown("let a;\r\nif x > 1 {\r\n}", 2, 4), "2 | if x > 1 {\n  |    ^");
    }

    #[test]
    fn tabs_and_wide_characters_move_the_caret() {
        assert_eq!(shown("\tx", 1, 2), "1 |     x\n  |     ^");
        assert_eq!(shown("\"寿司\" x", 1, 6), "1 | \"寿司\" x\n  |        ^");
    }

    #[test]
    fn a_line_that_fits_is_shown_whole() {
        let source = format!("{}x", "a".repeat(99));
        assert_eq!(shown(&source, 1, 100).lines().next(), Some(&*format!("1 | {source}")));
    }

    #[test]
    fn characters_without_width_do_not_make_a_line_long() {
        let source = format!("x{}", "\u{301}".repeat(8_000));
        assert!(shown(&source, 1, 1).chars().count() < 2 * MAX_COLUMNS + 20);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let source = format!("{}here{}", "a".repeat(8_000), "b".repeat(8_000));
        let shown = shown(&source, 1, 8_001);
        let (line, caret) = shown.split_once('\n').unwrap();
        assert!(line.chars().count() < 110 && line.contains("ahereb"), "{line}");
        let below = caret.chars().count() - 1;
        assert_eq!(line.chars().nth(below), Some('h'));
    }
}
