//! Draws the region below the lines that stay, on stderr. Where stderr is no terminal, or a dumb one, there is no region.

use super::text::columns;
use anstream::{AutoStream, ColorChoice};
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io;

/// How often the region is drawn at most, in a second.
const DRAWN_AT_MOST: u8 = 20;

/// The terminal of stderr, if it can be drawn on.
pub(super) struct Screen {
    term: Option<Term>,
    /// All lines of the region are the message of one bar: `indicatif` draws them over the last ones.
    drawn: Option<ProgressBar>,
    colours: bool,
}

impl Screen {
    pub fn new() -> Self {
        let term = Term::buffered_stderr();
        let is_drawn = term.is_term() && !console::is_dumb();
        let colours = AutoStream::choice(&io::stderr()) != ColorChoice::Never;
        Self { term: is_drawn.then_some(term), drawn: None, colours }
    }

    /// Returns the columns; `None` if nothing is drawn.
    pub fn columns(&self) -> Option<usize> {
        self.term.as_ref().map(columns)
    }

    /// Clears the whole screen. Returns whether there is one.
    pub fn wipe(&self) -> bool {
        let wiped = self.term.as_ref().map(|term| term.clear_screen().and_then(|()| term.flush()));
        wiped.is_some()
    }

    /// Draws the region in place of the last one.
    pub fn draw(&mut self, lines: &[String]) {
        let Some(term) = &self.term else { return };
        let drawn = self.drawn.get_or_insert_with(|| {
            let target = ProgressDrawTarget::term(term.clone(), DRAWN_AT_MOST);
            let bar = ProgressBar::with_draw_target(None, target);
            // The template is constant, so the default, which has no place for a message, is never used.
            bar.with_style(
                ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        let text = lines.join("\n");
        drawn.set_message(if self.colours { text } else { console::strip_ansi_codes(&text).into_owned() });
    }

    /// Writes lines that stay, above the region.
    pub fn above(&self, write: impl FnOnce()) {
        match &self.drawn {
            Some(drawn) => drawn.suspend(write),
            None => write(),
        }
    }

    /// Removes the region.
    pub fn clear(&mut self) {
        if let Some(drawn) = self.drawn.take() {
            drawn.finish_and_clear();
        }
    }
}
