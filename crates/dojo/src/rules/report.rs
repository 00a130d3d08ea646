//! Puts the results of cases into words. Pure.

use super::simulate::Difference;
use std::fmt::{self, Write as _};

/// The most orders that the report shows of a case that wasn't met.
const MAX_SHOWN: usize = 10;

/// A case that was played.
pub(crate) struct Tested {
    pub(crate) file: String,
    pub(crate) case: String,
    pub(crate) result: CaseResult,
}

/// The result of a case.
pub(crate) enum CaseResult {
    /// The rule answered what was expected.
    Met,
    /// The rule's answer to these orders differs from the expected one.
    NotMet(Vec<Difference>),
    /// The rule failed on one of the orders.
    Failed(String),
    /// The case wasn't played: the case, its file or its rule has a mistake.
    Mistake(String),
}

impl Tested {
    pub(crate) fn is_met(&self) -> bool {
        matches!(self.result, CaseResult::Met)
    }

    pub(crate) fn is_mistake(&self) -> bool {
        matches!(self.result, CaseResult::Mistake(_))
    }
}

/// Returns the report: a line for each case, and below it what differs.
pub(crate) fn text(tested: &[Tested]) -> String {
    let mut text = String::new();
    let mut file = "";
    for case in tested {
        if case.file != file {
            file = &case.file;
            let _ = writeln!(text, "{file}");
        }
        let word = match case.result {
            CaseResult::Met => "met    ",
            CaseResult::NotMet(_) | CaseResult::Failed(_) => "NOT MET",
            CaseResult::Mistake(_) => "MISTAKE",
        };
        let _ = writeln!(text, "  {word}  {}", case.case);
        for line in case.result.to_string().lines() {
            let _ = writeln!(text, "           {line}");
        }
    }
    let _ = writeln!(text, "{}", summary(tested));
    text
}

fn summary(tested: &[Tested]) -> String {
    let all = tested.len();
    let mistakes = tested.iter().filter(|case| case.is_mistake()).count();
    let missed = tested.iter().filter(|case| !case.is_met()).count() - mistakes;
    match (all, missed, mistakes) {
        (1, 0, 0) => "the case was met".to_owned(),
        (_, 0, 0) => format!("all {all} cases were met"),
        (_, _, 0) => format!("{missed} of {all} not met"),
        (_, 0, _) => format!("{mistakes} of {all} with a mistake"),
        _ => format!("{missed} of {all} not met, {mistakes} with a mistake"),
    }
}

/// Writes what differs, as a `diff` does: `-` was expected, `+` is what the rule answered.
impl fmt::Display for CaseResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Met => Ok(()),
            Self::Failed(why) | Self::Mistake(why) => f.write_str(why),
            Self::NotMet(differences) => {
                for Difference { order, expected, seen } in differences.iter().take(MAX_SHOWN) {
                    writeln!(f, "{order}")?;
                    side(f, '-', expected)?;
                    side(f, '+', seen)?;
                }
                match differences.len().checked_sub(MAX_SHOWN) {
                    None | Some(0) => Ok(()),
                    Some(more) => writeln!(f, "and {more} more"),
                }
            }
        }
    }
}

fn side(f: &mut fmt::Formatter<'_>, sign: char, lines: &[String]) -> fmt::Result {
    lines.iter().try_for_each(|line| writeln!(f, "  {sign} {line}"))
}
