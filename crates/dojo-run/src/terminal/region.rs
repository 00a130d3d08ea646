//! The part of the screen that is drawn again and again: the steps that are played now, each with its bar, and the events of
//! the run. It decides what the lines say, and draws nothing.

use super::text::{CYAN, DIM, cut, painted};
use crate::{Extent, State, Step, load::FloodProgress};
use dojo_contract::RunCounts;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The columns before the text of a step: `  1/5  `.
const INDENT: usize = 7;
/// The columns beside a bar, for its figures.
const FIGURES: usize = 38;
const LONGEST_BAR: usize = 30;
const SHORTEST_BAR: usize = 8;
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const SPINNER_TURNS_EVERY: Duration = Duration::from_millis(100);
/// Over how many reports of a flood, which come ten times a second, its rate is measured.
const SAMPLES: usize = 10;

/// The steps that are played now, in the order in which they began, and the events so far.
#[derive(Debug, Default)]
pub(super) struct Region {
    open: Vec<Open>,
    counts: RunCounts,
}

/// A step that has begun and not ended; without a step, what the run waits for before the first or after the last.
#[derive(Debug)]
struct Open {
    number: usize,
    text: String,
    extent: Extent,
    began: Instant,
    state: Option<State>,
    /// When so many orders of a flood had been sent, the latest last.
    sent: VecDeque<(Instant, u64)>,
}

impl Region {
    pub fn begin(&mut self, step: &Step, text: String, now: Instant) {
        self.open.retain(|open| open.number != 0);
        self.open.push(Open::new(step.number, text, step.extent, now));
    }

    pub fn end(&mut self, number: usize) {
        self.open.retain(|open| open.number != number);
    }

    pub fn count(&mut self, counts: RunCounts) {
        self.counts = counts;
    }

    /// Notes the state of a step. Returns whether it is another one than before.
    pub fn moved(&mut self, number: usize, state: &State, now: Instant) -> bool {
        if number == 0 && self.open.is_empty() {
            self.open.push(Open::new(0, String::new(), Extent::Answer, now));
        }
        let Some(open) = self.open.iter_mut().find(|open| open.number == number) else { return false };
        if let State::Flood(flood) = state {
            if open.sent.len() == SAMPLES {
                open.sent.pop_front();
            }
            open.sent.push_back((now, flood.sent));
        }
        let is_new = open.state.as_ref() != Some(state);
        open.state = Some(state.clone());
        is_new
    }

    /// Returns the lines, each at most so wide.
    pub fn lines(&self, columns: usize, now: Instant) -> Vec<String> {
        let mut lines: Vec<_> = self.open.iter().flat_map(|open| open.lines(columns, now)).collect();
        if self.counts != RunCounts::default() {
            let indent = if bar_columns(columns).is_some() { INDENT } else { 2 };
            let events = cut(&in_words(&self.counts), columns.saturating_sub(indent));
            lines.push(painted(DIM, &format!("{:indent$}{events}", "")));
        }
        lines
    }

    /// Returns the events so far in words; nothing if there were none.
    pub fn events(&self) -> Option<String> {
        (self.counts != RunCounts::default()).then(|| in_words(&self.counts))
    }
}

impl Open {
    fn new(number: usize, text: String, extent: Extent, began: Instant) -> Self {
        Self { number, text, extent, began, state: None, sent: VecDeque::new() }
    }

    fn lines(&self, columns: usize, now: Instant) -> Vec<String> {
        let elapsed = now.saturating_duration_since(self.began);
        let turn = (elapsed.as_millis() / SPINNER_TURNS_EVERY.as_millis()) as usize % SPINNER.len();
        let state = self.state.as_ref().map(ToString::to_string);
        let text = match (self.number, &state) {
            (0, Some(state)) => state.as_str(),
            _ => self.text.trim_start(),
        };
        let mut lines = vec![cut(&format!("{} {text}", SPINNER[turn]), columns)];
        let (done, figures) = match (self.extent, &self.state) {
            (Extent::Orders(orders), Some(State::Flood(flood))) => {
                (flood.sent as f64 / orders.max(1) as f64, self.flood(flood))
            }
            (Extent::Orders(orders), _) => (0.0, format!("0 of {orders}")),
            (Extent::Lasts(lasts), _) => (share(elapsed, lasts), left(lasts, elapsed)),
            (Extent::Within(within), _) => {
                let seen = state.map(|seen| format!(", {seen}")).unwrap_or_default();
                (share(elapsed, within), format!("{}{seen}", left(within, elapsed)))
            }
            (Extent::Answer, _) => {
                let waits = state.filter(|_| self.number > 0);
                lines.extend(waits.map(|waits| cut(&format!("{:INDENT$}{waits}", ""), columns)));
                return lines;
            }
        };
        match bar_columns(columns) {
            Some(bar_columns) => {
                let figures = cut(&figures, columns.saturating_sub(INDENT + bar_columns + 2));
                lines.push(format!("{:INDENT$}{}  {figures}", "", bar(done, bar_columns)));
            }
            None => {
                lines.push(format!("  {}", bar(done, columns.saturating_sub(2))));
                lines.push(format!("  {}", cut(&figures, columns.saturating_sub(2))));
            }
        }
        lines
    }

    fn flood(&self, flood: &FloodProgress) -> String {
        let FloodProgress { orders, sent, failed, .. } = flood;
        let rate = match (self.sent.front(), self.sent.back()) {
            (Some((from, first)), Some((to, last))) if to > from => {
                (last - first) as f64 / (*to - *from).as_secs_f64()
            }
            _ => 0.0,
        };
        let silence = flood.silence().map(|silence| format!(", {silence}")).unwrap_or_default();
        format!("{sent} of {orders}, {rate:.0}/s, {failed} failed{silence}")
    }
}

/// Returns how many columns a bar has beside its figures; `None` if the terminal is too narrow for both.
fn bar_columns(columns: usize) -> Option<usize> {
    let rest = columns.saturating_sub(INDENT + FIGURES);
    (rest >= SHORTEST_BAR).then(|| rest.min(LONGEST_BAR))
}

fn bar(done: f64, columns: usize) -> String {
    let filled = ((columns as f64 * done.clamp(0.0, 1.0)) as usize).min(columns);
    format!("{}{}", painted(CYAN, &"━".repeat(filled)), painted(DIM, &"─".repeat(columns - filled)))
}

fn share(elapsed: Duration, of: Duration) -> f64 {
    if of.is_zero() { 1.0 } else { elapsed.as_secs_f64() / of.as_secs_f64() }
}

fn left(of: Duration, elapsed: Duration) -> String {
    format!("{:.0} s left", of.saturating_sub(elapsed).as_secs_f64().ceil())
}

/// Returns the counts in words. What a scenario seldom has is left out until it occurs.
fn in_words(counts: &RunCounts) -> String {
    let RunCounts { orders, notified, retries, given_up, redriven, alerts, rule_errors } = counts;
    let mut text = format!(
        "orders {orders}, notified {notified}, retries {retries}, given up {given_up}, alerts {alerts}"
    );
    for (name, count) in [("redriven", redriven), ("rule errors", rule_errors)] {
        if *count > 0 {
            text.push_str(&format!(", {name} {count}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(number: usize, extent: Extent) -> Step {
        Step { number, of: 3, text: String::new(), extent }
    }

    fn flood(sent: u64) -> State {
        State::Flood(FloodProgress {
            orders: 1_000,
            sent,
            accepted: sent,
            failed: 2,
            silent_for: Duration::ZERO,
        })
    }

    fn plain(lines: Vec<String>) -> Vec<String> {
        lines.iter().map(|line| console::strip_ansi_codes(line).into_owned()).collect()
    }

    #[test]
    fn a_flood_and_a_step_of_its_meanwhile_show_together_with_the_events() {
        let (mut region, start) = (Region::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        region.begin(&step(1, Extent::Orders(1_000)), "  1/3  flood".to_owned(), start);
        region.moved(1, &flood(0), at(0));
        region.moved(1, &flood(500), at(5_000));
        region.begin(&step(2, Extent::Lasts(Duration::from_secs(4))), "  2/3  pause".to_owned(), at(5_000));
        region.count(RunCounts { orders: 490, notified: 480, alerts: 7, ..RunCounts::default() });
        assert_eq!(
            plain(region.lines(80, at(6_000))),
            [
                "⠋ 1/3  flood",
                "       ━━━━━━━━━━━━━━━───────────────  500 of 1000, 100/s, 2 failed",
                "⠋ 2/3  pause",
                "       ━━━━━━━───────────────────────  3 s left",
                "       orders 490, notified 480, retries 0, given up 0, alerts 7",
            ]
        );
        assert_eq!(
            plain(region.lines(20, at(6_000)))[..3],
            ["⠋ 1/3  flood", "  ━━━━━━━━━─────────", "  500 of 1000, 100/…"]
        );
    }

    #[test]
    fn an_expectation_shows_the_time_left_and_what_has_been_seen() {
        let (mut region, start) = (Region::default(), Instant::now());
        region.begin(&step(3, Extent::Within(Duration::from_secs(10))), "  3/3  expect".to_owned(), start);
        region.moved(3, &State::Seen("4 seen, of 12 orders".to_owned()), start);
        let lines = plain(region.lines(80, start + Duration::from_secs(5)));
        assert_eq!(lines[1], "       ━━━━━━━━━━━━━━━───────────────  5 s left, 4 seen, of 12 orders");
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            text in "\\PC{0,60}", seen in "\\PC{0,60}", sent in any::<u64>(), columns in 10..120usize, millis in 0..1_000_000u64
        ) {
            let (mut region, start) = (Region::default(), Instant::now());
            region.moved(0, &State::Waiting(seen.clone()), start);
            let extents = [Extent::Answer, Extent::Orders(sent), Extent::Lasts(Duration::ZERO), Extent::Within(Duration::MAX)];
            for (number, extent) in (1..).zip(extents) {
                region.begin(&step(number, extent), text.clone(), start);
                region.moved(number, &State::Seen(seen.clone()), start);
            }
            region.moved(2, &flood(sent), start);
            region.count(RunCounts { orders: sent, rule_errors: sent, ..RunCounts::default() });
            for line in region.lines(columns, start + Duration::from_millis(millis)) {
                prop_assert!(console::measure_text_width(&line) <= columns, "{line:?}");
            }
        }
    }
}
