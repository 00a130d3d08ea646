//! What is different in a verdict from the last one of the same scenario. Pure.

use crate::Played;
use dojo_scenario::Scenario;
use std::{collections::BTreeMap, fmt};

/// The latest verdict of each scenario that was played to its end, by its file.
#[derive(Debug, Default)]
pub(super) struct Verdicts(BTreeMap<String, Vec<Found>>);

/// What came of an expectation, in words that are the same in each run.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    text: String,
    met: bool,
    seen: String,
}

/// Something that is different, in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Difference {
    NowMet(String),
    NoLongerMet(String),
    Other(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NowMet(text) => write!(f, "now met: {text}"),
            Self::NoLongerMet(text) => write!(f, "no longer met: {text}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Verdicts {
    /// Forgets the scenarios that aren't played any more.
    pub fn keep(&mut self, scenarios: &[Scenario]) {
        self.0.retain(|file, _| scenarios.iter().any(|scenario| scenario.file == *file));
    }

    /// Notes the verdict of a scenario. Returns what is different; nothing if it wasn't played to its end, now or ever before.
    pub fn replace(&mut self, scenario: &Scenario, played: &Played) -> Vec<Difference> {
        if played.error.is_some() {
            return Vec::new();
        }
        let now = found(scenario, played);
        match self.0.insert(scenario.file.clone(), now.clone()) {
            Some(before) => differences(&before, &now),
            None => Vec::new(),
        }
    }
}

fn found(scenario: &Scenario, played: &Played) -> Vec<Found> {
    // The short name of the run is in the names of its customers.
    let same = |text: &str| text.replace(&played.run, "${run}").replace(char::is_control, " ");
    let mut all: Vec<Found> = Vec::new();
    for finding in &played.findings {
        let text = same(&finding.text);
        let times = all
            .iter()
            .filter(|found| found.text == text || found.text.starts_with(&format!("{text} (")))
            .count();
        // An expectation of a repetition has a number from the second one on.
        let text = if times == 0 { text } else { format!("{text} ({})", times + 1) };
        all.push(Found { text, met: finding.met, seen: without_time(&same(&finding.seen)).to_owned() });
    }
    if scenario.document.always.is_some() {
        let (met, broken) = (played.broken.is_empty(), played.broken.len());
        all.push(Found {
            text: "the promises of `always`".to_owned(),
            met,
            seen: format!("{broken} broken"),
        });
    }
    all
}

/// Removes how long an expectation took, which is different each time.
fn without_time(seen: &str) -> &str {
    match seen.rsplit_once(" (") {
        Some((seen, time))
            if time == "at once)" || (time.starts_with("after ") && time.ends_with(" ms)")) =>
        {
            seen
        }
        _ => seen,
    }
}

fn differences(before: &[Found], now: &[Found]) -> Vec<Difference> {
    let mut differences = Vec::new();
    for Found { text, met, seen } in now {
        let before = before.iter().find(|found| found.text == *text);
        differences.extend(match before {
            None => {
                let verdict = if *met { "met" } else { "not met" };
                Some(Difference::Other(format!("new: {text}: {verdict}: {seen}")))
            }
            Some(before) if !before.met && *met => Some(Difference::NowMet(format!("{text}: {seen}"))),
            Some(before) if before.met && !*met => Some(Difference::NoLongerMet(format!("{text}: {seen}"))),
            Some(before) if before.seen != *seen => {
                Some(Difference::Other(format!("seen changed: {text}: {} → {seen}", before.seen)))
            }
            Some(_) => None,
        });
    }
    let gone = before.iter().filter(|found| now.iter().all(|now| now.text != found.text));
    differences.extend(gone.map(|found| Difference::Other(format!("removed: {}", found.text))));
    if differences.is_empty() {
        differences.push(Difference::Other("the verdict is the same as last time".to_owned()));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, met: bool, seen: &str) -> Found {
        Found { text: text.to_owned(), met, seen: seen.to_owned() }
    }

    fn in_words(before: &[Found], now: &[Found]) -> Vec<String> {
        differences(before, now).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_expectation_says_how_it_is_different() {
        let before = [
            found("a", false, "6 seen"),
            found("b", true, "7 seen"),
            found("c", true, "1 seen"),
            found("d", true, "x"),
            found("same", true, "x"),
        ];
        let now = [
            found("a", true, "7 seen"),
            found("b", false, "8 seen"),
            found("c", true, "2 seen"),
            found("e", false, "y"),
            found("same", true, "x"),
        ];
        assert_eq!(
            in_words(&before, &now),
            [
                "now met: a: 7 seen",
                "no longer met: b: 8 seen",
                "seen changed: c: 1 seen → 2 seen",
                "new: e: not met: y",
                "removed: d",
            ]
        );
    }

    #[test]
    fn a_verdict_without_a_difference_says_so() {
        let same = [found("a", true, "7 seen")];
        assert_eq!(in_words(&same, &same), ["the verdict is the same as last time"]);
    }

    #[test]
    fn how_long_an_expectation_took_makes_no_difference() {
        assert_eq!(without_time("7 seen, of 12 orders (after 31 ms)"), "7 seen, of 12 orders");
        assert_eq!(without_time("7 seen (at once)"), "7 seen");
        assert_eq!(without_time("7 seen (of 12)"), "7 seen (of 12)");
    }
}
