//! Shows a run to the person at the terminal: progress on stderr, the verdict on stdout.
//!
//! On a terminal, the steps that are played now have a bar at the bottom, which is drawn again as they go on; what is done stays
//! above. Elsewhere, and with `TERM=dumb`, each step is one line, written when it is done. `NO_COLOR` (<https://no-color.org>)
//! turns colours off, `CLICOLOR_FORCE` turns them on where they would be off.

mod region;
mod screen;
mod text;
pub(crate) use text::{
    DIM, GREEN, PLAIN, RED, columns_of_stdout, line, one_line, painted, print, printable, wrapped,
};

use crate::{Played, Progress, Question, Step, player::Audience, report};
use anstyle::Style;
use dojo_scenario::{Scenario, scalar::written};
use region::Region;
use screen::Screen;
use std::{collections::BTreeMap, time::Instant};
use text::{BOLD, coloured};
use tokio_util::sync::CancellationToken;

/// The columns before the text of a step.
const INDENT: usize = 7;

/// The length of the line between two rounds.
const SEPARATOR: usize = 72;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Verdicts.
    Quiet,
    /// Steps, too.
    Steps,
    /// Every change of a step's state, and of the events so far, too.
    Verbose,
}

/// The terminal.
pub(crate) struct Terminal {
    detail: Detail,
    screen: Screen,
    region: Region,
    /// The expectations that were decided, by the numbers of their steps, until these end.
    decided: BTreeMap<usize, bool>,
    /// Whether a person types an answer. Nothing is drawn then, because that would overwrite what is typed.
    is_typing: bool,
    /// Cancelled by the first Ctrl-C.
    signalled: CancellationToken,
}

impl Terminal {
    /// The terminal of this process, whose first Ctrl-C cancels `signalled`.
    pub fn new(detail: Detail, signalled: CancellationToken) -> Self {
        Self {
            detail,
            screen: Screen::new(),
            region: Region::default(),
            decided: BTreeMap::new(),
            is_typing: false,
            signalled,
        }
    }

    /// Clears the screen, or draws a line where nothing is cleared, and says why scenarios are played again.
    pub fn begin_again(&self, reasons: &[String]) {
        if !self.screen.wipe() {
            line("-".repeat(SEPARATOR));
        }
        reasons.iter().for_each(|reason| self.say(DIM, reason, 2));
    }

    /// Writes a text above the bars, wrapped and in one style.
    fn say(&self, style: Style, text: &str, hanging: usize) {
        let columns = self.screen.columns();
        self.screen.above(|| {
            for text in printable(text).lines() {
                wrapped(text, hanging, columns).iter().for_each(|text| line(painted(style, text)));
            }
        });
    }

    fn draw(&mut self) {
        let is_drawn = self.detail > Detail::Quiet && !self.is_typing;
        if let (Some(columns), true) = (self.screen.columns(), is_drawn) {
            self.screen.draw(&self.region.lines(columns, Instant::now()));
        }
    }

    fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Began(step) => {
                self.region.begin(step, shown(step), Instant::now());
                self.draw();
            }
            Progress::Moved { number, state } => {
                let is_new = self.region.moved(*number, state, Instant::now());
                if is_new && self.detail == Detail::Verbose {
                    self.say(DIM, &format!("  {number}: {state}"), INDENT);
                }
            }
            Progress::Ended { step, result } => {
                self.region.end(step.number);
                let style = match self.decided.remove(&step.number) {
                    Some(true) => GREEN,
                    Some(false) => RED,
                    None => PLAIN,
                };
                self.say(style, &format!("{} → {result}", shown(step)), INDENT);
                self.draw();
            }
            Progress::Counted(counts) => {
                self.region.count(*counts);
                if let (Some(events), Detail::Verbose) = (self.region.events(), self.detail) {
                    self.say(DIM, &format!("  events: {events}"), INDENT);
                }
            }
            Progress::Found { number, finding } => {
                self.decided.insert(*number, finding.met);
            }
            Progress::Said(text) => {
                for text in text.trim().lines() {
                    self.say(BOLD, &format!("  » {text}"), 4);
                }
            }
            Progress::Asked(question) => {
                if question.typed {
                    self.is_typing = true;
                    // No step begins, which would remove what the run waited for before.
                    self.region.end(0);
                    self.screen.clear();
                }
                for text in asked(question).lines() {
                    self.say(BOLD, text, 4);
                }
            }
            Progress::Closed(closed) => {
                self.is_typing = false;
                self.say(DIM, &format!("    {closed}"), 4);
            }
            Progress::Revealed(revealed) => self.say(BOLD, &format!("  ! {revealed}"), 4),
            Progress::Noted(text) => self.say(DIM, &format!("  note: {text}"), INDENT),
            Progress::Broken(text) => self.say(RED.bold(), &format!("  BROKEN: {text}"), INDENT),
            Progress::Measured { .. } | Progress::RuleChanged { .. } => {}
        }
    }
}

impl Audience for Terminal {
    fn begin(&mut self, scenario: &Scenario) {
        (self.region, self.decided, self.is_typing) = (Region::default(), BTreeMap::new(), false);
        if self.detail > Detail::Quiet {
            self.say(BOLD, &one_line(scenario.name()), 0);
            // Its lines end where they fit the file, which isn't where they fit the terminal.
            for paragraph in scenario.lesson().into_iter().flat_map(|lesson| lesson.trim().split("\n\n")) {
                let words: Vec<_> = paragraph.split_whitespace().collect();
                self.say(DIM, &format!("  {}", words.join(" ")), 2);
            }
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if self.detail > Detail::Quiet {
            self.show(progress);
        }
    }

    fn tick(&mut self) {
        self.draw();
    }

    fn stopping(&mut self) {
        let hint = " (press Ctrl-C again not to wait for it)";
        let hint = if self.signalled.is_cancelled() { hint } else { "" };
        self.say(PLAIN, &format!("stopping; the order service puts back what the run changed{hint}"), 0);
    }

    fn end(&mut self, scenario: &Scenario, played: &Played) {
        self.screen.clear();
        if let (Some(events), true) = (self.region.events(), self.detail > Detail::Quiet) {
            self.say(DIM, &format!("  events: {events}"), INDENT);
        }
        print(&coloured(&report(scenario, played), columns_of_stdout()));
    }
}

fn shown(Step { number, of, text, .. }: &Step) -> String {
    one_line(&format!("  {number}/{of}  {text}"))
}

/// Returns a question with what may be typed, a line each.
fn asked(question: &Question) -> String {
    let within = written(question.within);
    let how = match (question.typed, question.choices.is_empty()) {
        (false, _) => format!("the room guesses on the page, within {within}"),
        (true, true) => format!("type a number, or Enter alone to go on, within {within}"),
        (true, false) => format!("type a letter, or Enter alone to go on, within {within}"),
    };
    let choices = question.lettered();
    let choices = if choices.is_empty() { choices } else { format!("    {choices}\n") };
    format!("  ? {}\n{choices}    {how}", question.text.trim())
}
