//! Puts a verdict into words: which expectations were met and which were not, what was seen, and where to look. Pure.

use crate::{
    finding::Finding,
    play::Played,
    terminal::{one_line, printable},
};
use dojo_scenario::{Scenario, observe::Evidence, scalar::counted};
use std::fmt::{self, Write};

/// Returns the report of a played scenario: several lines, each with a newline.
pub fn report(scenario: &Scenario, played: &Played) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = write(&mut text, scenario, played);
    printable(&text)
}

fn write(out: &mut String, scenario: &Scenario, played: &Played) -> fmt::Result {
    let Played { run, seed, orders, .. } = played;
    writeln!(out, "{} (run {run}, seed {seed}, {})", one_line(scenario.name()), counted(*orders, "order"))?;
    for finding in &played.findings {
        write_finding(out, finding)?;
    }
    for breach in &played.broken {
        writeln!(out, "  BROKEN   {}", one_line(breach))?;
    }
    if let Some(error) = &played.error {
        writeln!(out, "  error    {error}")?;
        played.failed_at.iter().try_for_each(|place| writeln!(out, "           --> {place}"))?;
    }
    played.not_undone.iter().try_for_each(|error| writeln!(out, "  error    {error}"))?;
    let total = played.findings.len() as u64;
    let missed = played.findings.iter().filter(|finding| !finding.met).count();
    let broken = played.broken.len() as u64;
    match (&played.error, missed, total) {
        (Some(_), _, _) => writeln!(out, "  verdict  none: {} was not played to its end", scenario.file),
        (None, 0, _) if broken > 0 => writeln!(out, "  verdict  {} broken", counted(broken, "promise")),
        (None, 0, 0) => writeln!(out, "  verdict  played to its end; the scenario has no expectation"),
        (None, 0, 1) => writeln!(out, "  verdict  the expectation was met"),
        (None, 0, _) => writeln!(out, "  verdict  all {total} expectations were met"),
        (None, _, _) => writeln!(out, "  verdict  {missed} of {} not met", counted(total, "expectation")),
    }
}

fn write_finding(out: &mut String, finding: &Finding) -> fmt::Result {
    let Finding { place, text, met, seen, evidence, .. } = finding;
    let (text, seen) = (one_line(text), one_line(seen));
    if *met {
        return writeln!(out, "  met      {text}: {seen}");
    }
    writeln!(out, "  NOT MET  {text}")?;
    writeln!(out, "           --> {place}")?;
    writeln!(out, "           {seen}")?;
    let Evidence { examples, members, look } = evidence;
    examples
        .iter()
        .try_for_each(|example| writeln!(out, "           such as {}", one_line(&example.to_string())))?;
    members.iter().try_for_each(|member| writeln!(out, "           {member}"))?;
    look.iter().try_for_each(|look| writeln!(out, "           look   {look}"))
}
