//! From the arguments of the command line to the scenarios that are played. All of them are read before the first is played, so
//! that a typo in the third shows at once and not ten minutes later.

use crate::{
    candidate::{Candidate, without_parts},
    cli::Cli,
    exit,
    files::Files,
};
use dojo_scenario::{Scenario, document::Tag, unknown_variables};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

/// Why nothing can be played.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// Every error, in words.
    pub errors: Vec<String>,
    /// The arguments that aren't there.
    pub gone: Vec<String>,
    /// The exit code.
    pub code: u8,
}

impl Refusal {
    fn add(&mut self, code: u8, error: String) {
        self.code = exit::worse(self.code, code);
        self.errors.push(error);
    }
}

/// Reads the scenarios of the command line, and notes every file and folder of theirs in `files`.
///
/// # Errors
/// Everything that is wrong with them.
pub(crate) fn select(cli: &Cli, files: &Files) -> Result<Vec<Scenario>, Refusal> {
    let mut refusal = Refusal::default();
    let variables = cli.variables().unwrap_or_else(|error| {
        refusal.add(exit::COMMAND_LINE, format!("error: {error}"));
        BTreeMap::new()
    });
    let mut candidates = Vec::new();
    for (file, in_folder) in listed(cli, files, &mut refusal) {
        match files.read(&file) {
            Ok(bytes) => {
                let read = |path: &Path| files.read(path);
                candidates.push(Candidate::parse(file, &bytes, in_folder, &variables, &read));
            }
            // It was deleted since the folder was listed.
            Err(error) if in_folder && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => unreadable(&file, &error, &mut refusal),
        }
    }
    let mut scenarios = Vec::new();
    for candidate in without_parts(candidates) {
        match candidate.parsed {
            Ok(scenario) => scenarios.push(scenario),
            Err(error) => refusal.add(exit::NOT_PARSED, error.to_string()),
        }
    }
    if refusal.code == exit::MET {
        let known = scenarios.iter().flat_map(|scenario| scenario.variables.keys().cloned()).collect();
        for message in unknown_variables(variables.keys().map(String::as_str), &known) {
            refusal.add(exit::COMMAND_LINE, format!("error: --var: {message}"));
        }
        scenarios = tagged(scenarios, &cli.tags, &mut refusal);
    }
    if refusal.code == exit::MET { Ok(scenarios) } else { Err(refusal) }
}

/// Returns the files that the arguments stand for, and whether each was found in a folder.
fn listed(cli: &Cli, files: &Files, refusal: &mut Refusal) -> Vec<(PathBuf, bool)> {
    let mut listed = Vec::new();
    for path in &cli.scenarios {
        if !path.is_dir() {
            listed.push((path.clone(), false));
            continue;
        }
        match files.list(path) {
            Ok(found) if found.is_empty() => {
                let name = path.display();
                let error =
                    format!("error: the folder `{name}` has no scenario; it needs .yaml or .yml files");
                refusal.add(exit::COMMAND_LINE, error);
            }
            Ok(found) => listed.extend(found.into_iter().map(|file| (file, true))),
            Err(error) => unreadable(path, &error, refusal),
        }
    }
    listed
}

fn unreadable(path: &Path, error: &io::Error, refusal: &mut Refusal) {
    let name = path.display().to_string();
    refusal.add(exit::COMMAND_LINE, format!("error: cannot read `{name}`: {error}"));
    if error.kind() == io::ErrorKind::NotFound {
        refusal.gone.push(name);
    }
}

/// Returns the scenarios with any of the tags; all of them if no tag is given.
fn tagged(scenarios: Vec<Scenario>, tags: &[Tag], refusal: &mut Refusal) -> Vec<Scenario> {
    let known: BTreeSet<_> =
        scenarios.iter().flat_map(Scenario::tags).map(|tag| tag.as_str().to_owned()).collect();
    for tag in tags.iter().filter(|tag| !known.contains(tag.as_str())) {
        let known: Vec<_> = known.iter().map(String::as_str).collect();
        let error = match known.is_empty() {
            true => format!("error: --tag: no scenario has the tag `{tag}`; they have no tags"),
            false => {
                format!("error: --tag: no scenario has the tag `{tag}`; their tags are {}", known.join(", "))
            }
        };
        refusal.add(exit::COMMAND_LINE, error);
    }
    let chosen =
        |scenario: &Scenario| tags.is_empty() || scenario.tags().iter().any(|tag| tags.contains(tag));
    scenarios.into_iter().filter(chosen).collect()
}
