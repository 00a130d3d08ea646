//! Shows progress on stderr, with a line for each step.
//!
//! On a terminal, the line of the current step is rewritten as its counts change. Elsewhere, a step's line is written when
//! the step is done. `NO_COLOR` (<https://no-color.org>) turns colours off, `TERM=dumb` the rewriting as well.

use crate::{Progress, Question, Step};
use dojo_scenario::{Scenario, scalar::written};
use std::{
    env,
    io::{self, IsTerminal, Write},
};

const DIM: &str = "2";
const BOLD: &str = "1";

/// The place where progress is shown.
pub struct Console {
    rewrites: bool,
    colours: bool,
    /// The steps that have begun and not ended, with their numbers.
    open: Vec<(usize, String)>,
}

impl Console {
    /// A console on stderr.
    pub fn new() -> Self {
        let rewrites = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colours = rewrites && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { rewrites, colours, open: Vec::new() }
    }

    /// Shows the name and the lesson of a scenario that begins.
    pub fn begin(&mut self, scenario: &Scenario) {
        self.open.clear();
        line(&self.painted(BOLD, &printable(scenario.name())));
        for text in scenario.lesson().into_iter().flat_map(|lesson| lesson.trim().lines()) {
            line(&self.painted(DIM, &printable(&format!("  {text}"))));
        }
    }

    /// Shows the progress of a scenario.
    pub fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Began(step) => {
                self.open.push((step.number, shown(&step)));
                self.rewrite("…");
            }
            // The step that began last is shown; a flood around it goes on meanwhile.
            Progress::Moved { number, state } => {
                if self.open.last().map_or(0, |(open, _)| *open) == number {
                    self.rewrite(&printable(&state.to_string()));
                }
            }
            Progress::Ended { step, result } => {
                self.open.retain(|(open, _)| *open != step.number);
                self.clear();
                line(&format!("{} {} {result}", shown(&step), self.painted(DIM, "→")));
            }
            Progress::Counted(_) | Progress::Measured { .. } | Progress::Found { .. } => {}
            Progress::Said(text) => {
                self.clear();
                for text in printable(&text).trim().lines() {
                    line(&self.painted(BOLD, &format!("  » {text}")));
                }
            }
            Progress::Asked(question) => {
                self.clear();
                line(&self.painted(BOLD, &printable(&asked(&question))));
            }
            Progress::Closed(closed) => line(&self.painted(DIM, &printable(&format!("    {closed}")))),
            Progress::Revealed(revealed) => {
                self.clear();
                line(&self.painted(BOLD, &printable(&format!("  ! {revealed}"))));
            }
            Progress::Noted(text) => {
                self.clear();
                line(&self.painted(DIM, &printable(&format!("  note: {text}"))));
            }
            Progress::Broken(text) => {
                self.clear();
                line(&self.painted(BOLD, &printable(&format!("  BROKEN: {text}"))));
            }
        }
    }

    /// Clears the line of a step that did not end.
    pub fn end(&self) {
        self.clear();
    }

    fn rewrite(&self, state: &str) {
        if self.rewrites {
            // The line is cut at the right edge, because only the last row of a wrapped line could be rewritten.
            put(&format!(
                "\r\x1b[2K\x1b[?7l{} {}\x1b[?7h",
                self.open.last().map_or("", |(_, step)| step.as_str()),
                self.painted(DIM, &format!("→ {state}"))
            ));
        }
    }

    fn clear(&self) {
        if self.rewrites {
            put("\r\x1b[2K");
        }
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn shown(Step { number, of, text, .. }: &Step) -> String {
    printable(&format!("  {number}/{of}  {text}"))
}

/// Returns a question with what may be typed.
fn asked(question: &Question) -> String {
    let within = written(question.within);
    let how = match (question.typed, question.choices.is_empty()) {
        (false, _) => format!("    the room guesses on the page, within {within}"),
        (true, true) => format!("    type a number, or Enter alone to go on, within {within}"),
        (true, false) => format!("    type a letter, or Enter alone to go on, within {within}"),
    };
    let choices = question.lettered();
    let choices = if choices.is_empty() { choices } else { format!("    {choices}\n") };
    format!("  ? {}\n{choices}{how}", question.text.trim())
}

/// Replaces control characters, so that a scenario from elsewhere can't control the terminal. Line ends stay.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// Writes a line on stderr. A closed stderr is ignored.
pub fn line(text: &str) {
    put(&format!("{text}\n"));
}

fn put(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
