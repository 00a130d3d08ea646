//! `dojo rules`: what the author of a rule runs. Check a rule, run its cases, or judge the recorded orders again.
//!
//! Results go to standard output, errors to standard error. The exit codes are those of `dojo-run`.

mod backtest;
mod backtest_report;
mod cases;
mod check;
mod drafts;
mod files;
mod junit;
mod report;
mod simulate;
mod test;

use clap::{Args, Subcommand};
pub(crate) use drafts::of_drafts;
use std::path::PathBuf;

/// The exit codes of `dojo rules`, for its help.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    everything is as expected
  1    the command line is wrong, or a file cannot be read
  2    a rule or a file with cases has a mistake
  3    could not run: Kafka is away, or the log changed meanwhile
  4    a case was not met, or the backtest found changes
  130  interrupted";

/// The folder of the rules.
#[derive(Debug, Clone, Args)]
pub(crate) struct RulesDir {
    /// Folder of the rules
    #[arg(long, env = "RULES_DIR", value_name = "FOLDER", default_value = "rules")]
    pub(crate) rules_dir: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Check rules as a service does before it puts them in force
    Check(check::Check),
    /// Run the cases that say what a rule answers to orders
    Test(test::Test),
    /// Judge the recorded orders again with a fraud rule, and compare with what was said at the time
    Backtest(backtest::BacktestArgs),
}

/// Runs a command and returns the exit code.
pub(crate) async fn run(command: RulesCommand) -> anyhow::Result<u8> {
    match command {
        RulesCommand::Check(check) => check::run(&check),
        RulesCommand::Test(test) => test::run(&test),
        RulesCommand::Backtest(args) => backtest::run(args).await,
    }
}
