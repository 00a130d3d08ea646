//! The command line. A field's doc comment is its `--help`.

use crate::{Options, Target};
use clap::Parser;
use std::{collections::BTreeMap, path::PathBuf};

/// Plays scenarios against a running dojo and reports whether their lessons happened.
///
/// Scenarios are played one after another. Progress goes to stderr, the verdict to stdout. What a scenario changes (settings,
/// rules, instances) is put back at its end, also after a failure or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "dojo-run", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The scenarios to play: YAML files, such as scenarios/fraud-spam.yaml.
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

    /// Write report.html, report.json and junit.xml into this folder, which is made if it isn't there.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "dry_run"])]
    pub report: Option<PathBuf>,

    /// Play although another run holds the dojo; change no settings, rules or instances.
    #[arg(long)]
    pub alongside: bool,

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
}

impl Cli {
    pub(crate) fn options(&self) -> Options {
        Options { seed: self.seed, alongside: self.alongside }
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
            _ => Ask::Play,
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give a name and a value, such as customer=Ada".to_owned()),
    }
}

const EXIT_CODES: &str = "\
Exit codes (of several scenarios, the first of 130, 3, 4, 0 that occurred):
  0    every expectation was met
  1    the command line is wrong, or a file cannot be read
  2    a scenario cannot be parsed; no scenario was played
  3    could not run: target away or not fit, another run, rate not held
  4    an expectation was not met, or a promise of `always` was broken
  130  interrupted";
