//! Puts a verdict into words: which expectations were met and which were not, what was seen, and where to look. Pure.

use crate::{
    play::Played,
    scenario::{Count, Scenario, Subject},
    verdict::Finding,
};
use dojo_contract::AuditAction as Action;
use std::fmt::{self, Write};

/// Returns the report of a played scenario: several lines, each with a newline.
pub fn report(scenario: &Scenario, played: &Played) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut text, scenario, played);
    text
}

fn write(out: &mut String, scenario: &Scenario, played: &Played) -> fmt::Result {
    writeln!(out, "{} (run {}, {})", scenario.name(), played.run, counted(played.orders, "order"))?;
    for finding in &played.findings {
        write_finding(out, scenario, &played.run, finding)?;
    }
    for error in played.error.iter().chain(&played.not_restored) {
        writeln!(out, "  error    {error}")?;
    }
    let total = played.findings.len();
    let missed = played.findings.iter().filter(|finding| !finding.met).count();
    match (&played.error, missed, total) {
        (Some(_), _, _) => writeln!(out, "  verdict  none: {} was not played to its end", scenario.file),
        (None, 0, 0) => writeln!(out, "  verdict  played; it expects nothing"),
        (None, 0, 1) => writeln!(out, "  verdict  the expectation was met"),
        (None, 0, _) => writeln!(out, "  verdict  all {total} expectations were met"),
        (None, _, _) => writeln!(out, "  verdict  {missed} of {} not met", counted(total, "expectation")),
    }
}

fn write_finding(out: &mut String, scenario: &Scenario, run: &str, finding: &Finding) -> fmt::Result {
    let Finding { expectation, tally, .. } = finding;
    let seen = finding.seen();
    let expected = expectation.to_string().replace("${run}", run);
    if finding.met {
        return writeln!(out, "  met      {expected}: {seen}");
    }
    let position = scenario.position_of_step(finding.step);
    writeln!(out, "  NOT MET  {expected}")?;
    writeln!(out, "           --> {}:{position}", scenario.file)?;
    let of = match expectation.count {
        Count::PerOrder(_) => {
            format!("; {} of {} have that many", tally.fitting, counted(tally.orders, "order"))
        }
        _ => format!(", of {}", counted(tally.orders, "order")),
    };
    writeln!(out, "           {seen}{of}")?;
    if tally.orders == 0 {
        return writeln!(out, "           look   this run has no order of that customer; compare the names");
    }
    if tally.unsettled > 0 {
        writeln!(
            out,
            "           {} still had no outcome when the time was up",
            counted(tally.unsettled, "order")
        )?;
    }
    for example in &finding.examples {
        let facts = if example.facts.is_empty() { "nothing".to_owned() } else { example.facts.join(", ") };
        writeln!(out, "           such as {} of {}: {facts}", example.order, example.customer)?;
    }
    writeln!(out, "           look   {}", hint(finding))
}

/// Returns where the reason is most likely to be found.
fn hint(finding: &Finding) -> &'static str {
    let fraud = match &finding.expectation.subject {
        Subject::DeadLetter => false,
        Subject::Audit { actions, .. } => {
            actions.iter().any(|action| matches!(action, Action::FraudAlert | Action::FraudCheckPassed))
        }
    };
    match (fraud, finding.tally.unsettled > 0) {
        (true, true) => {
            "is fraud detection running and keeping up? GET /status shows the instances and their lag"
        }
        (true, false) => {
            "does rules/fraud.rhai say this, and is that version in force? GET /status shows the version"
        }
        (false, true) => {
            "are the notification instances running and keeping up? GET /status shows the instances and their lag"
        }
        (false, false) => {
            "do failRate, maxRetries and rules/notification.rhai allow this? GET /settings shows the settings"
        }
    }
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
