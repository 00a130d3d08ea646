//! Progress for a person on a stage: a line a step, on stderr.
//!
//! On a terminal the line of the step at hand is written anew as its counts change. Elsewhere each step is one line, once
//! it is done. `NO_COLOR` (<https://no-color.org>) takes the colours away, `TERM=dumb` the rewriting as well.

use dojo_run::{Progress, Scenario};
use std::{
    env,
    io::{self, IsTerminal, Write},
};

const DIM: &str = "2";
const BOLD: &str = "1";

/// Where progress is written.
pub struct Console {
    rewrites: bool,
    colours: bool,
    step: String,
}

impl Console {
    /// A console on stderr.
    pub fn new() -> Self {
        let rewrites = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let colours = rewrites && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { rewrites, colours, step: String::new() }
    }

    /// A scenario begins.
    pub fn begin(&self, scenario: &Scenario) {
        line(&self.painted(BOLD, scenario.name()));
        for text in scenario.lesson().into_iter().flat_map(|lesson| lesson.trim().lines()) {
            line(&self.painted(DIM, &format!("  {text}")));
        }
    }

    /// Something happened.
    pub fn tell(&mut self, progress: Progress<'_>) {
        match progress {
            Progress::Began { number, of, step } => {
                self.step = format!("  {number}/{of}  {step}");
                self.rewrite("…");
            }
            Progress::Moved(text) => self.rewrite(text),
            Progress::Ended(text) => {
                self.clear();
                line(&format!("{} {} {text}", self.step, self.painted(DIM, "→")));
            }
            Progress::Said(text) => {
                for text in text.trim().lines() {
                    line(&self.painted(BOLD, &format!("  » {text}")));
                }
            }
            Progress::Noted(text) => {
                self.clear();
                line(&self.painted(DIM, &format!("  note: {text}")));
            }
            _ => {}
        }
    }

    /// The run is over; what was begun and not ended is not left half-written.
    pub fn end(&self) {
        self.clear();
    }

    fn rewrite(&self, state: &str) {
        if self.rewrites {
            // Cut at the right edge instead of wrapped: of a line that wraps, only the last row could be rewritten.
            put(&format!(
                "\r\x1b[2K\x1b[?7l{} {}\x1b[?7h",
                self.step,
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

/// A line on stderr. Nobody listening is no reason to stop.
pub fn line(text: &str) {
    put(&format!("{text}\n"));
}

fn put(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
