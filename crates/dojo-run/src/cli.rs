//! The command line. A field's doc comment is its `--help`.

use clap::Parser;
use dojo_run::Target;
use std::path::PathBuf;

/// Plays scenarios against a running dojo and reports whether their lessons happened.
///
/// Scenarios are played one after another. Progress goes to stderr, the verdict to stdout. Settings that a scenario
/// changes are restored at its end, also after a failure or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "dojo-run", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// The scenarios to play: YAML files, such as scenarios/fraud-spam.yaml.
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<PathBuf>,

    /// The dojo's order service.
    #[arg(long, env = "DOJO_TARGET", default_value = "http://localhost:3001", value_name = "URL")]
    pub target: Target,
}

const EXIT_CODES: &str = "\
Exit codes (of several scenarios, the first of 130, 3, 4, 0 that occurred):
  0    every expectation was met
  1    the command line is wrong, or a file cannot be read
  2    a scenario cannot be parsed; no scenario was played
  3    could not run: target away, rate not reached, settings not restored
  4    an expectation was not met
  130  interrupted";
