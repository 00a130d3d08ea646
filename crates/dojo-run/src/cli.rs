//! The command line. A field's doc comment is its `--help`.

use crate::{Asks, Keyboard, Options, Target, terminal::Detail};
use clap::Parser;
use dojo_contract::Run;
use dojo_scenario::{Scenario, document::Tag};
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    path::PathBuf,
};

/// Plays scenarios against a running dojo and reports whether their lessons happened.
///
/// Scenarios are played one after another. Progress goes to stderr, the verdict to stdout. What a scenario changes (settings,
/// rules, instances) is put back at its end, also after a failure or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "dojo-run", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The scenarios to play: YAML files, such as scenarios/fraud-spam.yaml, and folders, such as scenarios.
    ///
    /// A folder stands for the .yaml and .yml files directly in it, sorted by name. A file without a `name` that another one
    /// includes is not a scenario, and is left out.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,

    /// The dojo's order service.
    #[arg(long, env = "DOJO_TARGET", default_value = "http://localhost:3001", value_name = "URL")]
    pub target: Target,

    /// The value of a variable, in place of the one in `vars:` of each scenario that has it.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,

    /// The seed of every random choice, to repeat a run whose report names it.
    #[arg(long)]
    pub seed: Option<u64>,

    /// Only scenarios with this tag. May be given several times: scenarios with any of the tags.
    #[arg(long = "tag", value_name = "TAG", value_parser = tag)]
    pub tags: Vec<Tag>,

    /// Play all scenarios so many times. With --seed, each time with that seed.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    #[arg(hide_default_value = true, conflicts_with_all = ["check", "dry_run"])]
    pub repeat: u32,

    /// Stop after the first scenario that isn't met.
    #[arg(long, conflicts_with_all = ["check", "dry_run"])]
    pub fail_fast: bool,

    /// Play again whenever a scenario, a file that it names or a rule of the dojo is saved, and show what changed in the verdict.
    ///
    /// A change while a scenario plays stops it in order. Ctrl-C while one plays ends with 130; between two, with the exit code
    /// of the last verdict.
    #[arg(long, conflicts_with_all = ["repeat", "check", "dry_run"])]
    pub watch: bool,

    /// Show only verdicts and errors.
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Show every change of a step's state and of the events so far, too.
    #[arg(long, short)]
    pub verbose: bool,

    /// Write report.html, report.json and junit.xml into this folder, which is created if it doesn't exist.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["watch", "check", "dry_run"])]
    pub report: Option<PathBuf>,

    /// Play although another run holds the dojo; change no settings, rules or instances.
    #[arg(long)]
    pub alongside: bool,

    /// Skip the questions of the scenarios. They are skipped anyway with --quiet, and if stdin or stderr is not a terminal.
    #[arg(long)]
    pub no_ask: bool,

    /// The id of the run, which the order service gives to a run that was started on the page. Its questions are for the room.
    #[arg(long, hide = true, value_parser = run_id, conflicts_with_all = ["watch", "repeat"])]
    pub run_id: Option<String>,

    /// Only say whether the scenarios are well written. Needs no dojo.
    #[arg(long, conflicts_with_all = ["dry_run", "alongside", "seed"])]
    pub check: bool,

    /// Only print what would happen when. Needs no dojo.
    #[arg(long, conflicts_with_all = ["alongside"])]
    pub dry_run: bool,
}

/// What to do with the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Play them.
    Play,
    /// Say whether they are well written.
    Check,
    /// Print what would happen when.
    DryRun,
    /// Play them again and again.
    Watch,
}

impl Cli {
    /// Returns how to play these scenarios.
    pub(crate) fn options(&self, scenarios: &[Scenario]) -> Options {
        let has_questions = scenarios.iter().any(|scenario| scenario.questions() > 0);
        let asks = if self.no_ask {
            Asks::Nobody("of --no-ask")
        } else if self.run_id.is_some() {
            Asks::Room
        } else if self.quiet {
            Asks::Nobody("of --quiet")
        } else if io::stdin().is_terminal() && !io::stderr().is_terminal() {
            // Nobody would see the question.
            Asks::Nobody("stderr is not a terminal")
        } else {
            // Without questions, stdin is left to others: reading it would stop a run in the background.
            let keyboard = has_questions.then(Keyboard::open).flatten();
            keyboard.map_or(Asks::Nobody("stdin is not a terminal"), Asks::RoomAndTerminal)
        };
        Options { seed: self.seed, alongside: self.alongside, run_id: self.run_id.clone(), asks }
    }

    /// Returns the variables.
    ///
    /// # Errors
    /// A variable has two values.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>, String> {
        let mut variables = BTreeMap::new();
        for (name, value) in self.variables.iter().cloned() {
            if let Some(first) = variables.insert(name.clone(), value) {
                return Err(format!("--var gives `{name}` twice, first as `{first}`; give it once"));
            }
        }
        Ok(variables)
    }

    pub(crate) fn ask(&self) -> Ask {
        match (self.check, self.dry_run) {
            (true, _) => Ask::Check,
            (_, true) => Ask::DryRun,
            _ if self.watch => Ask::Watch,
            _ => Ask::Play,
        }
    }

    pub(crate) fn detail(&self) -> Detail {
        match (self.quiet, self.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Steps,
        }
    }
}

fn run_id(text: &str) -> Result<String, String> {
    if Run::is_id(text) { Ok(text.to_owned()) } else { Err("give 1 to 40 of a-z, 0-9 and '-'".to_owned()) }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give a name and a value, such as customer=Ada".to_owned()),
    }
}

fn tag(text: &str) -> Result<Tag, String> {
    Tag::parse(text).ok_or_else(|| "a tag has 1 to 30 of a-z, 0-9 and '-', such as fraud".to_owned())
}

const EXIT_CODES: &str = "\
Exit codes (of several scenarios, the first of 130, 3, 4, 0 that occurred):
  0    every expectation was met
  1    the command line is wrong, or a file cannot be read
  2    a scenario cannot be parsed; no scenario was played
  3    could not run: target away or not fit, another run, rate not held
  4    an expectation was not met, or a promise of `always` was broken
  130  interrupted";
